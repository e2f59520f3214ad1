"""Says why an author's module cannot be loaded, by the author's own file and line."""

from __future__ import annotations

import importlib
import os

from sandboxer._host.failures import beneath, sentence, steps_of
from sandboxer.errors import Precondition, SandboxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Iterable, Iterator

OUR_PACKAGE = "sandboxer.extensions"
_SANDBOXER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_IMPORTLIB = os.path.dirname(os.path.abspath(importlib.__file__))
_LONGEST_TRACEBACK = 16_000


class Unloadable(Precondition):
    """There is no object that answers. `reason` names the author's file; only whoever asks knows the extension's id."""

    def __init__(self, name: str, reason: str, hint: str | None, traceback: str = "") -> None:
        super().__init__(
            f"`{name}` cannot be loaded: {reason}",
            residue="none",
            blame="extension",
            hint=hint,
            details={"traceback": traceback} if traceback else None,
        )
        self.reason = reason

    def of(self, name: str) -> Unloadable:
        """The same about the extension of that id."""
        same = Unloadable(name, self.reason, self.hint, self.details.get("traceback", ""))
        same.__cause__ = self.__cause__
        return same


def cannot_import(name: str, module: str, folder: str, fault: BaseException) -> Unloadable:
    """What went wrong in the import of the handler's module."""
    missing = fault.name if isinstance(fault, ModuleNotFoundError) else None
    if missing is not None and f"{module}.".startswith(f"{missing}."):
        return Unloadable(name, f"there is no module `{module}`", _hint_for_missing(module, folder))
    hint = "correct that line" if missing is None else _hint_for_missing(missing, folder)
    return _of_fault(name, fault, folder, _file_of(module, folder), hint)


def cannot_make(name: str, found: type, folder: str, fault: BaseException) -> Unloadable:
    """What went wrong in an author's `__init__`."""
    hint = "correct `__init__`; it runs before any call, so that `self.config` and `self.secrets` are empty in it"
    return _of_fault(name, fault, folder, _file_of(found.__module__, folder), hint)


def place(file: str, line: int | None, folder: str) -> str:
    """Where something stands, as authors name it: by the file's path from the manifest's folder."""
    shown = os.path.relpath(file, folder) if _is_within(file, folder) else file
    return f"{shown}, line {line}" if line else shown


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The one of `words` that was probably meant."""
    import difflib

    return next(iter(difflib.get_close_matches(word, sorted(words), n=1)), None)


def _of_fault(name: str, fault: BaseException, folder: str, fallback: str, hint: str) -> Unloadable:
    if isinstance(fault, SandboxError) and fault.hint:
        hint = fault.hint
    error = Unloadable(name, f"{_where(fault, folder) or fallback}: {_what(fault)}", hint, _traceback(fault))
    error.__cause__ = beneath(fault)
    return error


def _what(fault: BaseException) -> str:
    syntax = _syntax_of_file(fault)
    if syntax is not None:
        return sentence(SyntaxError(syntax.msg))
    said = sentence(fault)
    if isinstance(fault, ImportError):
        # Where the module is that was asked is of no use: the fault is in the line that asks.
        return said.replace(f" ({fault.path})", "")
    if isinstance(fault, SandboxError):
        return said
    kind = type(fault).__name__
    return kind if said == kind else f"{kind}: {said}"


def _where(fault: BaseException, folder: str) -> str | None:
    """The last line that is the author's; where there is none, the last that is neither ours nor the import's."""
    syntax = _syntax_of_file(fault)
    if syntax is not None:
        return place(str(syntax.filename), syntax.lineno, folder)
    steps = [(step.tb_frame.f_code.co_filename, step.tb_lineno) for step in steps_of(fault) if not _is_machinery(step)]
    own = [step for step in steps if _is_within(step[0], folder)] or steps
    return place(*own[-1], folder) if own else None


def _syntax_of_file(fault: BaseException) -> SyntaxError | None:
    """The fault, if it says itself in which file it is; what `exec` and the like were given is in none."""
    if isinstance(fault, SyntaxError) and fault.filename and os.path.isfile(str(fault.filename)):
        return fault
    return None


def _traceback(fault: BaseException) -> str:
    """The traceback, without the steps that led to the author's module."""
    import traceback

    first = next((step for step in steps_of(fault) if not _is_machinery(step)), None)
    return "".join(traceback.format_exception(type(fault), fault, first))[-_LONGEST_TRACEBACK:]


def _is_machinery(step: TracebackType) -> bool:
    file = step.tb_frame.f_code.co_filename
    return file.startswith("<") or _is_within(file, _SANDBOXER) or _is_within(file, _IMPORTLIB)


def _is_within(file: str, folder: str) -> bool:
    return file.startswith(os.path.join(folder, ""))


def _relative(module: str) -> str:
    """The path from the manifest's folder of the file that would be this module."""
    within = module[len(OUR_PACKAGE) + 1 :] if module.startswith(OUR_PACKAGE + ".") else module
    return within.replace(".", os.sep) + ".py"


def _file_of(module: str, folder: str) -> str:
    file = _relative(module)
    return file if os.path.exists(os.path.join(folder, file)) else f"`{module}`"


def _hint_for_missing(module: str, folder: str) -> str:
    if module.startswith("sandboxer.") and not module.startswith(OUR_PACKAGE + "."):
        near = nearest(module, _our_modules())
        return "correct the name" + (f"; `{near}` is near" if near else "")
    file = _relative(module)
    hint = f"put `{file}` beside the manifest"
    if not module.startswith(OUR_PACKAGE + "."):
        hint += ", or name its package under `python.requirements`"
    near = _nearest_file(file, folder)
    return hint if near is None else f"{hint}; `{near}` is there"


def _our_modules() -> Iterator[str]:
    """Those that authors import."""
    yield OUR_PACKAGE
    for folder, prefix in ((_SANDBOXER, "sandboxer."), (os.path.join(_SANDBOXER, "extensions"), OUR_PACKAGE + ".")):
        stems = (name[:-3] for name in os.listdir(folder) if name.endswith(".py") and not name.startswith("_"))
        yield from (prefix + stem for stem in stems)


def _nearest_file(file: str, folder: str) -> str | None:
    """The file that is there and was probably meant, by the same path."""
    inner, name = os.path.split(file)
    try:
        names = os.listdir(os.path.join(folder, inner))
    except OSError:
        return None
    stem = nearest(name[:-3], [other[:-3] for other in names if other.endswith(".py") and other != name])
    return None if stem is None else os.path.join(inner, stem + ".py")

"""Whether an author's class is of the shape that is called, and how it should look when it is not."""

from __future__ import annotations

import os
import sys

from sandboxer._host.unloadable import Unloadable, nearest, place
from sandboxer.errors import Precondition
from sandboxer.extensions.base import REQUIRED_VERBS, SandboxExtension, overrides

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FunctionType, ModuleType
    from typing import Any

_VARIABLE_POSITIONALS = 0x04
_INIT = ("self",)


def extension_class(name: str, module: ModuleType, class_name: str, folder: str) -> type[SandboxExtension]:
    """The class of that name. Raises `Unloadable` when it cannot be an extension."""
    file = str(getattr(module, "__file__", None) or module.__name__)
    found = getattr(module, class_name, None)
    if found is None:
        reason = f"{place(file, None, folder)}: there is no `{class_name}`"
        raise Unloadable(name, reason, _other_class(module, class_name))
    if not isinstance(found, type):
        what = f"`{class_name}` is of the type `{type(found).__name__}`, no class"
        code = found.__code__ if _is_function(found) else None
        where = place(code.co_filename, code.co_firstlineno, folder) if code else place(file, None, folder)
        raise Unloadable(name, f"{where}: {what}", _other_class(module, class_name))
    if not issubclass(found, SandboxExtension):
        hint = f"write `class {class_name}(SandboxExtension):`; it comes from `{SandboxExtension.__module__}`"
        raise Unloadable(name, f"{_place_of(found, folder)}: `{class_name}` does not extend `SandboxExtension`", hint)
    missing = [verb for verb in REQUIRED_VERBS if not overrides(found, verb)]
    if missing:
        reason = f"{_place_of(found, folder)}: `{class_name}` does not define {_listed(missing)}"
        raise Unloadable(name, reason, f"add {_listed([_definition(verb) for verb in missing])}")
    _check(name, found, REQUIRED_VERBS, folder)
    return found


def check_init(name: str, found: type[SandboxExtension], folder: str) -> None:
    """Raises `Unloadable` when `__init__` needs arguments: it is given none."""
    _check(name, found, ("__init__",), folder)


def check_verb(name: str, extension: SandboxExtension, verb: str) -> None:
    """Raises `Precondition` when the method cannot be called. Nothing was done then."""
    kind = type(extension)
    if not hasattr(SandboxExtension, verb):
        return
    problem = _problem(kind, verb, os.path.dirname(_module_file(kind) or ""))
    if problem is not None:
        hint = f"write `{_definition(verb)}`"
        if verb not in REQUIRED_VERBS:
            hint += f", or call it something else: `{verb}` is a verb"
        message = f"`{verb}` of `{name}` cannot be called: {problem}"
        raise Precondition(message, residue="none", blame="extension", hint=hint)


def _check(name: str, found: type[SandboxExtension], methods: tuple[str, ...], folder: str) -> None:
    problems = {method: _problem(found, method, folder) for method in methods}
    wrong = [method for method, problem in problems.items() if problem is not None]
    if wrong:
        hint = f"write {_listed([_definition(method) for method in wrong])}"
        if wrong == ["__init__"]:
            hint += "; what the manifest's `config` says is in `self.config` of each call"
        raise Unloadable(name, "; ".join(str(problems[method]) for method in wrong), hint)


def _problem(found: type[SandboxExtension], method: str, folder: str) -> str | None:
    """Why a method cannot be called as it is; None where it can, or where nobody can know."""
    function, leading = _function(found, method)
    if not callable(function):
        what = f"`{method}` of `{found.__name__}` is of the type `{type(function).__name__}`, no method"
        return f"{_place_of(found, folder)}: {what}"
    parameters = _parameters(method)
    if not _is_function(function) or _takes(function, leading + len(parameters) - 1):
        return None
    given = parameters if leading else parameters[1:]
    where = _place_of_function(function, found, folder)
    return f"{where}: `{method}` takes {_shown(function)}, but is given ({', '.join(given)})"


def _place_of_function(function: FunctionType, found: type, folder: str) -> str:
    code = function.__code__
    if os.path.isfile(code.co_filename):
        return place(code.co_filename, code.co_firstlineno, folder)
    # It was made by a decorator, such as `dataclass`.
    return _place_of(found, folder)


def _function(found: type[SandboxExtension], method: str) -> tuple[Any, int]:
    """What the class has by that name, and how many arguments come before those that are given."""
    value = next(vars(kind)[method] for kind in found.__mro__ if method in vars(kind))
    if isinstance(value, (staticmethod, classmethod)):
        return value.__func__, int(isinstance(value, classmethod))
    return value, 1


def _is_function(value: Any) -> bool:
    return isinstance(value, type(_is_function))


def _takes(function: FunctionType, count: int) -> bool:
    """Whether it can be called with so many arguments, all by position."""
    code = function.__code__
    required = code.co_argcount - len(function.__defaults__ or ())
    is_enough = count <= code.co_argcount or bool(code.co_flags & _VARIABLE_POSITIONALS)
    return required <= count and is_enough and code.co_kwonlyargcount <= len(function.__kwdefaults__ or ())


def _shown(function: FunctionType) -> str:
    """Its parameters as they are written, without types."""
    from inspect import Parameter, Signature, signature

    written = signature(function, follow_wrapped=False).parameters.values()
    return str(Signature([parameter.replace(annotation=Parameter.empty) for parameter in written]))


def _parameters(method: str) -> tuple[str, ...]:
    """What a method is called with, by the names of the base class."""
    if method == "__init__":
        return _INIT
    code: CodeType = getattr(SandboxExtension, method).__code__
    return code.co_varnames[: code.co_argcount]


def _definition(method: str) -> str:
    return f"def {method}({', '.join(_parameters(method))})"


def _listed(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _module_file(found: type) -> str | None:
    return getattr(sys.modules.get(found.__module__), "__file__", None)


def _place_of(found: type, folder: str) -> str:
    """Where a class is written. It takes a while to find."""
    from inspect import getsourcelines

    try:
        line = getsourcelines(found)[1]
    except (OSError, TypeError):
        line = 0
    return place(_module_file(found) or found.__module__, line, folder)


def _other_class(module: ModuleType, class_name: str) -> str:
    """The class of the module that `handler` was probably to name."""
    extensions = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, SandboxExtension) and value.__module__ == module.__name__
    ]
    meant = extensions[0] if len(extensions) == 1 else nearest(class_name, extensions)
    if meant is not None:
        return f"let `handler` name `{meant}`, which is there"
    return "let `handler` name a class that extends `SandboxExtension`"

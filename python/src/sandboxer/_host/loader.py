"""Finds an author's class, and makes the one object that answers."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.machinery import PathFinder

from sandboxer._host.failures import sentence
from sandboxer.errors import Precondition
from sandboxer.extensions.base import REQUIRED_VERBS, SandboxExtension, overrides

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_PACKAGE = "sandboxer.extensions"
#: A file of such a name beside the manifest stands in for ours; no file stands in for the rest of the package.
REFERENCES = ("compose_ssh", "vm_packer")


def load_class(handler: str, folder: str) -> type[SandboxExtension]:
    """The class that `MODULE:CLASS` names, whose module may lie in `folder`.

    Raises `Precondition`, with what went wrong and the traceback, when there is none that can be an extension.
    """
    name, _, class_name = handler.partition(":")
    _add_folder(folder)
    try:
        module = _import_beside(name, folder)
    except BaseException as fault:
        raise _cannot_import(handler, fault) from fault
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        where = getattr(module, "__file__", name)
        raise _refused(f"`{where}` has no class `{class_name}`", "correct `handler` in the manifest")
    if not issubclass(found, SandboxExtension):
        raise _refused(f"`{handler}` is no `SandboxExtension`", f"let `{class_name}` extend `SandboxExtension`")
    missing = [verb for verb in REQUIRED_VERBS if not overrides(found, verb)]
    if missing:
        raise _refused(f"`{handler}` does not define `{'`, `'.join(missing)}`", "define what is missing")
    return found


def load(handler: str, folder: str) -> SandboxExtension:
    """The object of that class. Raises `Precondition`, also when it cannot be made."""
    found = load_class(handler, folder)
    try:
        return found()
    except BaseException as fault:
        raise _cannot_import(handler, fault, "make") from fault


def _add_folder(folder: str) -> None:
    """Last on both paths, so that no file beside a manifest stands in for one of Python's or of ours."""
    package = import_module(_PACKAGE)
    for path in (sys.path, package.__path__):
        if folder not in path:
            path.append(folder)


def _import_beside(name: str, folder: str) -> ModuleType:
    """Imports the handler's module, from beside the manifest if it is there. Only it comes from there first."""
    head, _, tail = name.partition(_PACKAGE + ".") if name.startswith(_PACKAGE + ".") else ("", "", name)
    first = tail.split(".")[0]
    own = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "extensions", first + ".py")
    is_ours = bool(name != tail) and os.path.exists(own) and first not in REFERENCES
    if not is_ours:
        qualified = name[: len(name) - len(tail)] + first
        spec = PathFinder.find_spec(qualified, [folder])
        if spec is not None and spec.loader is not None and spec.origin is not None and qualified not in sys.modules:
            _load(spec)
    return import_module(name)


def _load(spec: ModuleSpec) -> None:
    from importlib.util import module_from_spec

    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        assert spec.loader is not None
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise


def _cannot_import(handler: str, fault: BaseException, act: str = "import") -> Precondition:
    import traceback

    lines = traceback.format_exception(type(fault), fault, fault.__traceback__)
    message = f"cannot {act} `{handler}`: {type(fault).__name__}: {sentence(fault)}"
    hint = "correct the module; its folder is that of the manifest"
    if isinstance(fault, ModuleNotFoundError):
        hint = f"put `{fault.name}` beside the manifest, or name it under `python.requirements`"
    return _refused(message, hint, traceback="".join(lines)[-16_000:])


def _refused(message: str, hint: str, **details: Any) -> Precondition:
    return Precondition(message, residue="none", blame="extension", hint=hint, details=details)

"""Finds an author's class, and makes the one object that answers."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.machinery import PathFinder

from sandboxer._host.shape import check_init, extension_class
from sandboxer._host.unloadable import OUR_PACKAGE, cannot_import, cannot_make

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from sandboxer.extensions.base import SandboxExtension

#: A file of such a name beside the manifest stands in for ours; no file stands in for the rest of the package.
REFERENCES = ("compose_ssh", "vm_packer")


def load_class(handler: str, folder: str, name: str | None = None) -> type[SandboxExtension]:
    """The class that `MODULE:CLASS` names, whose module may lie in `folder`.

    Raises `Unloadable`, which is about `name` or else `handler`, when there is none that can be an extension.
    """
    module_name, _, class_name = handler.partition(":")
    _add_folder(folder)
    try:
        module = _import_beside(module_name, folder)
    except BaseException as fault:
        error = cannot_import(name or handler, module_name, folder, fault)
    else:
        return extension_class(name or handler, module, class_name, folder)
    # Not while `fault` is handled: what it says, the error says already.
    raise error


def load(handler: str, folder: str) -> SandboxExtension:
    """The object of that class. Raises `Unloadable`, also when it cannot be made."""
    found = load_class(handler, folder)
    check_init(handler, found, folder)
    try:
        return found()
    except BaseException as fault:
        error = cannot_make(handler, found, folder, fault)
    raise error


def _add_folder(folder: str) -> None:
    """Last on both paths, so that no file beside a manifest stands in for one of Python's or of ours."""
    package = import_module(OUR_PACKAGE)
    for path in (sys.path, package.__path__):
        if folder not in path:
            path.append(folder)


def _import_beside(name: str, folder: str) -> ModuleType:
    """Imports the handler's module, from beside the manifest if it is there. Only it comes from there first."""
    head, _, tail = name.partition(OUR_PACKAGE + ".") if name.startswith(OUR_PACKAGE + ".") else ("", "", name)
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

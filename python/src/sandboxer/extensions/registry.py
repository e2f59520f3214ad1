"""Loads and validates manifests: `ext.<name>.yaml` in a folder called `extensions`.

```python
registry = load_registry("extensions")
registry.get("ext.my-backend").title
registry.open("ext.my-backend")        # the class that its `handler` names
```
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Iterable

from sandboxer._host.loader import load_class
from sandboxer.errors import NotFound, Unsupported
from sandboxer.extensions.base import SandboxExtension
from sandboxer.yaml_subset import Document, YamlError, parse

ISOLATION_LEVELS = ("none", "process", "container", "sandboxed-container", "microvm", "vm")
"""Weakest first. A level of an author's own begins with `x-`."""
PRICING_MODELS = ("self-hosted", "free", "metered", "subscription")

_ID = re.compile(r"ext\.[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?")
_PYTHON = re.compile(r"(python:)?([^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*)")
_OTHER = re.compile(r"(builtin|exec):\S+")


class RegistryError(ValueError):
    """Manifests that are wrong; `problems` names each file, key and what is wrong with it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Manifest:
    """A manifest that was found right. `data` is all that it says; `path` is the file."""

    id: str
    title: str
    handler: str
    isolation_levels: tuple[str, ...]
    pricing_model: str
    config: dict[str, Any]
    path: str
    data: dict[str, Any]

    def load_handler(self) -> type[SandboxExtension]:
        """The class that `handler` names. Raises `Unsupported` when it is no Python, `Precondition` when broken."""
        python = _PYTHON.fullmatch(self.handler)
        if python is None or _OTHER.fullmatch(self.handler):
            raise Unsupported(f"`{self.handler}` of {self.id} is no class in Python", residue="none")
        return load_class(python[2], os.path.dirname(os.path.abspath(self.path)), self.id)


class Registry:
    """The manifests of a folder."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._manifests = {manifest.id: manifest for manifest in manifests}

    def list(self) -> tuple[Manifest, ...]:
        """All of them, by their ids."""
        return tuple(manifest for _, manifest in sorted(self._manifests.items()))

    def get(self, extension_id: str) -> Manifest:
        """One of them. Raises `NotFound`, which names the nearest."""
        manifest = self._manifests.get(extension_id)
        if manifest is None:
            raise NotFound(f"there is no extension `{extension_id}`{_nearest(extension_id, self._manifests)}")
        return manifest

    def open(self, extension_id: str) -> type[SandboxExtension]:
        """The class of one of them. Raises as `get` and `Manifest.load_handler` do."""
        return self.get(extension_id).load_handler()


def load_registry(path: str | os.PathLike[str]) -> Registry:
    """Reads every `ext.*.yaml` in a folder, or in its folder `extensions`. Raises `RegistryError` with all problems."""
    folder = os.fspath(path)
    inner = os.path.join(folder, "extensions")
    folder = inner if os.path.isdir(inner) else folder
    manifests, problems = [], []
    for name in sorted(os.listdir(folder)):
        if name.startswith("ext.") and name.endswith(".yaml"):
            try:
                manifests.append(load_manifest(os.path.join(folder, name)))
            except RegistryError as error:
                problems += error.problems
    if problems:
        raise RegistryError(problems)
    return Registry(manifests)


def load_manifest(path: str | os.PathLike[str]) -> Manifest:
    """Reads one manifest. Raises `RegistryError` with all its problems, `OSError` when it cannot be read."""
    file = os.fspath(path)
    try:
        with open(file, encoding="utf-8") as stream:
            document = parse(stream.read(), file)
    except (YamlError, UnicodeDecodeError) as error:
        raise RegistryError([str(error) if isinstance(error, YamlError) else f"{file}: {error}"]) from error
    return _Checker(file, document).manifest()


class _Checker:
    """Reads the keys of one manifest, and notes every problem on its way."""

    def __init__(self, file: str, document: Document) -> None:
        self._file = file
        self._document = document
        self._problems: list[str] = []

    def manifest(self) -> Manifest:
        data = self._document.value
        if not isinstance(data, dict):
            raise RegistryError([f"{self._file}: a manifest is a mapping of keys"])
        self._check_capabilities()
        manifest = Manifest(
            id=self._text(("id",), self._id_problem),
            title=self._text(("title",), lambda title: None if title.strip() else "is empty"),
            handler=self._text(("handler",), _handler_problem),
            isolation_levels=self._isolation_levels(),
            pricing_model=self._text(("capabilities", "pricing_model"), _word_problem(PRICING_MODELS)),
            config=self._config(data),
            path=self._file,
            data=data,
        )
        if self._problems:
            raise RegistryError(self._problems)
        return manifest

    def _problem(self, path: tuple[str | int, ...], message: str) -> None:
        key = ".".join(str(part) for part in path if isinstance(part, str))
        self._problems.append(f"{self._file}, line {self._document.line(*path)}: `{key}` {message}")

    def _found(self, path: tuple[str, ...]) -> Any:
        """The value of a key that must be there; None when it is not, or is empty, which is noted."""
        around = self._document.value
        for key in path[:-1]:
            around = around.get(key)
            if not isinstance(around, dict):
                return None  # noted when that key was looked for
        if path[-1] not in around:
            self._problem(path, f"is missing{_nearest(path[-1], around)}")
        elif around[path[-1]] is None:
            self._problem(path, "is empty")
        return around.get(path[-1])

    def _check_capabilities(self) -> None:
        capabilities = self._found(("capabilities",))
        if capabilities is not None and not isinstance(capabilities, dict):
            self._problem(("capabilities",), "is no mapping of keys")

    def _text(self, path: tuple[str, ...], problem: Callable[[str], str | None]) -> str:
        value = self._found(path)
        if value is None:
            return ""
        if not isinstance(value, str):
            self._problem(path, f"is no text: {value!r}")
            return ""
        what = problem(value)
        if what is not None:
            self._problem(path, what)
        return value

    def _isolation_levels(self) -> tuple[str, ...]:
        path = ("capabilities", "isolation_levels")
        levels = self._found(path)
        if levels is None:
            return ()
        if not isinstance(levels, list) or not levels:
            self._problem(path, "is no list of at least one level")
            return ()
        check = _word_problem(ISOLATION_LEVELS, "or a name of your own that begins with `x-`")
        for index, level in enumerate(levels):
            if not (isinstance(level, str) and level.startswith("x-") and len(level) > 2):
                what = check(level)
                if what is not None:
                    self._problem((*path, index), what)
        return tuple(str(level) for level in levels)

    def _config(self, data: dict[str, Any]) -> dict[str, Any]:
        config = data.get("config")
        if config is None:
            return {}
        if not isinstance(config, dict):
            self._problem(("config",), "is no mapping of keys")
            return {}
        return config

    def _id_problem(self, text: str) -> str | None:
        if not _ID.fullmatch(text):
            return f"is not `ext.` and then 1 to 60 of a-z, 0-9 and `-`: `{text}`"
        expected = f"{text}.yaml"
        name = os.path.basename(self._file)
        return None if name == expected else f"is `{text}`, so the file is called `{expected}`, not `{name}`"


def _handler_problem(text: str) -> str | None:
    if _OTHER.fullmatch(text) or _PYTHON.fullmatch(text):
        return None
    return f"is no `<module>:<Class>`, `python:<module>:<Class>`, `exec:<path>` or `builtin:<name>`: `{text}`"


def _word_problem(words: tuple[str, ...], also: str = "") -> Callable[[Any], str | None]:
    def check(word: Any) -> str | None:
        if word in words:
            return None
        known = ", ".join(words) + (f", {also}" if also else "")
        return f"has the unknown word `{word}`{_nearest(str(word), words)} (it is one of {known})"

    return check


def _nearest(text: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(text, list(words), n=1)
    return f"; `{near[0]}` is near" if near else ""

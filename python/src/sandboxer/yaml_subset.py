"""Reads the part of YAML that manifests and profiles are written in; Python's own library has no YAML.

Block and flow mappings and sequences, plain and quoted scalars on one line, comments, and one leading `---`. Everything
else (anchors, tags, block scalars, scalars over several lines, tabs for indentation, a key twice) is an error that
names the line, never a guess. Plain scalars are read as YAML 1.2 does: `yes` is a text.
"""

from __future__ import annotations

import re
from typing import Any, Union

from sandboxer.yaml_flow import INDICATORS, Flow, Unfinished, YamlError

__all__ = ["Document", "YamlError", "parse"]

Path = tuple[Union[str, int], ...]


class Document:
    """What a file says, and on which line each of its members stands, by the path of keys and indices."""

    def __init__(self, value: Any, lines: dict[Path, int]) -> None:
        self.value = value
        self._lines = lines

    def line(self, *path: str | int) -> int:
        """The line of a member, or of the nearest one around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def parse(text: str, name: str) -> Document:
    """Reads a file's text; `name` is what errors call it. Raises `YamlError`."""
    return _Reader(text, name).document()


class _Line:
    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self.text = text.strip()
        self.indent = len(text) - len(text.lstrip(" "))


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._paths: dict[Path, int] = {}
        self._lines: list[_Line] = []
        self._at = 0
        for number, text_line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
            line = _Line(number, text_line)
            if line.text and "\t" in text_line[: len(text_line) - len(text_line.lstrip())]:
                raise self._error(number, "a tab stands where spaces should")
            if line.text and not line.text.startswith("#"):
                self._lines.append(line)

    def document(self) -> Document:
        if self._lines and self._lines[0].text == "---":
            self._at = 1
        if self._at == len(self._lines):
            return Document(None, {})
        value = self._block(())
        if self._at < len(self._lines):
            raise self._error(self._lines[self._at].number, "this belongs to nothing above it; is it indented rightly?")
        return Document(value, self._paths)

    def _error(self, line: int, message: str) -> YamlError:
        return YamlError(self._name, line, message)

    def _next(self) -> _Line | None:
        return self._lines[self._at] if self._at < len(self._lines) else None

    def _block(self, path: Path) -> Any:
        """A mapping, a sequence or a scalar that begins with the next line."""
        line = self._lines[self._at]
        if _is_item(line.text):
            return self._sequence(line.indent, path)
        if self._key(line)[0] is not None:
            return self._mapping(line.indent, path)
        self._at += 1
        return self._value(line.text, line, path)

    def _sequence(self, indent: int, path: Path) -> list[Any]:
        items: list[Any] = []
        while (line := self._next()) is not None and line.indent == indent and _is_item(line.text):
            inner = path + (len(items),)
            self._paths[inner] = line.number
            rest = line.text[1:].lstrip()
            if not rest or rest.startswith("#"):
                self._at += 1
                items.append(self._nested(indent, inner))
                continue
            # What follows the dash is a block of its own, which may go on below.
            line.indent += len(line.text) - len(rest)
            line.text = rest
            items.append(self._block(inner))
        self._check_end(indent)
        return items

    def _mapping(self, indent: int, path: Path) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while (line := self._next()) is not None and line.indent == indent and not _is_item(line.text):
            key, rest = self._key(line)
            if key is None:
                raise self._error(line.number, f"`{line.text[:40]}` is no `key: value`")
            if key in members:
                raise self._error(line.number, f"`{key}` is there twice")
            self._at += 1
            inner = path + (key,)
            self._paths[inner] = line.number
            is_empty = not rest or rest.startswith("#")
            members[key] = self._nested(indent, inner, True) if is_empty else self._value(rest, line, inner)
        self._check_end(indent)
        return members

    def _check_end(self, indent: int) -> None:
        line = self._next()
        if line is not None and line.indent > indent:
            raise self._error(line.number, "this is indented deeper than what it stands below")

    def _nested(self, indent: int, path: Path, is_member: bool = False) -> Any:
        """What stands below a key or a dash that nothing follows. A key's sequence may stand right below it."""
        line = self._next()
        if line is None or line.indent < indent:
            return None
        if line.indent > indent or (is_member and _is_item(line.text)):
            return self._block(path)
        return None

    def _key(self, line: _Line) -> tuple[str | None, str]:
        """The key of `key: value` and the text of its value; no key when the line is something else."""
        text = line.text
        if text[0] in "\"'":
            flow = Flow(text, self._name, line.number)
            key, rest = flow.quoted(), flow.rest()
            return (key, rest[1:].strip()) if re.match(r":(\s|$)", rest) else (None, "")
        match = None if text[0] in "[{" else re.match(r"([^#]*?)\s*:(?:\s+(.*))?$", text)
        if match is None or " #" in match[1]:
            return None, ""
        if match[1][:1] in INDICATORS or not match[1]:
            raise self._error(line.number, f"{INDICATORS.get(match[1][:1], 'an empty key')} is not read here")
        return match[1], (match[2] or "").strip()

    def _value(self, text: str, line: _Line, path: Path) -> Any:
        """A scalar, or a flow collection that may go on over lines below."""
        while True:
            flow = Flow(text, self._name, line.number)
            try:
                value = flow.value()
            except Unfinished:
                following = self._next()
                if following is None:
                    raise self._error(line.number, "this has no end") from None
                text += "\n" + following.text
                self._at += 1
                continue
            rest = flow.rest()
            if rest and not rest.startswith("#"):
                raise self._error(line.number, f"`{rest[:40]}` is too much")
            self._check_end(line.indent)
            return value


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")

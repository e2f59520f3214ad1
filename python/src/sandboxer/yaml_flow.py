"""Values of the part of YAML that `yaml_subset` reads: scalars, and flow collections."""

from __future__ import annotations

import re
from typing import Any

_INTEGER = re.compile(r"[-+]?[0-9]+")
_RADIX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_ESCAPES = {"0": "\0", "b": "\b", "t": "\t", "n": "\n", "r": "\r", "e": "\x1b", **{same: same for same in '"/\\ '}}
_CODE_LENGTHS = {"x": 2, "u": 4, "U": 8}
INDICATORS = {
    "&": "an anchor", "*": "an alias", "!": "a tag", "|": "a block scalar", ">": "a block scalar", "%": "a directive",
    "@": "a reserved character", "`": "a reserved character", "?": "a complex key",
}  # fmt: skip


class YamlError(ValueError):
    """The text is not of the subset. `line` counts from 1."""

    def __init__(self, name: str, line: int, message: str) -> None:
        super().__init__(f"{name}, line {line}: {message}")
        self.line = line
        self.message = message


class Unfinished(Exception):
    """A flow collection goes on in the next line."""


class Flow:
    """Reads one value from a text: a scalar to the end of its line, or a flow collection."""

    def __init__(self, text: str, name: str, line: int) -> None:
        self._text = text
        self._name = name
        self._line = line
        self._at = 0
        self._depth = 0

    def rest(self) -> str:
        """What was not read."""
        return self._text[self._at :].strip()

    def value(self) -> Any:
        self._skip()
        first = self._text[self._at : self._at + 1]
        if first in ("[", "{"):
            return self._collection(first)
        if first in ('"', "'"):
            return self.quoted()
        return self._plain()

    def quoted(self) -> str:
        """A quoted scalar, from its quote on."""
        quote = self._text[self._at]
        self._at += 1
        parts: list[str] = []
        while True:
            char = self._text[self._at : self._at + 1]
            if char in ("", "\n"):
                raise self._error("a quoted text has no end on its line")
            self._at += 1
            if char == quote == "'" and self._text.startswith("'", self._at):
                self._at += 1
            elif char == quote:
                return "".join(parts)
            elif char == "\\" and quote == '"':
                char = self._escape()
            parts.append(char)

    def _escape(self) -> str:
        letter = self._text[self._at : self._at + 1]
        self._at += 1
        if letter in _ESCAPES and letter:
            return _ESCAPES[letter]
        digits = self._text[self._at : self._at + _CODE_LENGTHS.get(letter, 0)]
        if len(digits) != _CODE_LENGTHS.get(letter) or not re.fullmatch("[0-9a-fA-F]+", digits):
            raise self._error(f"`\\{letter}` is no escape")
        self._at += len(digits)
        if int(digits, 16) > 0x10FFFF:
            raise self._error(f"`\\{letter}{digits}` is no character")
        return chr(int(digits, 16))

    def _plain(self) -> Any:
        pattern = r"(?:(?! #|: |:$|[,\[\]{}\n]).)*" if self._depth else r"(?:(?! #|: |:$).)*"
        match = re.compile(pattern).match(self._text, self._at)
        text = match[0].strip() if match else ""
        if text[:1] in INDICATORS and text:
            raise self._error(f"{INDICATORS[text[0]]} is not read here")
        if text == "-" or text.startswith("- "):
            raise self._error("a list begins in a line of its own")
        self._at += len(match[0]) if match else 0
        return _scalar(text)

    def _collection(self, opening: str) -> Any:
        closing = "]" if opening == "[" else "}"
        items: list[Any] = []
        members: dict[str, Any] = {}
        self._at += 1
        self._depth += 1
        while self._skip() != closing:
            if opening == "[":
                items.append(self.value())
            else:
                self._member(members)
            if self._skip() == ",":
                self._at += 1
            elif self._text[self._at] != closing:
                raise self._error(f"`,` or `{closing}` should stand before `{self.rest()[:20]}`")
        self._at += 1
        self._depth -= 1
        return items if opening == "[" else members

    def _member(self, members: dict[str, Any]) -> None:
        key = self.value()
        if not isinstance(key, str) or key in members:
            raise self._error(f"`{key}` is there twice" if isinstance(key, str) else f"`{key}` is no text for a key")
        if self._skip() != ":":
            raise self._error(f"`{key}` has no `: value`")
        self._at += 1
        members[key] = None if self._skip() in (",", "}") else self.value()

    def _skip(self) -> str:
        """Passes over blanks and comments; returns the next character, or says that more is needed."""
        blank = re.compile(r"(?:\s|(?:(?<=\s)|^)#[^\n]*)*").match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        if self._at == len(self._text) and self._depth:
            raise Unfinished
        return self._text[self._at : self._at + 1]

    def _error(self, message: str) -> YamlError:
        return YamlError(self._name, self._line, message)


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _RADIX.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    return float(text) if _FLOAT.fullmatch(text) else text

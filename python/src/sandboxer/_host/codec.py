"""Messages and the bytes that they are on the wire."""

from __future__ import annotations

import json
import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

LARGEST_LINE = 4 * 1024 * 1024
"""Of a message, in bytes, with its line feed."""

LARGEST_OBJECT = 64 * 1024
"""Of a handle and of a draft, in bytes of JSON."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
DOMAIN_ERROR = -32000


class NotJson(ValueError):
    """A value that has no JSON form; the message says which, by its path."""


class TooLong(ValueError):
    """A message that no line can hold."""


def decode(line: bytes) -> Any:
    """Reads a message. Raises `ValueError` or `RecursionError` for what is no JSON."""
    return json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"`{word}` is no JSON")


def encode(message: Any) -> bytes:
    """Writes a plain message with its line feed. Raises `TooLong`, or `ValueError` for what is no JSON."""
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    line = text.encode("utf-8") + b"\n"
    if len(line) > LARGEST_LINE:
        raise TooLong(f"the answer takes {len(line)} bytes; a line holds at most {LARGEST_LINE}")
    return line


def plain(value: Any, path: str) -> Any:
    """The same value of dicts, lists, texts and numbers only. Raises `NotJson` with the path of what has no JSON form.

    `json.dumps` would turn keys that are no texts into texts without a word, so that a handle comes back another.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return _plain_text(value, path)
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise NotJson(f"`{path}` is {value}, which JSON cannot say")
    if isinstance(value, dict):
        return {_plain_key(key, path): plain(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    raise NotJson(f"`{path}` is of the type `{type(value).__name__}`, which JSON cannot say")


def _plain_key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return _plain_text(key, path)
    raise NotJson(f"`{path}` has the key {key!r}, which is no text")


def _plain_text(text: str, path: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise NotJson(f"`{path}` is a text that UTF-8 cannot say") from None
    return text


def clean(text: str, longest: int = 65536) -> str:
    """A text that any message may hold: what UTF-8 cannot say is replaced, what is too long is cut off."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= longest else text[: longest - 1] + "…"

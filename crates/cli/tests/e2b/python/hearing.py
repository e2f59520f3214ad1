"""Listening to a command or a terminal until it says something."""

from __future__ import annotations

import codecs
from typing import Any

from box import Box, settled, until


class Heard:
    """What was heard so far, of all streams together."""

    def __init__(self) -> None:
        self.text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._chunks: Any = None

    def take(self, chunk: str | bytes) -> None:
        self.text += chunk if isinstance(chunk, str) else self._decoder.decode(chunk)

    def follow(self, handle: Any, is_sync: bool) -> None:
        """The synchronous handle is read here; the asynchronous one calls `take` by itself."""
        self._chunks = iter(handle) if is_sync else None

    async def until(self, text: str) -> None:
        """Listens until that was said."""
        if self._chunks is None:
            await until(f"{text!r} in {self.text!r}", lambda: self._has(text))
            return
        while text not in self.text:
            chunks = next(self._chunks, None)
            assert chunks is not None, f"it ended without {text!r}: {self.text!r}"
            self.take(next(chunk for chunk in chunks if chunk is not None))

    async def _has(self, text: str) -> bool:
        return text in self.text


async def hear_command(box: Box, command: str, **options: Any) -> tuple[Any, Heard]:
    """Starts a command in the background."""
    heard = Heard()
    if not box.is_sync:
        options |= {"on_stdout": heard.take, "on_stderr": heard.take}
    handle = await box.background(command, **options)
    heard.follow(handle, box.is_sync)
    return handle, heard


async def hear_again(box: Box, pid: int, **options: Any) -> tuple[Any, Heard]:
    """Connects to a command."""
    heard = Heard()
    if not box.is_sync:
        options |= {"on_stdout": heard.take, "on_stderr": heard.take}
    handle = await settled(box.commands.connect(pid, **options))
    heard.follow(handle, box.is_sync)
    return handle, heard


async def hear_terminal(box: Box, *, connect_to: int | None = None, **options: Any) -> tuple[Any, Heard]:
    """Opens a terminal of 24 rows and 80 columns, or connects to one."""
    from e2b import PtySize

    heard = Heard()
    if not box.is_sync:
        options["on_data"] = heard.take
    if connect_to is None:
        handle = await settled(box.pty.create(PtySize(rows=24, cols=80), **options))
    else:
        handle = await settled(box.pty.connect(connect_to, **options))
    heard.follow(handle, box.is_sync)
    return handle, heard

"""The two descriptors on which messages travel."""

from __future__ import annotations

import os
import sys
import threading

from sandboxer._host.codec import LARGEST_LINE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator


class Wire:
    """Lines in, lines out. Lines are sent whole, from any thread."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._lock = threading.Lock()

    @classmethod
    def take(cls) -> Wire:
        """Takes the standard streams for the wire, and leaves an empty input and standard error in their place.

        So what an author's code prints, and whatever programs it starts, cannot come between the messages.
        """
        wire = cls(os.dup(0), os.dup(1))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        for stream in (sys.stdout, sys.stderr):
            # Lines of the log come when they are printed, not when a buffer is full.
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        os.register_at_fork(after_in_child=wire.close)
        return wire

    def close(self) -> None:
        """Lets go of both. A forked child does: else the host would wait for it when this process has ended."""
        for descriptor in (self._reading, self._writing):
            if descriptor >= 0:
                os.close(descriptor)
        self._reading = self._writing = -1

    def lines(self) -> Iterator[bytes | None]:
        """What comes in, line by line without the line feed, until the end of input.

        None stands for a line that was too long, of which nothing was kept. A last line without an end is no line.
        """
        kept = bytearray()
        is_too_long = False
        while True:
            chunk = os.read(self._reading, 65536)
            if not chunk:
                return
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                kept += end
                yield None if is_too_long or len(kept) >= LARGEST_LINE else bytes(kept)
                kept.clear()
                is_too_long = False
            kept += rest
            if len(kept) >= LARGEST_LINE:
                kept.clear()
                is_too_long = True

    def send(self, line: bytes) -> None:
        """Sends a line. When nobody reads any more, there is nobody to tell either: the process ends."""
        with self._lock:
            rest = memoryview(line)
            while rest:
                try:
                    rest = rest[os.write(self._writing, rest) :]
                except BrokenPipeError:
                    os._exit(0)

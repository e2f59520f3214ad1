"""The host: a process that answers requests with an author's class.

    python3 -X utf8 DIR MODULE:CLASS --folder FOLDER [--oneshot]

Reads requests until the end of its input. Then calls that are in flight are cancelled, and have five seconds to answer;
with `--oneshot`, where the input ends behind the only request, they are waited for instead.
"""

from __future__ import annotations

import os
import sys

from sandboxer._host.wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sandboxer.extensions.base import SandboxExtension

GRACE_SECONDS = 5.0
_USAGE = "usage: MODULE:CLASS --folder FOLDER [--oneshot]"


def main(arguments: list[str]) -> int:
    """Answers until the input ends; returns the exit status."""
    words = [word for word in arguments if word != "--oneshot"]
    if len(words) != 3 or words[1] != "--folder" or ":" not in words[0]:
        print(_USAGE, file=sys.stderr)
        return 2
    handler, _, folder = words
    wire = Wire.take()
    return _serve(wire, handler, os.path.abspath(folder), is_oneshot="--oneshot" in arguments)


def _serve(wire: Wire, handler: str, folder: str, *, is_oneshot: bool) -> int:
    from sandboxer._host.dispatcher import Dispatcher
    from sandboxer._host.loader import load

    def load_extension() -> SandboxExtension:
        return load(handler, folder)

    dispatcher = Dispatcher(load_extension, wire.send)
    for line in wire.lines():
        dispatcher.receive(line)
    grace = None if is_oneshot else GRACE_SECONDS
    if not dispatcher.finish(grace, cancel=not is_oneshot):
        # Threads that did not answer would keep the process alive, or be cut off within Python's own end.
        sys.stderr.flush()
        os._exit(0)
    return 0

"""The host: a process that answers requests with an author's class.

    python3 -X utf8 DIR MODULE:CLASS --folder FOLDER

Reads requests until the end of its input. Then calls that are in flight are cancelled, and have five seconds to answer.
But where the input ended behind the first request, that may be all there ever was to come (`lifecycle: oneshot`): then
the call is answered in its own time. SIGTERM cancels it.
"""

from __future__ import annotations

import os
import sys

from sandboxer._host.wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sandboxer._host.dispatcher import Dispatcher
    from sandboxer.extensions.base import SandboxExtension

GRACE_SECONDS = 5.0
_USAGE = "usage: MODULE:CLASS --folder FOLDER"


def main(arguments: list[str]) -> int:
    """Answers until the input ends; returns the exit status."""
    if len(arguments) != 3 or arguments[1] != "--folder" or ":" not in arguments[0]:
        print(_USAGE, file=sys.stderr)
        return 2
    wire = Wire.take()
    return _serve(wire, arguments[0], os.path.abspath(arguments[2]))


def _serve(wire: Wire, handler: str, folder: str) -> int:
    from sandboxer._host.dispatcher import Dispatcher
    from sandboxer._host.loader import load
    from sandboxer.call import current_call

    current_call()._sink.is_within_host = True

    def load_extension() -> SandboxExtension:
        return load(handler, folder)

    dispatcher = Dispatcher(load_extension, wire.send)
    _end_at_signal(dispatcher)
    for line in wire.lines():
        dispatcher.receive(line)
    may_be_oneshot = dispatcher.started == 1
    _finish(dispatcher, None if may_be_oneshot else GRACE_SECONDS, cancel=not may_be_oneshot)
    return 0


def _finish(dispatcher: Dispatcher, grace: float | None, *, cancel: bool) -> None:
    """Waits for answers. Threads that gave none would keep the process alive, so that it ends here."""
    if not dispatcher.finish(grace, cancel=cancel):
        sys.stderr.flush()
        os._exit(0)


def _end_at_signal(dispatcher: Dispatcher) -> None:
    """Has SIGTERM cancel what is in flight, and end the process; an author's own handler stays."""
    import signal
    import threading

    def end() -> None:
        dispatcher.finish(GRACE_SECONDS, cancel=True)
        sys.stderr.flush()
        os._exit(0)

    def hear(*_: object) -> None:
        # In a thread of its own: this one may hold the locks that are needed.
        threading.Thread(target=end, daemon=True).start()

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, hear)

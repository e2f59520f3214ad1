"""Drives an agent by the official SDK, and prints one line of JSON a check.

    python run.py sync|async debug|url
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import traceback

import command_checks  # noqa: F401
import file_checks  # noqa: F401
import git_checks  # noqa: F401
import handle_checks  # noqa: F401
import sandbox_checks  # noqa: F401
import terminal_checks  # noqa: F401
import watch_checks  # noqa: F401
from box import Box, make, settled
from registry import CHECKS, Absent, Check

#: No check takes that long, in seconds.
LONGEST = 20.0


def say(one: Check, finding: dict[str, object]) -> None:
    for name in one.names:
        print(json.dumps({"check": name, **finding}), flush=True)


def fault(error: BaseException) -> str:
    """What went wrong, and on which line of a check."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith("_checks.py")]
    place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}: " if frames else ""
    return f"{place}{type(error).__name__}: {error}"


async def attempt(one: Check, box: Box) -> None:
    """Makes one check and says how it went; says nothing when the SDK lacks what is checked."""
    try:
        box.require(one.needs)
        await asyncio.wait_for(one.run(box), LONGEST)
    except Absent:
        return
    except BaseException as error:
        say(one, {"ok": False, "error": fault(error)})
        return
    say(one, {"ok": True})


def attempt_blocking(one: Check, box: Box) -> None:
    """The same for the SDK that blocks: on a thread of its own, which is given up on when it takes too long."""
    thread = threading.Thread(target=lambda: asyncio.run(attempt(one, box)), daemon=True)
    thread.start()
    thread.join(LONGEST)
    if thread.is_alive():
        say(one, {"ok": False, "error": f"not done after {LONGEST} s"})


def due(flavour: str, mode: str) -> list[Check]:
    """The checks of a flavour; says which of them cannot be made in this mode."""
    mine = [one for one in CHECKS if flavour in one.flavours]
    for one in mine:
        if mode not in one.modes:
            say(one, {"left_out": True})
    return [one for one in mine if mode in one.modes]


async def run_async(mode: str) -> None:
    box = await make("async", mode)
    for one in due("async", mode):
        await attempt(one, box)
    await settled(box.sandbox.kill())


def run_sync(mode: str) -> None:
    box = asyncio.run(make("sync", mode))
    for one in due("sync", mode):
        attempt_blocking(one, box)
    box.sandbox.kill()


def main() -> None:
    flavour, mode = sys.argv[1:]
    if flavour == "sync":
        run_sync(mode)
    else:
        asyncio.run(run_async(mode))
    # A thread that was given up on must not keep the process.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

"""The sandbox under test, the same for the synchronous and the asynchronous SDK."""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
import itertools
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from registry import require

T = TypeVar("T")

#: How long a condition may take that is sure to come.
PATIENCE = 15.0
#: How often a condition is looked at.
INTERVAL = 0.02

#: A command that goes on for ever. Python 2.24.0 has a timeout of its own for silence, as long as the one that it asks
#: the agent for: only a command that is not silent shows the agent's.
TICKING = "while sleep 0.1; do echo tick; done"

_numbers = itertools.count(1)


async def settled(value: Awaitable[T] | T) -> T:
    """What a call of either SDK comes to: one returns the value, the other an awaitable of it."""
    return await value if inspect.isawaitable(value) else value


async def until(what: str, look: Callable[[], Awaitable[T | None]]) -> T:
    """Looks until there is an answer."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        answer = await look()
        if answer:
            return answer
        await asyncio.sleep(INTERVAL)
    raise AssertionError(f"it did not come to this: {what}")


async def raises(kind: str, call: Callable[[], Any]) -> Exception:
    """Makes a call that has to fail with an exception of that class of the SDK's, or of one derived from it."""
    try:
        value = await settled(call())
    except Exception as error:
        kinds = [base.__name__ for base in type(error).__mro__]
        assert kind in kinds, f"{kind} was due, not {type(error).__name__}: {error}"
        return error
    raise AssertionError(f"{kind} was due, but the call returned {value!r}")


def equal(found: object, expected: object) -> None:
    """Asserts with both values in the message."""
    assert found == expected, f"{found!r} instead of {expected!r}"


class Box:
    """A sandbox and what the checks want to know beside it."""

    def __init__(self, sandbox: Any, flavour: str, mode: str) -> None:
        self.sandbox = sandbox
        self.flavour = flavour
        self.mode = mode
        self.commands = sandbox.commands
        self.files = sandbox.files
        self.pty = sandbox.pty
        self.git = sandbox.git
        self.home = os.environ["CHECK_HOME"]
        self.user = os.environ["CHECK_USER"]

    @property
    def is_sync(self) -> bool:
        return self.flavour == "sync"

    def path(self, name: str = "file") -> str:
        """A path in the home directory that no other check uses."""
        return f"{self.home}/{name}-{next(_numbers)}"

    async def folder(self, name: str = "folder") -> str:
        """A new directory."""
        path = self.path(name)
        assert await settled(self.files.make_dir(path)), f"{path} is new"
        return path

    async def shell(self, command: str, **options: Any) -> str:
        """The standard output of a command that succeeds."""
        return (await settled(self.commands.run(command, **options))).stdout

    def until_there(self, path: str) -> str:
        """A command that waits for a file."""
        return f"until test -e {path}; do sleep 0.01; done"

    async def background(self, command: str, **options: Any) -> Any:
        """The handle of a command in the background."""
        return await settled(self.commands.run(command, background=True, **options))

    def owner(self, name: str) -> object:
        """The object of the SDK that a row of the table names first."""
        package = f"e2b.sandbox_{self.flavour}"
        prefix = "" if self.is_sync else "Async"
        if name == "types":
            return importlib.import_module("e2b.sandbox.filesystem.filesystem")
        if name == "handle":
            return getattr(importlib.import_module(f"{package}.commands.command_handle"), f"{prefix}CommandHandle")
        if name == "watch":
            return getattr(importlib.import_module(f"{package}.filesystem.watch_handle"), f"{prefix}WatchHandle")
        return self.sandbox if name == "sandbox" else getattr(self.sandbox, name)

    def require(self, needs: str | None) -> None:
        """Raises `Absent` when the SDK lacks what a check needs."""
        if needs:
            name, _, parameter = needs.partition(":")
            owner, _, method = name.partition(".")
            require(self.owner(owner), method, parameter)


def the_sdk(flavour: str) -> Any:
    """The class of the SDK that this flavour drives."""
    sdk = importlib.import_module("e2b")
    return sdk.Sandbox if flavour == "sync" else sdk.AsyncSandbox


async def make(flavour: str, mode: str) -> Box:
    """A sandbox."""
    options: dict[str, Any] = {}
    if mode == "debug" and importlib.metadata.version("e2b") == "2.24.0":
        # This version reads E2B_DEBUG too late, and would ask a control plane for a sandbox.
        options["debug"] = True
    return Box(await settled(the_sdk(flavour).create(**options)), flavour, mode)

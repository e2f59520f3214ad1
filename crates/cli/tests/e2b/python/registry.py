"""The list of checks, and what a check may say about itself."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


class Absent(Exception):
    """The SDK has no such method or parameter."""


@dataclass(frozen=True)
class Check:
    """One row of docs/e2b.md, or several that can only be checked together."""

    names: tuple[str, ...]
    run: Callable[[Any], Awaitable[None]]
    needs: str | None
    modes: tuple[str, ...]
    flavours: tuple[str, ...]


CHECKS: list[Check] = []


def check(
    *names: str,
    needs: str | None = None,
    modes: tuple[str, ...] = ("debug", "url"),
    flavours: tuple[str, ...] = ("sync", "async"),
) -> Callable[[Callable[[Any], Awaitable[None]]], Callable[[Any], Awaitable[None]]]:
    """Adds a check.

    `needs` names what the SDK must have, as `commands.run:envs` or `handle.send_stdin`. A check is not made where the
    SDK lacks it, nor outside of its modes and flavours.
    """

    def add(run: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
        CHECKS.append(Check(names, run, needs, modes, flavours))
        return run

    return add


def require(owner: object, method: str, parameter: str) -> None:
    """Raises `Absent` unless the method is there, with that parameter if one is named."""
    # Looked up on the class: reading a property of an object is not what is asked for here.
    found = getattr(owner if inspect.isclass(owner) or inspect.ismodule(owner) else type(owner), method, None)
    if found is None:
        raise Absent(method)
    if parameter and parameter not in inspect.signature(found).parameters:
        raise Absent(f"{method}({parameter}=)")

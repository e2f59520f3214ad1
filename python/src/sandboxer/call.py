"""What surrounds one call of an extension: whose it is, how long it may take, and whether it is still wanted."""

from __future__ import annotations

import sys
import threading
import time
from contextvars import ContextVar

from sandboxer.errors import Cancelled, ContractViolation, DeadlineExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import Any, Callable, Mapping

    from sandboxer.profile import Profile


class Sink:
    """Where the words of a call go. This one is for calls that no host made: lines go to standard error."""

    #: Whether a host runs here, so that whoever has no call has lost it.
    is_within_host = False

    def progress(self, phase: str, message: str, current: int | None, total: int | None) -> None:
        """Shows progress to whoever waits."""

    def log(self, level: str, message: str) -> None:
        """Keeps a line; `level` is `info` or `warning`."""
        print(message, file=sys.stderr)

    def checkpoint(self, draft: Mapping[str, Any]) -> None:
        """Makes a draft durable. Raises `ContractViolation` where that was believed and nobody would keep it."""
        if self.is_within_host:
            raise ContractViolation("this thread has no call to keep a draft for: use `with call.entered():` in it")


class Cancellation:
    """Whether a call was withdrawn, and what to do when it is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._callbacks: list[Callable[[], object]] = []

    def is_set(self) -> bool:
        """Whether it was."""
        return self._event.is_set()

    def set(self) -> None:
        """Withdraws the call, once."""
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def wait(self, seconds: float) -> bool:
        """Waits so long at most; whether the call was withdrawn."""
        return self._event.wait(seconds)

    def add(self, callback: Callable[[], object]) -> None:
        """Has `callback` called when the call is withdrawn, at once when it was already."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def remove(self, callback: Callable[[], object]) -> None:
        """Forgets `callback`, when it was not called yet."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)


class Deadline:
    """When a call must have answered, by a clock that nobody sets."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def remaining(self) -> float:
        """How many seconds are left, 0 at the least; infinite when there is no deadline."""
        return float("inf") if self._end is None else max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether nothing is left."""
        return self.remaining() == 0.0


class Intent:
    """What a sandbox was meant to be."""

    __slots__ = ("inputs", "profile")

    def __init__(self, profile: Profile, inputs: dict[str, Any]) -> None:
        self.profile = profile
        self.inputs = inputs


class Call:
    """One call. What it does not have is None, or empty; nothing of it can be set."""

    __slots__ = (
        "id", "extension", "owner", "attempt", "host", "ssh", "sandbox_id", "labels", "config", "secrets", "intent",
        "deadline", "draft", "reason", "tether", "page", "_expires_at", "_ttl_ms", "_cancellation", "_sink", "_hosted",
    )  # fmt: skip

    id: str
    extension: str
    owner: str
    attempt: int
    host: str | None
    #: Where ssh finds the host; None for this machine, which needs no ssh.
    ssh: str | None
    sandbox_id: str | None
    labels: dict[str, str]
    config: dict[str, Any]
    secrets: dict[str, str]
    intent: Intent | None
    deadline: Deadline
    draft: dict[str, Any] | None
    reason: str | None
    tether: dict[str, Any] | None
    page: str | None
    _expires_at: str | None
    _ttl_ms: int | None
    _cancellation: Cancellation
    _sink: Sink
    _hosted: bool

    def __init__(self, **members: Any) -> None:
        unknown = set(members) - set(self.__slots__)
        if unknown:
            raise TypeError(f"a call has no {', '.join(sorted(unknown))}")
        for name in self.__slots__:
            value = members[name] if name in members else _default(name)
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"`{name}` of a call cannot be set")

    def __repr__(self) -> str:
        # Never the members: there are secrets among them.
        return f"<Call {self.id} about {self.sandbox_id}>"

    @property
    def expires_at(self) -> datetime | None:
        """When the sandbox must be gone, for people; the clock that counts is `ttl`."""
        from sandboxer.moments import parse_moment

        return None if self._expires_at is None else parse_moment(self._expires_at)

    @property
    def ttl(self) -> timedelta | None:
        """How long the sandbox may live, from now."""
        from datetime import timedelta

        return None if self._ttl_ms is None else timedelta(milliseconds=self._ttl_ms)

    @property
    def cancelled(self) -> bool:
        """Whether the caller withdrew, or the deadline is over. Answer within five seconds then."""
        return self._cancellation.is_set()

    def raise_if_cancelled(self, *, residue: str | None = None) -> None:
        """Raises `Cancelled` or `DeadlineExceeded` when the call should give up, with the residue that you state."""
        if self.deadline.expired:
            raise DeadlineExceeded("the call ran out of time", residue=residue)
        if self.cancelled:
            raise Cancelled("the call was cancelled", residue=residue)

    def wait(self, seconds: float) -> None:
        """Waits between two looks at a backend. Raises as soon as the call should give up."""
        self._cancellation.wait(min(seconds, self.deadline.remaining(), threading.TIMEOUT_MAX))
        self.raise_if_cancelled()

    def entered(self) -> entered:
        """`with call.entered(): …` makes this the call of a thread of your own."""
        return entered(self)

    def when_cancelled(self, callback: Callable[[], object]) -> Interruption:
        """`with call.when_cancelled(process.kill): …` calls it when the call is withdrawn meanwhile.

        It is called in another thread, and must be quick and never raise.
        """
        return Interruption(self._cancellation, callback)


class Interruption:
    """Has a function called when a call is withdrawn while the block runs."""

    def __init__(self, cancellation: Cancellation, callback: Callable[[], object]) -> None:
        self._cancellation = cancellation
        self._callback = callback

    def __enter__(self) -> None:
        self._cancellation.add(self._callback)

    def __exit__(self, *_: object) -> None:
        self._cancellation.remove(self._callback)


_DEFAULTS: dict[str, Callable[[], Any]] = {
    "id": lambda: "detached",
    "extension": str,
    "owner": str,
    "attempt": lambda: 1,
    "labels": dict,
    "config": dict,
    "secrets": dict,
    "deadline": lambda: Deadline(None),
    "_cancellation": Cancellation,
    "_sink": Sink,
    "_hosted": bool,
}


def _default(name: str) -> Any:
    return _DEFAULTS[name]() if name in _DEFAULTS else None


_DETACHED = Call()
_current: ContextVar[Call | None] = ContextVar("sandboxer_call", default=None)


def current_call() -> Call:
    """The call that this thread works on; a call of nobody's when there is none."""
    return _current.get() or _DETACHED


class entered:  # noqa: N801  (used like a function)
    """`with entered(call): …` makes `call` the current one of this thread."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> Call:
        self._token = _current.set(self._call)
        return self._call

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)

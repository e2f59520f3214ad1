"""One request, and what of it an author's method is given."""

from __future__ import annotations

from sandboxer.call import Call, Deadline, Intent
from sandboxer.errors import InvalidInput
from sandboxer.profile import Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Any, TypeVar

    from sandboxer.call import Sink

    T = TypeVar("T")

_NAMES = {str: "a text", dict: "an object", int: "a whole number"}


class WrongParams(Exception):
    """The params of a request are of the wrong shape."""


class Request:
    """A request for one verb, with readers of its params that raise `WrongParams`."""

    def __init__(self, verb: str, params: dict[str, Any]) -> None:
        self.verb = verb
        self.params = params
        self.meta = self.object("_meta")

    def text(self, name: str) -> str:
        """A text that must be there."""
        return _typed(self.params, name, str)

    def object(self, name: str) -> dict[str, Any]:
        """An object that must be there."""
        return _typed(self.params, name, dict)

    def optional(self, name: str, kind: type[T]) -> T | None:
        """A member that may be null or absent."""
        return None if self.params.get(name) is None else _typed(self.params, name, kind)

    def span(self, name: str) -> timedelta:
        """A length of time, which travels as milliseconds."""
        from datetime import timedelta

        return timedelta(milliseconds=_typed(self.params, name, int))

    @property
    def call_id(self) -> str:
        """Which call this is."""
        return _typed(self.meta, "call", str)

    def profile(self) -> Profile:
        """The profile, anew for each reader."""
        return Profile(self.object("profile"))

    def inputs(self) -> dict[str, Any]:
        """The inputs, with the sandbox's id among them."""
        inputs = dict(self.object("inputs"))
        given = inputs.get("sandbox_id")
        if given is not None and not isinstance(given, str):
            raise InvalidInput("`sandbox_id` is not a text", fields={"sandbox_id": "is not a text"})
        if "sandbox_id" in self.params:
            inputs["sandbox_id"] = self.text("sandbox_id")
        return inputs

    def call(self, sink: Sink) -> Call:
        """The call as an author's method sees it. Its deadline runs from here."""
        milliseconds = self.meta.get("deadline_ms")
        if milliseconds is not None:
            milliseconds = _typed(self.meta, "deadline_ms", int) / 1000
        return Call(
            id=self.call_id,
            extension=_typed(self.meta, "ext", str),
            owner=_typed(self.meta, "owner", str),
            attempt=_typed(self.meta, "attempt", int),
            host=self.optional("host", str) or self._host_of_handle(),
            ssh=None if self.meta.get("ssh") is None else _typed(self.meta, "ssh", str),
            sandbox_id=self.optional("sandbox_id", str),
            labels=self.optional("labels", dict) or {},
            config=self.optional("config", dict) or {},
            secrets=self.optional("secrets", dict) or {},
            intent=self._intent(),
            deadline=Deadline(milliseconds),
            draft=self.optional("draft", dict),
            reason=self.optional("reason", str),
            tether=self.optional("tether", dict),
            page=self.optional("page", str),
            _expires_at=self.optional("expires_at", str),
            _ttl_ms=self.optional("ttl_ms", int),
            _sink=sink,
            _hosted=True,
        )

    def _host_of_handle(self) -> str | None:
        host = (self.optional("handle", dict) or {}).get("host")
        return host if isinstance(host, str) else None

    def _intent(self) -> Intent | None:
        """What the sandbox was meant to be; for a verb that makes or prices one, what it is to be."""
        intent = self.params if "profile" in self.params else self.optional("intent", dict)
        if intent is None:
            return None
        return Intent(Profile(_typed(intent, "profile", dict)), dict(_typed(intent, "inputs", dict)))


def _typed(members: dict[str, Any], name: str, kind: type[T]) -> T:
    value = members.get(name)
    # `True` is an `int` to Python, and none to JSON.
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    problem = "is missing" if name not in members else f"is not {_NAMES[kind]}"
    raise WrongParams(f"`{name}` {problem}")

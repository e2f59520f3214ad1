"""For the tests of authors.

```python
harness = Harness(MyExtension, config={"key": "value"})
answer = harness.call("provision", profile=profile(id="profile.mine"), inputs={})
answer.result["handle"]
```
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any, Mapping

from sandboxer._host.dispatcher import Dispatcher
from sandboxer.call import Call, Deadline, Intent, Sink, entered
from sandboxer.extensions.base import SandboxExtension
from sandboxer.profile import Profile

SANDBOX_ID = "sbx01test"
OWNER = "own01test"
_MAKE = ("provision", "restore", "fork")
_WITH_PROFILE = (*_MAKE, "validate", "estimate_cost")


def profile(**members: Any) -> Profile:
    """A profile with these members, and an id and an extension when there are none."""
    return Profile({"id": "profile.test", "extension": "ext.test", **members})


class Recorder(Sink):
    """Keeps what a call says."""

    def __init__(self) -> None:
        self.progressed: list[tuple[str, str]] = []
        self.logged: list[tuple[str, str]] = []
        self.drafts: list[dict[str, Any]] = []

    def progress(self, phase: str, message: str, current: int | None, total: int | None) -> None:
        self.progressed.append((phase, message))

    def log(self, level: str, message: str) -> None:
        self.logged.append((level, message))

    def checkpoint(self, draft: Mapping[str, Any]) -> None:
        self.drafts.append(dict(draft))


class DetachedCall(entered):
    """A call that no host made. In a `with` it is what `self.call` is; its words are kept in `words`."""

    def __init__(self, call: Call, words: Recorder) -> None:
        super().__init__(call)
        self.call = call
        self.words = words

    def cancel(self) -> None:
        """Withdraws the call."""
        self.call._cancellation.set()


def detached_call(
    *,
    config: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    intent: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None,
    seconds: float | None = None,
    **members: Any,
) -> DetachedCall:
    """A call for unit tests: `with detached_call(config={…}): extension.provision(…)`.

    `intent` is a profile and inputs, `seconds` the time the call has; others are members of `sandboxer.call.Call`.
    """
    words = Recorder()
    call = Call(
        **{"sandbox_id": SANDBOX_ID, "owner": OWNER, "host": "localhost", **members},
        config=dict(config or {}),
        secrets=dict(secrets or {}),
        intent=None if intent is None else Intent(Profile(intent[0]), dict(intent[1])),
        deadline=Deadline(seconds),
        _sink=words,
        _hosted=True,
    )
    return DetachedCall(call, words)


@dataclass
class Answer:
    """What came back for one request: the answer, and the notifications before it."""

    message: dict[str, Any]
    notifications: list[dict[str, Any]] = field(default_factory=list)

    @property
    def result(self) -> dict[str, Any]:
        """The result. Raises `AssertionError` with the error when there is none."""
        if "result" not in self.message:
            raise AssertionError(f"the call failed: {json.dumps(self.message['error'])}")
        found: dict[str, Any] = self.message["result"]
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The error. Raises `AssertionError` with the result when there is none."""
        if "error" not in self.message:
            raise AssertionError(f"the call succeeded: {json.dumps(self.message['result'])}")
        found: dict[str, Any] = self.message["error"]
        return found

    @property
    def kind(self) -> str | None:
        """The kind of the error."""
        kind: str | None = self.error.get("data", {}).get("kind")
        return kind


class Harness:
    """Drives an extension through the host's own reading and writing of messages, in memory."""

    def __init__(
        self,
        extension: type[SandboxExtension] | SandboxExtension,
        *,
        config: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        sandbox_id: str = SANDBOX_ID,
        host: str = "localhost",
    ) -> None:
        self._extension = extension
        self._common = {"config": dict(config or {}), "secrets": dict(secrets or {})}
        self._sandbox_id = sandbox_id
        self._host = host
        self._messages: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._calls = 0
        self._dispatcher = Dispatcher(self._make, self._take)

    def _make(self) -> SandboxExtension:
        return self._extension() if isinstance(self._extension, type) else self._extension

    def _take(self, line: bytes) -> None:
        with self._changed:
            self._messages.append(json.loads(line))
            self._changed.notify_all()

    def send(self, message: Mapping[str, Any] | bytes) -> None:
        """Sends a message as it is, or a line."""
        self._dispatcher.receive(message if isinstance(message, bytes) else json.dumps(message).encode())

    def start(self, verb: str, **params: Any) -> str:
        """Begins a call, with what the protocol has for `verb` where `params` do not say it; returns its id."""
        self._calls += 1
        call = f"call{self._calls}"
        meta = {"protocol": 1, "ext": "ext.test", "owner": OWNER, "call": call, "attempt": 1, "deadline_ms": 60_000}
        everything = {"_meta": meta, **self._common, **self._usual(verb), **params}
        self.send({"jsonrpc": "2.0", "id": call, "method": verb, "params": everything})
        return call

    def cancel(self, call: str) -> None:
        """Withdraws a call."""
        self.send({"jsonrpc": "2.0", "method": "cancel", "params": {"call": call}})

    def wait(self, call: str, seconds: float = 60.0) -> Answer:
        """The answer to a call. Raises `TimeoutError` when there is none in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._answers(call), seconds):
                raise TimeoutError(f"{call} was not answered")
            words = [m for m in self._messages if m.get("params", {}).get("call") == call]
            return Answer(self._answers(call)[0], words)

    def call(self, verb: str, **params: Any) -> Answer:
        """Makes a call and waits for its answer."""
        return self.wait(self.start(verb, **params))

    def until(self, call: str, method: str, seconds: float = 60.0) -> dict[str, Any]:
        """Waits for a call's first notification of this method; returns its params."""

        def found() -> list[dict[str, Any]]:
            words = (m["params"] for m in self._messages if m.get("method") == method)
            return [params for params in words if params["call"] == call]

        with self._changed:
            if not self._changed.wait_for(found, seconds):
                raise TimeoutError(f"{call} sent no {method}")
            return found()[0]

    def _answers(self, call: str) -> list[dict[str, Any]]:
        return [message for message in self._messages if message.get("id") == call]

    def _usual(self, verb: str) -> dict[str, Any]:
        usual: dict[str, Any] = {"sandbox_id": self._sandbox_id, "host": self._host, "labels": {}}
        if verb in _WITH_PROFILE:
            usual.update(profile=profile(), inputs={})
        if verb in _MAKE:
            usual.update(ttl_ms=3_600_000, expires_at="2026-01-01T00:00:00Z", draft=None)
        if verb in ("list", "list_snapshots"):
            usual.update(owner=OWNER, page=None)
        return usual

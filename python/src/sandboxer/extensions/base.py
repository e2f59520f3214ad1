"""The class that every extension extends.

```python
from sandboxer.extensions.base import SandboxExtension

class MyExtension(SandboxExtension):
    def provision(self, profile, inputs, host): ...
    def wait_ready(self, handle): ...
    def teardown(self, handle): ...
```

Overriding one of the other methods declares that the extension has that verb. One object serves every call, several at
a time when the manifest's `concurrency` is more than 1; what belongs to a call is in `self.call`, not in `self`.
"""

from __future__ import annotations

from sandboxer.call import Call, current_call
from sandboxer.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Any, Mapping, Sequence

    from sandboxer.profile import Profile

    Handle = dict[str, Any]

REQUIRED_VERBS = ("provision", "wait_ready", "teardown")
OPTIONAL_VERBS = (
    "validate", "recover", "list", "status", "estimate_cost", "prices", "extend", "pause", "resume", "snapshot",
    "restore", "fork", "list_snapshots", "delete_snapshot", "connect",
)  # fmt: skip


class Log:
    """Keeps lines with the sandbox: `self.log("…")`, `self.log.warning("… %s", word)`."""

    def __call__(self, message: object, *arguments: object) -> None:
        self._keep("info", message, arguments)

    def info(self, message: object, *arguments: object) -> None:
        """Keeps a line for the record."""
        self._keep("info", message, arguments)

    def warning(self, message: object, *arguments: object) -> None:
        """Keeps a line that a person should see."""
        self._keep("warning", message, arguments)

    def _keep(self, level: str, message: object, arguments: tuple[object, ...]) -> None:
        text = str(message) % arguments if arguments else str(message)
        current_call()._sink.log(level, text)


_LOG = Log()


class SandboxExtension:
    """A backend of sand-boxer.

    Every method may be called again, in another process, after a crash at any instant; so what it makes bears the
    sandbox's id, and is found by it. Raise the exceptions of `sandboxer.errors`.
    """

    #: Its version, which `describe` tells.
    version: str = "0.1.0"
    #: Promises about its behaviour: `labels`, `native_ttl`, `attach`, `checkpoint`, `idempotent`.
    features: Sequence[str] = ()
    #: JSON Schema (2020-12) of its inputs.
    inputs_schema: Mapping[str, Any] | None = None

    @property
    def call(self) -> Call:
        """The call that is being answered. A thread of your own has none, until it is in `with call.entered():`."""
        return current_call()

    @property
    def config(self) -> dict[str, Any]:
        """The manifest's `config`. What is set here holds only where no host calls, such as in a unit test."""
        call = current_call()
        return call.config if call._hosted else vars(self).get("config", call.config)

    @config.setter
    def config(self, value: Mapping[str, Any]) -> None:
        vars(self)["config"] = dict(value)

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets that the manifest declares for this verb. Setting them is as with `config`."""
        call = current_call()
        return call.secrets if call._hosted else vars(self).get("secrets", call.secrets)

    @secrets.setter
    def secrets(self, value: Mapping[str, str]) -> None:
        vars(self)["secrets"] = dict(value)

    @property
    def log(self) -> Any:
        """A `Log`, or the logger of your own that you set."""
        return vars(self).get("log", _LOG)

    @log.setter
    def log(self, value: Any) -> None:
        vars(self)["log"] = value

    def progress(self, phase: str, message: str, current: int | None = None, total: int | None = None) -> None:
        """Shows how far the call has come to whoever waits: the phase in a word, what goes on in a sentence."""
        current_call()._sink.progress(phase, message, current, total)

    def checkpoint(self, draft: Mapping[str, Any]) -> None:
        """Keeps ids that the backend has just given: a later attempt finds them in `self.call.draft`.

        At most 64 KiB of JSON, without secrets. Raises `ContractViolation` for more.
        """
        current_call()._sink.checkpoint(draft)

    def provision(self, profile: Profile, inputs: dict[str, Any], host: str) -> Any:
        """Makes a sandbox, returns its handle. Idempotent on `inputs["sandbox_id"]`; other inputs are a `Conflict`."""
        raise _unsupported("provision")

    def wait_ready(self, handle: Handle) -> Any:
        """Returns the reachability once the sandbox can be used. Repeatable, without side effects."""
        raise _unsupported("wait_ready")

    def teardown(self, handle: Handle) -> Any:
        """Removes the sandbox, verifies it, returns a report. Must work from `{"sandbox_id", "host"}` alone."""
        raise _unsupported("teardown")

    def validate(self, profile: Profile, inputs: dict[str, Any], host: str) -> Any:
        """Returns the inputs, with defaults, or raises `InvalidInput` or `ValueError`. No side effect."""
        raise _unsupported("validate")

    def recover(self, sandbox_id: str, host: str) -> Any:
        """Looks for what a lost `provision` made: None, a handle, or `"in_progress"`."""
        raise _unsupported("recover")

    def list(self, host: str) -> Any:
        """Returns what bears our labels: ids, or dicts with `sandbox_id`, `labels` and `created_at`.

        For pages return `{"sandboxes": […], "next": …}`; `self.call.page` is the page that is asked for.
        """
        raise _unsupported("list")

    def status(self, handle: Handle) -> Any:
        """Returns `running`, `paused`, `stopped`, `busy`, `absent` or `error`, or that and a detail."""
        raise _unsupported("status")

    def estimate_cost(self, profile: Profile, duration: timedelta) -> Any:
        """Returns a `sandboxer.meter.MeterQuote`. The inputs are in `self.call.intent`."""
        raise _unsupported("estimate_cost")

    def prices(self) -> Any:
        """Returns the price list: a list of `sandboxer.meter.MeterPrice` or dicts."""
        raise _unsupported("prices")

    def extend(self, handle: Handle, ttl: timedelta) -> Any:
        """Moves the backend's time-out to `ttl` from now; returns the new moment, a `datetime` or a text."""
        raise _unsupported("extend")

    def pause(self, handle: Handle) -> Any:
        """Stops it and keeps its state."""
        raise _unsupported("pause")

    def resume(self, handle: Handle) -> Any:
        """Undoes `pause`; returns the reachability."""
        raise _unsupported("resume")

    def snapshot(self, handle: Handle, snapshot_id: str, kind: str) -> Any:
        """Keeps a copy that outlives its source; returns a dict with `size_bytes` and `location`."""
        raise _unsupported("snapshot")

    def restore(self, snapshot_id: str, profile: Profile, inputs: dict[str, Any], host: str) -> Any:
        """As `provision`, from a snapshot."""
        raise _unsupported("restore")

    def fork(self, source: Handle, profile: Profile, inputs: dict[str, Any], host: str) -> Any:
        """As `provision`, from the sandbox whose handle is `source`."""
        raise _unsupported("fork")

    def list_snapshots(self, host: str) -> Any:
        """As `list`, of snapshots: dicts with `snapshot_id` and `kind`."""
        raise _unsupported("list_snapshots")

    def delete_snapshot(self, snapshot_id: str, host: str) -> Any:
        """As `teardown`, of a snapshot."""
        raise _unsupported("delete_snapshot")

    def connect(self, handle: Handle) -> Any:
        """Returns how to open a byte stream to the sandbox's agent: `argv`, `socket`, or `url` and `headers`."""
        raise _unsupported("connect")


def _unsupported(verb: str) -> Unsupported:
    return Unsupported(f"this extension has no `{verb}`", residue="none")


def overrides(extension: type[SandboxExtension], verb: str) -> bool:
    """Whether the class defines `verb` itself."""
    return getattr(extension, verb) is not getattr(SandboxExtension, verb)

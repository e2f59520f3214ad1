"""What went wrong, as data that `sandboxer` decides by.

Raise one of these from a method of an extension. Each has a *kind*, says whether trying again may help (`retry`) and
whose doing it is (`blame`), and may state what is left behind (`residue`). The residue is believed only when it is
stated: leave it out unless you know, and a teardown will look. Other exceptions are turned into these by the host.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Any, Mapping

RETRIES = ("never", "after_fix", "backoff")
RESIDUES = ("none", "present", "partial", "in_progress", "unknown")
BLAMES = ("user", "backend", "extension")


class SandboxError(Exception):
    """A fault that crosses the extension contract.

    `message` is one sentence without a full stop. `residue` is one of `RESIDUES`, or None when it is not known.
    `retry` and `blame` are what the kind usually says unless given. `fields` says what is wrong with which member of
    the request, `hint` what to do next, `retry_after` how long to wait first, `handle` what was made so far, and
    `details` is anything else, as JSON.
    """

    kind = "internal"
    usual_retry = "backoff"
    usual_blame = "extension"
    usual_residue: str | None = None

    def __init__(
        self,
        message: str,
        *,
        residue: str | None = None,
        retry: str | None = None,
        blame: str | None = None,
        hint: str | None = None,
        fields: Mapping[str, str] | None = None,
        handle: Mapping[str, Any] | None = None,
        retry_after: timedelta | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.residue = _word("residue", residue, RESIDUES) or self.usual_residue
        self.retry = _word("retry", retry, RETRIES) or self.usual_retry
        self.blame = _word("blame", blame, BLAMES) or self.usual_blame
        self.hint = hint
        self.fields = dict(fields or {})
        self.handle = None if handle is None else dict(handle)
        self.retry_after = retry_after
        self.details = dict(details or {})


def _word(what: str, given: str | None, allowed: tuple[str, ...]) -> str | None:
    if given is not None and given not in allowed:
        raise ValueError(f"{what} is one of {', '.join(allowed)}, not {given!r}")
    return given


class InvalidInput(SandboxError):
    """The request is wrong, which was found before anything was made; `fields` say where."""

    kind = "invalid_input"
    usual_retry = "after_fix"
    usual_blame = "user"
    usual_residue = "none"


class Conflict(SandboxError):
    """It contradicts what exists."""

    kind = "conflict"
    usual_retry = "after_fix"
    usual_blame = "user"


class Unauthenticated(SandboxError):
    """A credential is missing or wrong."""

    kind = "unauthenticated"
    usual_retry = "after_fix"
    usual_blame = "user"


class Forbidden(SandboxError):
    """The credential is not enough."""

    kind = "forbidden"
    usual_retry = "after_fix"
    usual_blame = "user"


class NotFound(SandboxError):
    """Something named, such as a repository or a virtual machine, does not exist."""

    kind = "not_found"
    usual_retry = "after_fix"
    usual_blame = "user"


class Precondition(SandboxError):
    """Something else must be true first."""

    kind = "precondition"
    usual_retry = "after_fix"
    usual_blame = "user"


class Exhausted(SandboxError):
    """The backend's quota or capacity is used up."""

    kind = "exhausted"
    usual_blame = "backend"


class Unavailable(SandboxError):
    """The backend does not answer."""

    kind = "unavailable"
    usual_blame = "backend"


class HostUnreachable(SandboxError):
    """The host does not answer."""

    kind = "host_unreachable"
    usual_blame = "backend"


class Busy(SandboxError):
    """Another operation is under way."""

    kind = "busy"
    usual_blame = "backend"


class DeadlineExceeded(SandboxError):
    """Time ran out."""

    kind = "deadline"
    usual_blame = "backend"


class Cancelled(SandboxError):
    """The caller withdrew."""

    kind = "cancelled"
    usual_retry = "never"
    usual_blame = "user"


class Partial(SandboxError):
    """Part of it was done; give the `handle` that says what."""

    kind = "partial"
    usual_retry = "never"
    usual_blame = "backend"


class NotReady(SandboxError):
    """It will never be ready."""

    kind = "not_ready"
    usual_retry = "never"
    usual_blame = "backend"


class Unsupported(SandboxError):
    """This backend cannot do that."""

    kind = "unsupported"
    usual_retry = "never"
    usual_blame = "user"


class ContractViolation(SandboxError):
    """The contract was broken."""

    kind = "contract_violation"
    usual_retry = "never"


class Internal(SandboxError):
    """A fault of the extension's own."""

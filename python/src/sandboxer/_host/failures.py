"""Turns whatever an author's method raised into an error of the protocol."""

from __future__ import annotations

import sys

from sandboxer import errors
from sandboxer._host.codec import DOMAIN_ERROR, NotJson, clean, plain
from sandboxer.errors import SandboxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Iterator

    from sandboxer.call import Call

# By name, so that no module is imported only to be compared with. Some are other classes before Python 3.11.
_BY_NAME: dict[str, type[SandboxError]] = {
    "builtins.NotImplementedError": errors.Unsupported,
    "builtins.TimeoutError": errors.DeadlineExceeded,
    "socket.timeout": errors.DeadlineExceeded,
    "subprocess.TimeoutExpired": errors.DeadlineExceeded,
    "asyncio.exceptions.TimeoutError": errors.DeadlineExceeded,
    "concurrent.futures._base.TimeoutError": errors.DeadlineExceeded,
    "builtins.ConnectionError": errors.Unavailable,
    "socket.gaierror": errors.Unavailable,
    "urllib.error.HTTPError": errors.Internal,
    "urllib.error.URLError": errors.Unavailable,
    "builtins.PermissionError": errors.Forbidden,
    "builtins.FileNotFoundError": errors.NotFound,
    # What a backend said was not understood: no word about the caller's inputs.
    "json.decoder.JSONDecodeError": errors.Internal,
    "builtins.UnicodeError": errors.Internal,
}
_TAKE_INPUTS = ("validate", "provision", "restore", "fork", "estimate_cost")
_MINIMAL_HINTS = {
    "teardown": "teardown must work from `sandbox_id` and `host` alone; "
    "`self.call.intent` has what the sandbox was meant to be",
    "wait_ready": "the handle has `sandbox_id` and `host` alone; let `provision` return what `wait_ready` needs; "
    "`self.call.intent` has what the sandbox was meant to be",
}
_LONGEST_CAUSE = 4000
_MOST_CAUSES = 16


def error_object(exception: BaseException, verb: str, call: Call | None = None) -> dict[str, Any]:
    """The `error` member of the answer. What was not foreseen has its traceback printed to standard error."""
    if isinstance(exception, SandboxError):
        return {"code": DOMAIN_ERROR, "message": sentence(exception), "data": _data(exception, exception.__cause__)}
    import traceback

    traceback.print_exception(type(exception), exception, exception.__traceback__)
    error = _translated(exception, verb, call)
    return {"code": DOMAIN_ERROR, "message": clean(error.message, 1000), "data": _data(error, exception)}


def _translated(exception: BaseException, verb: str, call: Call | None) -> SandboxError:
    """The residue stays unstated: whoever did not foresee an exception does not know what is left behind.

    Only `validate` has no side effect that could leave something.
    """
    if call is not None and (call.cancelled or call.deadline.expired):
        kind: type[SandboxError] = errors.DeadlineExceeded if call.deadline.expired else errors.Cancelled
        word = "ran out of time" if kind is errors.DeadlineExceeded else "was cancelled"
        return kind(f"`{verb}` {word}: {sentence(exception)}")
    kind = _kind(exception, verb)
    message = sentence(exception)
    if kind is errors.Internal:
        message = f"`{verb}` failed with {type(exception).__name__}: {message}"
    error = kind(message, hint=_hint(exception, verb, call))
    if verb != "validate":
        error.residue = None
    return error


def _hint(exception: BaseException, verb: str, call: Call | None) -> str | None:
    """What to do about a member that a handle of `sandbox_id` and `host` alone does not have."""
    if not isinstance(exception, KeyError) or verb not in _MINIMAL_HINTS or call is None:
        return None
    steps = list(steps_of(exception))
    minimal = {"sandbox_id": call.sandbox_id, "host": call.host}
    return _MINIMAL_HINTS[verb] if steps and _reads(steps[-1], minimal) else None


def _reads(step: TracebackType, handle: dict[str, Any]) -> bool:
    """Whether the line of this step takes a member of a variable that holds such a handle."""
    import linecache
    import re

    line = linecache.getline(step.tb_frame.f_code.co_filename, step.tb_lineno)
    variables = step.tb_frame.f_locals
    taken = (variables.get(word) for word in re.findall(r"(\w+)(?:\[|\.pop\()", line))
    return any(type(value) is dict and value == handle for value in taken)


def _kind(exception: BaseException, verb: str) -> type[SandboxError]:
    for ancestor in type(exception).__mro__:
        known = _BY_NAME.get(f"{ancestor.__module__}.{ancestor.__qualname__}")
        if known is not None:
            return known
    if isinstance(exception, ValueError) and verb in _TAKE_INPUTS:
        return errors.InvalidInput
    return errors.Internal


def sentence(exception: BaseException) -> str:
    """The first line of what an exception says, without a full stop; its name when it says nothing."""
    lines = str(exception).strip().splitlines()
    return clean(lines[0].strip().rstrip("."), 1000) if lines else type(exception).__name__


def _data(error: SandboxError, cause: BaseException | None) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": error.kind, "retry": error.retry, "blame": error.blame}
    if error.residue is not None:
        data["residue"] = error.residue
    if error.retry_after is not None:
        data["retry_after_ms"] = max(0, round(error.retry_after.total_seconds() * 1000))
    if error.fields:
        data["fields"] = [{"field": clean(name), "message": clean(what)} for name, what in error.fields.items()]
    if error.hint:
        data["hint"] = clean(error.hint)
    causes = [clean(text, _LONGEST_CAUSE) for text in _causes(cause)]
    for name, value in (("handle", error.handle), ("details", error.details or None)):
        try:
            if value is not None:
                data[name] = plain(value, name)
        except NotJson as fault:
            causes.append(str(fault))
    if causes:
        data["causes"] = causes
    return data


def _causes(cause: BaseException | None) -> Iterator[str]:
    """What led to an error, outermost first, each with where it was raised."""
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen and len(seen) < _MOST_CAUSES:
        seen.add(id(cause))
        yield f"{type(cause).__name__}: {cause}{_place(cause)}"
        cause = beneath(cause)


def beneath(exception: BaseException) -> BaseException | None:
    """What led to an exception, where that was not hidden."""
    return exception.__cause__ or (None if exception.__suppress_context__ else exception.__context__)


def _place(exception: BaseException) -> str:
    """Where it was raised; for an import, the line that asked for it."""
    steps = [step for step in steps_of(exception) if not step.tb_frame.f_code.co_filename.startswith("<frozen ")]
    if not steps:
        return ""
    code = steps[-1].tb_frame.f_code
    return f" ({code.co_filename}, line {steps[-1].tb_lineno}, in {code.co_name})"


def steps_of(exception: BaseException) -> Iterator[TracebackType]:
    """The steps of its traceback, the outermost first."""
    step = exception.__traceback__
    while step is not None:
        yield step
        step = step.tb_next


def complain(message: str) -> None:
    """Says on standard error, where the log is made of, what no call can be told."""
    print(clean(message), file=sys.stderr)

"""Makes a report of the protocol from the cleanup report of an author, which may have any members.

Guide 0.1 asks for "a cleanup report dict" and no more, so `{"removed": True}` and `{"status": "removed"}` are reports.
A teardown that returned such a dict is complete unless something in it speaks against that: a sandbox that is owed one
more teardown costs less than one that is forgotten.
"""

from __future__ import annotations

from sandboxer._host.answers import violation
from sandboxer.errors import ContractViolation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LISTS = ("removed", "already_absent", "retained", "errors")
_VERDICTS = ("removed", "deleted", "destroyed", "cleaned", "cleaned_up", "torn_down", "gone", "done", "ok", "success")
_STATUSES = ("status", "state", "outcome", "result")
_EXIT_CODES = ("returncode", "exit_code", "exit_status", "rc")
_FAULTS = ("error", "failed", "failure", "failures")
_FAILED_WORDS = ("error", "failed", "failure", "partial", "incomplete", "pending", "in_progress", "unknown")


def report(returned: Any, verb: str) -> dict[str, Any]:
    """The report as `{"report": …}`. Raises `ContractViolation` for what is no dict."""
    if isinstance(returned, dict) and set(returned) == {"report"}:
        returned = returned["report"]
    if not isinstance(returned, dict):
        raise violation(verb, returned, "a cleanup report, such as {'removed': ['the stack'], 'complete': True}")
    complete = returned.get("complete", True)
    if not isinstance(complete, bool):
        raise ContractViolation(f"`{verb}` returned a report whose `complete` is neither True nor False")
    lines: dict[str, list[str]] = {name: [] for name in LISTS}
    for name, value in returned.items():
        if name != "complete":
            _sort(name, value, lines)
    return {"report": {**lines, "complete": complete and not lines["errors"]}}


def _sort(name: Any, value: Any, lines: dict[str, list[str]]) -> None:
    """Puts one member of the author's report where it belongs."""
    if _speaks_against(name, value):
        lines["errors"] += _texts(name, value)
    elif name in LISTS or name in _FAULTS:
        # Faults that are empty are none.
        lines[name if name in LISTS else "errors"] += _texts(name, value) if value else []
    else:
        lines["removed"] += _texts(name, value)


def _speaks_against(name: Any, value: Any) -> bool:
    if name in _VERDICTS:
        return value is False
    if name in _STATUSES:
        return isinstance(value, str) and value.strip().lower() in _FAILED_WORDS
    if name in _EXIT_CODES:
        return isinstance(value, int) and value != 0
    return False


def _texts(name: Any, value: Any) -> list[str]:
    if name in LISTS and isinstance(value, (list, tuple, set, frozenset)):
        return [str(item) for item in value]
    if name in LISTS and isinstance(value, str):
        return [value]
    return [f"{name}: {value}"]

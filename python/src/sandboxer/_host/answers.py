"""Makes results of the protocol from what authors' methods return, which may be simpler.

What cannot be understood is a `ContractViolation` that says what was expected; its residue stays unstated.
"""

from __future__ import annotations

from sandboxer.errors import ContractViolation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sandboxer._host.request import Request

    JSON = dict[str, Any]

STATES = ("running", "paused", "stopped", "busy", "absent", "error")


def violation(verb: str, returned: Any, expected: str) -> ContractViolation:
    """Says what a method returned, and what it should have."""
    what = "nothing" if returned is None else f"`{type(returned).__name__}`"
    return ContractViolation(f"`{verb}` returned {what}, not {expected}")


def handle(returned: Any, request: Request) -> JSON:
    """A handle with the id and the host of the request where it has none. Others are left for the host to refuse."""
    members = _object_or_wrapped(returned, "handle", request.verb, "a handle, such as {'sandbox_id': …, 'host': …}")
    named = {"sandbox_id": request.text("sandbox_id"), "host": request.text("host")}
    return {"handle": {**members, **{name: text for name, text in named.items() if name not in members}}}


def reachability(returned: Any, request: Request) -> JSON:
    """How the sandbox is reached."""
    expected = "a reachability, such as {'ssh': 'me@box', 'remote_dir': '/srv/x'}"
    return {"reachability": _object_or_wrapped(returned, "reachability", request.verb, expected)}


def recovered(returned: Any, request: Request) -> JSON:
    """None, a handle, or the word `in_progress`."""
    if returned is None or returned == "absent":
        return {"outcome": "absent"}
    if returned == "in_progress":
        return {"outcome": "in_progress"}
    if isinstance(returned, dict) and returned.get("outcome") in ("absent", "in_progress"):
        return dict(returned)
    if isinstance(returned, dict) and returned:
        members = {name: value for name, value in returned.items() if name != "outcome"}
        return {"outcome": "present", **handle(members, request)}
    raise violation("recover", returned, "None, a handle or 'in_progress'")


def listed(returned: Any, request: Request) -> JSON:
    """Ids or dicts, in a list or as `{"sandboxes": […], "next": …}`."""
    entries, following = _page(returned, "sandboxes", request.verb)
    return {"sandboxes": [_listed(entry, request) for entry in entries], "next": following}


def listed_snapshots(returned: Any, request: Request) -> JSON:
    """Dicts, in a list or as `{"snapshots": […], "next": …}`."""
    entries, following = _page(returned, "snapshots", request.verb)
    for entry in entries:
        if not isinstance(entry, dict) or not {"snapshot_id", "kind"} <= set(entry):
            raise violation(request.verb, entry, "dicts with `snapshot_id` and `kind`")
    return {"snapshots": entries, "next": following}


def _page(returned: Any, member: str, verb: str) -> tuple[list[Any], Any]:
    following = None
    if isinstance(returned, dict) and member in returned:
        returned, following = returned[member], returned.get("next")
    if not isinstance(returned, (list, tuple, set, frozenset)):
        raise violation(verb, returned, f"a list of {member}")
    return list(returned), following


def _listed(entry: Any, request: Request) -> JSON:
    if isinstance(entry, str):
        entry = {"sandbox_id": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("sandbox_id"), str):
        raise violation(request.verb, entry, "ids, or dicts with `sandbox_id`")
    # Labels are not made up: an entry whose labels nobody knows belongs to nobody.
    whole: JSON = {"host": request.text("host"), "labels": {}, **entry}
    if whole.get("created_at") is not None:
        whole["created_at"] = moment(whole["created_at"], request.verb)
    return whole


def status(returned: Any) -> JSON:
    """A word, or a word and a detail."""
    if isinstance(returned, str):
        returned = {"state": returned}
    elif isinstance(returned, (list, tuple)) and len(returned) == 2:
        returned = {"state": returned[0], "detail": returned[1]}
    if not isinstance(returned, dict) or returned.get("state") not in STATES:
        raise violation("status", returned, f"one of {', '.join(STATES)}")
    detail = returned.get("detail")
    return {"state": returned["state"]} if detail is None else {"state": returned["state"], "detail": str(detail)}


def extended(returned: Any) -> JSON:
    """The moment to which the time-out was moved."""
    if isinstance(returned, dict) and "expires_at" in returned:
        returned = returned["expires_at"]
    return {"expires_at": moment(returned, "extend")}


def moment(value: Any, verb: str) -> str:
    """A `datetime` or a text, as UTC."""
    from datetime import datetime

    from sandboxer.moments import moment_text, parse_moment

    try:
        if isinstance(value, datetime):
            return moment_text(value)
        if isinstance(value, str):
            return moment_text(parse_moment(value))
    except ValueError as fault:
        raise ContractViolation(f"`{verb}` returned a moment that is none: {fault}") from fault
    raise violation(verb, value, "a moment, such as a `datetime` with a time zone")


def snapshot(returned: Any, request: Request) -> JSON:
    """What is known of a snapshot; its id and kind are the request's where it does not say them."""
    members = _object_or_wrapped(returned, "snapshot", "snapshot", "a dict with `size_bytes` and `location`")
    named = {"snapshot_id": request.text("snapshot_id"), "kind": request.text("kind")}
    return {"snapshot": {**named, **members}}


def connection(returned: Any) -> JSON:
    """One of `argv`, `socket` and `url`; a list is an `argv`."""
    if isinstance(returned, (list, tuple)):
        returned = {"argv": list(returned)}
    if isinstance(returned, dict) and sum(way in returned for way in ("argv", "socket", "url")) == 1:
        return dict(returned)
    raise violation("connect", returned, "a dict with one of `argv`, `socket` and `url`")


def quote(returned: Any, request: Request) -> JSON:
    """A quote, with decimals as texts."""
    from sandboxer.meter import quote_to_wire

    return {"quote": quote_to_wire(returned, request.span("duration_ms"))}


def prices(returned: Any) -> JSON:
    """The rows of a price list."""
    from sandboxer.meter import price_to_wire

    if isinstance(returned, dict) and "prices" in returned:
        returned = returned["prices"]
    if not isinstance(returned, (list, tuple)):
        raise violation("prices", returned, "a list of `MeterPrice`")
    return {"prices": [price_to_wire(row) for row in returned]}


def _object_or_wrapped(returned: Any, member: str, verb: str, expected: str) -> JSON:
    """A dict, which may already stand in the member of the result where it goes."""
    if isinstance(returned, dict) and set(returned) == {member}:
        returned = returned[member]
    if not isinstance(returned, dict):
        raise violation(verb, returned, expected)
    return dict(returned)

"""Which method of an author's class answers which verb, with what, and how its result is read."""

from __future__ import annotations

from sandboxer._host import answers
from sandboxer._host.reports import report
from sandboxer.extensions.base import OPTIONAL_VERBS, REQUIRED_VERBS, overrides

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from sandboxer._host.request import Request
    from sandboxer.extensions.base import SandboxExtension

    JSON = dict[str, Any]

PROTOCOLS = [1]


def _describe(extension: SandboxExtension, request: Request) -> JSON:
    kind = type(extension)
    described = {
        "id": request.meta.get("ext"),
        "version": str(extension.version),
        "protocols": PROTOCOLS,
        "verbs": [verb for verb in OPTIONAL_VERBS if overrides(kind, verb)],
        "features": list(extension.features),
    }
    if extension.inputs_schema is not None:
        described["inputs_schema"] = extension.inputs_schema
    return described


def _validate(extension: SandboxExtension, request: Request) -> JSON:
    host, profile, inputs = request.text("host"), request.profile(), request.inputs()
    returned = extension.validate(profile, inputs, host)
    # An author who only checks may return nothing.
    checked = inputs if returned is None else returned
    if isinstance(checked, dict) and set(checked) == {"inputs"} and isinstance(checked["inputs"], dict):
        checked = checked["inputs"]
    if not isinstance(checked, dict):
        raise answers.violation("validate", returned, "the inputs")
    if "sandbox_id" in checked and "sandbox_id" not in request.object("inputs"):
        checked = {name: value for name, value in checked.items() if name != "sandbox_id"}
    return {"inputs": checked}


def _provision(extension: SandboxExtension, request: Request) -> JSON:
    request.text("sandbox_id")
    host, profile, inputs = request.text("host"), request.profile(), request.inputs()
    return answers.handle(extension.provision(profile, inputs, host), request)


def _restore(extension: SandboxExtension, request: Request) -> JSON:
    request.text("sandbox_id")
    host, profile, inputs, snapshot_id = (
        request.text("host"), request.profile(), request.inputs(), request.text("snapshot_id"),
    )  # fmt: skip
    return answers.handle(extension.restore(snapshot_id, profile, inputs, host), request)


def _fork(extension: SandboxExtension, request: Request) -> JSON:
    request.text("sandbox_id")
    host, profile, inputs, source = (
        request.text("host"), request.profile(), request.inputs(), request.object("source"),
    )  # fmt: skip
    return answers.handle(extension.fork(source, profile, inputs, host), request)


def _teardown(extension: SandboxExtension, request: Request) -> JSON:
    # The handle that is always known; what it says itself stands.
    minimal = {name: request.text(name) for name in ("sandbox_id", "host") if name in request.params}
    return report(extension.teardown({**minimal, **request.object("handle")}), "teardown")


def _pause(extension: SandboxExtension, request: Request) -> JSON:
    extension.pause(request.object("handle"))
    return {}


def _snapshot(extension: SandboxExtension, request: Request) -> JSON:
    taken = extension.snapshot(request.object("handle"), request.text("snapshot_id"), request.text("kind"))
    return answers.snapshot(taken, request)


VERBS: dict[str, Callable[[SandboxExtension, Request], JSON]] = {
    "describe": _describe,
    "validate": _validate,
    "provision": _provision,
    "wait_ready": lambda e, r: answers.reachability(e.wait_ready(r.object("handle")), r),
    "teardown": _teardown,
    "recover": lambda e, r: answers.recovered(e.recover(r.text("sandbox_id"), r.text("host")), r),
    "list": lambda e, r: answers.listed(e.list(r.text("host")), r),
    "status": lambda e, r: answers.status(e.status(r.object("handle"))),
    "estimate_cost": lambda e, r: answers.quote(e.estimate_cost(r.profile(), r.span("duration_ms")), r),
    "prices": lambda e, r: answers.prices(e.prices()),
    "extend": lambda e, r: answers.extended(e.extend(r.object("handle"), r.span("ttl_ms"))),
    "pause": _pause,
    "resume": lambda e, r: answers.reachability(e.resume(r.object("handle")), r),
    "snapshot": _snapshot,
    "restore": _restore,
    "fork": _fork,
    "list_snapshots": lambda e, r: answers.listed_snapshots(e.list_snapshots(r.text("host")), r),
    "delete_snapshot": lambda e, r: report(
        e.delete_snapshot(r.text("snapshot_id"), r.text("host")), "delete_snapshot"
    ),
    "connect": lambda e, r: answers.connection(e.connect(r.object("handle"))),
}


def has(extension: SandboxExtension, verb: str) -> bool:
    """Whether this extension answers `verb`."""
    return verb == "describe" or verb in REQUIRED_VERBS or (verb in VERBS and overrides(type(extension), verb))

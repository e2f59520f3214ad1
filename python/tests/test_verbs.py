"""What authors' methods may return, and what becomes of it."""

from __future__ import annotations

import unittest
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import support  # noqa: F401  (puts the package on the path)
from sandboxer.extensions.base import OPTIONAL_VERBS, SandboxExtension
from sandboxer.meter import MeterPrice, MeterQuote
from sandboxer.testing import Answer, Harness, profile

HANDLE = {"sandbox_id": "sbx01test", "host": "localhost"}
NOON = datetime(2026, 1, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))


class Required(SandboxExtension):
    def provision(self, profile: Any, inputs: Any, host: Any) -> Any: ...
    def wait_ready(self, handle: Any) -> Any: ...
    def teardown(self, handle: Any) -> Any: ...


def returning(verb: str, value: Any, **params: Any) -> Answer:
    """The answer of an extension whose method for `verb` returns `value`."""
    kind = type("Returning", (Required,), {verb: lambda self, *arguments: value})
    return Harness(kind).call(verb, **params)


class Handles(unittest.TestCase):
    def test_a_handle_gets_its_id_and_host_and_is_never_corrected(self) -> None:
        self.assertEqual(returning("provision", {"k": 1}).result, {"handle": {"k": 1, **HANDLE}})
        self.assertEqual(returning("provision", {"handle": {"k": 1}}).result, {"handle": {"k": 1, **HANDLE}})
        other = {"sandbox_id": "another", "host": "elsewhere"}
        self.assertEqual(returning("provision", other).result, {"handle": other})
        wrong: Any
        for wrong in (None, "sbx", ["x"]):
            self.assertEqual(returning("provision", wrong).kind, "contract_violation")

    def test_restore_and_fork_make_handles_too(self) -> None:
        self.assertEqual(returning("restore", {}, snapshot_id="snap1").result, {"handle": HANDLE})
        self.assertEqual(returning("fork", {}, source=HANDLE).result, {"handle": HANDLE})
        self.assertEqual(returning("fork", {}).error["code"], -32602)

    def test_recover(self) -> None:
        self.assertEqual(returning("recover", None).result, {"outcome": "absent"})
        self.assertEqual(returning("recover", "in_progress").result, {"outcome": "in_progress"})
        self.assertEqual(returning("recover", {"k": 1}).result, {"outcome": "present", "handle": {"k": 1, **HANDLE}})
        wrapped = {"outcome": "present", "handle": {"k": 1}}
        self.assertEqual(returning("recover", wrapped).result, {"outcome": "present", "handle": {"k": 1, **HANDLE}})
        wrong: Any
        for wrong in ({}, "perhaps", False):
            self.assertEqual(returning("recover", wrong).kind, "contract_violation")

    def test_inputs_always_have_the_id_and_the_request_decides_it(self) -> None:
        class Telling(Required):
            def provision(self, profile: Any, inputs: Any, host: Any) -> Any:
                return {"given": inputs, "intent": self.call.intent.inputs if self.call.intent else None}

        handle = Harness(Telling).call("provision", inputs={"sandbox_id": "mine", "a": 1}).result["handle"]
        self.assertEqual(handle["given"], {"sandbox_id": "sbx01test", "a": 1})
        self.assertEqual(handle["intent"], {"sandbox_id": "mine", "a": 1})

    def test_validate_returns_inputs_without_the_id_that_the_host_put_there(self) -> None:
        class Checking(Required):
            def validate(self, profile: Any, inputs: Any, host: Any) -> Any:
                return {"size": 1, **inputs} if inputs.get("x") else None

        harness = Harness(Checking)
        self.assertEqual(harness.call("validate", inputs={"x": 2}).result, {"inputs": {"size": 1, "x": 2}})
        self.assertEqual(harness.call("validate", inputs={"y": 2}).result, {"inputs": {"y": 2}})


class Reports(unittest.TestCase):
    def report(self, returned: Any) -> dict[str, Any]:
        report: dict[str, Any] = returning("teardown", returned, handle=HANDLE).result["report"]
        return report

    def test_reports_of_any_shape_are_complete_unless_they_say_otherwise(self) -> None:
        complete: list[dict[str, Any]] = [
            {"removed": True}, {"status": "removed"}, {"removed": ["a"], "errors": []}, {"error": None}, {},
            {"returncode": 0, "workspace": "/srv"}, {"removed": ["a"], "complete": True}, {"dry_run": False},
        ]  # fmt: skip
        for returned in complete:
            self.assertIs(self.report(returned)["complete"], True, returned)
        incomplete: list[dict[str, Any]] = [
            {"errors": ["volume is busy"]}, {"errors": "busy", "complete": True}, {"removed": ["a"], "complete": False},
            {"removed": False}, {"ok": False}, {"status": "failed"}, {"returncode": 1}, {"error": "busy"},
        ]  # fmt: skip
        for returned in incomplete:
            report = self.report(returned)
            self.assertIs(report["complete"], False, returned)
            self.assertTrue(report["errors"] or returned.get("complete") is False)

    def test_members_go_where_they_belong_as_texts(self) -> None:
        report = self.report({"removed": ["a", 7], "retained": "the VM", "already_absent": [], "volumes": [1]})
        self.assertEqual(report, {
            "removed": ["a", "7", "volumes: [1]"], "already_absent": [], "retained": ["the VM"], "errors": [],
            "complete": True,
        })  # fmt: skip

    def test_no_report_is_no_success(self) -> None:
        wrong: Any
        for wrong in (None, True, "removed", []):
            self.assertEqual(returning("teardown", wrong, handle=HANDLE).kind, "contract_violation")
        self.assertEqual(returning("teardown", {"complete": "yes"}, handle=HANDLE).kind, "contract_violation")

    def test_the_minimal_handle_is_always_there(self) -> None:
        class Seeing(Required):
            def teardown(self, handle: Any) -> Any:
                return {"removed": [f"{handle['sandbox_id']} on {handle['host']}, {self.call.reason}"]}

        report = Harness(Seeing).call("teardown", handle={}, reason="orphan").result["report"]
        self.assertEqual(report["removed"], ["sbx01test on localhost, orphan"])

    def test_snapshots_are_removed_with_a_report(self) -> None:
        answer = returning("delete_snapshot", {"removed": ["s"]}, snapshot_id="s")
        self.assertIs(answer.result["report"]["complete"], True)


class Others(unittest.TestCase):
    def test_lists(self) -> None:
        entries = ["sbx1", {"sandbox_id": "sbx2", "host": "b", "labels": {"a": "b"}, "created_at": NOON}]
        self.assertEqual(returning("list", entries).result, {
            "sandboxes": [
                {"sandbox_id": "sbx1", "host": "localhost", "labels": {}},
                {"sandbox_id": "sbx2", "host": "b", "labels": {"a": "b"}, "created_at": "2026-01-01T12:00:00Z"},
            ],
            "next": None,
        })  # fmt: skip
        page = returning("list", {"sandboxes": (), "next": "p2"}).result
        self.assertEqual(page, {"sandboxes": [], "next": "p2"})
        snapshot = {"snapshot_id": "s1", "kind": "memory"}
        self.assertEqual(returning("list_snapshots", [snapshot]).result, {"snapshots": [snapshot], "next": None})
        self.assertEqual(returning("list_snapshots", ["s1"]).kind, "contract_violation")
        wrong: Any
        for wrong in (None, "sbx1", [1], [{"id": "x"}]):
            self.assertEqual(returning("list", wrong).kind, "contract_violation")

    def test_status(self) -> None:
        self.assertEqual(returning("status", "running", handle=HANDLE).result, {"state": "running"})
        with_detail = {"state": "error", "detail": "disk"}
        for form in (("error", "disk"), with_detail):
            self.assertEqual(returning("status", form, handle=HANDLE).result, with_detail)
        wrong: Any
        for wrong in (None, "fine", ("x",), {}):
            self.assertEqual(returning("status", wrong, handle=HANDLE).kind, "contract_violation")

    def test_extend_takes_moments_with_a_zone(self) -> None:
        for form in (NOON, "2026-01-01T12:00:00Z", "2026-01-01T13:00:00+01:00", {"expires_at": NOON}):
            answer = returning("extend", form, handle=HANDLE, ttl_ms=5000)
            self.assertEqual(answer.result, {"expires_at": "2026-01-01T12:00:00Z"})
        for wrong in (None, NOON.replace(tzinfo=None), "soon", "2026-01-01T12:00:00"):
            self.assertEqual(returning("extend", wrong, handle=HANDLE, ttl_ms=5000).kind, "contract_violation")

    def test_reachability_pause_and_resume(self) -> None:
        ready = {"ssh": "me@box", "ports": {"80": 8080}}
        self.assertEqual(returning("wait_ready", ready, handle=HANDLE).result, {"reachability": ready})
        self.assertEqual(returning("resume", ready, handle=HANDLE).result, {"reachability": ready})
        self.assertEqual(returning("pause", None, handle=HANDLE).result, {})
        self.assertEqual(returning("wait_ready", None, handle=HANDLE).kind, "contract_violation")

    def test_snapshot_and_connect(self) -> None:
        taken = returning("snapshot", {"size_bytes": 5}, handle=HANDLE, snapshot_id="s", kind="memory").result
        self.assertEqual(taken, {"snapshot": {"snapshot_id": "s", "kind": "memory", "size_bytes": 5}})
        self.assertEqual(returning("connect", ["ssh", "x"], handle=HANDLE).result, {"argv": ["ssh", "x"]})
        self.assertEqual(returning("connect", {"socket": "/s"}, handle=HANDLE).result, {"socket": "/s"})
        wrong: Any
        for wrong in (None, {}, {"socket": "/s", "url": "wss://x"}):
            self.assertEqual(returning("connect", wrong, handle=HANDLE).kind, "contract_violation")

    def test_quotes_and_prices_are_exact(self) -> None:
        quote = MeterQuote(duration=timedelta(hours=1), currency="USD", expected=Decimal("1E-7"), billing="active")
        wire = returning("estimate_cost", quote, duration_ms=1).result["quote"]
        self.assertEqual(wire, {"duration": "1h", "currency": "USD", "expected": "0.0000001", "billing": "active"})
        members = returning("estimate_cost", {"currency": "EUR", "expected": 0}, duration_ms=5_400_000).result["quote"]
        self.assertEqual(members, {"duration": "1h30m", "currency": "EUR", "expected": "0"})
        for wrong in (None, {"currency": "EUR", "expected": 0.1}, {"expected": "1"}, {"x": 1}):
            self.assertEqual(returning("estimate_cost", wrong, duration_ms=1).kind, "contract_violation")
        row = MeterPrice(meter="vcpu_s", amount="0.000014", currency="USD")
        self.assertEqual(returning("prices", [row]).result["prices"][0]["amount"], "0.000014")
        self.assertEqual(returning("prices", [{"meter": "x"}]).kind, "contract_violation")

    def test_estimates_see_the_profile_the_span_and_the_inputs(self) -> None:
        class Pricing(Required):
            def estimate_cost(self, profile: Any, duration: timedelta) -> Any:
                assert self.call.intent is not None
                count = self.call.intent.inputs["count"] * profile.resources.cpus
                return MeterQuote(duration=duration, currency="USD", expected=count * duration // timedelta(hours=1))

        asked = {"profile": profile(resources={"cpus": 2}), "inputs": {"count": 3}, "duration_ms": 7_200_000}
        quote = Harness(Pricing).call("estimate_cost", **asked).result["quote"]
        self.assertEqual((quote["expected"], quote["duration"]), ("12", "2h"))

    def test_a_verb_that_is_not_overridden_is_none(self) -> None:
        for verb in OPTIONAL_VERBS:
            self.assertEqual(Harness(Required).call(verb).error["code"], -32601)


if __name__ == "__main__":
    unittest.main()

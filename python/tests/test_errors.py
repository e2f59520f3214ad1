"""Exceptions and what they become on the wire."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import importlib
import io
import json
import socket
import subprocess
import unittest
import urllib.error
from datetime import timedelta
from email.message import Message
from typing import Any, Callable

import support  # noqa: F401  (puts the package on the path)
from sandboxer import errors
from sandboxer.testing import Harness
from test_verbs import HANDLE, Required

# The table of the protocol: what a kind usually says about trying again.
RETRIES = {
    "invalid_input": "after_fix", "conflict": "after_fix", "unauthenticated": "after_fix", "forbidden": "after_fix",
    "not_found": "after_fix", "precondition": "after_fix", "exhausted": "backoff", "unavailable": "backoff",
    "host_unreachable": "backoff", "busy": "backoff", "deadline": "backoff", "cancelled": "never", "partial": "never",
    "not_ready": "never", "unsupported": "never", "contract_violation": "never", "internal": "backoff",
}  # fmt: skip


def raised(verb: str, fault: Callable[[], BaseException], **params: Any) -> tuple[dict[str, Any], str]:
    """The error when the method for `verb` raises, and what was said on standard error."""

    def method(self: Any, *arguments: Any) -> Any:
        raise fault()

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        answer = Harness(type("Raising", (Required,), {verb: method})).call(verb, **params)
    return answer.error, said.getvalue()


class Kinds(unittest.TestCase):
    def test_every_kind_has_a_class_that_says_what_it_usually_says(self) -> None:
        classes = {kind.kind: kind for kind in errors.SandboxError.__subclasses__()}
        self.assertEqual(set(classes), set(RETRIES))
        for name, kind in classes.items():
            error, said = raised("provision", lambda kind=kind: kind("it went wrong."))  # type: ignore[misc]
            data = error["data"]
            self.assertEqual((error["message"], data["kind"], data["retry"]), ("it went wrong", name, RETRIES[name]))
            self.assertEqual(data.get("residue"), "none" if name == "invalid_input" else None)
            self.assertEqual(said, "", "what was foreseen needs no traceback")

    def test_everything_that_can_be_said_is_said(self) -> None:
        fault = errors.Partial(
            "half of it", residue="partial", retry="backoff", blame="user", hint="wait", fields={"a": "b"},
            handle={"k": 1}, retry_after=timedelta(seconds=1.5), details={"x": [1]},
        )  # fmt: skip
        data = raised("provision", lambda: fault)[0]["data"]
        self.assertEqual(data, {
            "kind": "partial", "retry": "backoff", "blame": "user", "residue": "partial", "retry_after_ms": 1500,
            "fields": [{"field": "a", "message": "b"}], "hint": "wait", "handle": {"k": 1}, "details": {"x": [1]},
        })  # fmt: skip

    def test_words_that_there_are_not_are_refused_where_they_are_written(self) -> None:
        with self.assertRaisesRegex(ValueError, "residue is one of"):
            errors.Internal("x", residue="nothing")

    def test_details_without_json_do_not_cost_the_error(self) -> None:
        data = raised("provision", lambda: errors.Busy("x", details={"o": object()}))[0]["data"]
        self.assertEqual(data["kind"], "busy")
        self.assertIn("details.o", data["causes"][0])


class Translations(unittest.TestCase):
    def test_pythons_own_exceptions(self) -> None:
        expected: list[tuple[BaseException, str]] = [
            (NotImplementedError("no"), "unsupported"), (TimeoutError("late"), "deadline"),
            (socket.timeout("late"), "deadline"), (asyncio.TimeoutError(), "deadline"),
            (concurrent.futures.TimeoutError(), "deadline"), (subprocess.TimeoutExpired(["x"], 1), "deadline"),
            (ConnectionRefusedError("no"), "unavailable"), (socket.gaierror(-2, "who"), "unavailable"),
            (urllib.error.URLError("x"), "unavailable"), (PermissionError("no"), "forbidden"),
            (urllib.error.HTTPError("u", 400, "bad", Message(), None), "internal"),
            (FileNotFoundError("no"), "not_found"), (KeyError("k"), "internal"), (TypeError("t"), "internal"),
            (OSError("disk"), "internal"), (SystemExit(1), "internal"), (ValueError("v"), "invalid_input"),
            (json.JSONDecodeError("m", "d", 0), "internal"), (UnicodeDecodeError("utf-8", b"", 0, 1, "r"), "internal"),
        ]  # fmt: skip
        for fault, kind in expected:
            data = raised("provision", lambda fault=fault: fault)[0]["data"]  # type: ignore[misc]
            self.assertEqual(data["kind"], kind, fault)
            self.assertNotIn("residue", data, f"nobody knows what {fault!r} leaves behind")

    def test_a_value_error_is_about_inputs_only_where_there_are_some(self) -> None:
        fault = lambda: ValueError("too large")  # noqa: E731
        data = raised("validate", fault)[0]["data"]
        self.assertEqual((data["kind"], data["residue"], data["blame"]), ("invalid_input", "none", "user"))
        data = raised("wait_ready", fault, handle=HANDLE)[0]["data"]
        self.assertEqual((data["kind"], data.get("residue")), ("internal", None))

    def test_tracebacks_go_to_standard_error_and_their_short_form_to_causes(self) -> None:
        def fault() -> BaseException:
            try:
                raise KeyError("inner")
            except KeyError as cause:
                error = RuntimeError("outer.\nwith more\ud800")
                error.__cause__ = cause
                return error

        error, said = raised("provision", fault)
        self.assertEqual(error["message"], "`provision` failed with RuntimeError: outer")
        self.assertIn("test_errors.py", error["data"]["causes"][0])
        self.assertIn("KeyError: 'inner'", error["data"]["causes"][1])
        self.assertIn("Traceback", said)

    def test_what_a_minimal_handle_does_not_have_is_told_with_what_there_is(self) -> None:
        class Needing(Required):
            def teardown(self, handle: Any) -> Any:
                return self.remove(handle)

            def remove(self, known: Any) -> Any:
                return known["vm"]

            def wait_ready(self, handle: Any) -> Any:
                return {"host": handle["host"], "ssh": handle.pop("ssh")}

            def status(self, handle: Any) -> Any:
                return handle["vm"]

        def hint(kind: type[Required], verb: str, **handle: Any) -> str | None:
            with contextlib.redirect_stderr(io.StringIO()):
                error = Harness(kind).call(verb, handle=handle).error
            self.assertTrue(error["message"].startswith(f"`{verb}` failed with KeyError: "), error)
            found: str | None = error["data"].get("hint")
            return found

        intent = "`self.call.intent` has what the sandbox was meant to be"
        self.assertEqual(hint(Needing, "teardown"), f"teardown must work from `sandbox_id` and `host` alone; {intent}")
        self.assertEqual(hint(Needing, "teardown", **HANDLE), hint(Needing, "teardown"))
        self.assertIn("let `provision` return what `wait_ready` needs", str(hint(Needing, "wait_ready", **HANDLE)))
        self.assertIsNone(hint(Needing, "teardown", other=1), "there is more than the minimal handle")
        self.assertIsNone(hint(Needing, "status", **HANDLE))

        class Configured(Required):
            def wait_ready(self, handle: Any) -> Any:
                return self.config["root"]

        self.assertIsNone(hint(Configured, "wait_ready", **HANDLE), "it is not the handle that lacks it")

    def test_an_import_in_a_method_is_told_by_the_line_that_asks(self) -> None:
        class Importing(Required):
            def provision(self, profile: Any, inputs: Any, host: Any) -> Any:
                importlib.import_module("nobody_has_this")

        with contextlib.redirect_stderr(io.StringIO()):
            (cause,) = Harness(Importing).call("provision").error["data"]["causes"]
        self.assertNotIn("frozen", cause)

    def test_an_exception_that_is_its_own_cause_ends(self) -> None:
        def fault() -> BaseException:
            error = RuntimeError()
            error.__cause__ = error
            return error

        error, _ = raised("provision", fault)
        self.assertEqual(len(error["data"]["causes"]), 1)
        self.assertEqual(error["message"], "`provision` failed with RuntimeError: RuntimeError")


if __name__ == "__main__":
    unittest.main()

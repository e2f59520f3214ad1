"""What authors test with."""

from __future__ import annotations

import contextlib
import io
import unittest
from typing import Any

import support  # noqa: F401  (puts the package on the path)
from sandboxer.testing import Harness, detached_call, profile
from test_verbs import HANDLE, Required


class Own(Required):
    def __init__(self) -> None:
        # Like many authors: nothing of the base class is called.
        self.config = {"from": "the author"}
        self.log = "my logger"

    def provision(self, profile: Any, inputs: Any, host: Any) -> Any:
        return {"config": self.config, "secret": sorted(self.secrets), "log": self.log}


class Speaking(Required):
    def provision(self, profile: Any, inputs: Any, host: Any) -> Any:
        self.progress("pull", "pulls", total=2)
        self.log.warning("careful")
        self.checkpoint({"id": 1})
        return {}

    def wait_ready(self, handle: Any) -> Any:
        self.progress("wait", "waits")
        self.call.wait(3600)


class Harnesses(unittest.TestCase):
    def test_the_manifests_config_is_what_a_called_extension_sees(self) -> None:
        handle = Harness(Own, config={"from": "the manifest"}, secrets={"key": "x"}).call("provision").result["handle"]
        self.assertEqual(handle, {**HANDLE, "config": {"from": "the manifest"}, "secret": ["key"], "log": "my logger"})
        self.assertEqual(Harness(Own()).call("provision").result["handle"]["config"], {})

    def test_without_a_host_what_was_set_holds(self) -> None:
        own = Own()
        self.assertEqual((own.config, own.secrets, own.log), ({"from": "the author"}, {}, "my logger"))
        plain = Required()
        self.assertEqual((plain.config, plain.secrets, plain.call.id), ({}, {}, "detached"))
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            Speaking().provision(profile(), {}, "localhost")
        self.assertEqual(said.getvalue(), "careful\n")

    def test_notifications_and_cancelling(self) -> None:
        harness = Harness(Speaking)
        answer = harness.call("provision")
        self.assertEqual([words["method"] for words in answer.notifications], ["progress", "log", "checkpoint"])
        self.assertEqual(answer.notifications[0]["params"]["total"], 2)
        call = harness.start("wait_ready", handle=HANDLE)
        self.assertEqual(harness.until(call, "progress")["phase"], "wait")
        harness.cancel(call)
        self.assertEqual(harness.wait(call).kind, "cancelled")

    def test_a_wrong_expectation_shows_what_came(self) -> None:
        answer = Harness(Speaking).call("provision")
        with self.assertRaisesRegex(AssertionError, "succeeded.*sbx01test"):
            answer.error
        refused = Harness(Speaking).call("dance")
        with self.assertRaisesRegex(AssertionError, "failed.*-32601"):
            refused.result
        with self.assertRaises(TimeoutError):
            Harness(Speaking).wait("never started", seconds=0.01)

    def test_detached_calls_keep_words(self) -> None:
        detached = detached_call(config={"a": 1}, intent=({"id": "profile.x"}, {"repo": "r"}), draft={"b": 2})
        with detached as call:
            extension = Speaking()
            extension.provision(profile(), {}, "localhost")
            self.assertEqual((extension.config, call.draft), ({"a": 1}, {"b": 2}))
            assert call.intent is not None
            self.assertEqual((call.intent.profile.id, call.intent.inputs["repo"]), ("profile.x", "r"))
        words = detached.words
        self.assertEqual((words.progressed, words.logged), ([("pull", "pulls")], [("warning", "careful")]))
        self.assertEqual((words.drafts, Speaking().call.id), ([{"id": 1}], "detached"))


if __name__ == "__main__":
    unittest.main()

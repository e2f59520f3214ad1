"""Tests of the extension in memory, through the host's own reading and writing of messages: `python3 -m unittest discover tests`.

`sandboxer` must be on the path, and its package where Python finds it.
"""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "extensions"))

from my_backend_extension import MyBackendExtension  # noqa: E402
from sandboxer.testing import Harness  # noqa: E402


class Lifecycle(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="boxes-")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()
        (self.root / ".backend").touch()
        self.harness = Harness(MyBackendExtension, config={"root": folder.name})
        # Whatever a test leaves behind; this is also the order in which a host would do it.
        self.addCleanup(lambda: self.teardown())

    def provision(self, **inputs):
        return self.harness.call("provision", inputs=inputs)

    def teardown(self, **members):
        handle = {"sandbox_id": "sbx01test", "host": "localhost"}
        return self.harness.call("teardown", handle=handle, reason="requested", **members)

    def boxes(self):
        return sorted(path.name for path in self.root.iterdir() if path.name != ".backend")

    def test_a_box_is_made_used_and_removed(self):
        handle = self.provision(note="hello").result["handle"]
        reachability = self.harness.call("wait_ready", handle=handle).result["reachability"]
        self.assertEqual(reachability["agent"], f"unix:{self.root}/sbx01test/agent")
        self.assertEqual(self.harness.call("status", handle=handle).result["state"], "running")
        self.assertTrue(self.teardown().result["report"]["complete"])
        self.assertEqual(self.harness.call("status", handle=handle).result["state"], "absent")
        self.assertEqual(self.boxes(), [])

    def test_asked_twice_it_makes_one(self):
        first, second = self.provision(size=2), self.provision(size=2)
        self.assertEqual(first.result["handle"], second.result["handle"])
        self.assertEqual(self.boxes(), ["sbx01test"])
        self.assertEqual(self.provision(size=3).kind, "conflict")

    def test_wrong_inputs_make_nothing(self):
        answer = self.provision(note=1, size=9, colour="red")
        self.assertEqual(answer.kind, "invalid_input")
        self.assertEqual(answer.error["data"]["residue"], "none")
        self.assertEqual({fault["field"] for fault in answer.error["data"]["fields"]}, {"note", "size", "colour"})
        self.assertEqual(self.boxes(), [])

    def test_what_is_not_there_is_removed_already(self):
        report = self.teardown().result["report"]
        self.assertTrue(report["complete"])
        self.assertEqual(report["removed"], [])

    def test_a_backend_that_does_not_answer_is_no_empty_one(self):
        self.provision()
        (self.root / ".backend").unlink()
        self.assertEqual(self.teardown().kind, "unavailable")
        (self.root / ".backend").touch()
        self.assertEqual(len(self.harness.call("list").result["sandboxes"]), 1)

    def test_another_owners_box_is_not_touched(self):
        handle = self.provision().result["handle"]
        meta = {"protocol": 1, "ext": "ext.my-backend", "owner": "own02other", "call": "other", "attempt": 1}
        call = {"_meta": {**meta, "deadline_ms": 60_000}, "handle": handle, "reason": "requested"}
        config = {"root": str(self.root)}
        params = {**call, "sandbox_id": "sbx01test", "host": "localhost", "config": config, "secrets": {}, "labels": {}}
        self.harness.send({"jsonrpc": "2.0", "id": "other", "method": "teardown", "params": params})
        self.assertEqual(self.harness.wait("other").kind, "forbidden")
        self.assertEqual(self.boxes(), ["sbx01test"])


if __name__ == "__main__":
    unittest.main()

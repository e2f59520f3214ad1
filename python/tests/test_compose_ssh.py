"""`ext.compose-ssh`: without a network, and over a real sshd with a stand-in for Docker."""

from __future__ import annotations

import os
import subprocess
import threading
import unittest
from pathlib import Path
from typing import Any
from unittest.mock import patch

import support
from sandboxer.errors import Cancelled, Conflict, HostUnreachable, Internal, InvalidInput, NotFound, NotReady
from sandboxer.errors import Precondition
from sandboxer.extensions.base import SandboxExtension
from sandboxer.extensions.compose_ssh import ComposeSSHExtension
from sandboxer.ssh import SSHConfig
from sandboxer.testing import Harness, detached_call, profile
from sshd import SshTest

HOSTILE = "'; touch \"$HOME/hostile\"; $(touch \"$HOME/hostile\") `touch \"$HOME/hostile\"` \\"


class WithoutANetwork(unittest.TestCase):
    def test_the_guides_pattern(self) -> None:
        with patch.object(SSHConfig, "run", return_value=(0, "ready")):
            ext = ComposeSSHExtension()
            self.assertIsInstance(ext, SandboxExtension)
            handle = ext.provision(profile(), {"repo": "https://example.org/app.git"}, "build-1")
            ready = ext.wait_ready(handle)
            report = ext.teardown(handle)
        self.assertEqual(handle["host"], "build-1")
        self.assertEqual(handle["compose_project"], f"sandboxer-{handle['sandbox_id']}")
        self.assertEqual(set(ready), {"ssh", "remote_dir", "host", "compose_project"})
        self.assertEqual((ready["ssh"], report["complete"], report["errors"]), ("build-1", True, []))

    def test_wrong_inputs_are_named_before_anything_is_done(self) -> None:
        wrong: list[tuple[dict[str, Any], set[str]]] = [
            ({}, {"repo"}), ({"repo": 7}, {"repo"}), ({"repo": "--upload-pack=x"}, {"repo"}), ({"repo": ""}, {"repo"}),
            ({"repo": "x", "file": "../x", "service": "-x", "build": "yes", "env": {"A B": "c"}, "more": 1},
             {"file", "service", "build", "env", "more"}),
            ({"repo": "x", "env": {"A": 1}}, {"env"}), ({"repo": "x", "sandbox_id": "../x"}, {"sandbox_id"}),
        ]  # fmt: skip
        with patch.object(SSHConfig, "run", side_effect=AssertionError("nothing may be done")):
            for inputs, fields in wrong:
                with self.subTest(inputs), self.assertRaises(InvalidInput) as caught:
                    ComposeSSHExtension().provision(profile(), inputs, "build-1")
                self.assertEqual(set(caught.exception.fields), fields)

    def test_a_host_that_would_be_an_option_is_refused(self) -> None:
        with self.assertRaises(InvalidInput):
            ComposeSSHExtension().provision(profile(), {"repo": "https://x/y"}, "-oProxyCommand=id")


class OverSsh(SshTest):
    def setUp(self) -> None:
        self.root = self.folder() / "roots"
        self.config = {"hosts": {"build-1": self.sshd.setting()}, "root": str(self.root)}
        self.repository = self.folder()
        (self.repository / "compose.yaml").write_text("services: {web: {image: x}}\n")
        (self.repository / "run.sh").write_text("#!/bin/sh\n")
        (self.repository / "run.sh").chmod(0o755)
        (self.repository / "link").symlink_to("run.sh")

    def extension(self) -> ComposeSSHExtension:
        extension = ComposeSSHExtension()
        extension.config = self.config
        return extension

    def provision(self, sandbox_id: str, **inputs: Any) -> dict[str, Any]:
        everything = {"repo": str(self.repository), "sandbox_id": sandbox_id, **inputs}
        return self.extension().provision(profile(), everything, "build-1")

    def teardown(self, sandbox_id: str) -> dict[str, Any]:
        """By the minimal handle, in an extension that never saw the sandbox."""
        return self.extension().teardown({"sandbox_id": sandbox_id, "host": "build-1"})

    def works_in(self, sandbox_id: str) -> list[str]:
        """The processes that work in the folder of the sandbox, or did when it was still there."""
        folder, found = str(self.root / sandbox_id), []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                place = os.readlink(process / "cwd")
            except OSError:
                continue
            if place.startswith(folder + "/"):
                found.append(process.name)
        return found

    def up(self, sandbox_id: str) -> list[str]:
        return (self.sshd.state / f"sandboxer-{sandbox_id}" / "up").read_text().splitlines()

    def test_a_folder_goes_there_runs_and_is_really_removed(self) -> None:
        handle = self.provision("sbx1")
        work = Path(handle["remote_dir"])
        self.assertEqual(work, self.root / "sbx1" / "work")
        self.assertEqual(os.stat(work / "run.sh").st_mode & 0o777, 0o755)
        self.assertEqual(os.readlink(work / "link"), "run.sh")
        self.assertEqual(self.up("sbx1"), [str(work), "up", "-d", "--wait", "WORD="])
        self.assertEqual(self.provision("sbx1"), handle, "a second time makes the same")
        ready = self.extension().wait_ready(handle)
        self.assertEqual(ready["ssh"], f"{self.sshd.setting()['target']}:{self.sshd.port}")
        self.assertEqual((ready["remote_dir"], ready["compose_project"]), (str(work), "sandboxer-sbx1"))
        self.assertEqual(self.extension().recover("sbx1", "build-1"), handle)
        report = self.teardown("sbx1")
        self.assertEqual((report["complete"], report["errors"], len(report["removed"])), (True, [], 2))
        self.assertFalse((self.root / "sbx1").exists() or (self.sshd.state / "sandboxer-sbx1").exists())
        self.assertIsNone(self.extension().recover("sbx1", "build-1"))
        again = self.teardown("sbx1")
        self.assertTrue(again["complete"] and len(again["already_absent"]) == 2)
        self.assertEqual(again["removed"], [])

    def test_a_repository_is_cloned_there(self) -> None:
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(self.repository)]
        for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "x"]):
            subprocess.run([*git, *words], check=True, stdout=subprocess.DEVNULL)
        self.provision("sbx2", repo=f"file://{self.repository}", service="web", build=True)
        self.assertTrue((self.root / "sbx2" / "work" / ".git").is_dir())
        self.assertEqual(self.up("sbx2")[1:6], ["up", "-d", "--wait", "--build", "web"])
        with self.assertRaisesRegex(Precondition, "cannot clone"):
            self.provision("sbx3", repo=f"file://{self.repository}/nowhere")
        for sandbox_id in ("sbx2", "sbx3"):
            self.assertTrue(self.teardown(sandbox_id)["complete"])

    def test_hostile_words_stay_words(self) -> None:
        name = "it's $(touch hostile) `touch hostile`; \"x\".yaml"
        (self.repository / name).write_text("services: {}\n")
        self.provision("sbx4", file=name, service=HOSTILE, env={"WORD": HOSTILE})
        self.assertEqual(self.up("sbx4")[-2:], [HOSTILE, f"WORD={HOSTILE}"])
        with self.assertRaises(Precondition):
            self.provision("sbx5", repo=f"https://127.0.0.1:1/{HOSTILE}")
        for folder in (self.sshd.folder, self.root / "sbx4" / "work", Path.home()):
            self.assertFalse((folder / "hostile").exists())
        for sandbox_id in ("sbx4", "sbx5"):
            self.assertTrue(self.teardown(sandbox_id)["complete"])

    def test_other_inputs_and_other_owners_are_conflicts_and_nothing_is_touched(self) -> None:
        with detached_call(owner="own1", config=self.config):
            handle = self.provision("sbx6")
            with self.assertRaises(Conflict):
                self.provision("sbx6", service="web")
        with detached_call(owner="own2", config=self.config):
            with self.assertRaises(Conflict):
                self.provision("sbx6")
            with self.assertRaises(Conflict):
                self.teardown("sbx6")
            with self.assertRaises(Conflict):
                self.extension().recover("sbx6", "build-1")
        with detached_call(owner="own1", config=self.config):
            self.extension().wait_ready(handle)
            self.assertTrue(self.teardown("sbx6")["complete"])

    def test_what_cannot_be_taken_down_is_no_success(self) -> None:
        self.provision("sbx7")
        stuck = self.sshd.state / "stuck"
        stuck.touch()
        try:
            report = self.teardown("sbx7")
            self.assertIs(report["complete"], False)
            self.assertIn("sandboxer-sbx7-1", report["errors"][0])
            self.assertTrue((self.root / "sbx7").exists())
        finally:
            stuck.unlink()
        self.assertTrue(self.teardown("sbx7")["complete"])

    def test_a_failed_create_says_why_and_leaves_what_teardown_finds(self) -> None:
        (self.repository / "compose.yaml").unlink()
        with self.assertRaisesRegex(Internal, "no configuration file") as caught:
            self.provision("sbx8")
        self.assertIsNone(caught.exception.residue)
        self.assertTrue((self.root / "sbx8").exists())
        self.assertTrue(self.teardown("sbx8")["complete"])
        with self.assertRaises(NotFound):
            self.provision("sbx9", repo="/nowhere/at/all")
        self.assertTrue(self.teardown("sbx9")["complete"])

    def test_a_stack_that_stopped_is_not_ready(self) -> None:
        handle = self.provision("sbx10")
        (self.sshd.state / "sandboxer-sbx10" / "containers").unlink()
        with self.assertRaises(NotReady):
            self.extension().wait_ready(handle)
        self.assertTrue(self.teardown("sbx10")["complete"])

    def test_a_host_that_does_not_answer_is_an_error_for_every_verb(self) -> None:
        self.config["hosts"] = {"build-1": self.sshd.setting(port=1)}
        handle = {"sandbox_id": "sbx11", "host": "build-1", "remote_dir": "x"}
        for act in (lambda: self.provision("sbx11"), lambda: self.extension().wait_ready(handle),
                    lambda: self.teardown("sbx11"), lambda: self.extension().recover("sbx11", "build-1")):  # fmt: skip
            with self.assertRaises(HostUnreachable) as caught:
                act()
            self.assertIsNone(caught.exception.residue)

    def test_a_withdrawn_call_stops_waiting(self) -> None:
        slow, is_slow = self.sshd.state / "slow", self.sshd.state / "is-slow"
        slow.touch()
        detached = detached_call(config=self.config)

        def cancel() -> None:
            support.until(is_slow.exists)
            detached.cancel()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with detached, self.assertRaises(Cancelled):
            self.provision("sbx12")
        canceller.join()
        # What was started there goes on, and a teardown ends it, so that nothing is born late.
        with detached_call(config=self.config):
            self.assertTrue(self.teardown("sbx12")["complete"])
        is_slow.unlink()
        slow.unlink()
        self.assertFalse(self.works_in("sbx12"))
        self.assertFalse((self.sshd.state / "sandboxer-sbx12").exists())

    def test_through_the_host(self) -> None:
        harness = Harness(ComposeSSHExtension, config=self.config, sandbox_id="sbx13", host="build-1")
        made = harness.call("provision", inputs={"repo": str(self.repository)})
        self.assertEqual([m["params"]["phase"] for m in made.notifications], ["workspace", "compose"])
        handle = made.result["handle"]
        self.assertEqual((handle["sandbox_id"], handle["host"]), ("sbx13", "build-1"))
        self.assertIn("ssh", harness.call("wait_ready", handle=handle).result["reachability"])
        report = harness.call("teardown", handle={}, reason="requested").result["report"]
        self.assertIs(report["complete"], True)
        self.assertEqual(harness.call("validate", inputs={}).error["data"]["fields"][0]["field"], "repo")
        wrong = harness.call("provision", inputs={"repo": str(self.repository), "sandbox_id": ["sbx13"]})
        self.assertEqual((wrong.kind, wrong.error["data"]["fields"][0]["field"]), ("invalid_input", "sandbox_id"))


if __name__ == "__main__":
    unittest.main()

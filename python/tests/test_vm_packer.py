"""`ext.vm-packer`: without a network, and over a real sshd."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import unittest
import uuid
from pathlib import Path
from typing import Any
from unittest.mock import patch

import support
from sandboxer.errors import Conflict, InvalidInput, NotReady, Precondition
from sandboxer.extensions.base import SandboxExtension
from sandboxer.extensions.vm_packer import VMPackerExtension
from sandboxer.ssh import SSHConfig
from sandboxer.testing import Harness, detached_call
from sandboxer.testing import profile as make_profile
from sshd import SshTest

profile = make_profile(id="profile.vm-haskell-build")


class WithoutANetwork(unittest.TestCase):
    def test_the_guides_pattern(self) -> None:
        with patch.object(SSHConfig, "run", return_value=(0, "ready")):
            ext = VMPackerExtension()
            handle = ext.provision(profile, {"vm": "haskell-build"}, "localhost")
            self.assertIsInstance(ext, SandboxExtension)
            ready = ext.wait_ready(handle)
            report = ext.teardown(handle)
        self.assertEqual((handle["host"], handle["vm_target"]), ("localhost", "haskell-build"))
        self.assertIn(handle["sandbox_id"], handle["remote_dir"])
        self.assertEqual(set(ready), {"ssh", "remote_dir", "host"})
        self.assertTrue(report["complete"])
        self.assertEqual(report["retained"], ["the machine `haskell-build`, which was there before"])

    def test_wrong_inputs_are_named_before_anything_is_done(self) -> None:
        wrong: list[tuple[dict[str, Any], set[str]]] = [
            ({}, {"vm"}), ({"vm": 7}, {"vm"}), ({"vm": "x", "tunnel_port": 1, "ssh_port": 2}, {"ssh_port"}),
            ({"vm": "x", "ssh_port": "22"}, {"ssh_port"}), ({"vm": "x", "tunnel_port": True}, {"tunnel_port"}),
            ({"vm": "x", "ssh_port": 70000, "size": 1}, {"ssh_port", "size"}), ({"vm": "-oProxyCommand=id"}, {"ssh"}),
            ({"ssh_target": "a b"}, {"ssh"}), ({"vm": "x", "workspace_dir": "/srv/../etc"}, {"workspace_dir"}),
            ({"ssh_target": "../../x"}, {"ssh"}), ({"vm": "$(id)"}, {"ssh"}),
            ({"vm": "x", "workspace_dir": "/"}, {"workspace_dir"}), ({"vm": "x", "repo": "-x"}, {"repo"}),
        ]  # fmt: skip
        with patch.object(SSHConfig, "run", side_effect=AssertionError("nothing may be done")):
            for inputs, fields in wrong:
                with self.subTest(inputs), self.assertRaises(InvalidInput) as caught:
                    VMPackerExtension().provision(profile, inputs, "localhost")
                self.assertEqual(set(caught.exception.fields), fields)

    def test_the_way_to_the_machine(self) -> None:
        def target(host: str, **inputs: Any) -> SSHConfig:
            return VMPackerExtension()._ssh(inputs, host)

        self.assertEqual(target("h", vm="box", ssh_port=2222), SSHConfig("box", port=2222))
        self.assertEqual(target("h", vm="box", ssh_target="me@other").target, "me@other")
        tunnel = target("build-1", ssh_target="me@box", tunnel_port=7000)
        self.assertEqual((tunnel.target, tunnel.port), ("me@127.0.0.1", 7000))
        self.assertEqual(tunnel.options, {"HostKeyAlias": "box", "ProxyJump": "build-1"})
        self.assertEqual(target("localhost", vm="box", tunnel_port=7000).options, {"HostKeyAlias": "box"})

    def test_without_anything_that_says_where_it_is_a_teardown_is_no_success(self) -> None:
        with self.assertRaises(Precondition) as caught:
            VMPackerExtension().teardown({"sandbox_id": "sbx1", "host": "localhost"})
        self.assertEqual(caught.exception.residue, "unknown")


class OverSsh(SshTest):
    def setUp(self) -> None:
        self.root = self.folder() / "roots"
        self.config: dict[str, Any] = {"vms": {"haskell-build": self.sshd.setting()}, "root": str(self.root)}

    def extension(self) -> VMPackerExtension:
        extension = VMPackerExtension()
        extension.config = self.config
        return extension

    def provision(self, sandbox_id: str, **inputs: Any) -> dict[str, Any]:
        everything = {"vm": "haskell-build", "sandbox_id": sandbox_id, **inputs}
        return self.extension().provision(profile, everything, "localhost")

    def worker(self, folder: str) -> subprocess.Popen[bytes]:
        """A process of the machine that works in `folder`, and outlives whoever started it."""
        process = subprocess.Popen(["sleep", "infinity"], cwd=folder, start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_workspaces_come_and_go_and_the_machine_and_its_neighbours_stay(self) -> None:
        repository = self.folder()
        (repository / "Main.hs").write_text("main = pure ()\n")
        one, two = self.provision("sbx1", repo=str(repository)), self.provision("sbx12")
        self.assertEqual(self.provision("sbx1", repo=str(repository)), one)
        self.assertEqual((Path(one["remote_dir"]) / "Main.hs").read_text(), "main = pure ()\n")
        ready = self.extension().wait_ready(one)
        self.assertEqual((ready["ssh"], ready["remote_dir"]), (one["vm_target"], one["remote_dir"]))
        deep = Path(one["remote_dir"]) / "deep"
        deep.mkdir()
        workers = [self.worker(one["remote_dir"]), self.worker(str(deep))]
        neighbour = self.worker(two["remote_dir"])
        report = self.extension().teardown(one)
        self.assertEqual((report["complete"], report["errors"], len(report["retained"])), (True, [], 1))
        self.assertEqual([worker.wait(support.SECONDS) for worker in workers], [-9, -9])
        self.assertFalse((self.root / "sbx1").exists())
        self.assertIsNone(neighbour.poll())
        self.assertTrue(Path(two["remote_dir"]).is_dir())
        with self.assertRaises(NotReady):
            self.extension().wait_ready(one)
        again = self.extension().teardown(one)
        self.assertTrue(again["complete"] and again["already_absent"])
        self.assertTrue(self.extension().teardown(two)["complete"])
        self.assertIsNotNone(neighbour.wait(support.SECONDS))

    def test_two_that_fill_one_workspace_at_once_make_one(self) -> None:
        repository = self.folder()
        for number in range(50):
            (repository / f"file-{number}").write_text("x" * 100_000)
        made: list[Any] = []
        threads = [
            threading.Thread(target=lambda: made.append(self.provision("sbx9", repo=str(repository)))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(made, [made[0]] * 3)
        work = Path(made[0]["remote_dir"])
        self.assertEqual(sorted(os.listdir(work)), sorted(os.listdir(repository)))
        self.assertEqual(sorted(os.listdir(work.parent)), ["intent", "work"])
        self.assertTrue(self.extension().teardown(made[0])["complete"])

    def test_the_minimal_handle_and_the_intent_are_enough(self) -> None:
        self.provision("sbx3")
        intent = (profile, {"vm": "haskell-build"})
        with detached_call(config=self.config, intent=intent, owner=""):
            self.assertIsNotNone(self.extension().recover("sbx3", "localhost"))
            report = self.extension().teardown({"sandbox_id": "sbx3", "host": "localhost"})
            self.assertIsNone(self.extension().recover("sbx3", "localhost"))
        self.assertTrue(report["complete"])
        self.assertFalse((self.root / "sbx3").exists())

    def test_a_target_with_a_port_and_a_tunnel_with_the_machines_own_key(self) -> None:
        without_port = self.sshd.setting(port=None)
        self.config["vms"] = {without_port["target"]: without_port, "haskell-build": self.sshd.setting(port=1)}
        place = str(self.folder())
        inputs = {"ssh_target": without_port["target"], "ssh_port": self.sshd.port, "workspace_dir": place}
        handle = self.extension().provision(profile, {"sandbox_id": "sbx4", **inputs}, "localhost")
        self.assertEqual(handle["remote_dir"], os.path.join(place, "sbx4", "work"))
        self.assertTrue(self.extension().teardown(handle)["complete"])
        # The key is known by the machine's name only, not by the port at which it appears.
        known = self.sshd.folder / "known_by_name"
        known.write_text((self.sshd.folder / "known_hosts").read_text().splitlines()[1] + "\n")
        user = without_port["target"].split("@")[0]
        options = {**without_port["options"], "UserKnownHostsFile": str(known)}
        self.config["vms"] = {"vm": {**without_port, "target": f"{user}@haskell-build", "options": options}}
        handle = self.provision("sbx5", vm="vm", tunnel_port=self.sshd.port)
        self.assertTrue(self.extension().wait_ready(handle)["ssh"])
        self.assertTrue(self.extension().teardown(handle)["complete"])

    def test_a_root_below_the_home_directory(self) -> None:
        self.config["root"] = f".sandboxer-test-{uuid.uuid4().hex}"
        home = Path(os.path.expanduser("~")) / self.config["root"]
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        handle = self.provision("sbx6")
        self.assertEqual(Path(handle["remote_dir"]), home.resolve() / "sbx6" / "work")
        self.assertTrue(self.extension().teardown(handle)["complete"])
        self.assertFalse((home / "sbx6").exists())

    def test_other_inputs_are_a_conflict(self) -> None:
        handle = self.provision("sbx7")
        with self.assertRaises(Conflict):
            self.provision("sbx7", ssh_port=self.sshd.port)
        self.assertTrue(self.extension().teardown(handle)["complete"])

    def test_through_the_host(self) -> None:
        harness = Harness(VMPackerExtension, config=self.config, sandbox_id="sbx8")
        inputs = {"vm": "haskell-build"}
        handle = harness.call("provision", inputs=inputs).result["handle"]
        self.assertEqual(harness.call("provision", inputs=inputs).result["handle"], handle)
        intent = {"profile": profile, "inputs": inputs}
        report = harness.call("teardown", handle={}, intent=intent, reason="orphan").result["report"]
        self.assertIs(report["complete"], True)
        self.assertEqual(harness.call("teardown", handle={}).kind, "precondition")


if __name__ == "__main__":
    unittest.main()

"""The host process and the modules that it is told to load."""

from __future__ import annotations

import unittest
from typing import Any

from support import HostTest, extension


class Loading(HostTest):
    def refused(self, source: str, handler: str = "my_backend:MyExtension") -> dict[str, Any]:
        host = self.host(source, handler=handler)
        for call, verb in (("1", "describe"), ("2", "provision"), ("3", "teardown")):
            error: dict[str, Any] = host.ask(verb, call)["error"]
            data = error["data"]
            told = (error["code"], data["kind"], data["residue"], data["blame"])
            self.assertEqual(told, (-32000, "precondition", "none", "extension"))
            self.assertTrue(data["hint"])
        self.assertEqual(host.ask("dance", "4")["error"]["code"], -32601)
        self.assertEqual(host.end(), 0)
        return error

    def test_a_module_that_cannot_be_imported(self) -> None:
        error = self.refused("import requests_of_nobody\n")
        self.assertIn("requests_of_nobody", str(error["message"]))
        data = error["data"]
        self.assertIn("my_backend.py", data["details"]["traceback"])
        self.assertIn("requests_of_nobody", data["hint"])

    def test_modules_that_end_the_process_or_are_no_python(self) -> None:
        self.assertIn("SystemExit", str(self.refused("import sys; sys.exit(3)\n")["message"]))
        self.assertIn("SyntaxError", str(self.refused("def (:\n")["message"]))

    def test_no_module_no_class_no_extension_not_all_methods_no_object(self) -> None:
        self.assertIn("nowhere", str(self.refused("", "nowhere:MyExtension")["message"]))
        self.assertIn("no class `MyExtension`", str(self.refused("MyExtension = 1\n")["message"]))
        self.assertIn("no `SandboxExtension`", str(self.refused("class MyExtension: ...\n")["message"]))
        half = "from sandboxer.extensions.base import SandboxExtension\nclass MyExtension(SandboxExtension): ...\n"
        self.assertIn("`provision`, `wait_ready`, `teardown`", str(self.refused(half)["message"]))
        broken = extension("...", rest="def __init__(self, required): ...")
        self.assertIn("cannot make", str(self.refused(broken)["message"]))

    def test_an_authors_reference_module_wins_and_no_other_of_ours_or_pythons_does(self) -> None:
        body = """
            import base64, json
            from sandboxer.extensions import registry
            return {"json": json.dumps(1), "who": base64.b64encode(b"x").decode(), "ours": registry.PRICING_MODELS[0]}
        """
        trap = "raise SystemExit('the wrong module was imported')\n"
        traps = {name: trap for name in ("base", "host", "registry", "json", "base64")}
        host = self.host(extension(body), handler="compose_ssh:MyExtension", name="compose_ssh.py", **traps)
        handle = host.ask("provision")["result"]["handle"]
        self.assertEqual((handle["json"], handle["who"], handle["ours"]), ("1", "eA==", "self-hosted"))

    def test_modules_without_our_package_before_them(self) -> None:
        helper = extension("return {}").replace("MyExtension", "Mine")
        source = "import helper\nMyExtension = helper.Mine\n"
        host = self.host(source, name="plain.py", handler=":plain:MyExtension", helper=helper)
        self.assertIn("result", host.ask("provision"))
        # A module of Python's own name, beside the manifest, is meant when the handler names it.
        host = self.host(extension("return {}"), name="colorsys.py", handler=":colorsys:MyExtension")
        self.assertIn("result", host.ask("provision"))

    def test_the_reference_modules_are_there_without_a_file(self) -> None:
        for handler in ("compose_ssh:ComposeSSHExtension", "vm_packer:VMPackerExtension"):
            host = self.host("", handler=handler)
            self.assertEqual(host.ask("describe")["result"]["verbs"], ["validate", "recover"])


if __name__ == "__main__":
    unittest.main()

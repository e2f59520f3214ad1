"""The host process and the modules that it is told to load, and what it says of those that it cannot."""

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

    def told(self, source: str, handler: str = "my_backend:MyExtension", **files: str) -> tuple[str, str]:
        """What is said of the extension, without its name, and the hint. Nothing is said twice, and not of us."""
        error = self.host(source, handler=handler, **files).ask("describe")["error"]
        start = "`ext.test` cannot be loaded: "
        self.assertTrue(error["message"].startswith(start), error["message"])
        self.assertNotIn("causes", error["data"])
        for word in ("importlib", "_host"):
            self.assertNotIn(word, str(error))
        return error["message"][len(start) :], error["data"]["hint"]

    def test_every_request_is_refused_and_the_process_stays(self) -> None:
        error = self.refused("import requests_of_nobody\n")
        self.assertIn("my_backend.py", error["data"]["details"]["traceback"])

    def test_import_errors_are_told_by_the_authors_own_line(self) -> None:
        ours = "sandboxer.errors"
        cases = {
            "x = 1\n\ndef (:\n": "my_backend.py, line 3: invalid syntax",
            "import os\nimport requests_of_nobody\n": "my_backend.py, line 2: No module named 'requests_of_nobody'",
            f"from {ours} import Nothing\n": f"my_backend.py, line 1: cannot import name 'Nothing' from '{ours}'",
            "import sys; sys.exit(3)\n": "my_backend.py, line 1: SystemExit: 3",
            "\nimport json\njson.loads('[')\n": "my_backend.py, line 3: JSONDecodeError: Expecting value",
            "eval('1 +')\n": "my_backend.py, line 1: SyntaxError: invalid syntax",
            "raise RuntimeError\n": "my_backend.py, line 1: RuntimeError",
        }
        for source, words in cases.items():
            with self.subTest(source):
                message, hint = self.told(source)
                self.assertTrue(message.startswith(words), message)
                self.assertTrue(hint)
        self.assertIn("my_backend.py", self.told("\0")[0])

    def test_errors_in_a_helper_are_told_by_its_line(self) -> None:
        self.assertEqual(self.told("import helper\n", helper="\nx = = 1\n")[0], "helper.py, line 2: invalid syntax")
        raising = "try:\n    {}['a']\nexcept KeyError as fault:\n    raise RuntimeError('bad') from fault\n"
        error = self.host("import helper\n", helper=raising).ask("describe")["error"]
        self.assertEqual(error["message"], "`ext.test` cannot be loaded: helper.py, line 4: RuntimeError: bad")
        (cause,) = error["data"]["causes"]
        self.assertTrue(cause.startswith("KeyError: 'a'"), cause)

    def test_a_module_that_is_not_there_is_named_by_its_file_and_the_nearest_one(self) -> None:
        missing = "there is no module `sandboxer.extensions.{}`"
        put = "put `{}` beside the manifest"
        package = ", or name its package under `python.requirements`"
        cases = {
            "my_bakend:X": (missing.format("my_bakend"), put.format("my_bakend.py") + "; `my_backend.py` is there"),
            "nowhere:X": (missing.format("nowhere"), put.format("nowhere.py")),
            "tools.x:X": (missing.format("tools.x"), put.format("tools/x.py")),
            ":plain:X": ("there is no module `plain`", put.format("plain.py") + package),
        }
        for handler, expected in cases.items():
            self.assertEqual(self.told("", handler), expected)
        hint = self.told("import helpr\n", helper="")[1]
        self.assertEqual(hint, put.format("helpr.py") + package + "; `helper.py` is there")
        hint = self.told("import sandboxer.extension.base\n")[1]
        self.assertEqual(hint, "correct the name; `sandboxer.extensions` is near")

    def test_what_is_no_extension_is_told_with_what_would_be_one(self) -> None:
        name_one = "let `handler` name a class that extends `SandboxExtension`"
        other = extension("...").replace("MyExtension", "MyExtensoin")
        half = "from sandboxer.extensions.base import SandboxExtension\nclass MyExtension(SandboxExtension):\n"
        extend = "write `class MyExtension(SandboxExtension):`; it comes from `sandboxer.extensions.base`"
        cases = {
            "": ("my_backend.py: there is no `MyExtension`", name_one),
            other: ("my_backend.py: there is no `MyExtension`", "let `handler` name `MyExtensoin`, which is there"),
            "\ndef MyExtension(): ...\n": (
                "my_backend.py, line 2: `MyExtension` is of the type `function`, no class", name_one,
            ),
            "MyExtension = 1\n": ("my_backend.py: `MyExtension` is of the type `int`, no class", name_one),
            "\nclass MyExtension: ...\n": (
                "my_backend.py, line 2: `MyExtension` does not extend `SandboxExtension`", extend,
            ),
            half + "    def teardown(self, handle): ...\n": (
                "my_backend.py, line 2: `MyExtension` does not define `provision`, `wait_ready`",
                "add `def provision(self, profile, inputs, host)`, `def wait_ready(self, handle)`",
            ),
        }  # fmt: skip
        for source, expected in cases.items():
            self.assertEqual(self.told(source), expected)

    def test_methods_of_another_shape_are_told_with_the_right_one(self) -> None:
        source = """
            from sandboxer.extensions.base import SandboxExtension
            class MyExtension(SandboxExtension):
                def provision(self, profile: str = ""): ...
                def wait_ready(handle): ...
                @staticmethod
                def teardown(handle, *, force): ...
        """
        message, hint = self.told(source)
        self.assertEqual(message.split("; "), [
            "my_backend.py, line 4: `provision` takes (self, profile=''), but is given (self, profile, inputs, host)",
            "my_backend.py, line 5: `wait_ready` takes (handle), but is given (self, handle)",
            "my_backend.py, line 6: `teardown` takes (handle, *, force), but is given (handle)",
        ])  # fmt: skip
        self.assertIn("write `def provision(self, profile, inputs, host)`, `def wait_ready(self, handle)`", hint)
        message, hint = self.told(extension("...", rest="teardown = None"))
        self.assertIn("`teardown` of `MyExtension` is of the type `NoneType`, no method", message)

    def test_objects_that_cannot_be_made(self) -> None:
        message, hint = self.told(extension("...", rest="def __init__(self, required): ..."))
        self.assertEqual(message, "my_backend.py, line 9: `__init__` takes (self, required), but is given (self)")
        self.assertIn("write `def __init__(self)`", hint)
        made = extension("...", head="import dataclasses\n@dataclasses.dataclass", rest="size: int")
        self.assertIn("my_backend.py, line 4: `__init__` takes (self, size)", self.told(made)[0])
        message, hint = self.told(extension("...", rest="def __init__(self): self.root = self.config['root']"))
        self.assertEqual(message, "my_backend.py, line 9: KeyError: 'root'")
        self.assertIn("`self.config` and `self.secrets` are empty in it", hint)
        own = "def __init__(self):\n    raise errors.Precondition('no key', hint='set KEY')"
        expected = ("my_backend.py, line 10: no key", "set KEY")
        self.assertEqual(self.told(extension("...", head="from sandboxer import errors", rest=own)), expected)

    def test_methods_that_take_more_or_anything_are_sound(self) -> None:
        source = """
            import functools
            from sandboxer.extensions.base import SandboxExtension
            def traced(method):
                @functools.wraps(method)
                def call(*arguments, **named): return method(*arguments, **named)
                return call
            class MyExtension(SandboxExtension):
                def __init__(self, root="/srv"): self.root = root
                @traced
                def provision(self, profile, inputs, host, size=1, *, force=False): return {}
                @classmethod
                def wait_ready(cls, *anything): return {"ssh": "x"}
                @staticmethod
                def teardown(handle): return {"removed": True}
        """
        host = self.host(source)
        for verb in ("provision", "wait_ready", "teardown"):
            self.assertIn("result", host.ask(verb, verb))

    def test_what_only_failures_need_is_not_imported(self) -> None:
        names = "('inspect', 'difflib', 'traceback', 'linecache')"
        host = self.host(extension(f"return {{'there': [name for name in {names} if name in sys.modules]}}"))
        self.assertEqual(host.ask("provision")["result"]["handle"]["there"], [])

    def test_an_optional_verb_of_another_shape_costs_only_its_own_calls(self) -> None:
        host = self.host(extension("return {}", rest="def status(self): ..."))
        self.assertIn("result", host.ask("provision", "1"))
        error = host.ask("status", "2", handle={})["error"]
        said = "`status` of `ext.test` cannot be called: my_backend.py, line 9: `status` takes (self), but is given "
        self.assertEqual(error["message"], said + "(self, handle)")
        data = error["data"]
        self.assertEqual((data["residue"], data["blame"]), ("none", "extension"))
        hint = "write `def status(self, handle)`, or call it something else: `status` is a verb"
        self.assertEqual(data["hint"], hint)

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

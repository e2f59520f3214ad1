"""The checks of the conformance suite as tests of pytest, over a `sandboxer` that only says what it would."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from support import PYTHON, SOURCES, is_ci

INSTALLED = PYTHON.parent / "target/python/bin/python"
"""What `cargo xtask test` puts there."""

FAKE = '''#!{python}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
words = sys.argv[1:]
with open(here / "calls", "a") as calls:
    print(json.dumps(words), file=calls)
if "--list" in words:
    print((here / "list.json").read_text())
else:
    print("seed 7", file=sys.stderr)
    print((here / "report.json").read_text())
    sys.exit(1)
'''


def check(name: str, level: str = "L1") -> dict[str, str]:
    return {"id": name, "level": level, "rule": f"the rule of {name}", "does": "looks", "proves": "something"}


def result(name: str, outcome: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "level": "L1", "outcome": outcome, "duration_ms": 1, **more}


def interpreter() -> str | None:
    """One that has pytest: this one, or the one that checking the package uses."""
    if importlib.util.find_spec("pytest"):
        return sys.executable
    return str(INSTALLED) if INSTALLED.exists() else None


@unittest.skipUnless(is_ci() or interpreter(), "pytest is not installed; `cargo xtask test` does that")
class Plugin(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.program = self.folder / "sandboxer"
        self.program.write_text(FAKE.format(python=sys.executable))
        self.program.chmod(0o755)
        self.says("list", {"checks": [check("good"), check("bad"), check("idle", "L2")]})
        failed = result("bad", "failed", reason="it is not so", transcript=["→ {}", "← {}"])
        results = [result("good", "passed"), failed, result("idle", "skipped", reason="it has no verbs")]
        self.says("report", {"seed": 7, "checks": results})

    def says(self, what: str, value: object) -> None:
        (self.folder / f"{what}.json").write_text(json.dumps(value))

    def pytest(self, *arguments: str) -> tuple[int, str]:
        python = interpreter()
        assert python is not None
        environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
        command = [python, "-B", "-m", "pytest", "-p", "sandboxer.pytest_plugin", "-p", "no:cacheprovider", "-v"]
        program = ["--sandboxer-program", str(self.program)]
        ran = subprocess.run(
            [*command, *program, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True
        )
        return ran.returncode, ran.stdout + ran.stderr

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def test_each_check_is_a_test_and_one_run_has_them_all(self) -> None:
        status, said = self.pytest("--sandboxer-extension", "ext.mine", "--sandboxer-catalog", ".")
        self.assertEqual(status, 1, said)
        self.assertIn("ext.mine::good PASSED", said)
        self.assertIn("ext.mine::idle SKIPPED (it has no verbs)", said)
        for line in ["it is not so", "rule: the rule of bad", "→ {}", "again: sandboxer ext test ext.mine --check bad --seed 7"]:
            self.assertIn(line, said)
        self.assertIn("1 failed, 1 passed, 1 skipped", said)
        before = ["--catalog", ".", "ext", "test", "ext.mine"]
        checks = ["--check", "good", "--check", "bad", "--check", "idle"]
        self.assertEqual(self.calls(), [[*before, "--list", "--json"], [*before, *checks, "--json"]])

    def test_only_what_is_chosen_is_run(self) -> None:
        options = ["--sandboxer-extension", "ext.mine", "--sandboxer-level", "L1", "--sandboxer-seed", "9"]
        status, said = self.pytest(*options, "-k", "good")
        self.assertEqual(status, 0, said)
        self.assertIn("1 passed, 2 deselected", said)
        listed, ran = self.calls()
        self.assertEqual(listed[-3:], ["--level", "L1", "--json"])
        self.assertEqual(ran[2:], ["ext.mine", "--check", "good", "--seed", "9", "--json"])

    def test_collecting_runs_nothing_and_the_first_failure_can_end_it(self) -> None:
        status, said = self.pytest("--sandboxer-extension", "ext.mine", "--collect-only", "-qq")
        self.assertEqual(status, 0, said)
        self.assertIn("ext.mine::bad", said)
        self.assertEqual(len(self.calls()), 1)
        _, said = self.pytest("--sandboxer-extension", "ext.mine", "-x")
        self.assertIn("stopping after 1 failures", said)
        self.assertNotIn("ext.mine::idle SKIPPED", said)

    def test_the_projects_configuration_can_name_them(self) -> None:
        lines = ["[pytest]", "sandboxer_extensions =", "    ext.mine", "    ext.other", "sandboxer_catalogs = backends", ""]
        (self.folder / "pytest.ini").write_text("\n".join(lines))
        (self.folder / "test_own.py").write_text("def test_own():\n    pass\n")
        _, said = self.pytest("--strict-markers", "-m", "sandboxer_L1 or not sandboxer_L2")
        self.assertIn("test_own.py::test_own PASSED", said)
        self.assertIn("ext.other::good PASSED", said)
        self.assertIn("2 deselected", said)
        # The configuration counts from where it stands.
        self.assertEqual(self.calls()[0][:2], ["--catalog", str(self.folder.resolve() / "backends")])

    def test_without_an_extension_nothing_is_added(self) -> None:
        status, said = self.pytest()
        self.assertEqual(status, 5, said)
        self.assertFalse((self.folder / "calls").exists())

    def test_a_check_that_was_not_run_does_not_pass(self) -> None:
        self.says("report", {"seed": 7, "checks": [result("good", "passed")], "left_over": ["sbx01 on localhost"]})
        _, said = self.pytest("--sandboxer-extension", "ext.mine")
        self.assertIn("2 failed, 1 passed", said)
        self.assertIn("some of its sandboxes may still exist:\n  sbx01 on localhost", said)

    def test_a_program_that_cannot_be_used_is_said_in_a_line(self) -> None:
        self.program.write_text("#!/bin/sh\necho error: no such extension >&2\nexit 3\n")
        status, said = self.pytest("--sandboxer-extension", "ext.mine")
        self.assertEqual(status, 2, said)
        self.assertIn("ended with 3 and without a report; it said: error: no such extension", said)
        status, said = self.pytest("--sandboxer-extension", "ext.mine", "--sandboxer-program", "/no/such")
        self.assertEqual(status, 2, said)
        self.assertIn("`/no/such` cannot be started", said)


if __name__ == "__main__":
    unittest.main()

"""The file that starts the host, also with an interpreter that can read nothing else of the package."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import sys
import unittest
from types import ModuleType
from unittest.mock import patch

from support import PYTHON

LAUNCHER = PYTHON / "launcher.py"


def launcher() -> ModuleType:
    spec = importlib.util.spec_from_file_location("launcher", LAUNCHER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Launching(unittest.TestCase):
    def started(self, version: tuple[object, ...], arguments: list[str]) -> tuple[int, str]:
        """The exit status and standard error, where this is Python of that version."""
        said = io.StringIO()
        start = launcher().start
        of_python = patch.multiple(sys, version_info=version, executable="/opt/py")
        with contextlib.redirect_stderr(said), of_python:
            status: int = start(arguments)
        return status, said.getvalue()

    def test_an_old_interpreter_is_told_in_a_line(self) -> None:
        words = "sandboxer needs Python 3.9 or newer; this is {} (/opt/py)\n"
        self.assertEqual(self.started((3, 7, 3, "final", 0), ["a:B"]), (1, words.format("3.7.3")))
        self.assertEqual(self.started((3, 8, 20, "final", 0), ["a:B"]), (1, words.format("3.8.20")))

    def test_others_start_the_host(self) -> None:
        status, said = self.started((3, 9, 0, "final", 0), ["what it does not understand"])
        self.assertEqual((status, said.split()[0]), (2, "usage:"))

    def test_an_old_interpreter_can_read_it(self) -> None:
        text = LAUNCHER.read_text("utf-8")
        ast.parse(text, str(LAUNCHER), feature_version=(3, 6))
        # 3.6 does not know it, and would end with a `SyntaxError`.
        self.assertNotIn("from __future__", text)
        imported = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
        self.assertEqual(imported, ["import sys"])


if __name__ == "__main__":
    unittest.main()

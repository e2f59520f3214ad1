"""The guides, done: every snippet of the 0.1 guide, word for word, and every fragment of today's."""

from __future__ import annotations

import re
import tempfile
import textwrap
import unittest
from pathlib import Path
from typing import Any
from unittest.mock import patch

import support  # noqa: F401  (finds the package)
from sandboxer.extensions.base import SandboxExtension
from sandboxer.extensions.registry import load_registry
from sandboxer.extensions.vm_packer import VMPackerExtension
from sandboxer.ssh import SSHConfig
from sandboxer.testing import Harness
from sandboxer.testing import profile as make_profile

ROOT = Path(__file__).resolve().parents[2]

BASE_CLASS_OF_0_1 = """\
from sandboxer.extensions.base import SandboxExtension

class MyExtension(SandboxExtension):
    def provision(self, profile, inputs, host): ...
    def wait_ready(self, handle): ...
    def teardown(self, handle): ...
"""

MANIFEST_OF_0_1 = """\
id: ext.my-backend
title: My Backend
handler: sandboxer.extensions.my_backend:MyExtension
capabilities:
  isolation_levels: [container]
  pricing_model: self-hosted
config:
  key: value
"""

PATTERN_OF_0_1 = """\
with patch.object(SSHConfig, "run", return_value=(0, "ready")):
    ext = VMPackerExtension()
    handle = ext.provision(profile, {"vm": "haskell-build"}, "localhost")
"""


class GuideOf01(unittest.TestCase):
    def test_the_base_class_and_the_manifest(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "ext.my-backend.yaml").write_text(MANIFEST_OF_0_1)
            Path(folder, "my_backend.py").write_text(BASE_CLASS_OF_0_1)
            registry = load_registry(folder)
            self.assertEqual(registry.get("ext.my-backend").config, {"key": "value"})
            found = registry.open("ext.my-backend")
        self.assertTrue(issubclass(found, SandboxExtension))
        # It makes nothing yet, and that is no success.
        harness = Harness(found, config={"key": "value"})
        handle = {"sandbox_id": "sbx-one", "host": "localhost"}
        for verb in ("provision", "wait_ready", "teardown"):
            self.assertEqual(harness.call(verb, handle=handle).kind, "contract_violation", verb)

    def test_the_pattern_for_tests(self) -> None:
        names: dict[str, Any] = {
            "patch": patch,
            "SSHConfig": SSHConfig,
            "VMPackerExtension": VMPackerExtension,
            "profile": make_profile(id="profile.vm-haskell-build"),
        }
        exec(compile(PATTERN_OF_0_1, "the 0.1 guide", "exec"), names)
        self.assertEqual(names["handle"]["vm_target"], "haskell-build")


def blocks(page: str, kind: str) -> list[str]:
    """The blocks of one kind that belong to no file; those that do are run with the commands of the page."""
    found = re.findall(rf"(<!-- file: [^\n]* -->\n)?^( *)```{kind}\n(.*?)^ *```$", page, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(text) for file, _, text in found if not file]


class TodaysGuide(unittest.TestCase):
    page = (ROOT / "docs/extension-sdk.md").read_text(encoding="utf-8")

    def test_fragments_in_python_run(self) -> None:
        fragments = blocks(self.page, "python")
        self.assertEqual(len(fragments), 3)
        for fragment in fragments:
            exec(compile(fragment, "docs/extension-sdk.md", "exec"), {})

    def test_the_manifest_of_five_keys_is_sound(self) -> None:
        (manifest,) = blocks(self.page, "yaml")
        self.assertEqual(manifest, MANIFEST_OF_0_1)

"""Loading and validating manifests."""

from __future__ import annotations

import shutil
import tempfile
import unittest
from pathlib import Path

from support import PYTHON
from sandboxer.errors import NotFound, Precondition, Unsupported
from sandboxer.extensions.base import SandboxExtension
from sandboxer.extensions.registry import RegistryError, load_manifest, load_registry
from test_yaml_subset import GUIDE


class Registries(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sandboxer-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / "extensions" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def problems(self, text: str, name: str = "ext.my-backend.yaml") -> list[str]:
        with self.assertRaises(RegistryError) as caught:
            load_manifest(self.write(name, text))
        return caught.exception.problems

    def test_the_guides_manifest_loads_and_its_class_opens(self) -> None:
        self.write("ext.my-backend.yaml", GUIDE)
        self.write("notes.yaml", "not: [a manifest")
        source = "from sandboxer.extensions.base import SandboxExtension\nclass MyExtension(SandboxExtension):\n"
        for verb in ("provision(self, profile, inputs, host)", "wait_ready(self, handle)", "teardown(self, handle)"):
            source += f"    def {verb}: return {{}}\n"
        self.write("my_backend.py", source)
        registry = load_registry(self.folder)
        self.assertEqual([manifest.id for manifest in registry.list()], ["ext.my-backend"])
        manifest = registry.get("ext.my-backend")
        self.assertEqual((manifest.title, manifest.config), ("My Backend", {"key": "value"}))
        self.assertEqual((manifest.isolation_levels, manifest.pricing_model), (("container",), "self-hosted"))
        found = registry.open("ext.my-backend")
        self.assertTrue(issubclass(found, SandboxExtension))
        self.assertEqual(load_registry(self.folder / "extensions").get("ext.my-backend"), manifest)
        with self.assertRaisesRegex(NotFound, "`ext.my-backend` is near"):
            registry.get("ext.my-backand")

    def test_the_manifests_of_the_repository(self) -> None:
        if not (PYTHON.parent / "extensions").is_dir():
            self.skipTest("this is the package alone, without its repository")
        registry = load_registry(PYTHON.parent)
        self.assertIn("ext.local", [manifest.id for manifest in registry.list()])
        with self.assertRaisesRegex(Unsupported, "builtin:local"):
            registry.open("ext.local")

    def test_a_class_that_cannot_be_loaded(self) -> None:
        self.write("ext.my-backend.yaml", GUIDE.replace("my_backend:", "nowhere:"))
        with self.assertRaisesRegex(Precondition, "`ext.my-backend` cannot be loaded: there is no module"):
            load_registry(self.folder).open("ext.my-backend")

    def test_every_problem_is_told_with_file_line_key_and_the_nearest_word(self) -> None:
        text = GUIDE.replace("self-hosted", "self-hostd").replace("[container]", "[contaner, x-mine, vm, 7]")
        problems = self.problems(text.replace("title:", "titel:").replace("  key: value", "  - 1"))
        self.assertEqual(len(problems), 5)
        joined = "\n".join(problems)
        path = str(self.folder / "extensions" / "ext.my-backend.yaml")
        for words in (
            "`title` is missing; `titel` is near", "line 5: `capabilities.isolation_levels` has the unknown word "
            "`contaner`; `container` is near", "unknown word `7`",
            "line 6: `capabilities.pricing_model` has the unknown word "
            "`self-hostd`; `self-hosted` is near", "`config` is no mapping of keys",
        ):  # fmt: skip
            self.assertIn(words, joined)
        self.assertEqual(joined.count(path), 5)

    def test_single_problems(self) -> None:
        cases = {
            "capabilites:": (GUIDE.replace("capabilities:", "capabilites:"), "`capabilites` is near"),
            "empty": (GUIDE.replace("title: My Backend", "title:"), "`title` is empty"),
            "number": (GUIDE.replace("title: My Backend", "title: 7"), "`title` is no text"),
            "no levels": (GUIDE.replace("[container]", "[]"), "at least one level"),
            "capabilities": ("id: ext.my-backend\ntitle: x\nhandler: a:B\ncapabilities: none\n", "no mapping"),
            "handler": (GUIDE.replace("sandboxer.extensions.my_backend:MyExtension", "a b"), "`handler`"),
            "id": (GUIDE.replace("ext.my-backend", "ext.My"), "1 to 60"),
            "file": (GUIDE.replace("ext.my-backend", "ext.other"), "is called `ext.other.yaml`"),
            "list": ("- 1\n", "a mapping of keys"),
            "yaml": ("id: &x 1\n", "line 1: an anchor is not read here"),
        }  # fmt: skip
        for name, (text, words) in cases.items():
            with self.subTest(name):
                problems = self.problems(text)
                self.assertEqual(len(problems), 1, problems)
                self.assertIn(words, problems[0])

    def test_the_problems_of_all_files_come_at_once(self) -> None:
        self.write("ext.a.yaml", "id: ext.a\n")
        self.write("ext.b.yaml", "id: [\n")
        with self.assertRaises(RegistryError) as caught:
            load_registry(self.folder)
        told = str(caught.exception)
        self.assertTrue("ext.a.yaml" in told and "ext.b.yaml" in told)


if __name__ == "__main__":
    unittest.main()

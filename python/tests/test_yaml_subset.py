"""The reader of the part of YAML that manifests are written in."""

from __future__ import annotations

import unittest
from typing import Any

from support import PYTHON
from sandboxer.yaml_subset import YamlError, parse

GUIDE = """\
id: ext.my-backend
title: My Backend
handler: sandboxer.extensions.my_backend:MyExtension
capabilities:
  isolation_levels: [container]
  pricing_model: self-hosted
config:
  key: value
"""


def read(text: str) -> Any:
    return parse(text, "file.yaml").value


class Reads(unittest.TestCase):
    def test_the_guides_manifest(self) -> None:
        self.assertEqual(read(GUIDE), {
            "id": "ext.my-backend", "title": "My Backend",
            "handler": "sandboxer.extensions.my_backend:MyExtension",
            "capabilities": {"isolation_levels": ["container"], "pricing_model": "self-hosted"},
            "config": {"key": "value"},
        })  # fmt: skip

    def test_every_manifest_and_profile_of_the_repository(self) -> None:
        files = [*PYTHON.parent.glob("extensions/*.yaml"), *PYTHON.parent.glob("profiles/*.yaml")]
        if not files:
            self.skipTest("this is the package alone, without its repository")
        for file in files:
            self.assertEqual(parse(file.read_text("utf-8"), file.name).value["id"], file.stem)

    def test_scalars(self) -> None:
        cases: dict[str, Any] = {
            "1": 1, "-7": -7, "0x1f": 31, "0o17": 15, "1.5": 1.5, "1e3": 1000.0, "0.1.0": "0.1.0", "true": True,
            "False": False, "yes": "yes", "no": "no", "null": None, "~": None, "": None, "1h": "1h",
            "it's": "it's", "a # comment": "a", "a#b": "a#b", "'it''s # x'": "it's # x",
            '"a\\n\\u00e4\\"\\x41"': 'a\nä"A',
            "http://x:80/y": "http://x:80/y", "a, b]": "a, b]", '""': "", "-x": "-x", "12:30": "12:30",
        }  # fmt: skip
        for text, value in cases.items():
            self.assertEqual(read(f"k: {text}\n"), {"k": value}, text)

    def test_blocks(self) -> None:
        text = """\
            ---
            # a comment
            list:
            - a
            - b: 1
              c:
                - d
                -
                  e: f
            -
            -   - nested
                - more
            "quoted key": x
            'another': # nothing
            deep:

              deeper: {a: [1, {b: c}], "d": 'e, f', g: }
            """
        lines = [line[12:] for line in text.splitlines()]
        self.assertEqual(read("\n".join(lines)), {
            "list": ["a", {"b": 1, "c": ["d", {"e": "f"}]}, None, ["nested", "more"]],
            "quoted key": "x", "another": None,
            "deep": {"deeper": {"a": [1, {"b": "c"}], "d": "e, f", "g": None}},
        })  # fmt: skip

    def test_flow_goes_on_over_lines_with_comments_and_a_last_comma(self) -> None:
        self.assertEqual(read("k: [a,   # one\n  b,\n]\nl: 1\n"), {"k": ["a", "b"], "l": 1})
        self.assertEqual(read("k: {a: 1,\n  b: [2,\n  3]}\n"), {"k": {"a": 1, "b": [2, 3]}})
        self.assertEqual((read(""), read("# nothing\n"), read("[]"), read("- 1")), (None, None, [], [1]))

    def test_lines_are_known_by_path(self) -> None:
        document = parse("a: 1\nb:\n  - x\n  - c: 2\n    d: 3\n", "f")
        paths: list[tuple[str | int, ...]] = [("a",), ("b", 0), ("b", 1, "d"), ("b", 1, "none")]
        self.assertEqual([document.line(*path) for path in paths], [1, 3, 5, 4])


class Refuses(unittest.TestCase):
    def test_what_is_not_of_the_subset_names_its_line(self) -> None:
        wrong = {
            "a: &x 1": 1, "a: *x": 1, "a: !!str 1": 1, "a: |\n  text": 1, "a: >-\n  text": 1, "%YAML 1.2": 1,
            "a: 1\nb: 2\na: 3": 3, "a:\n\tb: 1": 2, "a: b\n  c": 2, "a: 1\n  b: 2": 2, "a:\n    b: 1\n  c: 2": 3,
            "- a\nb: 1": 2, "a: 1\n- b": 2, "a: [1, 2": 1, "a: {b: 1": 1, "a: [1 2] 3": 1, "a: 'x": 1, 'a: "x\n  y"': 1,
            'a: "\\q"': 1, 'a: "\\u12"': 1, 'a: "\\UFFFFFFFF"': 1, "a: {b}": 1, "a: {b: 1, b: 2}": 1, "a: {1: 2}": 1,
            "a: 1\n---\nb: 2": 2, "just\ntwo": 2, "? a": 1, "a: [1] x": 1, "a: @x": 1, "a: b: c": 1, "a: - b": 1, "a: [- b]": 1,
            ": x": 1,
            "a: [b: c]": 1, "a: [x y: z]": 1, "'a' b: 1": 1, "a: {b:\n": 1,
        }  # fmt: skip
        for text, line in wrong.items():
            with self.subTest(text), self.assertRaises(YamlError) as caught:
                read(text + "\n")
            self.assertEqual(caught.exception.line, line, (text, str(caught.exception)))
            self.assertTrue(str(caught.exception).startswith(f"file.yaml, line {line}: "))


if __name__ == "__main__":
    unittest.main()

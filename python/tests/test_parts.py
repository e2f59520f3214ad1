"""Profiles, calls, spans, quotes, destinations: the small parts."""

from __future__ import annotations

import ast
import copy
import json
import pickle
import threading
import unittest
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from support import PYTHON
from sandboxer.call import Deadline, current_call
from sandboxer.errors import Cancelled, DeadlineExceeded, InvalidInput, Precondition
from sandboxer.meter import MeterPrice, MeterQuote
from sandboxer.moments import moment_text, parse_moment, parse_span, span_text
from sandboxer.profile import Profile
from sandboxer.ssh import SSHConfig
from sandboxer.testing import detached_call, profile
from sandboxer.workspace import checked_id, checked_root, is_url


class Profiles(unittest.TestCase):
    def test_members_answer_both_ways_at_every_depth(self) -> None:
        whole = profile(ttl={"default": "1h"}, expose=[{"path": "/x"}], items="a member")
        self.assertEqual(whole.ttl.default, whole["ttl"]["default"])
        self.assertEqual(whole.expose[0].path, "/x")
        self.assertEqual(whole["items"], "a member")
        self.assertEqual(json.loads(json.dumps(whole)), whole)
        self.assertEqual(copy.deepcopy(whole), whole)
        self.assertEqual(pickle.loads(pickle.dumps({"p": dict(whole)}))["p"], whole)

    def test_what_is_absent_is_told_and_nothing_can_be_set(self) -> None:
        with self.assertRaisesRegex(AttributeError, "no `network`"):
            profile().network
        self.assertFalse(hasattr(profile(), "network"))
        with self.assertRaises(AttributeError):
            Profile({}).ttl = "1h"  # type: ignore[attr-defined]


class Calls(unittest.TestCase):
    def test_outside_of_a_host_there_are_defaults(self) -> None:
        call = current_call()
        self.assertEqual((call.id, call.config, call.attempt), ("detached", {}, 1))
        self.assertEqual((call.cancelled, call.intent), (False, None))
        call.raise_if_cancelled()
        with self.assertRaises(AttributeError):
            call.owner = "me"
        with self.assertRaises(TypeError):
            detached_call(what="x")

    def test_times(self) -> None:
        with detached_call(_ttl_ms=90_000, _expires_at="2026-01-01T00:00:00Z", seconds=60) as call:
            self.assertEqual(call.ttl, timedelta(seconds=90))
            self.assertEqual(call.expires_at, datetime(2026, 1, 1, tzinfo=timezone.utc))
            self.assertTrue(0 < call.deadline.remaining() <= 60)
        self.assertEqual(Deadline(None).remaining(), float("inf"))
        with detached_call(seconds=0) as call, self.assertRaises(DeadlineExceeded):
            call.wait(1)

    def test_waiting_ends_with_the_call_and_callbacks_are_called_once(self) -> None:
        detached = detached_call()
        heard: list[str] = []
        with detached as call:
            with call.when_cancelled(lambda: heard.append("left")):
                pass
            with call.when_cancelled(lambda: heard.append("in time")):
                threading.Timer(0.01, detached.cancel).start()
                with self.assertRaises(Cancelled) as caught:
                    call.wait(3600)
                self.assertIsNone(caught.exception.residue)
                with self.assertRaises(Cancelled) as caught:
                    call.raise_if_cancelled(residue="none")
                self.assertEqual(caught.exception.residue, "none")
            with call.when_cancelled(lambda: heard.append("at once")):
                pass
        self.assertEqual(heard, ["in time", "at once"])

    def test_secrets_are_not_shown(self) -> None:
        with detached_call(secrets={"key": "canary"}) as call:
            self.assertNotIn("canary", repr(call))


class Spans(unittest.TestCase):
    def test_spans_and_moments_are_read_and_written_back(self) -> None:
        for text in ("90ms", "45s", "15m", "1h30m", "2d", "1d2h3m4s", "0s"):
            self.assertEqual(span_text(parse_span(text)), text)
        for wrong in ("", "10", "h", "-1h", "1.5h", "1y", "1h x"):
            with self.assertRaises(ValueError):
                parse_span(wrong)
        with self.assertRaises(ValueError):
            span_text(timedelta(seconds=-1))
        for text in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.500000Z"):
            self.assertEqual(moment_text(parse_moment(text)), text)
        self.assertEqual(parse_moment("2026-01-01T00:00:00.123456789Z").microsecond, 123456)
        with self.assertRaises(ValueError):
            moment_text(datetime(2026, 1, 1))

    def test_amounts_are_exact_or_refused(self) -> None:
        with self.assertRaisesRegex(TypeError, "float"):
            MeterQuote(duration="1h", currency="USD", expected=0.1)  # type: ignore[arg-type]
        for wrong in ("x", "NaN", Decimal("Infinity")):
            with self.assertRaises(ValueError):
                MeterPrice(meter="m", amount=wrong, currency="USD")
        with self.assertRaises(ValueError):
            MeterQuote(duration="1h", currency="USD", expected=1, billing="sometimes")
        steps = timedelta(minutes=1)
        whole = MeterQuote(duration="1h", currency="USD", expected=1, granularity=steps, excludes=["disk"])
        self.assertEqual((whole.to_wire()["granularity"], whole.to_wire()["excludes"]), ("1m", ["disk"]))


class Destinations(unittest.TestCase):
    def test_words_are_quoted_and_nothing_becomes_an_option(self) -> None:
        ssh = SSHConfig("me@box", port=22, options={"HostKeyAlias": "x"})
        words = ssh.command(["echo", "a b; $(id)", "-x", ""])
        self.assertEqual(words[-3:], ["--", "me@box", "echo 'a b; $(id)' -x ''"])
        self.assertIn("HostKeyAlias=x", words)
        self.assertEqual(ssh.destination, "me@box:22")
        for wrong in ("-oProxyCommand=id", "", " -x", "a b", "a\nb"):
            with self.assertRaises(InvalidInput):
                SSHConfig(wrong)
        with self.assertRaises(InvalidInput):
            SSHConfig("box", port=0)

    def test_settings(self) -> None:
        self.assertEqual(SSHConfig.from_setting("me@box:2222"), SSHConfig("me@box", port=2222))
        self.assertEqual(SSHConfig.from_setting("ssh://me@box:2222"), SSHConfig("ssh://me@box:2222"))
        self.assertEqual(SSHConfig.from_setting({"target": "box", "port": 7}), SSHConfig("box", port=7))
        for wrong in (7, {"where": "box"}, None):
            with self.assertRaises(Precondition):
                SSHConfig.from_setting(wrong)

    def test_ids_and_paths_that_would_lead_elsewhere(self) -> None:
        for text in ("", "../x", "a/b", "-rf", "a-", "A", "a" * 41, None, "$(id)"):
            with self.assertRaises(InvalidInput):
                checked_id(text)
        for path in ("", "/", "..", "a/../../b", "-x", "~/x", "a\nb", None, 7):
            with self.assertRaises(InvalidInput):
                checked_root(path, "root")
        self.assertEqual(checked_root("/srv//x/", "root"), "/srv/x")
        self.assertTrue(is_url("https://x/y.git") and is_url("git@x:y.git"))
        self.assertFalse(is_url("./x") or is_url("/srv/a:b"))


class Sources(unittest.TestCase):
    def test_every_file_is_python_3_9_and_annotations_are_not_evaluated(self) -> None:
        files = [*(PYTHON / "src").rglob("*.py"), *(PYTHON / "tests").rglob("*.py")]
        self.assertGreater(len(files), 20)
        for file in files:
            text = file.read_text("utf-8")
            ast.parse(text, str(file), feature_version=(3, 9))
            if "def " in text:
                self.assertIn("from __future__ import annotations", text, file)
            self.assertLessEqual(len(text.splitlines()), 400 if "tests" in file.parts else 300, file)


if __name__ == "__main__":
    unittest.main()

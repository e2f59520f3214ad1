"""What the tests share: the package on the path, and a real host process as `sandboxer` starts it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Callable

PYTHON = Path(__file__).resolve().parent.parent
SOURCES = PYTHON / "src"
sys.path.insert(0, str(SOURCES))
SECONDS = 60.0
"""More than anything here takes; nothing waits so long unless it fails."""


def is_ci() -> bool:
    """Whether what cannot run is a failure."""
    return os.environ.get("CI") in ("1", "true")


def until(condition: Callable[[], object]) -> None:
    """Waits until a condition holds that nothing tells of."""
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come to that")
        time.sleep(0.01)


def request(verb: str, call: str, **params: Any) -> dict[str, Any]:
    """A request as the protocol has it; `params` are added to it."""
    meta = {"protocol": 1, "ext": "ext.test", "owner": "own01test", "call": call, "attempt": 1, "deadline_ms": 60_000}
    usual: dict[str, Any] = {"_meta": meta}
    if verb != "describe":
        usual.update(config={}, secrets={}, labels={}, sandbox_id="sbx01test", host="localhost")
    if verb == "provision":
        usual.update(profile={"id": "profile.test"}, inputs={}, ttl_ms=1000, expires_at="2026-01-01T00:00:00Z")
    if verb in ("wait_ready", "teardown"):
        usual.update(handle={"sandbox_id": "sbx01test", "host": "localhost"})
    return {"jsonrpc": "2.0", "id": call, "method": verb, "params": {**usual, **params}}


class HostProcess:
    """A host with an author's module beside its manifest."""

    def __init__(self, folder: Path, handler: str) -> None:
        program = folder / "unpacked"
        program.mkdir()
        (program / "sandboxer").symlink_to(SOURCES / "sandboxer")
        shutil.copy(PYTHON / "launcher.py", program / "__main__.py")
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "SANDBOXER_PROCESS": "1"}
        # The real command has no `-B`: it keeps the sources free of compiled files.
        words = [sys.executable, "-B", "-X", "utf8", str(program), handler, "--folder", str(folder)]
        self._errors = open(folder / "stderr", "w+b")
        self.process = subprocess.Popen(
            words, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        self.lines: list[bytes] = []
        self._changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Everything that came, each of which must be JSON."""
        return [json.loads(line) for line in list(self.lines)]

    def send(self, message: Any) -> None:
        line = message if isinstance(message, bytes) else json.dumps(message, ensure_ascii=False).encode() + b"\n"
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def wait_for(self, wanted: Callable[[dict[str, Any]], object], count: int = 1) -> list[dict[str, Any]]:
        """Waits until so many messages are as `wanted` says."""
        with self._changed:
            while len(found := [message for message in self.messages if wanted(message)]) < count:
                if not self._changed.wait(SECONDS):
                    raise AssertionError(f"it did not come; there are {self.messages}; {self.stderr()}")
            return found

    def answer(self, call: Any, count: int = 1) -> dict[str, Any]:
        """The answer to a call; with a `count`, its last one of so many."""
        return self.wait_for(lambda message: "id" in message and message["id"] == call, count)[count - 1]

    def ask(self, verb: str, call: str = "1", **params: Any) -> dict[str, Any]:
        self.send(request(verb, call, **params))
        return self.answer(call)

    def end(self) -> int:
        """Ends its input; returns its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        status = self.process.wait(SECONDS)
        self.reader.join(SECONDS)
        return status

    def stderr(self) -> str:
        self._errors.flush()
        return Path(self._errors.name).read_text("utf-8", "replace")

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(SECONDS)
        self.reader.join(SECONDS)
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                pass  # what it had not read is of no interest any more


class HostTest(unittest.TestCase):
    """Tests against real host processes; each is ended with its test."""

    def folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="sandboxer-test-"))
        self.addCleanup(shutil.rmtree, folder)
        return folder

    def host(self, source: str, handler: str = "my_backend:MyExtension", name: str = "my_backend.py",
             **files: str) -> HostProcess:  # fmt: skip
        """A host for a module beside a manifest. A handler that begins with `:` has no package before it."""
        folder = self.folder()
        (folder / name).write_text(textwrap.dedent(source), "utf-8")
        for stem, text in files.items():
            (folder / f"{stem}.py").write_text(textwrap.dedent(text), "utf-8")
        if not handler.startswith(":"):
            handler = "sandboxer.extensions." + handler
        handler = handler.lstrip(":")
        host = HostProcess(folder, handler)
        self.addCleanup(host.kill)
        return host


def extension(provision: str, head: str = "", rest: str = "") -> str:
    """The source of an extension whose `provision` has this body."""
    lines = [
        "import os, subprocess, sys, threading",
        "from sandboxer.extensions.base import SandboxExtension",
        textwrap.dedent(head),
        "class MyExtension(SandboxExtension):",
        "    def provision(self, profile, inputs, host):",
        textwrap.indent(textwrap.dedent(provision).strip("\n"), " " * 8),
        "    def wait_ready(self, handle): return {'ssh': 'x'}",
        "    def teardown(self, handle): return {'removed': True}",
        textwrap.indent(textwrap.dedent(rest), " " * 4),
    ]
    return "\n".join(lines)

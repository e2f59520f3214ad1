"""The extension `ext.my-backend`: a sandbox is a folder, and in it an agent that runs commands.

A real backend is an API, a cluster or a hypervisor. This one is a folder of folders: put yours in the place of `Box`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

from sandboxer.errors import Conflict, Forbidden, InvalidInput, NotFound, NotReady, Unavailable
from sandboxer.extensions.base import SandboxExtension


class MyBackendExtension(SandboxExtension):
    features = ("labels", "idempotent")

    def validate(self, profile, inputs, host):
        return checked(inputs)

    def provision(self, profile, inputs, host):
        # Checked here, too: the request may come from elsewhere, or from before the schema was changed.
        wanted = checked(inputs)
        with self.box(inputs["sandbox_id"]) as box:
            if box.kept is None:
                self.call.raise_if_cancelled(residue="none")
                box.make(owner=self.call.owner, labels=self.call.labels, inputs=wanted)
            elif box.kept["inputs"] != wanted:
                raise Conflict("it exists with other inputs", residue="present")
            self.call.raise_if_cancelled(residue="present")
            # Also when it existed: whoever made it may have been killed before this line.
            if not box.processes():
                box.start_agent()
        return {"sandbox_id": inputs["sandbox_id"], "host": host}

    def wait_ready(self, handle):
        with self.box(handle["sandbox_id"]) as box:
            if box.kept is None:
                raise NotFound("there is no such box", residue="none")
        while not box.answers():
            if not box.processes():
                raise NotReady(f"its agent has ended: {box.last_words()}", residue="present")
            self.call.raise_if_cancelled(residue="present")
            time.sleep(0.01)
        return {"host": handle["host"], "remote_dir": str(box.workspace), "agent": f"unix:{box.socket}"}

    def teardown(self, handle):
        # From the id alone: a handle that was lost says no more.
        with self.box(handle["sandbox_id"]) as box:
            found = box.remove()
        what = f"{box.folder} and its agent"
        return {"removed" if found else "already_absent": [what], "complete": True}

    def recover(self, sandbox_id, host):
        # Under the lock: whoever is making it now has finished, or has not begun.
        with self.box(sandbox_id) as box:
            return None if box.kept is None else {"sandbox_id": sandbox_id, "host": host}

    def list(self, host):
        with self.backend() as root:
            boxes = [Box(root, folder.name) for folder in sorted(root.iterdir()) if not folder.name.startswith(".")]
            return [
                {"sandbox_id": box.folder.name, "labels": box.kept["labels"], "created_at": box.kept["created_at"]}
                for box in boxes
                if box.kept is not None and box.kept["owner"] == self.call.owner
            ]

    def status(self, handle):
        with self.box(handle["sandbox_id"]) as box:
            if box.kept is None:
                return "absent"
            return "running" if box.answers() else "stopped"

    @contextlib.contextmanager
    def box(self, sandbox_id):
        """The box of that id, whether or not it exists, for one call at a time. Another owner's is not touched."""
        with self.backend() as root:
            box = Box(root, sandbox_id)
            if box.kept is not None and box.kept["owner"] != self.call.owner:
                raise Forbidden("it belongs to another owner", residue="present")
            yield box

    @contextlib.contextmanager
    def backend(self):
        """The folder of all boxes. The file `.backend` in it says that it is there, and is the lock.

        A folder that is missing is a backend that does not answer, and never one without boxes: a teardown that took it
        for that would report as gone what comes back with the folder.
        """
        root = Path(self.config["root"]).resolve()
        try:
            lock = open(root / ".backend", "rb")
        except OSError as fault:
            hint = f"`touch {root}/.backend` brings it back"
            raise Unavailable(f"the backend `{root}` does not answer", residue="unknown", hint=hint) from fault
        with lock:
            while not is_locked(lock):
                self.call.raise_if_cancelled(residue="unknown")
                time.sleep(0.01)
            yield root


class Box:
    """One box: its folder, and whatever works in it."""

    def __init__(self, root, sandbox_id):
        self.folder = root / sandbox_id
        # What is being made or removed. It is ours alone, since whoever works on a box holds the lock.
        self.unfinished = root / f".{sandbox_id}"
        self.workspace = self.folder / "workspace"
        self.socket = self.folder / "agent"
        try:
            self.kept = json.loads((self.folder / "box.json").read_text())
        except FileNotFoundError:
            self.kept = None

    def make(self, **kept):
        """Makes the folder. It is there with its labels, or not at all, wherever this process is killed."""
        remove_tree(self.unfinished)
        (self.unfinished / "workspace").mkdir(parents=True)
        kept["created_at"] = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        (self.unfinished / "box.json").write_text(json.dumps(kept))
        self.unfinished.rename(self.folder)

    def start_agent(self):
        self.socket.unlink(missing_ok=True)
        # In the folder from the first moment on, so that it is found wherever this process is killed; and in a session of
        # its own before it is there, since the group of this process ends with it. `setsid` leaves it to nobody's care.
        command = ["setsid", "--fork", "sandboxer", "agent", "--listen", f"unix:{self.socket}"]
        with open(self.folder / "log", "wb") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            subprocess.run(command, cwd=self.workspace, start_new_session=True, check=True, **streams)

    def processes(self):
        """The agent, by its arguments, and whatever works in the folder, as also an agent does that just begins."""
        address = f"unix:{self.socket}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                # In this order: an agent leaves the folder once it has its arguments.
                works_here = os.readlink(process / "cwd").startswith(f"{self.folder}/")
                if works_here or address in (process / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found

    def answers(self):
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.socket)) == 0

    def last_words(self):
        with contextlib.suppress(OSError):
            return (self.folder / "log").read_text(errors="replace")[-500:].strip()

    def remove(self):
        """Removes everything that bears the id. Returns whether there was anything; raises unless nothing is left."""
        found = self.folder.exists() or self.unfinished.exists()
        patience = time.monotonic() + 2
        while processes := self.processes():
            found = True
            # Asked to end, an agent ends its commands first.
            number = signal.SIGTERM if time.monotonic() < patience else signal.SIGKILL
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)
            time.sleep(0.01)
        if self.folder.exists():
            remove_tree(self.unfinished)
            self.folder.rename(self.unfinished)
        remove_tree(self.unfinished)
        return found


def checked(inputs):
    """The inputs with defaults. Raises `InvalidInput`, which names each that is wrong."""
    wanted = {"size": 1, **{name: value for name, value in inputs.items() if name != "sandbox_id"}}
    faults = {name: "there is no such input" for name in wanted if name not in ("note", "size")}
    if not isinstance(wanted.get("note", ""), str):
        faults["note"] = "it is a text"
    if type(wanted["size"]) is not int or not 1 <= wanted["size"] <= 8:
        faults["size"] = "it is a whole number from 1 to 8"
    if faults:
        raise InvalidInput("the inputs do not fit", fields=faults)
    return wanted


def is_locked(file):
    """Locks it, unless another call holds it. The kernel drops the lock with whoever holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove_tree(folder):
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)

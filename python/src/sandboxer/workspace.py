"""A folder on another machine that is one sandbox's: what the reference extensions share.

Below `ROOT/ID` there are `intent`, which says whose it is and what it was made of, and `work`, the workspace. Scripts
are fixed texts with their arguments behind them, so that no word of a request is ever read as one of theirs.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import uuid
from dataclasses import dataclass
from typing import Any, Mapping

from sandboxer.errors import Conflict, InvalidInput, NotFound, Precondition
from sandboxer.ssh import NO_SUCH_COMMAND, UNREACHABLE, SSHConfig

ABSENT = 10
FOREIGN = 3
"""Statuses of the scripts below: there is nothing, and it is somebody else's or of other inputs."""

_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")

# The link is made by one process only, so the first intent stays.
_CLAIM = """set -eu
umask 077
mkdir -p -- "$1"
cd -- "$1"
printf '%s\\n' "$2" "$3" > "intent.$$"
ln "intent.$$" intent 2>/dev/null || :
if [ "$(cat "intent.$$")" = "$(cat intent)" ]; then same=0; else same=3; fi
rm -f "intent.$$"
pwd -P
exit "$same"
"""
# What is unfinished is never called `work`, and is nobody else's: two may fill one workspace at once. A workspace that is
# there is left as it is.
_EMPTY = 'mkdir -p -- "$1/work"'
_BEGIN = """set -eu
cd -- "$1"
[ ! -d work ] || exit 0
mkdir -- "$2"
exit 10
"""
_FINISH = """set -eu
cd -- "$1"
[ -d work ] || mv -- "$2" work
# Had somebody else just finished, ours would be in theirs.
rm -rf -- "$2" "work/$2"
"""
_CLONE = """set -eu
cd -- "$1"
[ ! -d work ] || exit 0
GIT_TERMINAL_PROMPT=0 git clone --quiet -- "$3" "$2"
"""
# Whoever works below the folder would make it anew, or keep it from going: commands of the sandbox, and what a lost attempt to
# make it has left running.
_END = """set -u
[ -e "$1" ] || exit 10
if [ -e "$1/intent" ] && [ "$(head -n 1 "$1/intent")" != "$2" ]; then exit 3; fi
folder=$(cd -- "$1" && pwd -P) || exit
workers() {
    for entry in /proc/[0-9]*; do
        case "$(readlink "$entry/cwd" 2>/dev/null)" in
            "$folder"|"$folder"/*) printf '%s ' "${entry##*/}" ;;
        esac
    done
}
tries=0
while pids=$(workers) && [ -n "$pids" ]; do
    [ "$tries" -lt 100 ] || { printf 'processes %sdo not end\\n' "$pids"; exit 1; }
    kill -KILL $pids 2>/dev/null
    tries=$((tries + 1))
    sleep 0.05
done
"""
_REMOVE = _END + """
rm -rf -- "$1" || exit
[ ! -e "$1" ]
"""
_LOOK = """[ -e "$1/intent" ] || exit 10
[ "$(head -n 1 "$1/intent")" = "$2" ] || exit 3
cd -- "$1" && pwd -P
"""


def new_sandbox_id() -> str:
    """An id for a caller that gave none."""
    return "sbx" + uuid.uuid4().hex


def checked_id(text: Any) -> str:
    """The id, when it can be the name of a folder. Raises `InvalidInput`."""
    if not isinstance(text, str) or not _ID.fullmatch(text):
        rule = "is not 1 to 40 of a-z, 0-9 and `-`"
        raise InvalidInput(f"the sandbox's id {rule}", fields={"sandbox_id": rule})
    return text


def checked_root(given: Any, name: str) -> str:
    """A folder on the other machine, below which sandboxes stand. Raises `InvalidInput`."""
    text = given if isinstance(given, str) else ""
    parts = text.split("/")
    if not any(parts) or ".." in parts or parts[0].startswith(("-", "~")) or not text.isprintable():
        rule = "is no path without `..`; one that does not begin with `/` begins at the home directory"
        raise InvalidInput(f"`{name}` {rule}", fields={name: rule})
    return posixpath.normpath(text)


def checked_repository(repo: Any) -> None:
    """Raises `InvalidInput` for what is neither a folder's path nor the URL of a git repository."""
    if not isinstance(repo, str) or not repo or repo.startswith("-") or not repo.isprintable():
        rule = "is neither a directory nor the URL of a git repository"
        raise InvalidInput(f"`repo` {rule}", fields={"repo": rule})


def is_url(repo: str) -> bool:
    """Whether it is a git URL, rather than a folder of this machine."""
    head = repo.split("/")[0]
    return "://" in repo or (":" in head and not os.path.isdir(repo))


def digest(intent: Mapping[str, Any]) -> str:
    """What tells one intent from another."""
    return hashlib.sha256(json.dumps(intent, sort_keys=True).encode()).hexdigest()


def _part() -> str:
    """What a workspace is called until it is whole."""
    return "work." + uuid.uuid4().hex


@dataclass(frozen=True)
class Workspace:
    """The folder of one sandbox on the machine `ssh`, below `root`. `owner` is the state directory that asks."""

    ssh: SSHConfig
    root: str
    sandbox_id: str
    owner: str

    @property
    def folder(self) -> str:
        """The folder; below the home directory there unless it begins with `/`."""
        return posixpath.join(self.root, checked_id(self.sandbox_id))

    def claim(self, intent: Mapping[str, Any]) -> str:
        """Makes the folder, or finds it as an earlier attempt made it. Returns the path of the workspace.

        Raises `Conflict` when it is another owner's, or was made of other inputs.
        """
        status, said = self.script(_CLAIM, self.owner, digest(intent))
        if status == FOREIGN:
            raise Conflict(f"`{self.sandbox_id}` was made of other inputs, or by another owner", residue="present")
        if status != 0:
            raise self.ssh.failure(status, said, "make the workspace")
        return posixpath.join(self._absolute(said), "work")

    def fill(self, repo: str | None) -> None:
        """Puts the repository into the workspace, once; without one the workspace is empty.

        Raises `NotFound` for a folder that there is not, `Precondition` for what cannot be cloned.
        """
        if repo is None:
            self._must(_EMPTY, "make the workspace")
        elif is_url(repo):
            self._clone(repo)
        elif os.path.isdir(repo):
            self._send(repo)
        else:
            raise NotFound(f"there is no directory `{repo}`", fields={"repo": "does not exist"})

    def look(self) -> str | None:
        """The path of the workspace, when the folder is there. Raises `Conflict` when it is another owner's."""
        status, said = self.script(_LOOK, self.owner)
        if status == ABSENT:
            return None
        if status == FOREIGN:
            raise self._foreign()
        if status != 0:
            raise self.ssh.failure(status, said, "look for the workspace")
        return posixpath.join(self._absolute(said), "work")

    def end_processes(self) -> None:
        """Ends every process that works in the folder. Raises `Conflict` when it is another owner's."""
        status, said = self.script(_END, self.owner)
        if status == FOREIGN:
            raise self._foreign()
        if status not in (0, ABSENT):
            raise self.ssh.failure(status, said, "end the processes in the workspace")

    def remove(self, report: dict[str, list[str]]) -> None:
        """Removes the folder, with whoever works in it, and looks whether it is gone; says so in `report`.

        Raises `Conflict` when it is another owner's, and when nobody answers.
        """
        status, said = self.script(_REMOVE, self.owner)
        what = f"the folder `{self.folder}` on `{self.ssh.target}`"
        if status == 0:
            report["removed"].append(what)
        elif status == ABSENT:
            report["already_absent"].append(f"{what}: no such path")
        elif status == FOREIGN:
            raise self._foreign()
        elif status in (UNREACHABLE, NO_SUCH_COMMAND):
            raise self.ssh.failure(status, said, "remove the workspace")
        else:
            report["errors"].append(f"{what} cannot be removed: {said[-1000:]}")

    def script(self, script: str, *arguments: str) -> tuple[int, str]:
        """Runs a script there, with the folder as `$1` and then the arguments."""
        return self.ssh.run(["sh", "-c", script, "sh", self.folder, *arguments])

    def _must(self, script: str, act: str, *arguments: str) -> None:
        status, said = self.script(script, *arguments)
        if status != 0:
            raise self.ssh.failure(status, said, act)

    def _send(self, local: str) -> None:
        part = _part()
        status, said = self.script(_BEGIN, part)
        if status == ABSENT:
            self.ssh.send_tree(local, posixpath.join(self.folder, part))
            self._must(_FINISH, "make the workspace", part)
        elif status != 0:
            raise self.ssh.failure(status, said, "make the workspace")

    def _clone(self, url: str) -> None:
        part = _part()
        status, said = self.script(_CLONE, part, url)
        if status in (UNREACHABLE, NO_SUCH_COMMAND):
            raise self.ssh.failure(status, said, "clone the repository")
        if status != 0:
            last = (said.splitlines() or ["it said nothing"])[-1].rstrip(".")
            raise Precondition(f"cannot clone `{url}` on `{self.ssh.target}`: {last}", details={"output": said[-4000:]})
        self._must(_FINISH, "make the workspace", part)

    def _foreign(self) -> Conflict:
        return Conflict(f"`{self.sandbox_id}` on `{self.ssh.target}` is another owner's", residue="present")

    def _absolute(self, said: str) -> str:
        """The path that was printed. What a login prints of its own comes before it."""
        paths = [line for line in said.splitlines() if line.startswith("/")]
        return paths[-1] if paths else self.folder

"""A private sshd for tests of what really goes over ssh; its own, as the package is tested without Rust or cargo."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

from support import SECONDS, is_ci

PROGRAM = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
NEEDED = {"sshd": PROGRAM, "ssh": shutil.which("ssh"), "ssh-keygen": shutil.which("ssh-keygen")}
ATTEMPTS = 5

# A stand-in for Docker and its compose plugin, not the real thing: it keeps "containers" as files, so that what is
# taken down is really looked for. A file `stuck` keeps `down` from working, `slow` keeps `up` from ending.
DOCKER_STAND_IN = r"""#!/bin/sh
set -u
state=STATE
project_of_filter() { for word in "$@"; do case "$word" in label=*=*) printf '%s' "${word##*=}" ;; esac; done; }
case "$1 $2" in
"ps -q"|"ps -aq") cat "$state/$(project_of_filter "$@")/containers" 2>/dev/null; exit 0 ;;
"volume ls"|"network ls") cat "$state/$(project_of_filter "$@")/$1s" 2>/dev/null; exit 0 ;;
"compose -p") project=$3; shift 3 ;;
*) echo "unknown: $*" >&2; exit 1 ;;
esac
file=compose.yaml
[ "$1" = -f ] && { file=$2; shift 2; }
case "$1" in
up)
    [ -f "$file" ] || { echo "no configuration file provided: not found" >&2; exit 14; }
    while [ -e "$state/slow" ]; do touch "$state/is-slow"; sleep 0.05; done
    mkdir -p "$state/$project"
    echo "$project-1" > "$state/$project/containers"
    echo "${project}_data" > "$state/$project/volumes"
    echo "${project}_default" > "$state/$project/networks"
    { pwd -P; printf '%s\n' "$@"; printf 'WORD=%s\n' "${WORD-}"; } > "$state/$project/up" ;;
down)
    [ -e "$state/stuck" ] && { echo "the daemon is busy" >&2; exit 1; }
    [ "$*" = "down --volumes --remove-orphans --timeout 0" ] || exit 1
    rm -rf "$state/$project" ;;
*) exit 1 ;;
esac
"""


class Sshd:
    """The server: its own host key and port, one user key, a `PATH` that begins with `programs`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "docker"
        self.state.mkdir()
        programs = folder / "programs"
        programs.mkdir()
        docker = programs / "docker"
        docker.write_text(DOCKER_STAND_IN.replace("STATE", str(self.state)))
        docker.chmod(0o755)
        for key in ("host_key", "user_key"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(words, check=True, timeout=SECONDS)
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        self._path = f"{programs}:/usr/local/bin:/usr/bin:/bin"
        self.port, self.process = self._start()
        self._write_known_hosts()

    def _start(self) -> tuple[int, subprocess.Popen[bytes]]:
        """Another program may take a free port before sshd does, so that it is tried again."""
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        for _ in range(ATTEMPTS):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            self._write_config(port)
            assert PROGRAM is not None
            words = [PROGRAM, "-D", "-e", "-f", str(self.folder / "config")]
            with open(self.folder / "log", "ab") as log:
                process = subprocess.Popen(words, stderr=log, stdin=subprocess.DEVNULL)
            if _greets(port, process):
                return port, process
            process.kill()
            process.wait()
        raise AssertionError(f"sshd does not start: {(self.folder / 'log').read_text()}")

    def _write_config(self, port: int) -> None:
        (self.folder / "config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nUsePAM no\nStrictModes no\n"
            f"KexAlgorithms curve25519-sha256\nPasswordAuthentication no\nMaxStartups 100:30:200\n"
            f"SetEnv PATH={self._path} HOME={self.folder}\n"
        )

    def _write_known_hosts(self) -> None:
        key = (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key}haskell-build {key}")

    def setting(self, **members: Any) -> dict[str, Any]:
        """How it is reached, as a manifest's config says it."""
        options = {"UserKnownHostsFile": str(self.folder / "known_hosts"), "StrictHostKeyChecking": "yes"}
        return {
            "target": f"{getpass.getuser()}@127.0.0.1", "port": self.port, "config_file": "none",
            "identity_file": str(self.folder / "user_key"), "options": options, **members,
        }  # fmt: skip

    def end(self) -> None:
        """Ends it, by its own process."""
        self.process.terminate()
        self.process.wait(SECONDS)


def _greets(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Waits until the server greets, or has ended."""
    while process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
                return connection.recv(4) == b"SSH-"
        except ConnectionRefusedError:
            continue
    return False


class SshTest(unittest.TestCase):
    """Tests over one sshd; without one they are left out, which CI does not allow."""

    sshd: Sshd

    @classmethod
    def setUpClass(cls) -> None:
        missing = [name for name, path in NEEDED.items() if path is None]
        if missing:
            if is_ci():
                raise AssertionError(f"these tests need {', '.join(missing)}")
            raise unittest.SkipTest(f"there is no {', '.join(missing)} here")
        folder = Path(tempfile.mkdtemp(prefix="sandboxer-sshd-"))
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.sshd = Sshd(folder)
        cls.addClassCleanup(cls.sshd.end)

    def folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="sandboxer-test-"))
        self.addCleanup(shutil.rmtree, folder)
        return folder

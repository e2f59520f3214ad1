"""Commands on another machine, by the `ssh` of this one."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from typing import IO, Any, Mapping, Sequence, Union

from sandboxer.call import current_call
from sandboxer.errors import DeadlineExceeded, HostUnreachable, Internal, InvalidInput, Precondition

Input = Union[bytes, str, IO[bytes], None]

UNREACHABLE = 255
"""The status with which `ssh` itself fails."""
NO_SUCH_COMMAND = 127
# What can only be a user and a machine: never an option, a path or a word of a shell's.
_DESTINATION = re.compile(
    r"(ssh://)?([A-Za-z0-9_.][A-Za-z0-9_.+-]*@)?(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.:][A-Za-z0-9_.:%-]*)"
)
# In seconds: more than the system takes for a time to wait is a call without a deadline.
_LONGEST = 1_000_000.0


@dataclass(frozen=True)
class SSHConfig:
    """How a machine is reached.

    `target` is `[user@]host`, a name of `ssh`'s own configuration, or `ssh://…`. `config_file` stands in for
    `~/.ssh/config`; `options` are `ssh`'s `-o`, by name. `connect_timeout` is in seconds. Nobody is ever asked for a
    password. Raises `InvalidInput` for a target that is neither, such as one that `ssh` would take for an option.
    """

    target: str
    port: int | None = None
    identity_file: str | None = None
    config_file: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    connect_timeout: int = 10

    def __post_init__(self) -> None:
        if not _DESTINATION.fullmatch(self.target):
            raise InvalidInput(f"`{self.target!r}` is no ssh destination", fields={"ssh": "is no destination"})
        if self.port is not None and not 0 < self.port < 65536:
            raise InvalidInput(f"{self.port} is no port", fields={"ssh_port": "is not from 1 to 65535"})

    @classmethod
    def from_setting(cls, setting: Any, **defaults: Any) -> SSHConfig:
        """Reads `user@host:port`, or a mapping with this class's members. Raises `Precondition` for anything else."""
        if isinstance(setting, str):
            target, _, port = setting.rpartition(":")
            plain = target and "://" not in setting and ":" not in target and port.isdigit()
            members: Mapping[str, Any] = {"target": target, "port": int(port)} if plain else {"target": setting}
        elif isinstance(setting, Mapping):
            members = setting
        else:
            raise Precondition("an ssh setting is a destination or a mapping", residue="none")
        try:
            return cls(**{**defaults, **members})
        except TypeError as fault:
            raise Precondition(f"this is no ssh setting: {fault}", residue="none") from fault

    @property
    def destination(self) -> str:
        """The target with its port, as a reachability says it."""
        return self.target if self.port is None or "://" in self.target else f"{self.target}:{self.port}"

    def command(self, cmd: Sequence[str] | str) -> list[str]:
        """The words that run `cmd` there. `ssh` hands one text to a shell there, so each word is quoted for it."""
        words = ["ssh", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", f"ConnectTimeout={self.connect_timeout}"]
        if self.config_file is not None:
            words += ["-F", self.config_file]
        if self.identity_file is not None:
            words += ["-i", self.identity_file, "-o", "IdentitiesOnly=yes"]
        if self.port is not None:
            words += ["-p", str(self.port)]
        for name, value in self.options.items():
            words += ["-o", f"{name}={value}"]
        return [*words, "--", self.target, cmd if isinstance(cmd, str) else " ".join(map(shlex.quote, cmd))]

    def run(self, cmd: Sequence[str] | str, *, input: Input = None, timeout: float | None = None) -> tuple[int, str]:
        """Runs a command there; returns its status and what it said, without the last line feed.

        `cmd` is a list of words, or a text for the shell there. `input` is a text, bytes or an open file. What it said
        is its standard output, and after it standard error when it failed; else standard error becomes our own. The
        status 255 is `ssh`'s own. Raises `DeadlineExceeded` when `timeout` seconds or the call's time are over, and
        `Cancelled` when the call is withdrawn; the command may then still run there.
        """
        call = current_call()
        call.raise_if_cancelled()
        remaining = call.deadline.remaining()
        limit = min(remaining, _LONGEST if timeout is None else timeout, _LONGEST)
        is_file = input is not None and not isinstance(input, (str, bytes))
        given = input.encode() if isinstance(input, str) else input
        stdin: Any = given if is_file else subprocess.DEVNULL if given is None else subprocess.PIPE
        process = subprocess.Popen(
            self.command(cmd), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )  # fmt: skip
        with process, call.when_cancelled(process.kill):
            try:
                data = given if isinstance(given, bytes) else None
                output, errors = process.communicate(data, limit)
            except subprocess.TimeoutExpired:
                process.kill()
                raise DeadlineExceeded(f"`{self.target}` did not answer within {limit:.0f} seconds") from None
            except BaseException:
                process.kill()
                raise
        call.raise_if_cancelled()
        return process.returncode, _said(process.returncode, output, errors)

    def check(self, cmd: Sequence[str], act: str, *, input: Input = None, timeout: float | None = None) -> str:
        """As `run`, for commands that must not fail; `act` says what they do.

        Raises `HostUnreachable`, `Precondition` when a program is missing there, and `Internal` for other failures.
        """
        status, said = self.run(cmd, input=input, timeout=timeout)
        if status == 0:
            return said
        raise self.failure(status, said, act)

    def failure(self, status: int, said: str, act: str) -> HostUnreachable | Precondition | Internal:
        """The error for a command that failed."""
        last = said.strip().splitlines()[-1].rstrip(".") if said.strip() else f"status {status}"
        details = {"status": status, "output": said[-4000:]}
        if status == UNREACHABLE:
            return HostUnreachable(f"cannot reach `{self.target}`: {last}", details=details)
        if status == NO_SUCH_COMMAND:
            return Precondition(f"cannot {act} on `{self.target}`: {last}", details=details)
        return Internal(f"cannot {act} on `{self.target}`: {last}", details=details, blame="backend")

    def send_tree(self, local: str, remote: str, *, timeout: float | None = None) -> None:
        """Copies what is in the folder `local` into the folder `remote`, which exists there, by tar over ssh.

        Raises `OSError` for what cannot be read here, before anything is sent, and what `check` raises.
        """
        with tempfile.TemporaryFile(prefix="sandboxer-") as archive:
            with tarfile.open(fileobj=archive, mode="w") as tar:
                tar.add(local, arcname=".")
            archive.seek(0)
            unpack = ["tar", "--extract", "--no-same-owner", "--file", "-", "--directory", remote]
            self.check(unpack, "unpack files", input=archive, timeout=timeout)


def _said(status: int, output: bytes, errors: bytes) -> str:
    text, complaint = (part.decode("utf-8", "replace").rstrip("\n") for part in (output, errors))
    if status != 0:
        return "\n".join(part for part in (text, complaint) if part)
    if complaint:
        print(complaint, file=sys.stderr)
    return text

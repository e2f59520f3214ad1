"""`ext.compose-ssh`: a compose stack on a host that is reached by ssh.

The host needs Docker with its compose plugin, and git when repositories are named by URL. Settings in the manifest:

    config:
      hosts: {build-1: me@build-1.example.org}    # destinations of placement hosts; else the host's own name is one
      root: .sandboxer/compose                     # where sandboxes stand there
"""

from __future__ import annotations

import re
from typing import Any

from sandboxer.errors import InvalidInput, NotReady
from sandboxer.extensions.base import SandboxExtension
from sandboxer.ssh import NO_SUCH_COMMAND, UNREACHABLE, SSHConfig
from sandboxer.workspace import ABSENT, Workspace, checked_id, checked_repository, checked_root, new_sandbox_id

_INPUTS = ("repo", "sandbox_id", "file", "service", "build", "env")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL = "label=com.docker.compose.project="

_UP = 'cd -- "$1/work" && shift && exec "$@"'
_RUNS = 'shift; running=$(docker ps -q --filter "$1") && [ -n "$running" ] || exit 10'
# From the root: `down` goes by labels, so that it needs no compose file, and must not find somebody else's. Nobody wants what
# a container would still write, so that none is asked to end first, which takes ten seconds of one that does not listen.
_DOWN = """cd / || exit
listed() {
    for look in 'docker ps -aq' 'docker volume ls -q' 'docker network ls -q'; do
        found=$($look --filter "$1") || return
        [ -z "$found" ] || printf '%s: %s\\n' "$look" "$found"
    done
}
there=$(listed "$2") || exit
[ -n "$there" ] || exit 10
docker compose -p "$3" down --volumes --remove-orphans --timeout 0
left=$(listed "$2") || exit
[ -z "$left" ] || { printf '%s\\n' "$left"; exit 1; }
"""


class ComposeSSHExtension(SandboxExtension):
    """Brings a repository's compose stack up on the placement host; what it makes is named by the sandbox's id."""

    version = "0.1.0"
    features = ("labels", "idempotent")
    inputs_schema = {
        "type": "object",
        "required": ["repo"],
        "properties": {
            "repo": {"type": "string", "minLength": 1, "description": "A directory here, or the URL of a repository"},
            "sandbox_id": {"type": "string", "description": "Set by the host"},
            "file": {"type": "string", "minLength": 1, "description": "The compose file, below the repository"},
            "service": {"type": "string", "minLength": 1, "description": "Bring up only this one and what it needs"},
            "build": {"type": "boolean", "description": "Build images anew"},
            "env": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "additionalProperties": False,
    }

    def validate(self, profile: Any, inputs: dict[str, Any], host: str) -> dict[str, Any]:
        """Checks the inputs; `InvalidInput` names every wrong one."""
        faults = {name: "is not known" for name in inputs if name not in _INPUTS}
        if "repo" not in inputs:
            faults["repo"] = "is missing"
        for name in ("file", "service"):
            value = inputs.get(name)
            if value is not None and not _is_plain_word(value):
                faults[name] = "is not a name without `..` that does not begin with `-` or `/`"
        if not isinstance(inputs.get("build", False), bool):
            faults["build"] = "is neither true nor false"
        if not _is_environment(inputs.get("env", {})):
            faults["env"] = "is no object of variables and texts"
        if faults:
            raise InvalidInput("wrong inputs: " + ", ".join(f"`{name}`" for name in sorted(faults)), fields=faults)
        checked_repository(inputs["repo"])
        return inputs

    def provision(self, profile: Any, inputs: dict[str, Any], host: str) -> dict[str, Any]:
        """Puts the repository there, and brings its stack up."""
        self.validate(profile, inputs, host)
        sandbox_id = checked_id(inputs.get("sandbox_id") or new_sandbox_id())
        workspace = self._workspace(sandbox_id, host)
        self.progress("workspace", f"puts the repository on {host}")
        remote_dir = workspace.claim({name: value for name, value in inputs.items() if name != "sandbox_id"})
        workspace.fill(inputs["repo"])
        self.progress("compose", f"brings the stack up on {host}")
        status, said = workspace.script(_UP, *_up(sandbox_id, inputs))
        if status != 0:
            raise workspace.ssh.failure(status, said, "bring the stack up")
        return {
            "sandbox_id": sandbox_id,
            "host": host,
            "remote_dir": remote_dir,
            "compose_project": _project(sandbox_id),
            "ssh": workspace.ssh.destination,
        }

    def wait_ready(self, handle: dict[str, Any]) -> dict[str, Any]:
        """`up --wait` has waited; looks whether it still runs."""
        sandbox_id, host = checked_id(handle["sandbox_id"]), handle["host"]
        workspace = self._workspace(sandbox_id, host)
        status, said = workspace.script(_RUNS, _LABEL + _project(sandbox_id))
        if status == 10:
            raise NotReady(f"no container of `{_project(sandbox_id)}` runs on `{host}`", residue="present")
        if status != 0:
            raise workspace.ssh.failure(status, said, "look for the stack")
        return {
            "ssh": workspace.ssh.destination,
            "remote_dir": handle["remote_dir"],
            "host": host,
            "compose_project": _project(sandbox_id),
        }

    def teardown(self, handle: dict[str, Any]) -> dict[str, Any]:
        """Takes the stack down by its name, removes the folder, and looks whether all of it is gone."""
        sandbox_id, host = checked_id(handle["sandbox_id"]), handle["host"]
        workspace = self._workspace(sandbox_id, host)
        report: dict[str, Any] = {"removed": [], "already_absent": [], "retained": [], "errors": []}
        # A lost attempt to bring the stack up would go on behind our back. Raises when the sandbox is another owner's, before
        # anything of it is touched.
        workspace.end_processes()
        project = _project(sandbox_id)
        status, said = workspace.script(_DOWN, _LABEL + project, project)
        if status in (UNREACHABLE, NO_SUCH_COMMAND):
            raise workspace.ssh.failure(status, said, "take the stack down")
        if status == ABSENT:
            report["already_absent"].append(f"the compose project `{project}`: nothing bears its label")
        elif status == 0:
            report["removed"].append(f"the compose project `{project}`")
        else:
            report["errors"].append(f"the compose project `{project}` is not gone: {said}"[:2000])
            # The folder stays, so that a later attempt finds whose it is.
            return {**report, "complete": False}
        workspace.remove(report)
        return {**report, "complete": not report["errors"]}

    def recover(self, sandbox_id: str, host: str) -> Any:
        """Looks for the folder, and whether the stack runs."""
        workspace = self._workspace(checked_id(sandbox_id), host)
        remote_dir = workspace.look()
        if remote_dir is None:
            return None
        project = _project(sandbox_id)
        handle = {"remote_dir": remote_dir, "compose_project": project, "ssh": workspace.ssh.destination}
        return {"sandbox_id": sandbox_id, "host": host, **handle}

    def _workspace(self, sandbox_id: str, host: str) -> Workspace:
        ssh = SSHConfig.from_setting(self.config.get("hosts", {}).get(host, host))
        root = checked_root(self.config.get("root", ".sandboxer/compose"), "root")
        return Workspace(ssh, root, sandbox_id, self.call.owner)


def _project(sandbox_id: str) -> str:
    """A name that no stack made by hand has."""
    return f"sandboxer-{sandbox_id}"


def _up(sandbox_id: str, inputs: dict[str, Any]) -> list[str]:
    words = ["env", *(f"{name}={value}" for name, value in inputs.get("env", {}).items())]
    words += ["docker", "compose", "-p", _project(sandbox_id)]
    words += ["-f", inputs["file"]] if inputs.get("file") else []
    words += ["up", "-d", "--wait"]
    words += ["--build"] if inputs.get("build") else []
    return words + ([inputs["service"]] if inputs.get("service") else [])


def _is_plain_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and not value.startswith(("-", "/")) and ".." not in value.split("/")


def _is_environment(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and _VARIABLE.fullmatch(name) and isinstance(text, str) for name, text in value.items()
    )

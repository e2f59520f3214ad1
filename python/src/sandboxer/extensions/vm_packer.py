"""`ext.vm-packer`: a workspace of its own on a virtual machine that was built before and stays.

Settings in the manifest:

    config:
      vms: {haskell-build: me@10.0.0.7}            # destinations of machines; else the name is one of ssh's own
      root: .sandboxer/workspaces                  # where workspaces stand there

With `tunnel_port` the machine's ssh is a port of the placement host, at the end of a tunnel that the machine opened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

from sandboxer.errors import InvalidInput, NotReady, Precondition
from sandboxer.extensions.base import SandboxExtension
from sandboxer.ssh import SSHConfig
from sandboxer.workspace import ABSENT, Workspace, checked_id, checked_repository, checked_root, new_sandbox_id

_INPUTS = ("vm", "ssh_target", "repo", "tunnel_port", "ssh_port", "workspace_dir", "sandbox_id")
# What of the inputs says how the machine is reached and where the workspace is; the handle repeats it.
_WAY = ("vm", "ssh_target", "tunnel_port", "ssh_port", "workspace_dir")

_IS_READY = '[ -d "$1/work" ] || exit 10'


class VMPackerExtension(SandboxExtension):
    """Attaches to a machine: makes and removes workspaces on it, never the machine."""

    version = "0.1.0"
    features = ("labels", "attach", "idempotent")
    inputs_schema = {
        "type": "object",
        "properties": {
            "vm": {"type": "string", "minLength": 1, "description": "A machine by its name"},
            "ssh_target": {"type": "string", "minLength": 1, "description": "A machine by its ssh destination"},
            "repo": {"type": "string", "minLength": 1, "description": "A directory here, or the URL of a repository"},
            "tunnel_port": {"type": "integer", "minimum": 1, "maximum": 65535},
            "ssh_port": {"type": "integer", "minimum": 1, "maximum": 65535},
            "workspace_dir": {"type": "string", "minLength": 1, "description": "Where workspaces stand there"},
            "sandbox_id": {"type": "string", "description": "Set by the host"},
        },
        "anyOf": [{"required": ["vm"]}, {"required": ["ssh_target"]}],
        "not": {"required": ["tunnel_port", "ssh_port"]},
        "additionalProperties": False,
    }

    def validate(self, profile: Any, inputs: dict[str, Any], host: str) -> dict[str, Any]:
        """Checks the inputs; `InvalidInput` names every wrong one."""
        faults = {name: "is not known" for name in inputs if name not in _INPUTS}
        if inputs.get("vm") is None and inputs.get("ssh_target") is None:
            faults["vm"] = "is missing, and so is `ssh_target`"
        for name in ("vm", "ssh_target"):
            if not isinstance(inputs.get(name, "x"), str):
                faults[name] = "is not a text"
        for name in ("tunnel_port", "ssh_port"):
            if not _is_port(inputs.get(name, 1)):
                faults[name] = "is not a whole number from 1 to 65535"
        if "tunnel_port" in inputs and "ssh_port" in inputs:
            faults["ssh_port"] = "goes not together with `tunnel_port`"
        if faults:
            raise InvalidInput("wrong inputs: " + ", ".join(f"`{name}`" for name in sorted(faults)), fields=faults)
        if "repo" in inputs:
            checked_repository(inputs["repo"])
        self._workspace("check", inputs, host)
        return inputs

    def provision(self, profile: Any, inputs: dict[str, Any], host: str) -> dict[str, Any]:
        """Makes the workspace, with the repository in it."""
        self.validate(profile, inputs, host)
        sandbox_id = checked_id(inputs.get("sandbox_id") or new_sandbox_id())
        workspace = self._workspace(sandbox_id, inputs, host)
        self.progress("workspace", f"makes a workspace on {workspace.ssh.target}")
        remote_dir = workspace.claim({name: value for name, value in inputs.items() if name != "sandbox_id"})
        workspace.fill(inputs.get("repo"))
        return _handle(workspace, inputs, host, remote_dir)

    def wait_ready(self, handle: dict[str, Any]) -> dict[str, Any]:
        """Looks whether the machine answers, and has the workspace."""
        workspace = self._workspace(handle["sandbox_id"], handle, handle["host"])
        status, said = workspace.script(_IS_READY)
        if status == ABSENT:
            raise NotReady(f"`{workspace.ssh.target}` has no workspace of this sandbox", residue="unknown")
        if status != 0:
            raise workspace.ssh.failure(status, said, "look for the workspace")
        return {"ssh": workspace.ssh.destination, "remote_dir": handle["remote_dir"], "host": handle["host"]}

    def teardown(self, handle: dict[str, Any]) -> dict[str, Any]:
        """Ends what works in the workspace, removes it, and looks whether it is gone. The machine stays."""
        sandbox_id, host = checked_id(handle["sandbox_id"]), handle["host"]
        workspace = self._workspace(sandbox_id, self._way(handle), host)
        report: dict[str, Any] = {"removed": [], "already_absent": [], "retained": [], "errors": []}
        workspace.remove(report)
        report["retained"].append(f"the machine `{workspace.ssh.target}`, which was there before")
        return {**report, "complete": not report["errors"]}

    def recover(self, sandbox_id: str, host: str) -> Any:
        """Looks for the workspace."""
        way = self._way({})
        workspace = self._workspace(checked_id(sandbox_id), way, host)
        remote_dir = workspace.look()
        return None if remote_dir is None else _handle(workspace, way, host, remote_dir)

    def _way(self, handle: Mapping[str, Any]) -> Mapping[str, Any]:
        """How the machine is reached: the handle says it, or when it was lost the intent."""
        if "vm" in handle or "ssh_target" in handle:
            return handle
        if self.call.intent is None:
            hint = "remove the workspace by hand: it is named by the sandbox's id"
            raise Precondition("nothing says on which machine this sandbox is", residue="unknown", hint=hint)
        return self.call.intent.inputs

    def _workspace(self, sandbox_id: str, way: Mapping[str, Any], host: str) -> Workspace:
        root = way.get("workspace_dir") or self.config.get("root", ".sandboxer/workspaces")
        return Workspace(self._ssh(way, host), checked_root(root, "workspace_dir"), sandbox_id, self.call.owner)

    def _ssh(self, way: Mapping[str, Any], host: str) -> SSHConfig:
        name = way.get("ssh_target") or way["vm"]
        ssh = SSHConfig.from_setting(self.config.get("vms", {}).get(name, name))
        if way.get("ssh_port") is not None:
            return replace(ssh, port=way["ssh_port"])
        if way.get("tunnel_port") is None:
            return ssh
        user, at, machine = ssh.target.rpartition("@")
        # The key is the machine's own, at whichever port of whichever host it appears.
        options = {"HostKeyAlias": machine, **ssh.options}
        if host != "localhost":
            options["ProxyJump"] = SSHConfig.from_setting(self.config.get("hosts", {}).get(host, host)).destination
        return replace(ssh, target=f"{user}{at}127.0.0.1", port=way["tunnel_port"], options=options)


def _handle(workspace: Workspace, way: Mapping[str, Any], host: str, remote_dir: str) -> dict[str, Any]:
    named = {name: way[name] for name in _WAY if way.get(name) is not None}
    target = {"vm_target": workspace.ssh.destination, "remote_dir": remote_dir}
    return {"sandbox_id": workspace.sandbox_id, "host": host, **named, **target}


def _is_port(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536

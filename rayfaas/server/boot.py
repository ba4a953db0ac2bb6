"""What a machine is told to do when it is up: a process of this machine, or one elsewhere."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from importlib import metadata

from rayfaas.cloud.boot import BootSettings, Newcomer, Versions, boot_script
from rayfaas.cloud.clouds_file import settings_in
from rayfaas.cloud.node import Node
from rayfaas.config import Home
from rayfaas.errors import Conflict
from rayfaas.handshake import derive
from rayfaas.join_token import JoinToken
from rayfaas.worker_group import WorkerGroup


class BootScripts:
    """`address` is where machines elsewhere find the controller; "": nowhere."""

    def __init__(self, home: Home, address: str) -> None:
        self._home, self._address = home, address

    def of(self, node: Node, group: WorkerGroup) -> str:
        """The same for the same launch."""
        if node.provider == "local":
            command = [sys.executable, "-m", "rayfaas.cluster.worker", "--home", str(self._home.path)]
            return "exec " + shlex.join([*command, "--attempt", node.attempt, *_resources(group)])
        if not self._address:
            raise Conflict("Machines elsewhere can't reach this server: rayfaas up --cluster-address HOST:PORT")
        join = JoinToken(self._address, node.attempt, newcomer_key(self._home.key_file.read_bytes(), node.attempt))
        newcomer = Newcomer(node.attempt, str(join), _resources(group))
        settings = BootSettings.of(settings_in(self._home.clouds_file, "boot"), node.provider)
        return boot_script(node.provider, node.machine.spot, newcomer, settings, versions())


def newcomer_key(key: bytes, attempt: str) -> bytes:
    """The secret of the join token of one launch; `key` is the home's. It is the same each time: a boot script that is
    not would be another launch."""
    return derive(key, "newcomer", attempt)


def versions() -> Versions:
    """Those of this server."""
    return Versions(platform.python_version(), metadata.version("rayfaas"), metadata.version("ray"))


def _resources(group: WorkerGroup) -> tuple[str, ...]:
    counted = ("--cpus", str(group.cpus), "--gpus", str(group.gpus), "--memory-mb", str(group.memory_mb))
    return (*counted, "--resources", json.dumps(group.named, sort_keys=True))

"""What machines are told to do: of this machine, and elsewhere with a token of their own."""

from __future__ import annotations

import platform

import msgspec
import pytest

from rayfaas.cloud.machine import Machine
from rayfaas.cloud.node import Node
from rayfaas.config import Home
from rayfaas.errors import BadRequest, Conflict
from rayfaas.server.boot import BootScripts
from rayfaas.worker_group import WorkerGroup

ADDRESS = "tls:192.0.2.10:8701:ab12"
GROUP = WorkerGroup(name="gpu", gpus=1, accelerator="A10G")
NODE = Node(
    id="n1", name="gpu-1", cluster="local", group="gpu", attempt="a1", provider="ssh", machine=Machine("gpu"),
    made_at=0.0, changed_at=0.0,
)  # fmt: skip


def test_the_same_launch_is_told_the_same_and_another_has_another_token(home: Home) -> None:
    scripts = BootScripts(home, ADDRESS)
    first = scripts.of(NODE, GROUP)
    assert first == BootScripts(home, ADDRESS).of(NODE, GROUP)
    assert "accelerator_type:A10G" in first
    assert f"python_version={platform.python_version()}" in first
    tokens = {_join(scripts.of(msgspec.structs.replace(NODE, attempt=each), GROUP)) for each in ("a1", "a2")}
    assert len(tokens) == 2


def test_settings_are_those_of_the_file_as_it_is_now(home: Home) -> None:
    scripts = BootScripts(home, ADDRESS)
    home.clouds_file.write_text('[boot]\npython = "/opt/bin/python"\n')
    assert "python=/opt/bin/python" in scripts.of(NODE, GROUP)
    home.clouds_file.write_text("[boot]\npyton = 'x'\n")
    with pytest.raises(BadRequest, match="pyton"):
        scripts.of(NODE, GROUP)


def test_nobody_is_told_to_come_where_nobody_listens(home: Home) -> None:
    with pytest.raises(Conflict, match="--cluster-address"):
        BootScripts(home, "").of(NODE, GROUP)


def test_a_machine_of_this_one_needs_no_token(home: Home) -> None:
    script = BootScripts(home, "").of(msgspec.structs.replace(NODE, provider="local"), GROUP)
    assert "rayfaas.cluster.worker" in script
    assert "join" not in script


def _join(script: str) -> str:
    return next(line for line in script.splitlines() if line.startswith("join="))

"""Machines in an installation's name: those of the registry stay, those that nobody knows of go, if that is said."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from rayfaas.cloud.local import LocalAdapter
from rayfaas.cloud.machine import Claim, Instance, Machine
from rayfaas.cloud.node import Node
from rayfaas.config import Home
from rayfaas.names import new_id
from rayfaas.registry import Registry
from rayfaas.server.parent import prepare
from tests.cli.terminal import Terminal
from tests.scripted_server import routes
from tests.waiting import wait_until


class Installation:
    """A home whose machines are processes."""

    def __init__(self, home: Home) -> None:
        prepare(home)
        self.home = home
        self.owner = home.owner_file.read_text()
        self.adapter = LocalAdapter(self.owner, home.machines)

    def launch(self, name: str, owner: str = "") -> Instance:
        adapter = LocalAdapter(owner or self.owner, self.home.machines)
        claim = Claim(owner or self.owner, "local", name, new_id())
        return adapter.create(Machine("", boot_script="exec sleep 600"), claim)

    def know(self, *instances: Instance, state: str = "RUNNING") -> None:
        registry = Registry.open(self.home.database, self.home.journal)
        for each in instances:
            assert each.claim is not None
            node = Node(
                id=each.id, name=each.claim.node, cluster="local", group="gpu", attempt=each.claim.attempt,
                provider="local", machine=Machine(""), made_at=1.0, changed_at=1.0, reason="a call waits",
            )  # fmt: skip
            registry.machines.save_node(node.id, state, msgspec.json.encode(node).decode())
        registry.close()

    def left(self) -> set[str]:
        return {each.id for each in self.adapter.find()}


@pytest.fixture
def installation(tmp_path: Path, rayfaas: Terminal) -> Iterator[Installation]:
    installation = Installation(Home(tmp_path / "home"))
    yield installation
    for adapter in (installation.adapter, LocalAdapter("somebody-else", installation.home.machines)):
        for each in adapter.find():
            adapter.terminate(each.id)
        wait_until(lambda adapter=adapter: not adapter.find())  # type: ignore[misc]


def test_what_there_is_is_told_and_nothing_is_done(rayfaas: Terminal, installation: Installation) -> None:
    known, unknown = installation.launch("gpu-1"), installation.launch("gpu-2")
    installation.know(known)
    told = {row["machine"]: row for row in rayfaas("cloud", "sweep", "--json").json}
    assert told[known.id]["known"] == "RUNNING: a call waits"
    assert (told[unknown.id]["known"], told[unknown.id]["done"]) == ("nobody knows of it", "")
    assert installation.left() == {known.id, unknown.id}


def test_what_nobody_knows_of_is_terminated_where_that_is_said(rayfaas: Terminal, installation: Installation) -> None:
    known, unknown, gone = (installation.launch(f"gpu-{number}") for number in (1, 2, 3))
    foreign = installation.launch("gpu-4", owner="somebody-else")
    installation.know(known)
    installation.know(gone, state="GONE")
    ended = rayfaas("cloud", "sweep", "local", "--yes", "--json")
    assert ended.code == 0, ended.err
    assert {row["machine"] for row in ended.json if row["done"] == "terminated"} == {unknown.id, gone.id}
    wait_until(lambda: installation.left() == {known.id})
    assert LocalAdapter("somebody-else", installation.home.machines).get(foreign.id).state == "RUNNING"


def test_without_a_registry_nobody_knows_of_any(rayfaas: Terminal, installation: Installation) -> None:
    lost = installation.launch("gpu-1")
    (row,) = rayfaas("cloud", "sweep", "--yes", "--json").json
    assert (row["machine"], row["done"]) == (lost.id, "terminated")
    wait_until(lambda: installation.left() == set())


def test_a_registry_that_can_not_be_read_keeps_everything(rayfaas: Terminal, installation: Installation) -> None:
    made = installation.launch("gpu-1")
    installation.home.database.write_bytes(b"no database" * 1000)
    ended = rayfaas("cloud", "sweep", "--yes")
    assert ended.code != 0
    assert "nothing was done" in ended.err
    assert installation.left() == {made.id}


def test_a_server_that_runs_is_asked(rayfaas: Terminal, installation: Installation) -> None:
    known, unknown = installation.launch("gpu-1"), installation.launch("gpu-2")
    assert known.claim is not None
    row = [known.claim.attempt, "STOPPED", "no call for 600 s"]
    table = {
        "columns": [{"name": each, "type": "VARCHAR"} for each in ("attempt", "want", "reason")],
        "rows": [row],
        "truncated": False,
    }
    rayfaas.serve(routes({"POST /v1/sql": table}))
    installation.home.server_file.write_text(json.dumps({"url": os.environ["RAYFAAS_URL"]}))
    installation.home.token_file.write_text("rf_x")
    with installation.home.lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = {row["machine"]: row["known"] for row in rayfaas("cloud", "sweep", "--json").json}
    assert told == {known.id: "STOPPED: no call for 600 s", unknown.id: "nobody knows of it"}


def test_a_provider_that_can_not_be_asked_is_told_of_and_the_others_are_swept(
    rayfaas: Terminal, installation: Installation
) -> None:
    lost = installation.launch("gpu-1")
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "endpoint_url": "http://127.0.0.1:1"}
    client = ", ".join(f"{name} = {json.dumps(value)}" for name, value in keys.items())
    installation.home.clouds_file.write_text(f'[aws]\nregions = ["us-east-1"]\nclient = {{ {client} }}\n')
    ended = rayfaas("cloud", "sweep", "--json")
    assert ended.code == 1
    assert "aws can't be asked" in ended.err
    assert [row["machine"] for row in ended.json] == [lost.id]


def test_a_home_that_is_none_has_no_machines(rayfaas: Terminal) -> None:
    ended = rayfaas("cloud", "sweep")
    assert ended.code == 1
    assert "RAYFAAS_HOME" in ended.err

"""Gateways hear what the calls of each version wait for, once for each change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rayfaas.config import Home
from rayfaas.server.awaited import Awaited
from rayfaas.server.machines import Machines
from rayfaas.server.store import Store
from rayfaas.worker_group import WorkerGroup
from tests.server.parts import GPU, Peer, serve, version
from tests.server.test_head import Site
from tests.server.test_placement import Site as Placed

LINK = Peer().link
GROUP = WorkerGroup(name="gpu", gpus=1)


class Told:
    """What one gateway hears."""

    def __init__(self, home: Home, store: Store) -> None:
        self.gateway, self.placed, self.site = Peer(), Placed(), Site(home, store)
        self.site.fleet = self.placed.fleet
        self.machines: Machines = self.site.machines
        self.awaited = Awaited(
            self.placed.catalog,
            self.placed.fleet,
            self.placed.placement,
            self.site.head,
            self.machines,
            lambda: [self.gateway.link],
        )
        serve(self.placed.catalog, version(), version("red/g", spec=GPU))

    def stage(self, key: str, phase: str, detail: str = "it waits") -> None:
        self.placed.placement.stages[key] = phase, detail
        self.awaited.look()

    @property
    def heard(self) -> list[tuple[str, str]]:
        return [(told["event"], told["awaits"]) for told in self.gateway.told_of("progress")]


@pytest.fixture
async def told(home: Home, store: Store) -> Told:
    made = Told(home, store)
    await made.machines.read_registry()
    await made.site.head.read_registry()
    return made


async def test_a_head_that_is_not_up_is_waited_for_first(told: Told) -> None:
    told.stage("red/f:1", "replica")
    told.awaited.look()
    await told.placed.fleet.agent_up("local", Peer().link)
    told.awaited.look()
    told.stage("red/f:1", "executor", "the process of red/f:1")
    assert told.heard == [
        ("node_starting", "the head of local: the server was started"),
        ("node_running", "it waits"),
        ("executor", "the process of red/f:1"),
    ]


async def test_a_machine_that_is_not_with_ray_is_waited_for(told: Told) -> None:
    await told.placed.fleet.agent_up("local", Peer().link)
    await told.machines.set_group(LINK, GROUP.model_dump(mode="json"), "ann")
    node: Any = told.machines._keeper._new(GROUP, told.site.clock())
    await asyncio.to_thread(told.machines._book.save, node)
    told.stage("red/g:1", "replica")
    told.stage("red/f:1", "replica")  # which needs no GPU, and no such machine
    assert told.heard == [("node_starting", "gpu-1: "), ("node_running", "it waits")]


async def test_what_is_over_is_told_once_and_who_comes_new_hears_all(told: Told) -> None:
    told.stage("red/f:1", "environment", "its packages")
    told.gateway = Peer()
    told.awaited.look()
    told.placed.placement.stages.clear()
    told.awaited.look()
    told.awaited.look()
    assert told.heard == [("environment", "its packages"), ("", "")]

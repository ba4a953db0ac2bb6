"""The keeper as the controller hosts it: views from agents, orders to providers, rows in the registry."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rayfaas.cloud import Adapter, open_adapter
from rayfaas.cloud.adapter import Capabilities
from rayfaas.config import Home
from rayfaas.errors import BadRequest, NotFound, Unavailable
from rayfaas.server import machines as server_machines
from rayfaas.server.fleet import Fleet
from rayfaas.server.machines import Machines, _check_placement
from rayfaas.server.store import Store
from rayfaas.worker_group import Placement, WorkerGroup
from tests.server.parts import Peer

GROUP = WorkerGroup(name="gpu", gpus=1, keep_alive="10m").model_dump(mode="json")
WAITING = {"nodes": [], "waiting": [({"GPU": 1.0, "CPU": 1.0}, 1)]}
NOTHING: dict[str, Any] = {"nodes": [], "waiting": []}
LINK = Peer().link


@pytest.fixture
async def fleet() -> Fleet:
    fleet = Fleet()
    fleet.joined = {"local"}
    return fleet


@pytest.fixture
async def machines(home: Home, store: Store, fleet: Fleet) -> AsyncIterator[Machines]:
    machines = Machines(home, store, fleet)
    await machines.read_registry()
    yield machines
    await machines.close()
    for each in await nodes(machines):
        machines._adapter("local").terminate(each["instance"])


async def nodes(machines: Machines) -> list[dict[str, Any]]:
    return [node for group in await machines.groups(LINK, "local") for node in group["nodes"]]


async def looked(machines: Machines) -> None:
    await machines.look()
    await asyncio.gather(*machines._sending)


async def until_state(machines: Machines, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while True:
        await looked(machines)
        found = await nodes(machines)
        if found and found[0]["state"] in states:
            return found[0]
        assert time.monotonic() < deadline, found


async def test_what_waits_in_a_cluster_starts_a_machine(machines: Machines, fleet: Fleet, store: Store) -> None:
    await machines.set_group(LINK, GROUP, "ann")
    await fleet.agent_up("local", Peer(view=WAITING).link)
    node = await until_state(machines, "RUNNING", "STOPPED")
    assert node["name"] == "gpu-1"
    sql = "SELECT event, reason FROM node_events WHERE event = 'want running'"
    assert store.registry.query(sql, [], None).rows[0] == ["want running", "1 CPU, 1 GPU waits for room"]


async def test_a_cluster_that_does_not_answer_starts_nothing(machines: Machines, fleet: Fleet) -> None:
    await machines.set_group(LINK, GROUP, "ann")
    await fleet.agent_up("local", Peer(view=Unavailable("away")).link)
    await looked(machines)
    assert await nodes(machines) == []


async def test_groups_and_warm_machines_are_known_after_a_restart(
    machines: Machines, home: Home, store: Store, fleet: Fleet
) -> None:
    await machines.set_group(LINK, GROUP, "ann")
    await machines.warm(LINK, "local", "gpu", 1, time.time() + 60, "ann")
    again = Machines(home, store, fleet)
    await again.read_registry()
    (group,) = await again.groups(LINK, "local")
    assert (group["name"], group["kept"], group["keep_alive_s"]) == ("gpu", 1, 600.0)


async def test_nothing_is_asked_while_there_is_no_group(machines: Machines, fleet: Fleet) -> None:
    agent = Peer(view=NOTHING)
    await fleet.agent_up("local", agent.link)
    await looked(machines)
    assert agent.asked == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"min": 3}, BadRequest),
        ({"cluster": "mars"}, NotFound),
        ({"placements": [{"provider": "memory"}]}, BadRequest),
        ({"placements": [{"spot": True}]}, BadRequest),
    ],
)
async def test_a_group_that_can_not_be_is_refused(
    machines: Machines, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await machines.set_group(LINK, GROUP | changes, "ann")
    assert await machines.groups(LINK, "local") == []


@pytest.mark.parametrize("said", [{}, {"type": "g5.xlarge"}, {"place": "us-east-1"}])
def test_a_machine_of_a_cloud_says_what_it_is_and_where(said: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match="needs a type and a place"):
        _check_placement(Placement.model_validate({"provider": "aws", **said}), Capabilities(chosen=True))


async def test_the_library_of_a_provider_is_loaded_beside_the_loop(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def opened(*given: Any) -> Adapter:
        threads.append(threading.get_ident())
        return open_adapter(*given)

    monkeypatch.setattr(server_machines, "open_adapter", opened)
    await machines.set_group(LINK, GROUP, "ann")
    assert threads
    assert threading.get_ident() not in threads


async def test_what_is_not_there_is_told(machines: Machines) -> None:
    for asked in (
        machines.groups(LINK, "mars"),
        machines.warm(LINK, "local", "gpu", 1, 0.0, "ann"),
        machines.hold_node(LINK, "local", "gpu-1", 0.0, "ann"),
        machines.end_node(LINK, "local", "gpu-1", False, "ann"),
        machines.delete_group(LINK, "local", "gpu", "ann"),
    ):
        with pytest.raises(NotFound):
            await asked

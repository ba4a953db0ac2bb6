"""Machines elsewhere come in with a token that is good once, for one launch, for some time; and go with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from rayfaas.cloud.keeper import BOOT_S
from rayfaas.cloud.node import Node
from rayfaas.cluster.seat import Seat
from rayfaas.config import Home
from rayfaas.errors import Unauthenticated, Unavailable
from rayfaas.join_token import JoinToken
from rayfaas.link import Link
from rayfaas.registry import Registry
from rayfaas.server.boot import newcomer_key
from rayfaas.server.seats import node_key
from rayfaas.worker_group import WorkerGroup
from tests.server.test_clusters import Networked, agent_of
from tests.server.test_controller import await_machine

ATTEMPT = "0198f3a2-attempt"
HEAD = {"RAY_ADDRESS": "10.0.0.4:6379", "RAY_AUTH_TOKEN": "t"}


class Elsewhere(Networked):
    """A controller whose keeper waits for a machine."""

    def join_token(self, attempt: str = ATTEMPT) -> JoinToken:
        key = newcomer_key(self.home.key_file.read_bytes(), attempt)
        return JoinToken(self.entrance.address, attempt, key)

    async def node(self) -> Link:
        return await self.over_the_network(
            {"role": "node", "name": ATTEMPT}, node_key(self.home.key_file.read_bytes(), ATTEMPT)
        )

    async def wait_for_machine(self, **changes: Any) -> Node:
        return await await_machine(self, "far", **{"attempt": ATTEMPT, **changes})

    @property
    def seen(self) -> Node:
        (node,) = self.controller.parts.machines._book.all()
        return node


@pytest.fixture
async def server(home: Home, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Elsewhere]:
    monkeypatch.setattr("rayfaas.server.machines.LOOK_S", 600.0)  # the keeper does nothing by itself here
    server = Elsewhere(home, registry)
    await server.up()
    yield server
    await server.down()


async def test_a_machine_comes_in_once(server: Elsewhere) -> None:
    await server.wait_for_machine()
    seat = await Seat.take(server.join_token())
    assert (seat.attempt, seat.controller) == (ATTEMPT, server.entrance.address)
    assert server.seen.let_in
    with pytest.raises(Unauthenticated):
        await Seat.take(server.join_token())
    rows = server.controller.parts.store.registry.query("SELECT event FROM node_events", [], None).rows
    assert rows == [["let in"]]


async def test_of_two_at_once_one_comes_in(server: Elsewhere) -> None:
    await server.wait_for_machine()
    taken = await asyncio.gather(*(Seat.take(server.join_token()) for _ in range(4)), return_exceptions=True)
    assert [type(each) for each in taken].count(Seat) == 1
    assert {type(each) for each in taken} == {Seat, Unauthenticated}


@pytest.mark.parametrize(
    "changes", [{"let_in": True}, {"want": "GONE"}, {"sent": False}, {"boot_at": 1.0}, {"attempt": "another-one"}]
)
async def test_a_token_is_good_while_the_keeper_waits_for_its_machine(
    server: Elsewhere, changes: dict[str, Any]
) -> None:
    await server.wait_for_machine(**changes)
    with pytest.raises(Unauthenticated):
        await Seat.take(server.join_token())


async def test_a_token_of_one_launch_is_none_of_another(server: Elsewhere) -> None:
    await server.wait_for_machine()
    wrong = msgspec.structs.replace(server.join_token("other"), join=ATTEMPT)
    with pytest.raises(Unauthenticated):
        await Seat.take(wrong)
    assert BOOT_S <= 600  # the time that docs tell of


async def test_a_node_is_told_where_its_head_is_and_how_old_it_may_be(server: Elsewhere) -> None:
    node = await server.wait_for_machine()
    group = WorkerGroup(cluster="far", name="gpu", gpus=1, lifetime="1h")
    server.controller.parts.machines._keeper.groups = {("far", "gpu"): group}
    link = await server.node()
    with pytest.raises(Unavailable, match="far is not connected"):
        await link.request("node_up")
    await agent_of(server, await server.join_far(), head=HEAD)
    told = await link.request("node_up")
    assert told == {"name": "gpu-1", "ray": HEAD, "expires_at": node.made_at + 3600 + 600}


async def test_a_node_whose_ray_has_ended_is_waited_for_again(server: Elsewhere) -> None:
    await server.wait_for_machine(ray="r-1", boot_at=1.0)
    link = await server.node()
    with pytest.raises(Unavailable):
        await link.request("node_up")
    before = server.seen
    await agent_of(server, await server.join_far(), head=HEAD)
    assert (await link.request("node_up"))["ray"] == HEAD
    assert (before.ray, server.seen.ray, server.seen.old_ray, server.seen.boot_at > 1.0) == ("r-1", None, "r-1", True)


@pytest.mark.parametrize("changes", [{"want": "GONE"}, {"want": "STOPPED"}, {"drained": True}])
async def test_a_node_that_is_to_end_is_told_so(server: Elsewhere, changes: dict[str, Any]) -> None:
    await server.wait_for_machine(**changes)
    assert await (await server.node()).request("node_up") is None


async def test_a_node_hears_the_keeper_while_that_lives(server: Elsewhere) -> None:
    await server.wait_for_machine()
    link = await server.node()
    assert await link.request("beat") == {"missed": False}
    server.controller.parts.machines._keeper.missed = frozenset({ATTEMPT})
    assert await link.request("beat") == {"missed": True}
    server.controller.parts.machines._looked_at -= 3600
    with pytest.raises(Unavailable):
        await link.request("beat")


async def test_a_node_may_ask_nothing_else(server: Elsewhere) -> None:
    await server.wait_for_machine()
    link = await server.node()
    for method in ("functions", "bundle", "join_token", "enter", "create_token"):
        with pytest.raises(Exception, match="no method"):
            await link.request(method)


async def test_one_that_is_taken_back_goes_and_its_place_is_left_alone(server: Elsewhere) -> None:
    await server.wait_for_machine(state="RUNNING", instance="i-1")
    await (await server.node()).request("taken_back", notice="terminate at 12:02")
    assert (server.seen.want, server.seen.force) == ("GONE", True)
    assert "terminate at 12:02" in server.seen.reason


async def test_one_that_is_gone_is_let_in_no_more(server: Elsewhere) -> None:
    node = await server.wait_for_machine()
    await asyncio.to_thread(server.controller.parts.machines._book.gone, node, "over")
    with pytest.raises(Unauthenticated):
        await server.node()

"""Before a machine elsewhere is started: whether it could reach the server and the head."""

from __future__ import annotations

import asyncio

import pytest

from rayfaas.errors import Conflict, Unavailable
from rayfaas.server.fleet import Fleet
from rayfaas.server.reach import check_reach
from tests.server.parts import Peer
from tests.waiting import eventually

ADDRESS = "tls:192.0.2.10:8701:ab12"


async def fleet(head: str) -> Fleet:
    fleet = Fleet()
    await fleet.agent_up("local", Peer(head={"RAY_ADDRESS": head}).link)
    return fleet


@pytest.mark.parametrize("head", ["192.0.2.10:6379", "head.example:6379", "[2001:db8::1]:6379"])
async def test_addresses_of_the_network_are_well(head: str) -> None:
    await check_reach(await fleet(head), "local", ADDRESS)


@pytest.mark.parametrize("head", ["127.0.0.1:6379", "localhost:6379", "[::1]:6379"])
async def test_a_head_that_only_this_machine_reaches_is_told_of(head: str) -> None:
    with pytest.raises(Conflict, match=r"Ray head of local.*--head-address"):
        await check_reach(await fleet(head), "local", ADDRESS)


@pytest.mark.parametrize("address", ["", "tls:127.0.0.1:8701:ab12"])
async def test_a_controller_that_only_this_machine_reaches_is_told_of(address: str) -> None:
    with pytest.raises(Conflict, match=r"controller.*--cluster-address"):
        await check_reach(await fleet("192.0.2.10:6379"), "local", address)


async def test_a_cluster_that_is_away_can_not_be_asked() -> None:
    with pytest.raises(Unavailable, match="not connected"):
        await check_reach(Fleet(), "lab", ADDRESS)


async def test_a_head_that_was_stopped_is_started_to_be_asked() -> None:
    fleet = Fleet()
    checking = asyncio.ensure_future(check_reach(fleet, "local", ADDRESS))
    await eventually(lambda: fleet.is_awaited("local"))
    await fleet.agent_up("local", Peer(head={"RAY_ADDRESS": "192.0.2.10:6379"}).link)
    await checking

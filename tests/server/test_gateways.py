"""Gateways of other machines join by token, prove themselves with keys of their own, and are known wherever they go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from rayfaas.config import Home
from rayfaas.errors import BadRequest, Conflict, NotFound, Unauthenticated
from rayfaas.gateway.keys import Keys
from rayfaas.join_token import JoinToken
from rayfaas.link import Link
from rayfaas.registry import Registry
from rayfaas.registry.journal import is_alive
from rayfaas.server.elsewhere import Membership, join, membership
from tests.registry.builders import ended, lines, started
from tests.server.test_clusters import Networked
from tests.server.test_controller import ADMIN, Cluster, Running
from tests.waiting import eventually

INSTANCE = "edge-1764271000000000000"
SEGMENT = f"{INSTANCE}.000000.ndjson"


@pytest.fixture
async def server(home: Home, registry: Registry) -> AsyncIterator[Networked]:
    server = Networked(home, registry)
    await server.up()
    yield server
    await server.down()


async def joined(server: Networked, directory: Path, gateway: str = "edge") -> Membership:
    made = await (await server.gateway()).request("invite_gateway", gateway=gateway, actor="root")
    return await join(Home(directory / gateway), JoinToken.parse(made["token"]))


async def dialled(server: Networked, member: Membership, peer: Cluster | None = None, **changes: str) -> Link:
    identity = {"role": "gateway", "name": member.gateway, "instance": INSTANCE, "pid": 7, "executor_address": ""}
    return await server.over_the_network(
        {**identity, "network_address": "tls:edge:1:ab", **changes}, member.link, peer or Silent()
    )


class Silent(Cluster):
    """A gateway with a journal of `records`, which it was not asked to forget yet."""

    def __init__(self, records: bytes = b"") -> None:
        super().__init__()
        self.records = records
        self.service.methods |= {"journal_segments": self._segments, "read_journal": self._read}

    async def _segments(self, link: Link) -> list[tuple[str, int, bool]]:
        return [(SEGMENT, len(self.records), False)]

    async def _read(self, link: Link, segment: str, offset: int, limit: int) -> bytes:
        return self.records[offset : offset + limit]


async def test_a_token_is_traded_once_for_keys_that_the_gateway_keeps(server: Networked, tmp_path: Path) -> None:
    made = await (await server.gateway()).request("invite_gateway", gateway=None, actor="root")
    assert made["gateway"] == "edge-1"
    token, home = JoinToken.parse(made["token"]), Home(tmp_path / "edge")
    member = await join(home, token)
    assert (member.gateway, member.controller) == ("edge-1", server.entrance.address)
    assert membership(home) == member
    assert home.gateway_file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Unauthenticated):
        await join(home, token)
    of_home = Keys.of_home(server.home.key_file.read_bytes())
    assert (member.calls, member.webhooks) == (of_home.calls, of_home.webhooks)  # what one signs, all check
    assert member.link != of_home.link


async def test_it_is_listed_and_serves_as_any_gateway(server: Networked, tmp_path: Path) -> None:
    member = await joined(server, tmp_path)
    here = await server.gateway()
    away = {"gateway": "edge", "state": "away", "elsewhere": True, "pid": None}
    assert away in await here.request("gateways")
    link = await dialled(server, member)
    assert (await link.request("poll", since=0))["revision"] > 0
    assert {**away, "state": "up", "pid": 7} in await here.request("gateways")
    assert is_alive(server.home.journal, INSTANCE)


async def test_executors_of_every_cluster_dial_it_over_the_network(server: Networked, tmp_path: Path) -> None:
    await dialled(server, await joined(server, tmp_path))
    await server.gateway()
    supervisor = Cluster()
    await server.supervisor(supervisor)
    await eventually(lambda: supervisor.heard_of("set_gateways"))
    both = {"addresses": ["tls:edge:1:ab", "unix:/run/gateway-0"], "away": []}
    assert supervisor.heard_of("set_gateways")[-1] == both


async def test_executors_that_run_keep_to_one_that_is_away_and_new_ones_do_not_wait_for_it(
    server: Networked, tmp_path: Path
) -> None:
    link = await dialled(server, await joined(server, tmp_path))
    supervisor = Cluster()
    await server.supervisor(supervisor)
    link.abort()
    away = {"addresses": ["unix:/run/gateway-0"], "away": ["tls:edge:1:ab"]}
    await eventually(lambda: supervisor.heard_of("set_gateways")[-1:] == [away])
    addresses = server.registry.gateways.addresses
    assert addresses() == {"edge": "tls:edge:1:ab"}  # for a controller that starts now


async def test_what_it_recorded_is_known_to_who_asks_anywhere(server: Networked, tmp_path: Path) -> None:
    call = started(gateway=INSTANCE)
    peer = Silent(lines(call))
    await dialled(server, await joined(server, tmp_path), peer)
    here = await server.gateway()
    asked: dict[str, Any] = {"call_id": call.call, "actor": ADMIN}
    assert (await here.request("call", **asked))["state"] == "RUNNING"
    peer.records += lines(ended(call))
    assert (await here.request("call", **asked))["state"] == "SUCCEEDED"


async def test_one_that_is_removed_is_out_and_what_it_left_open_is_interrupted(
    server: Networked, tmp_path: Path
) -> None:
    member = await joined(server, tmp_path)
    call = started(gateway=INSTANCE)
    link = await dialled(server, member, Silent(lines(call)))
    here = await server.gateway()
    await here.request("remove_gateway", gateway="edge", actor="root")
    await eventually(lambda: not link.is_open)
    with pytest.raises(Unauthenticated):
        await dialled(server, member)
    asked: dict[str, Any] = {"call_id": call.call, "actor": ADMIN}
    assert (await here.request("call", **asked))["state"] == "INTERRUPTED"
    with pytest.raises(NotFound):
        await here.request("remove_gateway", gateway="edge", actor="root")


async def test_one_that_dials_again_takes_the_place_of_what_is_left_of_it(server: Networked, tmp_path: Path) -> None:
    member = await joined(server, tmp_path)
    first = await dialled(server, member)
    second = await dialled(server, member)
    await eventually(lambda: not first.is_open)
    assert second.is_open


async def test_nobody_else_comes_in_as_a_gateway(server: Networked, tmp_path: Path) -> None:
    member = await joined(server, tmp_path)
    key = server.home.key_file.read_bytes()
    for name, proof in [("edge", key), ("gateway-0", key), ("gateway-0", member.link), ("other", member.link)]:
        with pytest.raises(Unauthenticated):
            await server.over_the_network({"role": "gateway", "name": name, "instance": INSTANCE}, proof)
    link = await dialled(server, member, instance="gateway-0-1700000000000000000")
    await eventually(lambda: not link.is_open)  # it may not write into the journal of another


async def test_who_joins_as_a_gateway_may_do_no_more_than_that(server: Networked) -> None:
    made = await (await server.gateway()).request("invite_gateway", gateway="edge", actor="root")
    token = JoinToken.parse(made["token"])
    link = await server.over_the_network({"role": "join_gateway", "join": token.join}, token.secret)
    with pytest.raises(NotFound):
        await link.request("gateways")


@pytest.mark.parametrize("name", ["gateway-0", "Edge", "a/b", "-"])
async def test_names_are_checked(server: Networked, name: str) -> None:
    with pytest.raises(BadRequest):
        await (await server.gateway()).request("invite_gateway", gateway=name, actor="root")


async def test_a_server_that_nobody_can_reach_invites_nobody(home: Home, registry: Registry) -> None:
    server = Running(home, registry)
    await server.up()
    with pytest.raises(Conflict, match="--cluster-address"):
        await (await server.gateway()).request("invite_gateway", gateway=None, actor="root")
    await server.down()

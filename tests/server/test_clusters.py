"""Clusters join by token over the network, are listed, drained and removed; who was removed is out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rayfaas.config import Home
from rayfaas.entrance import Entrance, entrance_of
from rayfaas.errors import BadRequest, Conflict, NotFound, Unauthenticated
from rayfaas.join_token import JoinToken
from rayfaas.link import Link, dial_link
from rayfaas.registry import Registry
from rayfaas.server.certificate import ensure_certificate
from rayfaas.server.controller import Controller
from tests.e2e.conftest import free_port
from tests.network import certificate
from tests.server.test_controller import Cluster, Running
from tests.waiting import eventually

NODE = {"node": "ab" * 28, "address": "10.0.0.2", "state": "up", "head": False, "resources": {}, "free": {}}
HEAD = {**NODE, "node": "cd" * 28, "head": True}


class Networked(Running):
    """A controller that listens on the network, too."""

    def __init__(self, home: Home, registry: Registry) -> None:
        home.certificate_file.write_bytes(certificate())
        self.entrance = Entrance("127.0.0.1", free_port(), "127.0.0.1", home.certificate_file)
        super().__init__(home, registry)

    def make(self, registry: Registry) -> Controller:
        return Controller(self.home, registry, self.entrance)

    async def invite(self, cluster: str | None = "far") -> JoinToken:
        made = await (await self.gateway()).request("invite", cluster=cluster, actor="root")
        return JoinToken.parse(made["token"])

    async def over_the_network(self, identity: dict[str, Any], key: bytes, peer: Cluster | None = None) -> Link:
        link = await dial_link(self.entrance.address, identity, key, (peer or Cluster()).service)
        self.links.append(link)
        return link

    async def join_far(self, cluster: str = "far") -> bytes:
        token = await self.invite(cluster)
        joined = await (await self.over_the_network({"role": "join", "join": token.join}, token.secret)).request("join")
        key: bytes = joined["session_key"]
        return key


@pytest.fixture
async def server(home: Home, registry: Registry) -> AsyncIterator[Networked]:
    server = Networked(home, registry)
    await server.up()
    yield server
    await server.down()


async def agent_of(server: Networked, key: bytes, cluster: str = "far", **answers: Any) -> tuple[Link, Cluster]:
    peer = Cluster(nodes=[HEAD, NODE], **answers)
    link = await server.over_the_network({"role": "agent", "cluster": cluster}, key, peer)
    await link.request("agent_up")
    return link, peer


async def test_a_token_says_where_and_works_once(server: Networked) -> None:
    token = await server.invite()
    assert token.controller == server.entrance.address
    who = {"role": "join", "join": token.join}
    with pytest.raises(Unauthenticated):
        await server.over_the_network(who, b"guessed")
    first, second = [await server.over_the_network(who, token.secret) for _ in range(2)]
    assert (await first.request("join"))["cluster"] == "far"
    with pytest.raises(Unauthenticated, match="used already"):
        await second.request("join")
    with pytest.raises(Unauthenticated):
        await server.over_the_network(who, token.secret)


async def test_a_token_that_has_expired_lets_nobody_in(
    server: Networked, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rayfaas.registry.access.JOIN_US", 0)
    token = await server.invite()
    with pytest.raises(Unauthenticated):
        await server.over_the_network({"role": "join", "join": token.join}, token.secret)


@pytest.mark.parametrize("role", ["gateway", "home"])
async def test_nobody_comes_over_the_network_as_one_of_the_homes_own(server: Networked, role: str) -> None:
    with pytest.raises(Unauthenticated):
        await server.over_the_network({"role": role, "name": "g"}, server.home.key_file.read_bytes())


async def test_names_are_given_where_none_is_said_and_the_servers_own_is_not(server: Networked) -> None:
    gateway = await server.gateway()
    for name in ("cluster-1", "cluster-2"):
        assert (await gateway.request("invite", cluster=None, actor="root"))["cluster"] == name
        await server.join_far(name)
    for wrong in ("local", "UPPER", "a/b", "-x", "x" * 64):
        with pytest.raises(BadRequest):
            await gateway.request("invite", cluster=wrong, actor="root")


async def test_a_server_without_an_entrance_says_how_to_have_one(home: Home, registry: Registry) -> None:
    server = Running(home, registry)
    await server.up()
    with pytest.raises(Conflict, match="--cluster-address"):
        await (await server.gateway()).request("invite", cluster="far", actor="root")
    await server.down()


async def test_supervisors_are_told_the_gateways_by_the_road_that_they_came(server: Networked) -> None:
    identity = {"role": "gateway", "name": "gateway-0", "instance": "i", "pid": 1, "executor_address": "unix:/g"}
    await server.dial({**identity, "network_address": "tls:h:1:ab"})
    key = await server.join_far()
    far, near = Cluster(), Cluster()
    about: dict[str, Any] = {"node": "n", "application": "warm", "environment": "e", "hosted": []}
    who = {"role": "supervisor", "cluster": "far"}
    await (await server.over_the_network({**who, "replica": "r1"}, key, far)).request(
        "supervisor_up", replica="r1", **about
    )
    await (await server.dial({**who, "replica": "r2"}, key, near)).request("supervisor_up", replica="r2", **about)
    await eventually(lambda: far.heard_of("set_gateways") and near.heard_of("set_gateways"))
    assert far.heard_of("set_gateways")[-1] == {"addresses": ["tls:h:1:ab"], "away": []}
    assert "unix:/g" in near.heard_of("set_gateways")[-1]["addresses"]
    assert not [each for each in near.heard_of("set_gateways")[-1]["addresses"] if each.startswith("tls")]


async def test_clusters_and_nodes_are_listed_also_while_one_is_away(server: Networked) -> None:
    gateway = await server.gateway()
    key = await server.join_far()
    assert [(c["cluster"], c["state"]) for c in await gateway.request("clusters")] == [("far", "away")]
    await agent_of(server, key)
    assert [(c["cluster"], c["state"]) for c in await gateway.request("clusters")] == [("far", "up")]
    assert [(n["cluster"], n["node"][:2], n["replicas"]) for n in await gateway.request("nodes")] == [
        ("far", "cd", 0),
        ("far", "ab", 0),
    ]


async def test_a_node_is_drained_by_the_beginning_of_its_id_and_a_head_is_not(
    server: Networked, registry: Registry
) -> None:
    gateway = await server.gateway()
    _, agent = await agent_of(server, await server.join_far())
    assert await gateway.request("drain_node", node="abab", actor="ann") == {"cluster": "far", "node": NODE["node"]}
    assert agent.heard_of("drain_node") == [{"node": NODE["node"], "reason": "drained by ann"}]
    with pytest.raises(Conflict, match="head"):
        await gateway.request("drain_node", node="cdcd", actor="ann")
    for wrong in ("eeee", ""):
        with pytest.raises(NotFound, match="of a connected cluster begins with"):
            await gateway.request("drain_node", node=wrong, actor="ann")
    assert len(agent.heard_of("drain_node")) == 1


async def test_who_is_removed_leaves_in_order_and_is_out(server: Networked) -> None:
    gateway = await server.gateway()
    key = await server.join_far()
    link, agent = await agent_of(server, key)
    await gateway.request("remove_cluster", cluster="far", now=False, actor="ann")
    assert agent.heard_of("leave") == [{}]
    await asyncio.wait_for(link.closed, 20)
    assert await gateway.request("clusters") == []
    with pytest.raises(Unauthenticated):
        await server.over_the_network({"role": "agent", "cluster": "far"}, key)
    with pytest.raises(NotFound, match="no cluster 'far'"):
        await gateway.request("remove_cluster", cluster="far", now=False, actor="ann")
    await agent_of(server, await server.join_far())
    assert [(c["cluster"], c["state"]) for c in await gateway.request("clusters")] == [("far", "up")]


async def test_a_cluster_that_is_away_is_removed_and_local_is_not(
    server: Networked, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    gateway = await server.gateway()
    await server.join_far()
    await gateway.request("remove_cluster", cluster="far", now=True, actor="ann")
    await server.join("local")
    with pytest.raises(BadRequest, match="rayfaas down"):
        await gateway.request("remove_cluster", cluster="local", now=True, actor="ann")


def test_a_home_keeps_its_certificate(home: Home) -> None:
    ensure_certificate(home)
    made = home.certificate_file.read_bytes()
    assert home.certificate_file.stat().st_mode & 0o777 == 0o600
    ensure_certificate(home)
    assert home.certificate_file.read_bytes() == made
    entrance = entrance_of(home, "[::1]:8701", "0.0.0.0")
    assert entrance is not None
    assert entrance.of_gateway(1).address.startswith("tls:[::1]:8703:")
    assert entrance_of(home, "", "") is None

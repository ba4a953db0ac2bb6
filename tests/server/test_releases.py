"""Moves of aliases: executors first, then the registry, then the gateways; nothing that can be called is ended."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rayfaas.config import Home
from rayfaas.destination import Destination, Move
from rayfaas.errors import BadRequest, Conflict, ImportFailed, NotFound
from rayfaas.server.store import Store
from tests.server.parts import made, member
from tests.server.test_deploys import Server

LIVE = ("red", "f", "live")


@pytest.fixture
async def server(home: Home, store: Store) -> Server:
    """With versions 1, 2 and 3, of which the last is live and runs."""
    server = Server(home, store)
    await server.fleet.join(member(server.warm))
    for content in "abc":
        await server.deploy(content)
    return server


async def lead(server: Server, **body: Any) -> dict[str, Any]:
    return await server.releases.move(*LIVE, Move(**body), "bob")


async def route(server: Server) -> Any:
    return (await server.routed())["f"]["live"]


def hosted(server: Server) -> set[str]:
    return {key.rpartition(":")[2] for each in server.fleet.members() for key in each.hosted}


async def test_all_arms_have_executors_before_a_split_is_in_force(server: Server) -> None:
    moved = await lead(server, split={2: 95, 1: 5}, sticky="caller", message="careful")
    assert moved == {
        "function": "red/f", "alias": "live", "leads_to": "2=95, 1=5, sticky by caller", "version": 2, "revision": 4,
        "arms": [(2, 95.0), (1, 5.0)], "sticky": "caller", "shadow": None,
    }  # fmt: skip
    assert set(server.warm.spawned[3:]) == {"red/f:1", "red/f:2"}
    assert hosted(server) == {"1", "2"}
    assert (await route(server))["arms"] == [(2, 95.0), (1, 5.0)]
    assert server.catalog.is_served("red/f:1")
    assert not server.catalog.is_served("red/f:3")


async def test_an_arm_that_does_not_start_changes_nothing(server: Server) -> None:
    failing = ImportFailed("no weights")
    server.warm.answers["spawn"] = lambda version, **_: made() if version["version"] != 1 else failing
    with pytest.raises(ImportFailed):
        await lead(server, split={3: 95, 1: 5})
    assert await route(server) == {"version": 3, "revision": 3}


async def test_a_function_at_rest_is_not_started_by_a_move(server: Server) -> None:
    for each in server.fleet.members():
        each.drain("red/f:3")
    await lead(server, version=1)
    assert server.warm.spawned == ["red/f:1", "red/f:2", "red/f:3"]


async def test_a_version_that_gets_copies_counts_as_served(server: Server) -> None:
    await lead(server, shadow={"version": 2, "share": 10})
    assert await route(server) == {
        "version": 3, "revision": 4, "arms": [(3, 100.0)], "sticky": None, "shadow": (2, 10.0),
    }  # fmt: skip
    assert server.catalog.is_served("red/f:2")
    await lead(server, shadow=None)
    assert await route(server) == {"version": 3, "revision": 5}
    with pytest.raises(NotFound, match="has no version 9"):
        await lead(server, shadow={"version": 9})


async def test_a_rollback_returns_to_the_split_before(server: Server) -> None:
    await lead(server, split={3: 50, 2: 50})
    await lead(server, version=2)
    assert (await server.releases.rollback(*LIVE, "", "bob"))["leads_to"] == "3=50, 2=50"
    assert hosted(server) == {"2", "3"}
    assert (await server.releases.rollback(*LIVE, "", "bob"))["leads_to"] == "3"
    assert (await server.releases.rollback(*LIVE, "", "bob"))["leads_to"] == "2"
    await server.releases.rollback(*LIVE, "", "bob")
    with pytest.raises(Conflict):
        await server.releases.rollback(*LIVE, "", "bob")
    moves = await server.releases.history(*LIVE, 100)
    assert [str(move.destination) for move in moves] == ["1", "2", "3", "3=50, 2=50", "2", "3=50, 2=50", "3", "2", "1"]


async def test_a_deploy_ends_a_split_of_its_alias_and_leaves_those_of_others(server: Server) -> None:
    await lead(server, split={3: 50, 2: 50})
    await server.releases.move("red", "f", "prod", Move(split={3: 1, 1: 1}), "bob")
    await server.deploy("d")
    assert await route(server) == {"version": 4, "revision": 5}
    assert hosted(server) == {"1", "3", "4"}


async def test_as_of_a_moment_an_alias_is_what_it_was(server: Server) -> None:
    await lead(server, split={3: 50, 2: 50})
    second = (await server.releases.history(*LIVE, 3))[2].moved_at
    assert await server.releases.at(*LIVE, second) == {"version": 2, "revision": 2}
    now = datetime.now(timezone.utc)
    assert (await server.releases.at(*LIVE, now))["arms"] == [(3, 50.0), (2, 50.0)]
    with pytest.raises(BadRequest, match="Nobody knows"):
        await server.releases.at(*LIVE, now + timedelta(hours=1))
    with pytest.raises(NotFound, match="had no alias 'live' at"):
        await server.releases.at(*LIVE, now - timedelta(days=1))


async def test_what_is_said_of_a_move_that_is_none(server: Server) -> None:
    with pytest.raises(BadRequest, match="Say where it leads"):
        await lead(server, message="nothing")
    assert str((await server.releases.aliases("red", "f"))[0].destination) == str(Destination.of(3))

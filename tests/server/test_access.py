"""For whom a function is: said by its code or by hand, in force at the gateways at once, and after a restart."""

from __future__ import annotations

from typing import Any

import pytest

from rayfaas.config import Home
from rayfaas.errors import ImportFailed, NotFound
from rayfaas.server.access import Access
from rayfaas.server.catalog import Catalog
from rayfaas.server.routing import RouteTable
from rayfaas.server.store import Store
from rayfaas.spec import Spec
from tests.server.parts import Peer, announced, member
from tests.server.test_deploys import Server

TEAM = Spec(access="team")


@pytest.fixture
async def server(home: Home, store: Store) -> Server:
    server = Server(home, store)
    await server.fleet.join(member(server.warm))
    return server


async def teams(table: RouteTable) -> dict[str, Any]:
    """By function, as the gateways are told it."""
    return {each["name"]: each["teams"] for each in await announced(table)}


async def change(server: Server, method: str, **of: str) -> Any:
    given = {"team": "red", "name": "f", "actor": "ann", "reason": "drafts", **of}
    return await server.access.methods[method](Peer().link, **given)  # type: ignore[misc]


async def audit(server: Server) -> list[Any]:
    sql = "SELECT actor, action, subject, detail ->> 'grantee', detail ->> 'reason' FROM audit"
    sql += " WHERE action LIKE '%grant%'"
    return (await server.store.query(server.store.registry.query, sql, [], None)).rows


async def test_a_function_is_for_everybody_unless_something_else_is_said(server: Server) -> None:
    await server.deploy()
    assert await teams(server.routing) == {"f": None}
    assert await server.access.methods["access"](Peer().link, team="red", name="f") == {  # type: ignore[misc]
        "function": "red/f", "access": "everybody", "grants": [],
    }  # fmt: skip


async def test_its_code_says_for_whom_it_is_and_a_later_deploy_that_says_nothing_leaves_that(server: Server) -> None:
    await server.deploy("a", spec=TEAM)
    assert await teams(server.routing) == {"f": ["red"]}
    await server.deploy("b")
    assert await teams(server.routing) == {"f": ["red"]}
    await server.deploy("b", spec=Spec(access="everybody"))
    assert await teams(server.routing) == {"f": None}


async def test_what_it_says_of_access_makes_no_version(server: Server) -> None:
    first, second = (await server.deploy("a"))[-1], (await server.deploy("a", spec=TEAM))[-1]
    assert (first["version"], second["version"], second["created"]) == (1, 1, False)


async def test_a_new_one_is_closed_before_anybody_can_see_its_first_version(server: Server) -> None:
    server.warm.answers["spawn"] = ImportFailed("no")
    with pytest.raises(ImportFailed):
        await server.deploy("a", spec=TEAM)
    assert await teams(server.routing) == {"f": ["red"]}


async def test_a_deploy_that_fails_closes_nothing_that_was_open(server: Server) -> None:
    await server.deploy("a")
    server.warm.answers["spawn"] = ImportFailed("no")
    with pytest.raises(ImportFailed):
        await server.deploy("b", spec=TEAM)
    assert await teams(server.routing) == {"f": None}


async def test_grants_are_in_force_while_it_is_closed_and_every_change_is_in_the_audit(server: Server) -> None:
    await server.deploy()
    await change(server, "grant", grantee="blue")
    assert await teams(server.routing) == {"f": None}
    shown = await change(server, "set_access", access="team")
    assert shown == {"function": "red/f", "access": "team", "grants": ["blue"]}
    assert await teams(server.routing) == {"f": ["blue", "red"]}
    await change(server, "grant", grantee="blue")  # again, which changes nothing
    await change(server, "revoke_grant", grantee="blue")
    assert await teams(server.routing) == {"f": ["red"]}
    grants = [["ann", action, "red/f", "blue", "drafts"] for action in ("granted", "grant revoked")]
    assert await audit(server) == grants


async def test_what_is_not_there_can_not_be_changed(server: Server) -> None:
    with pytest.raises(NotFound, match="no function red/f"):
        await change(server, "grant", grantee="blue")
    await server.deploy()
    with pytest.raises(NotFound, match="blue has no grant"):
        await change(server, "revoke_grant", grantee="blue")


async def test_it_outlives_a_restart(server: Server) -> None:
    await server.deploy("a", spec=TEAM)
    await change(server, "grant", grantee="blue")
    table = RouteTable()
    await Access(server.store, Catalog(), table).read()
    assert await teams(table) == {"f": ["blue", "red"]}

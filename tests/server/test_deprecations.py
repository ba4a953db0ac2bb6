"""A function that is not to be called any more: gateways are told, also after a restart, until that is taken back."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from rayfaas.config import Home
from rayfaas.errors import BadRequest, NotFound
from rayfaas.server.catalog import Catalog
from rayfaas.server.deprecations import Deprecations
from rayfaas.server.routing import RouteTable
from rayfaas.server.store import Store
from tests.server.parts import Peer, announced, member
from tests.server.test_deploys import Server

SUNSET = "2027-03-01T00:00:00+00:00"


@pytest.fixture
async def server(home: Home, store: Store) -> Server:
    server = Server(home, store)
    await server.fleet.join(member(server.warm))
    await server.deploy()
    return server


@pytest.fixture
def deprecations(server: Server) -> Deprecations:
    return Deprecations(server.store, server.catalog, server.routing)


async def routes(table: RouteTable) -> dict[str, Any]:
    """By function, as the gateways are told it."""
    return {each["name"]: each["deprecation"] for each in await announced(table)}


async def ask(deprecations: Deprecations, method: str, **of: Any) -> Any:
    return await deprecations.methods[method](Peer().link, team="red", name="f", **of)  # type: ignore[misc]


async def deprecate(deprecations: Deprecations, sunset_at: str | None = None, successor: str | None = None) -> Any:
    given = {"sunset_at": sunset_at, "successor": successor, "actor": "ann", "reason": "slow"}
    return await ask(deprecations, "deprecate", **given)


async def test_gateways_are_told_until_it_is_taken_back(server: Server, deprecations: Deprecations) -> None:
    assert (await ask(deprecations, "deprecation"))["deprecated_at"] is None
    assert await routes(server.routing) == {"f": None}
    shown = await deprecate(deprecations, SUNSET)
    assert (shown["function"], shown["deprecated_by"], shown["reason"]) == ("red/f", "ann", "slow")
    assert await ask(deprecations, "deprecation") == shown
    at_s = int(datetime.fromisoformat(shown["deprecated_at"]).timestamp())
    sunset_s = int(datetime(2027, 3, 1, tzinfo=timezone.utc).timestamp())
    assert await routes(server.routing) == {"f": {"at_s": at_s, "sunset_s": sunset_s, "successor": None}}
    assert (await ask(deprecations, "end_deprecation", actor="ann", reason=""))["deprecated_at"] is None
    assert await routes(server.routing) == {"f": None}


async def test_a_successor_is_another_function_that_is_there(server: Server, deprecations: Deprecations) -> None:
    with pytest.raises(NotFound, match="no function red/g"):
        await deprecate(deprecations, successor="red/g")
    with pytest.raises(BadRequest, match="its own successor"):
        await deprecate(deprecations, successor="red/f")
    assert await routes(server.routing) == {"f": None}


async def test_it_outlives_a_restart(server: Server, deprecations: Deprecations) -> None:
    await deprecate(deprecations)
    table = RouteTable()
    await Deprecations(server.store, Catalog(), table).read()
    assert (await routes(table))["f"]["successor"] is None

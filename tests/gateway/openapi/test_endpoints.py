"""The document is for who has a token; the page for everybody, with nothing on it that could do harm."""

from __future__ import annotations

import pytest

from rayfaas.executor.signature import Signature, describe
from tests.gateway.controller import version_route
from tests.gateway.small import SmallGateway


def area(width: float) -> float:
    """The area of a square."""
    return width * width


ROWS = [{"team": "nlp", "name": "area", "alias": "live", "version": 1, "interface": describe(area, Signature(area))}]


async def test_each_team_has_it_as_it_writes_targets(gateway: SmallGateway) -> None:
    gateway.controller.answers["interfaces"] = ROWS
    own, others = [await gateway.ask("GET", "/openapi.json", who=who) for who in ("vera", "otto")]
    assert (own.status, own.headers["content-type"]) == (200, "application/json")
    assert "/call/area" in own.json()["paths"]
    assert "/call/nlp/area" in others.json()["paths"]


@pytest.mark.parametrize("who", [None, "nobody"])
async def test_it_is_for_who_has_a_token(gateway: SmallGateway, who: str | None) -> None:
    assert (await gateway.ask("GET", "/openapi.json", who=who)).code == "unauthenticated"
    assert gateway.controller.asked == []


async def test_it_is_made_anew_when_something_is_deployed(gateway: SmallGateway) -> None:
    gateway.controller.answers["interfaces"] = ROWS
    for _ in range(3):
        await gateway.ask("GET", "/openapi.json")
    assert len(gateway.controller.asked) == 1
    gateway.controller.answers["interfaces"] = []
    await gateway.controller.set_function("nlp/area", [version_route(2)], {"live": (2, 9)})
    assert "/call/area" not in (await gateway.ask("GET", "/openapi.json")).json()["paths"]


async def test_without_the_controller_it_says_so_where_it_has_none(gateway: SmallGateway) -> None:
    await gateway.controller.stop()
    assert (await gateway.ask("GET", "/openapi.json")).code == "unavailable"

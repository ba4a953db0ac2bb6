"""What runs is told whether all who are asked answer or not."""

from __future__ import annotations

from typing import Any

import pytest

from rayfaas.server import overview
from rayfaas.server.catalog import Catalog
from rayfaas.server.fleet import Fleet
from rayfaas.server.overview import Overview
from tests.server.parts import Peer, never


async def status(fleet: Fleet) -> Any:
    return await Overview(Catalog(), fleet, dict, dict).methods["status"](Peer().link)  # type: ignore[misc]


async def test_a_cluster_whose_agent_hangs_is_shown_without_what_it_does_not_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overview, "ASK_S", 0.01)
    fleet = Fleet()
    await fleet.agent_up("hung", Peer(nodes=never, applications=never).link)
    await fleet.agent_up("lab", Peer(nodes=[{"node": "n"}], applications={"a": {"replicas": 1}}).link)
    assert (await status(fleet))["clusters"] == [
        {"cluster": "hung", "nodes": [], "applications": {}},
        {"cluster": "lab", "nodes": [{"node": "n"}], "applications": {"a": {"replicas": 1}}},
    ]


async def test_a_cluster_that_goes_while_it_is_asked_is_not_shown() -> None:
    fleet = Fleet()

    async def goes() -> list[Any]:
        await fleet.leave(agent.link)
        return []

    agent = Peer(nodes=goes, applications={})
    await fleet.agent_up("lab", agent.link)
    assert (await status(fleet))["clusters"] == []

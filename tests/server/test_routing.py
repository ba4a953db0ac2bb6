"""Gateways learn of each change once, in order, and no gateway that hangs is waited for for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rayfaas.server import routing
from rayfaas.server.routing import RouteTable
from tests.server.parts import Peer, settle


def route(name: str, version: int = 1) -> dict[str, Any]:
    return {"team": "red", "name": name, "versions": [{"number": version}], "aliases": {}}


def told(name: str, *came: int, removed: tuple[int, ...] = ()) -> dict[str, Any]:
    """What a gateway hears that knew the function before: of versions, those that came and went."""
    versions = [{"number": number} for number in came]
    return {**route(name), "versions": versions, "removed": list(removed), "whole": False}


def pending(awaitable: Any) -> asyncio.Task[Any]:
    return asyncio.ensure_future(awaitable)


async def test_a_new_gateway_is_told_everything() -> None:
    table = RouteTable()
    await table.set_function(route("f"))
    await table.set_tokens([{"digest": "d"}])
    await table.set_sessions({"lab": b"key"})
    await table.set_secrets({"red/api": "1"})
    answer = await table.poll(Peer().link, 0)
    assert answer == {
        "revision": table.revision, "functions": [route("f")], "tokens": [{"digest": "d"}], "sessions": {"lab": b"key"},
        "secrets": {"red/api": "1"},
        "limits": {"limits": []},
    }  # fmt: skip


async def test_an_empty_table_is_an_answer_too() -> None:
    answer = await RouteTable().poll(Peer().link, 0)
    assert (answer["functions"], answer["tokens"], answer["sessions"]) == ([], [], {})
    assert answer["revision"] > 0


async def test_a_gateway_is_told_only_what_changed_since() -> None:
    table, gateway = RouteTable(), Peer()
    since = await table.set_function(route("f"))
    await table.set_function(route("g", 1))
    await table.set_function(route("g", 2))
    answer = await table.poll(gateway.link, since)
    assert (answer["functions"], answer["tokens"], answer["sessions"]) == ([told("g", 2, removed=(1,))], None, None)
    since = await table.set_tokens([])
    assert (await table.poll(gateway.link, since - 1))["tokens"] == []


async def test_of_a_functions_versions_a_gateway_is_told_those_that_came_and_went() -> None:
    table, gateway = RouteTable(), Peer()
    since = [table.revision]
    for versions in ([1, 2], [1, 2, 3], [2, 3], [1, 2, 3], [1, 2, 3]):
        of_them = [{"number": number} for number in versions]
        since.append(await table.set_function({**route("f"), "versions": of_them}))
    answers = [(await table.poll(gateway.link, each))["functions"] for each in since[1:-1]]
    assert answers == [[told("f", 1, 3)], [told("f", 1)], [told("f", 1)], [told("f")]]
    third = await table.set_function({**route("f"), "versions": [{"number": 3}]})
    assert (await table.poll(gateway.link, third - 1))["functions"] == [told("f", removed=(1, 2))]
    assert (await table.poll(gateway.link, 0))["functions"] == [{**route("f"), "versions": [{"number": 3}]}]


async def test_a_poll_waits_for_the_next_change() -> None:
    table = RouteTable()
    polls = [pending(table.poll(Peer().link, table.revision)) for _ in range(3)]
    await settle()
    assert not any(poll.done() for poll in polls)
    await table.set_function(route("f"))
    assert [(await poll)["functions"] for poll in polls] == [[told("f", 1)]] * 3


async def test_a_poll_without_news_is_answered_with_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "POLL_S", 0.01)
    table = RouteTable()
    answer = await table.poll(Peer().link, table.revision)
    assert answer == {
        "revision": table.revision,
        "functions": [],
        "tokens": None,
        "sessions": None,
        "limits": None,
        "secrets": None,
    }


async def test_a_gateway_that_goes_while_it_polls_blocks_nobody() -> None:
    table = RouteTable()
    poll = pending(table.poll(Peer().link, table.revision))
    await settle()
    poll.cancel()
    await asyncio.wait([poll])
    await asyncio.wait_for(table.set_function(route("f")), 20)


async def test_changes_at_the_same_time_all_arrive() -> None:
    table, gateway = RouteTable(), Peer()
    seen: dict[str, dict[str, Any]] = {}

    async def follow() -> None:
        since = 0
        while len(seen) < 30:
            answer = await table.poll(gateway.link, since)
            assert answer["revision"] > since
            since = answer["revision"]
            seen.update({each["name"]: each for each in answer["functions"]})

    following = [pending(follow()) for _ in range(3)]
    revisions = await asyncio.gather(*(table.set_function(route(str(n))) for n in range(30)))
    await asyncio.wait_for(asyncio.gather(*following), 20)
    assert len(set(revisions)) == 30
    assert set(seen) == {str(n) for n in range(30)}


async def test_a_change_is_applied_when_every_gateway_has_polled_beyond_it() -> None:
    table, first, second = RouteTable(), Peer(), Peer()
    polls = [pending(table.poll(each.link, table.revision)) for each in (first, second)]
    await settle()
    revision = await table.set_function(route("f"))
    applied = pending(table.applied(revision))
    polls.append(pending(table.poll(first.link, revision)))
    await settle()
    assert not applied.done()
    polls.append(pending(table.poll(second.link, revision)))
    await applied
    for poll in polls:
        poll.cancel()


async def test_without_gateways_a_change_is_applied_at_once() -> None:
    table = RouteTable()
    await asyncio.wait_for(table.applied(await table.set_function(route("f"))), 1)


@pytest.mark.parametrize("how", ["its link is down", "it was forgotten"])
async def test_a_gateway_that_is_gone_is_not_waited_for(how: str) -> None:
    table, gone = RouteTable(), Peer()
    await table.poll(gone.link, 0)
    if how == "its link is down":
        gone.is_open = False
    else:
        table.forget(gone.link)
        table.forget(gone.link)
    await asyncio.wait_for(table.applied(await table.set_function(route("f"))), 1)


async def test_a_gateway_that_hangs_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "APPLY_S", 0.01)
    table, hung = RouteTable(), Peer()
    await table.poll(hung.link, 0)
    await asyncio.wait_for(table.applied(await table.set_function(route("f"))), 20)

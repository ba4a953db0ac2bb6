"""Who is connected and takes orders, what each hosts, and that one executor of a version is spawned for all who ask."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rayfaas.errors import ImportFailed, Unavailable
from rayfaas.server.fleet import WARM, Fleet
from tests.server.parts import Peer, made, member, never, settle, supervisor, version

APP = "red--f--1234"


async def test_a_member_takes_orders_until_it_leaves_or_its_link_breaks() -> None:
    fleet = Fleet()
    warm, own = member(supervisor()), member(supervisor(), APP)
    for each in (warm, own):
        await fleet.join(each)
    assert (fleet.members(), fleet.members(WARM), fleet.members(APP)) == ([warm, own], [warm], [own])
    own.leaving = True
    assert fleet.members(APP) == []
    assert fleet.member(own.link) is own
    await fleet.leave(own.link)
    await fleet.leave(own.link)
    assert fleet.member(own.link) is None


async def test_what_a_member_that_leaves_has_run_is_to_be_had_elsewhere() -> None:
    fleet, peer, running = Fleet(), supervisor(), version()
    own = member(peer, hosted=[running])
    await fleet.join(own)
    fleet.leaving(own.link)
    assert (fleet.members(), fleet.hosting(running.key), peer.drained) == ([], [], [running.key])
    assert fleet.keys() == {running.key}  # its calls go on
    fleet.leaving(Peer().link)


async def test_who_waits_for_an_application_has_it_as_soon_as_a_member_joins() -> None:
    fleet = Fleet()
    waiting = asyncio.ensure_future(fleet.wait_for(APP, 20))
    await fleet.join(member(supervisor()))
    own = member(supervisor(), APP)
    await fleet.join(own)
    assert await waiting == [own]
    assert await fleet.wait_for(APP, 20) == [own]


async def test_who_waits_in_vain_is_told_so_and_who_gives_up_blocks_nobody() -> None:
    fleet = Fleet()
    with pytest.raises(asyncio.TimeoutError):
        await fleet.wait_for(APP, 0.01)
    waiting = asyncio.ensure_future(fleet.wait_for(APP, 20))
    await settle()
    waiting.cancel()
    await asyncio.wait([waiting])
    await asyncio.wait_for(fleet.join(member(supervisor(), APP)), 20)
    assert len(fleet.members()) == 1


async def test_an_agent_is_there_from_its_coming_until_its_link_breaks() -> None:
    fleet, agent = Fleet(), Peer()
    waiting = asyncio.ensure_future(fleet.wait_for_agents(None, 20))
    await fleet.agent_up("lab", agent.link)
    assert await waiting == fleet.agents() == {"lab": agent.link}
    with pytest.raises(asyncio.TimeoutError):
        await fleet.wait_for_agents("another", 0.01)
    await fleet.leave(agent.link)
    assert fleet.agents() == {}
    with pytest.raises(asyncio.TimeoutError):
        await fleet.wait_for_agents(None, 0.01)


async def test_an_agent_that_came_back_is_not_forgotten_with_its_old_link() -> None:
    fleet, old, new = Fleet(), Peer(), Peer()
    await fleet.agent_up("lab", old.link)
    await fleet.agent_up("lab", new.link)
    await fleet.leave(old.link)
    assert fleet.agents() == {"lab": new.link}


async def test_the_environment_is_that_of_the_warm_replicas() -> None:
    fleet = Fleet()
    assert fleet.environment() == ""
    await fleet.join(member(supervisor(), APP, environment="other"))
    assert fleet.environment() == ""
    await fleet.join(member(supervisor(), environment="base"))
    assert fleet.environment() == "base"


async def test_a_version_is_hosted_until_its_last_executor_ended() -> None:
    fleet, host = Fleet(), member(supervisor())
    await fleet.join(host)
    host.add("red/f:1", "a")
    host.add("red/f:1", "b")
    host.remove("red/f:1", "a")
    assert fleet.hosting("red/f:1") == [host]
    host.remove("red/f:1", "b")
    host.remove("red/f:1", "b")
    host.remove("red/g:1", "x")
    assert fleet.hosting("red/f:1") == []


async def test_a_spawned_executor_is_hosted_when_it_is_ready() -> None:
    answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    host = member(supervisor(spawn=lambda **_: answer))
    spawning = asyncio.ensure_future(host.spawn(version().order(), 5))
    await settle()
    assert host.hosted == {}
    answer.set_result(made())
    assert (await spawning)["interface"] == {"kind": "function"}
    assert set(host.hosted) == {"red/f:1"}


async def test_an_executor_whose_end_is_told_before_that_it_was_ready_is_hosted_nowhere() -> None:
    answers = [made(), made()]
    peer = supervisor()
    host = member(peer)

    def dies_at_once(**_: Any) -> dict[str, Any]:
        host.remove("red/f:1", answers[0]["executor"])
        return answers.pop(0)

    peer.answers["spawn"] = dies_at_once
    await host.spawn(version().order(), 5)
    assert host.hosted == {}
    peer.answers["spawn"] = lambda **_: answers[0]
    await host.spawn(version().order(), 5)
    assert host.hosted == {"red/f:1": {answers[0]["executor"]}}


async def test_all_who_ask_for_a_version_while_it_comes_share_one_executor() -> None:
    answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    peer = supervisor(spawn=lambda **_: answer)
    host = member(peer)
    asking = [asyncio.ensure_future(host.spawn(version().order(), 5)) for _ in range(3)]
    other = asyncio.ensure_future(host.spawn(version(number=2).order(), 5))
    await settle()
    asking[0].cancel()
    await settle()
    answer.set_result(made())
    assert await asking[1] == await asking[2]
    await other
    assert sorted(peer.spawned) == ["red/f:1", "red/f:2"]


async def test_a_spawn_that_failed_can_be_asked_for_again() -> None:
    peer = supervisor(spawn=ImportFailed("no module named nmpy"))
    host = member(peer)
    for _ in range(2):
        with pytest.raises(ImportFailed):
            await host.spawn(version().order(), 5)
    assert (len(peer.spawned), host.hosted) == (2, {})
    peer.answers["spawn"] = made()
    await host.spawn(version().order(), 5)
    assert set(host.hosted) == {"red/f:1"}


async def test_a_supervisor_that_went_raises_unavailable() -> None:
    with pytest.raises(Unavailable):
        await member(supervisor(spawn=Unavailable())).spawn(version().order(), 5)


async def test_what_is_drained_is_hosted_no_more_and_the_supervisor_is_told() -> None:
    peer = supervisor(spawn=never)
    host = member(peer, hosted=[version()])
    host.drain("red/f:1")
    host.drain("red/f:1")
    assert (host.hosted, peer.drained) == ({}, ["red/f:1", "red/f:1"])


async def test_a_version_is_gone_when_its_last_executor_has_ended_or_its_supervisor_has_left() -> None:
    fleet = Fleet()
    first, second = member(supervisor(), hosted=[version()]), member(supervisor(), hosted=[version()])
    for each in (first, second):
        await fleet.join(each)
    waiting = asyncio.ensure_future(fleet.wait_gone({"red/f:1"}, 20))
    (executor,) = first.hosted["red/f:1"]
    first.drain("red/f:1")
    assert fleet.keys() == {"red/f:1"}
    await fleet.executor_ended(first.link, "red/f:1", executor)
    assert not waiting.done()
    await fleet.leave(second.link)
    await waiting
    assert fleet.keys() == set()
    first.add("red/f:1", "another")
    with pytest.raises(asyncio.TimeoutError):
        await fleet.wait_gone({"red/f:1"}, 0.01)


async def test_a_cluster_that_is_let_go_takes_no_orders_finishes_and_may_join_again() -> None:
    fleet, peer, agent = Fleet(), supervisor(), Peer()
    leaves, stays = member(peer, hosted=[version()], cluster="a"), member(supervisor(), cluster="b")
    for each in (leaves, stays):
        await fleet.join(each)
    await fleet.agent_up("a", agent.link)
    (executor,) = leaves.hosted["red/f:1"]
    fleet.let_go("a")
    assert (fleet.members(), fleet.agents(), peer.drained) == ([stays], {}, ["red/f:1"])
    late = member(supervisor(), cluster="a")
    await fleet.join(late)
    assert fleet.members() == [stays]
    waiting = asyncio.ensure_future(fleet.wait_idle("a", 20))
    await settle()
    assert not waiting.done()
    await fleet.executor_ended(leaves.link, "red/f:1", executor)
    await waiting
    assert fleet.links("a") == [leaves.link, late.link, agent.link]
    fleet.welcome("a")
    assert list(fleet.agents()) == ["a"]

"""Where a version replaces another, the old executors are gone before the new ones start, whatever becomes of those."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rayfaas.config import Home
from rayfaas.errors import DeployTimeout, ImportFailed
from rayfaas.server import swaps as server_swaps
from rayfaas.server.store import Store
from rayfaas.spec import Spec
from tests.server.parts import Peer, made, member, settle, version
from tests.server.test_deploys import Server
from tests.waiting import eventually

REPLACE = Spec(swap="replace")


class Site(Server):
    """Its supervisor's executors end when the test says so."""

    async def join(self) -> None:
        self.member = member(self.warm)
        await self.fleet.join(self.member)

    async def parked(self) -> bool:
        asking = Peer().link
        answer = await self.routing.poll(asking, 0)
        self.routing.forget(asking)  # or it would be waited for
        return bool(answer["functions"][0]["parked"])

    def begin(self, content: str, **changes: Any) -> asyncio.Task[list[dict[str, Any]]]:
        return asyncio.ensure_future(self.deploy(content, spec=REPLACE, **changes))

    async def end_executors(self) -> None:
        for executor, key in list(self.member.draining.items()):
            await self.fleet.executor_ended(self.member.link, key, executor)


@pytest.fixture
async def site(home: Home, store: Store) -> Site:
    site = Site(home, store)
    await site.join()
    await site.deploy("a", spec=REPLACE)
    return site


async def test_the_old_executors_are_gone_before_the_new_one_starts_and_calls_wait_meanwhile(site: Site) -> None:
    deploying = site.begin("b")
    await eventually(lambda: site.warm.drained == ["red/f:1"])
    assert await site.parked()
    assert site.warm.spawned == ["red/f:1"]
    await site.end_executors()
    events = await deploying
    assert events[-1]["version"] == 2
    assert "swap_ms" in events[-1]["phases"]
    assert site.warm.spawned == ["red/f:1", "red/f:2"]
    assert not await site.parked()
    assert await site.routed() == {"f": {"live": {"version": 2, "revision": 2}}}


async def test_calls_that_were_accepted_for_the_old_version_are_served_by_it_first(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_swaps, "_LOOK_S", 0.0)
    site.waiting = 3
    deploying = site.begin("b")
    await eventually(lambda: site.looks > 2)
    assert site.warm.drained == []
    site.waiting = 0
    await eventually(lambda: site.warm.drained)
    await site.end_executors()
    await deploying


async def test_a_replacement_that_does_not_start_brings_the_old_version_back(site: Site) -> None:
    site.warm.answers["spawn"] = lambda version, **_: made() if version["version"] == 1 else ImportFailed("no weights")
    deploying = site.begin("b")
    await eventually(lambda: site.warm.drained == ["red/f:1"])
    await site.end_executors()
    with pytest.raises(ImportFailed, match="no weights"):
        await deploying
    assert not await site.parked()
    await eventually(lambda: site.warm.spawned == ["red/f:1", "red/f:2", "red/f:1"])
    assert await site.routed() == {"f": {"live": {"version": 1, "revision": 1}}}


async def test_an_executor_that_does_not_end_in_time_ends_the_deploy_and_calls_go_on(site: Site) -> None:
    deploying = site.begin("b", deadline_s=1.0)
    await eventually(lambda: site.warm.drained == ["red/f:1"])
    with pytest.raises(DeployTimeout, match="red/f still answers calls with the version before"):
        await deploying
    assert not await site.parked()
    await eventually(lambda: site.warm.spawned == ["red/f:1", "red/f:1"])


async def test_a_function_is_resumed_however_often_its_deploy_is_given_up(site: Site) -> None:
    deploying = site.begin("b")
    await eventually(lambda: site.warm.drained == ["red/f:1"])
    gateway = Peer().link
    site.routing.expect(gateway)  # it hangs: what is announced waits for it
    deploying.cancel()
    await settle()
    deploying.cancel()
    await asyncio.wait([deploying])
    site.routing.forget(gateway)
    assert deploying.cancelled()
    assert not await site.parked()
    await site.end_executors()
    await eventually(lambda: site.warm.spawned == ["red/f:1", "red/f:1"])


async def test_what_is_demanded_meanwhile_starts_when_it_is_over(site: Site) -> None:
    deploying = site.begin("b")
    await eventually(lambda: site.warm.drained == ["red/f:1"])
    site.placement.demand("red/f:1")
    await settle()
    assert site.warm.spawned == ["red/f:1"]
    await site.end_executors()
    await deploying
    await eventually(lambda: site.warm.spawned == ["red/f:1", "red/f:2", "red/f:1"])


async def test_a_version_that_another_alias_leads_to_stays(site: Site) -> None:
    await site.move(1, "prod")
    await site.deploy("b", spec=REPLACE)
    assert site.warm.drained == []
    assert site.warm.spawned == ["red/f:1", "red/f:2"]


async def test_an_alias_that_moves_back_replaces_too(site: Site) -> None:
    deploying = site.begin("b")
    await eventually(lambda: site.warm.drained)
    await site.end_executors()
    await deploying
    moving = asyncio.ensure_future(site.move(1, message="it is broken"))
    await eventually(lambda: site.warm.drained == ["red/f:1", "red/f:2"])
    assert await site.parked()
    await site.end_executors()
    assert (await moving)["version"] == 1
    await eventually(lambda: site.warm.spawned == ["red/f:1", "red/f:2", "red/f:1"])


async def test_with_overlap_nothing_is_parked(home: Home, store: Store) -> None:
    site = Site(home, store)
    await site.join()
    for content in "ab":
        events = await site.deploy(content)
    assert "swap_ms" not in events[-1]["phases"]
    assert site.looks == 0


async def test_methods_of_a_class_are_routed_and_known_after_a_restart(home: Home, store: Store) -> None:
    site = Site(home, store)
    interface = {"kind": "class", "methods": {"predict": {}, "embed": {}}}
    site.warm.answers["spawn"] = lambda **_: {**made(), "interface": interface}
    await site.join()
    await site.deploy("a")
    answer = await site.routing.poll(Peer().link, 0)
    assert answer["functions"][0]["versions"][0]["methods"] == ["predict", "embed"]
    (row,) = await site.versions()
    assert type(version()).of(row).methods == ("predict", "embed")

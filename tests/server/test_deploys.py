"""A deploy changes what callers get only when its code runs; where it fails, whatever the moment, nothing changed."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from typing import Any

import pytest

from rayfaas.config import Home
from rayfaas.destination import Move
from rayfaas.errors import DeployTimeout, EnvironmentFailed, ImportFailed, NotFound
from rayfaas.registry.rows import VersionRow
from rayfaas.server.access import Access
from rayfaas.server.bundles import BundleStore
from rayfaas.server.catalog import Catalog
from rayfaas.server.deploys import Deploys
from rayfaas.server.fleet import Fleet
from rayfaas.server.guard import Guard
from rayfaas.server.journals import Journals
from rayfaas.server.limits import Limits
from rayfaas.server.loads import Loads
from rayfaas.server.placement import Placement
from rayfaas.server.protections import Protections
from rayfaas.server.releases import Releases
from rayfaas.server.routing import RouteTable
from rayfaas.server.schedules import Schedules
from rayfaas.server.store import Store
from rayfaas.server.swaps import Swaps
from rayfaas.server.vault import Vault
from rayfaas.spec import Entry, Provenance, Publish, Scaling, Shape, Spec
from tests.server.parts import GPU, INTERFACE, Clock, Hour, Peer, made, member, never, settle, supervisor
from tests.waiting import eventually


class Server:
    """All that a deploy goes through but Ray: a real registry and bundle store, and one warm supervisor, `warm`."""

    def __init__(self, home: Home, store: Store) -> None:
        self.store, self.bundles = store, BundleStore(home.bundles)
        self.catalog, self.fleet, self.routing = Catalog(), Fleet(), RouteTable()
        placement = Placement(self.fleet, self.catalog, Loads(Clock()), lambda *_: None)
        self.placement = placement
        self.waiting = 0  # calls that wait at the gateways
        self.looks = 0  # how often they were asked for
        swaps = Swaps(placement, self.routing, self._waiting)
        journals = Journals(store)
        guard = Guard(store, journals.load)
        self.vault = Vault(bytes(32), store, self.catalog)
        self.access = Access(store, self.catalog, self.routing)
        self.protections = Protections(store)
        limits = Limits(store, journals, self.routing, lambda: ())
        self.hour = Hour()
        self.schedules = Schedules(store, self.catalog, journals, limits, self._hand_out, self.hour)
        self.deploys = Deploys(
            store,
            self.bundles,
            self.catalog,
            placement,
            swaps,
            self.fleet,
            guard,
            self.vault,
            self.access,
            self.protections,
            self.schedules,
        )
        self.releases = Releases(store, self.catalog, placement, swaps, self.deploys.locks, self.protections)
        self.warm = supervisor()

    async def _hand_out(self) -> None:
        """To gateways, of which there are none."""

    async def _waiting(self, keys: set[str]) -> int:
        self.looks += 1
        return self.waiting

    def request(self, content: str = "a", **changes: Any) -> Publish:
        archive = content.encode()
        digest = hashlib.sha256(archive).hexdigest()
        self.bundles.put(digest, archive)
        return Publish(**{"bundle": digest, "entry": Entry(module="m", name="f"), **changes})

    async def deploy(self, content: str = "a", name: str = "f", **changes: Any) -> list[dict[str, Any]]:
        return [event async for event in self.deploys.publish("red", name, self.request(content, **changes), "ann")]

    async def move(self, version: int, alias: str = "live", name: str = "f", **body: Any) -> dict[str, Any]:
        return await self.releases.move("red", name, alias, Move(version=version, **body), "bob")

    async def versions(self, name: str = "f") -> list[VersionRow]:
        return await self.store.query(self.store.registry.catalog.versions, "red", name)

    async def states(self) -> list[tuple[int, str]]:
        return [(row.version, row.state) for row in await self.versions()]

    async def routed(self) -> dict[str, dict[str, Any]]:
        """Aliases by function, as a new gateway is told them."""
        asking = Peer().link
        answer = await self.routing.poll(asking, 0)
        self.routing.forget(asking)  # or it would be waited for
        return {route["name"]: route["aliases"] for route in answer["functions"]}


@pytest.fixture
async def server(home: Home, store: Store) -> Server:
    server = Server(home, store)
    await server.fleet.join(member(server.warm))
    return server


LIVE_1 = {"live": {"version": 1, "revision": 1}}


async def test_a_deploy_starts_the_code_and_then_moves_the_alias(server: Server) -> None:
    events = await server.deploy()
    assert [event["event"] for event in events] == ["published", "live"]
    assert events[0] == {"event": "published", "version": 1, "created": True}
    last = events[-1]
    assert (last["function"], last["version"], last["alias"], last["created"]) == ("red/f", 1, "live", True)
    assert set(last["phases"]) == {"publish_ms", "start_ms", "activate_ms", "announce_ms"}
    assert server.warm.spawned == ["red/f:1"]
    assert await server.routed() == {"f": LIVE_1}
    (row,) = await server.versions()
    assert (row.state, row.interface, row.environment_digest) == ("ACTIVE", INTERFACE, "e1")


async def test_a_bundle_that_was_not_sent_is_asked_for_and_nothing_is_published(server: Server) -> None:
    missing = Publish(bundle="0" * 64, entry=Entry(module="m", name="f"))
    with pytest.raises(NotFound, match="send it first"):
        await anext(server.deploys.publish("red", "f", missing, "ann"))
    assert await server.states() == []


async def test_the_next_deploy_takes_over_and_the_old_executor_finishes_and_ends(server: Server) -> None:
    await server.deploy("a")
    await server.deploy("b")
    assert (server.warm.spawned, server.warm.drained) == (["red/f:1", "red/f:2"], ["red/f:1"])
    assert await server.routed() == {"f": {"live": {"version": 2, "revision": 2}}}


async def test_code_that_does_not_import_changes_nothing_but_its_own_state(server: Server) -> None:
    await server.deploy("a")
    revision = server.routing.revision
    server.warm.answers["spawn"] = ImportFailed("no module named nmpy", traceback="Traceback: …")
    with pytest.raises(ImportFailed) as failed:
        await server.deploy("b")
    assert failed.value.extra["traceback"] == "Traceback: …"
    assert (await server.routed(), server.routing.revision) == ({"f": LIVE_1}, revision)
    assert await server.states() == [(2, "FAILED"), (1, "ACTIVE")]
    assert (await server.versions())[0].failure == "no module named nmpy"
    assert server.warm.drained == ["red/f:2"]


async def test_a_version_that_failed_is_started_again_when_it_is_deployed_again(server: Server) -> None:
    server.warm.answers["spawn"] = ImportFailed("no module named nmpy")
    with pytest.raises(ImportFailed):
        await server.deploy("a")
    server.warm.answers["spawn"] = made()
    events = await server.deploy("a")
    assert events[0] == {"event": "published", "version": 1, "created": False}
    assert await server.states() == [(1, "ACTIVE")]


async def test_code_that_is_live_already_is_neither_published_nor_started_again(server: Server) -> None:
    await server.deploy("a")
    events = await server.deploy("a")
    assert (events[-1]["version"], events[-1]["created"]) == (1, False)
    assert (server.warm.spawned, server.warm.drained) == (["red/f:1"], [])
    assert await server.routed() == {"f": LIVE_1}


async def test_deploying_older_code_again_moves_the_alias_back(server: Server) -> None:
    for content in "aba":
        await server.deploy(content)
    assert await server.routed() == {"f": {"live": {"version": 1, "revision": 3}}}
    assert await server.states() == [(2, "ACTIVE"), (1, "ACTIVE")]


async def test_a_deploy_to_another_alias_leaves_live_and_its_executors_alone(server: Server) -> None:
    await server.deploy("a")
    await server.deploy("b", alias="staging")
    assert await server.routed() == {"f": {**LIVE_1, "staging": {"version": 2, "revision": 1}}}
    assert server.warm.drained == []


async def test_other_scaling_is_in_force_without_a_new_version(server: Server) -> None:
    await server.deploy("a")
    request = server.request("a")
    scaled = request.model_copy(update={"spec": request.spec.model_copy(update={"scaling": Scaling(max_replicas=3)})})
    events = [event async for event in server.deploys.publish("red", "f", scaled, "ann")]
    assert events[-1]["version"] == 1
    assert server.catalog.function("red/f").scaling.max_replicas == 3


async def test_a_gateway_has_the_new_version_before_the_old_one_ends(server: Server) -> None:
    gateway = Peer()
    await server.deploy("a")
    await server.routing.poll(gateway.link, 0)
    deploying = asyncio.ensure_future(server.deploy("b"))
    answer = await server.routing.poll(gateway.link, server.routing.revision)
    await settle()
    assert answer["functions"][0]["aliases"]["live"]["version"] == 2
    assert (deploying.done(), server.warm.drained) == (False, [])
    polling = asyncio.ensure_future(server.routing.poll(gateway.link, answer["revision"]))
    await deploying
    assert server.warm.drained == ["red/f:1"]
    polling.cancel()


async def test_who_gives_up_in_the_middle_has_failed_and_blocks_nobody(server: Server) -> None:
    server.warm.answers["spawn"] = never
    deploying = asyncio.ensure_future(server.deploy("a"))
    await eventually(lambda: server.warm.spawned)
    deploying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deploying
    assert await server.states() == [(1, "FAILED")]
    server.warm.answers["spawn"] = made()
    await asyncio.wait_for(server.deploy("b"), 20)
    assert await server.states() == [(2, "ACTIVE"), (1, "FAILED")]


async def test_who_stops_listening_to_the_events_has_failed_too(server: Server) -> None:
    await server.fleet.agent_up("lab", Peer().link)
    events = server.deploys.publish("red", "f", server.request("a", spec=GPU), "ann")
    assert [(await anext(events))["event"] for _ in range(2)] == ["published", "progress"]
    await events.aclose()  # type: ignore[attr-defined]
    assert await server.states() == [(1, "FAILED")]
    await asyncio.wait_for(server.deploy("b"), 20)


async def test_deploys_of_one_function_are_one_after_the_other(server: Server) -> None:
    answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    server.warm.answers["spawn"] = lambda **_: answer
    first = asyncio.ensure_future(server.deploy("a"))
    await eventually(lambda: server.warm.spawned)
    server.warm.answers["spawn"] = lambda **_: made()
    second = asyncio.ensure_future(server.deploy("b"))
    await server.deploy("other function", name="g")
    assert server.warm.spawned == ["red/f:1", "red/g:1"]
    answer.set_result(made())
    await asyncio.gather(first, second)
    assert await server.routed() == {"f": {"live": {"version": 2, "revision": 2}}, "g": LIVE_1}


async def test_many_deploys_at_once_all_arrive_in_some_order(server: Server) -> None:
    await asyncio.gather(*(server.deploy(str(number)) for number in range(8)))
    assert await server.states() == [(number, "ACTIVE") for number in range(8, 0, -1)]
    assert (await server.routed())["f"]["live"]["revision"] == 8


async def test_without_a_replica_the_deploy_ends_at_its_deadline(server: Server) -> None:
    server.fleet.members()[0].leaving = True
    with pytest.raises(DeployTimeout):
        await server.deploy("a", deadline_s=0.01)
    assert await server.states() == [(1, "FAILED")]


async def test_slow_parts_are_told_while_they_last(server: Server) -> None:
    await server.fleet.agent_up("lab", Peer().link)
    events = server.deploys.publish("red", "f", server.request(spec=GPU), "ann")
    assert (await anext(events))["event"] == "published"
    assert await anext(events) == {
        "event": "progress", "phase": "replica", "detail": "waiting for a replica with 1 CPU, 1 GPU",
    }  # fmt: skip
    application = f"red--f--{GPU.shape.digest}"
    await server.fleet.join(member(supervisor(), application))
    assert [event["event"] async for event in events] == ["live"]


# However it ends, it is a row


async def rows(server: Server) -> list[list[Any]]:
    question = "SELECT version, alias, outcome, code, created, deployed_by, message FROM deploys ORDER BY began_at"
    return (await server.store.query(server.store.registry.query, question, [], "red")).rows


async def test_a_deploy_is_a_row_with_its_phases(server: Server) -> None:
    await server.deploy("a", provenance=Provenance(message="why"))
    await server.deploy("a", alias="prod")
    server.warm.answers["spawn"] = ImportFailed("no module named nmpy")
    with pytest.raises(ImportFailed):
        await server.deploy("b")
    assert await rows(server) == [
        [1, "live", "SUCCEEDED", None, True, "ann", "why"],
        [1, "prod", "SUCCEEDED", None, False, "ann", None],
        [2, "live", "FAILED", "import_failed", True, "ann", None],
    ]
    question = "SELECT failure, took_ms >= (phases ->> '$.publish_ms')::DOUBLE FROM deploys ORDER BY began_at DESC"
    answer = await server.store.query(server.store.registry.query, question, [], "red")
    assert answer.rows[0] == ["no module named nmpy", True]


async def test_who_gives_up_is_a_row_too(server: Server) -> None:
    server.warm.answers["spawn"] = never
    deploying = asyncio.ensure_future(server.deploy("a"))
    await eventually(lambda: server.warm.spawned)
    deploying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deploying
    assert [row[2] for row in await rows(server)] == ["CANCELLED"]
    assert (await server.versions())[0].failure == "who deployed it was gone before it was live"


@pytest.mark.parametrize("method", ["publish", "activate"])
async def test_who_gives_up_while_the_registry_writes_leaves_one_truth(server: Server, method: str) -> None:
    await server.deploy("a")
    catalog, writing, go_on = server.store.registry.catalog, threading.Event(), threading.Event()
    write = getattr(catalog, method)

    def slow(*args: Any) -> Any:
        writing.set()
        assert go_on.wait(20)
        return write(*args)

    setattr(catalog, method, slow)
    deploying = asyncio.ensure_future(server.deploy("b"))
    await eventually(writing.is_set)
    deploying.cancel()
    await settle()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await deploying
    registered = {row.name: row.aliases for row in await server.store.query(catalog.routes)}["f"]["live"].version
    routed = (await server.routed())["f"]["live"]["version"]
    states = dict(await server.states())
    assert registered == routed == (1 if method == "publish" else 2)
    assert states[2] == ("FAILED" if method == "publish" else "ACTIVE")
    assert [row[2] for row in await rows(server)][1:] == ["CANCELLED" if method == "publish" else "SUCCEEDED"]


async def test_a_supervisor_that_hangs_does_not_hold_a_deploy_for_ever(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rayfaas.server.deploys.HANG_S", 0.0)
    await server.deploy("a")
    server.warm.answers["spawn"] = never
    with pytest.raises(DeployTimeout, match="did not answer within"):
        await server.deploy("b", deadline_s=0.3)
    assert await server.routed() == {"f": LIVE_1}
    assert await server.states() == [(2, "FAILED"), (1, "ACTIVE")]


async def test_who_waits_for_another_deploy_waits_until_the_deadline(server: Server) -> None:
    server.warm.answers["spawn"] = never
    first = asyncio.ensure_future(server.deploy("a"))
    await eventually(lambda: server.warm.spawned)
    with pytest.raises(DeployTimeout, match="Another deploy of red/f was still under way"):
        await server.deploy("b", deadline_s=0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


# Aliases


async def test_an_alias_moves_back_and_the_executor_that_it_left_ends(server: Server) -> None:
    for content in "ab":
        await server.deploy(content)
    moved = await server.move(1, message="it is broken")
    assert moved == {"function": "red/f", "alias": "live", "leads_to": "1", "version": 1, "revision": 3}
    assert await server.routed() == {"f": {"live": {"version": 1, "revision": 3}}}
    assert server.warm.drained == ["red/f:1", "red/f:2"]


async def test_an_alias_leads_to_what_can_be_called_only(server: Server) -> None:
    await server.deploy("a")
    server.warm.answers["spawn"] = ImportFailed("no")
    with pytest.raises(ImportFailed):
        await server.deploy("b")
    for version in (2, 3):
        with pytest.raises(NotFound, match="has no version"):
            await server.move(version)
    with pytest.raises(NotFound, match="There is no function red/g"):
        await server.move(1, name="g")
    assert await server.routed() == {"f": LIVE_1}


async def test_the_deploys_message_is_the_reason_of_its_move(server: Server) -> None:
    await server.deploy("a", provenance=Provenance(message="it's faster"))
    await server.deploy("b")
    question = "SELECT reason, moved_by FROM alias_moves ORDER BY revision"
    answer = await server.store.query(server.store.registry.query, question, [], "red")
    assert answer.rows == [["it's faster", "ann"], ["deploy", "ann"]]


# Environments and secrets


def locked(*packages: str) -> dict[str, Any]:
    return {"wanted": "", "python": "3.12", "packages": list(packages), "setup": []}


def with_packages(*packages: str, **shape: Any) -> Spec:
    return Spec(shape=Shape(packages=packages, **shape))


async def test_a_deploy_says_what_is_different_in_its_environment(server: Server) -> None:
    server.warm.answers |= {"resolve": lambda wanted: locked(*wanted["packages"]), "prepare": "built"}
    first = await server.deploy(spec=with_packages("torch==2.4"))
    again = await server.deploy("b", spec=with_packages("torch==2.4"))
    other = await server.deploy("c", spec=with_packages("torch==2.5"))
    changes = [
        event["changes"] for events in (first, again, other) for event in events if event["event"] == "environment"
    ]
    assert changes == [["an environment of its own"], [], ["torch 2.4 → 2.5"]]
    assert [row.environment and row.environment.packages for row in await server.versions()] == [
        ("torch==2.5",),
        ("torch==2.4",),
        ("torch==2.4",),
    ]
    orders = [parameters["version"] for parameters in server.warm.asked_for("spawn")]
    assert orders[0]["environment"]["packages"] == ("torch==2.4",)
    assert ("progress", "prepare goes on") in [(event["event"], event.get("detail")) for event in first]


async def test_packages_that_can_not_be_had_change_nothing(server: Server) -> None:
    await server.deploy()
    server.warm.answers["resolve"] = EnvironmentFailed("no such package")
    with pytest.raises(EnvironmentFailed):
        await server.deploy("b", spec=with_packages("torch==99"))
    server.warm.answers |= {"resolve": locked("a==1"), "prepare": EnvironmentFailed("no such wheel")}
    with pytest.raises(EnvironmentFailed):
        await server.deploy("b", spec=with_packages("a"))
    assert (await server.routed())["f"] == LIVE_1
    assert await server.states() == [(2, "FAILED"), (1, "ACTIVE")]


async def test_a_secret_that_is_not_there_is_told_before_anything_is_made(server: Server) -> None:
    with pytest.raises(NotFound, match="rayfaas secrets set api"):
        await server.deploy(spec=Spec(shape=Shape(secrets=("api",))))
    assert await server.versions() == []

"""The deploy: the only place that knows the order. Registry, spawn, registry, announce; then what was live may end."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Any

from rayfaas.environment import Locked, Wanted, differences
from rayfaas.errors import DeployTimeout, NotFound
from rayfaas.registry.rows import VersionRow
from rayfaas.roles import Roles
from rayfaas.scaling import redeclared
from rayfaas.server.access import Access
from rayfaas.server.bundles import BundleStore
from rayfaas.server.catalog import Catalog, Function, Version
from rayfaas.server.deploy import Deploy, outcome_of, reason_of
from rayfaas.server.fleet import WARM, Fleet, Progress
from rayfaas.server.guard import Guard
from rayfaas.server.locks import Locks
from rayfaas.server.placement import Placement
from rayfaas.server.protections import NO_RIGHTS, Protections
from rayfaas.server.schedules import Schedules
from rayfaas.server.store import Store
from rayfaas.server.swaps import Swaps
from rayfaas.server.vault import Vault
from rayfaas.server.whole import whole
from rayfaas.spec import Publish
from rayfaas.within import within

Event = dict[str, Any]
Events = AsyncGenerator[Event, None]

# How long a deploy says nothing.
QUIET_S = 10.0
# How long after its deadline the answer to a part of a deploy is waited for.
HANG_S = 10.0


class Deploys:
    """Publishes versions. Of one function, one at a time: `locks` are by `team/name`."""

    def __init__(
        self,
        store: Store,
        bundles: BundleStore,
        catalog: Catalog,
        placement: Placement,
        swaps: Swaps,
        fleet: Fleet,
        guard: Guard,
        vault: Vault,
        access: Access,
        protections: Protections,
        schedules: Schedules,
    ) -> None:
        self._schedules = schedules
        self._environments, self._vault = Locks(fleet), vault
        self._store, self._bundles, self._catalog = store, bundles, catalog
        self._placement, self._swaps, self._fleet = placement, swaps, fleet
        self._guard, self._access, self._protections = guard, access, protections
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def publish(
        self, team: str, name: str, publish: Publish, actor: str, rights: Roles = NO_RIGHTS
    ) -> AsyncIterator[Event]:
        """The events of one deploy, the last of them `live`. Raises where it fails: then nothing changed for callers.

        Code that is deployed already makes no new version: its alias moves. Who stops listening before it is live has
        given it up.
        """
        if not self._bundles.has(publish.bundle):
            raise NotFound(f"Bundle {publish.bundle[:12]} is not on this server: send it first.", bundle=publish.bundle)
        cluster = publish.spec.shape.cluster
        if cluster is not None and cluster not in self._fleet.joined:
            known = ", ".join(sorted(self._fleet.joined)) or "none yet"
            raise NotFound(f"There is no cluster {cluster!r} to run {team}/{name} on. There are: {known}.")
        self._vault.check(team, publish.spec.shape.secrets)
        self._schedules.check(publish)
        deploy = Deploy(team, name, publish, actor, rights)
        lock = self.locks[deploy.function]
        await self._wait_for_turn(lock, deploy)
        try:
            async with aclosing(self._run(deploy)) as events:
                async for event in events:
                    yield event
        finally:
            lock.release()
        try:
            yield deploy.live()
        finally:
            await whole(self._record(deploy, "SUCCEEDED"))

    async def _wait_for_turn(self, lock: asyncio.Lock, deploy: Deploy) -> None:
        try:
            # Not `within`: a lock that is got in the moment of a cancel is got, and given back.
            await asyncio.wait_for(lock.acquire(), deploy.publish.deadline_s)  # noqa: TID251
        except asyncio.TimeoutError:
            raise DeployTimeout(
                f"Another deploy of {deploy.function} was still under way after {deploy.publish.deadline_s:.0f} s."
            ) from None

    async def _run(self, deploy: Deploy) -> Events:
        self._protections.check(deploy.team, deploy.name, deploy.publish.alias, deploy.actor, deploy.rights)
        await self._access.declare_new(deploy.team, deploy.name, deploy.publish.spec.access, deploy.actor)
        function = self._catalog.function(deploy.function)
        await self._guard.check_expected(deploy, function)
        locked: Locked | None = None
        if (wanted := deploy.publish.spec.shape.wanted) is not None:
            async with aclosing(self._lock(deploy, function, wanted)) as events:
                async for event in events:
                    if event["event"] == "done":
                        locked = event["result"]
                    else:
                        yield event
            deploy.clock.lap("lock_ms")
        if not self._fleet.environment():
            async with aclosing(_told(partial(self._wait_for_cluster, deploy), deploy.left_s())) as events:
                async for event in events:
                    yield event
            deploy.clock.lap("cluster_ms")
        try:
            row = await whole(self._publish(deploy, locked))
            yield {"event": "published", "version": row.version, "created": deploy.created}
            if locked is not None:
                yield self._environment_event(Version.of(row), deploy.publish.alias)
            async with aclosing(self._make_live(deploy, function, row)) as events:
                async for event in events:
                    yield event
        except BaseException as error:  # who stops listening has given it up: that is recorded, too
            if deploy.revision is not None:
                await whole(self._record(deploy, "SUCCEEDED"))
            elif deploy.version is not None:
                await whole(self._fail(deploy, function, error))
            raise

    def under_way(self) -> str:
        """A function that is being deployed, if one is."""
        return next((name for name, lock in self.locks.items() if lock.locked()), "")

    async def _wait_for_cluster(self, deploy: Deploy, progress: Progress) -> None:
        """It is known then in which environment the code is to run. The cluster may have to start for it."""
        progress("cluster", "waiting for a cluster")
        with contextlib.suppress(asyncio.TimeoutError):  # its start says what is missing
            await self._fleet.wait_for(WARM, deploy.left_s())

    def _lock(self, deploy: Deploy, function: Function, wanted: Wanted) -> Events:
        """What the resolver says, and as the result of `done` a lock."""
        publish, left_s = deploy.publish, deploy.left_s()
        cluster = publish.spec.shape.cluster
        lock = partial(self._environments.lock, function, wanted, publish.upgrade, left_s, cluster=cluster)
        return _told(lock, left_s)

    def _environment_event(self, version: Version, alias: str) -> Event:
        """What callers of the alias get of another environment than they have."""
        assert version.environment is not None
        function = self._catalog.function(version.function)
        row = function.aliases.get(alias)
        before = function.versions.get(row.version) if row is not None else None
        same = before is not None and before.environment_digest == version.environment_digest
        changes = [] if same else differences(before.environment if before else None, version.environment)
        return {"event": "environment", "digest": version.environment_digest, "changes": changes}

    async def _publish(self, deploy: Deploy, locked: Locked | None) -> VersionRow:
        environment = self._fleet.environment() if locked is None else locked.digest
        row, deploy.created = await self._store.write(
            self._store.registry.catalog.publish,
            deploy.team,
            deploy.name,
            deploy.publish,
            deploy.actor,
            environment,
            locked,
        )
        deploy.version = Version.of(row)
        deploy.clock.lap("publish_ms")
        return row

    async def _make_live(self, deploy: Deploy, function: Function, row: VersionRow) -> Events:
        version, interface = Version.of(row), row.interface
        # Asked while the executor starts: the deploy does not wait for it.
        before = asyncio.ensure_future(self._guard.interfaces(function, deploy.publish.alias))
        async with self._swaps.swap(function, deploy.publish.alias, version) as swap:
            if swap is not None:
                async with aclosing(_told(partial(swap.clear, deploy.left_s()), deploy.left_s())) as events:
                    async for event in events:
                        yield event
                deploy.clock.lap("swap_ms")
            if row.state != "ACTIVE":
                reached = function.reached_by(deploy.publish.alias)
                starting = partial(self._placement.replace, reached, version, deploy.left_s())
                async with aclosing(_told(starting, deploy.left_s())) as events:
                    async for event in events:
                        if event["event"] == "done":
                            interface = event["result"]["interface"]
                        else:
                            yield event
                version = version.described(interface)
                deploy.clock.lap("start_ms")
            self._schedules.check_fits(deploy.publish, interface)
            await self._guard.check_callers(deploy, await before, interface)
            await whole(self._go_live(deploy, function, version, interface))

    async def _go_live(
        self, deploy: Deploy, function: Function, version: Version, interface: dict[str, Any] | None
    ) -> None:
        await self._access.declare(function, deploy.publish.spec.access, deploy.actor)
        await self._activate(deploy, function, version, interface)
        await self._announce(function)
        deploy.clock.lap("announce_ms")
        self._placement.deployments.require(version)

    async def _activate(
        self, deploy: Deploy, function: Function, version: Version, interface: dict[str, Any] | None
    ) -> None:
        publish = deploy.publish
        declared = publish.spec.scaling
        scaling = redeclared(function.scaling, function.declared, declared)
        schedule = self._schedules.declared(function, publish, deploy.actor)
        alias = await self._store.write(
            self._store.registry.catalog.activate,
            function.team,
            function.name,
            version.number,
            interface,
            publish.alias,
            deploy.actor,
            publish.provenance.message or "deploy",
            deploy.clock.laps,
            scaling,
            declared,
            schedule,
        )
        before = function.aliases.get(alias.alias)
        deploy.replaced = before.version if before is not None else None
        function.activate(version, alias, scaling, declared)
        deploy.revision = alias.revision
        if schedule is not None:
            await self._schedules.changed(function.team, function.name)
        deploy.clock.lap("activate_ms")

    async def _fail(self, deploy: Deploy, function: Function, error: BaseException) -> None:
        """Nothing leads to the version; what was started for it ends."""
        assert deploy.version is not None
        where = deploy.team, deploy.name, deploy.version.number
        await self._store.write(self._store.registry.catalog.fail, *where, reason_of(error), deploy.actor)
        await self._record(deploy, outcome_of(error), error)
        self._placement.retire(function)

    async def _record(self, deploy: Deploy, outcome: str, error: BaseException | None = None) -> None:
        row = deploy.row(outcome, error)
        await self._store.write(self._store.registry.deploys.add, deploy.team, deploy.name, **row)

    async def _announce(self, function: Function) -> None:
        """Every gateway has it in force; then the executors that no alias leads to may end."""
        await self._swaps.announce(function)
        self._placement.retire(function)


async def _told(work: Callable[[Progress], Coroutine[Any, Any, Any]], deadline_s: float) -> Events:
    """Progress while it goes on, then `done`, with what it returned unless that is nothing.

    What has a deadline of its own and has not ended well after it hears no answer from somewhere: `DeployTimeout`.
    """
    progress: asyncio.Queue[Event] = asyncio.Queue()

    def tell(phase: str, detail: str) -> None:
        progress.put_nowait({"event": "progress", "phase": phase, "detail": detail})

    working = asyncio.ensure_future(within(deadline_s + HANG_S, work(tell)))
    working.add_done_callback(lambda _: progress.put_nowait({"event": "done"}))
    try:
        last: Event = {"event": "progress", "phase": "start", "detail": "starting an executor"}
        while (event := await _next_or(progress, last))["event"] != "done":
            yield (last := event)
        result = working.result()
        if result is not None:
            yield {"event": "done", "result": result}
    except asyncio.TimeoutError:
        raise DeployTimeout(
            f"The cluster did not answer within {deadline_s:.0f} s. `rayfaas status` shows it."
        ) from None
    finally:
        working.cancel()


async def _next_or(progress: asyncio.Queue[Event], last: Event) -> Event:
    """The next event; the last one again where there is none for long, so that nobody takes the server for dead."""
    try:
        return await within(QUIET_S, progress.get())
    except asyncio.TimeoutError:
        return last

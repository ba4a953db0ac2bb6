"""The deploy: the only place that knows the order. Registry, spawn, registry, announce; then what was live may end."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from rayfaas.errors import NotFound, RayfaasError
from rayfaas.server.bundles import BundleStore
from rayfaas.server.catalog import Catalog, Function, Version, methods_of
from rayfaas.server.fleet import Fleet
from rayfaas.server.placement import Placement, Progress
from rayfaas.server.store import Store
from rayfaas.server.swaps import Swaps
from rayfaas.spec import Publish

Event = dict[str, Any]

# How long a deploy says nothing.
QUIET_S = 10.0


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
    ) -> None:
        self._store, self._bundles, self._catalog = store, bundles, catalog
        self._placement, self._swaps, self._fleet = placement, swaps, fleet
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def publish(self, team: str, name: str, publish: Publish, actor: str) -> AsyncIterator[Event]:
        """The events of one deploy, the last of them `live`. Raises where it fails: then nothing changed for callers.

        Code that is deployed already makes no new version: its alias moves.
        """
        if not self._bundles.has(publish.bundle):
            raise NotFound(f"Bundle {publish.bundle[:12]} is not on this server: send it first.", bundle=publish.bundle)
        cluster = publish.spec.shape.cluster
        if cluster is not None and cluster not in self._fleet.joined:
            known = ", ".join(sorted(self._fleet.joined)) or "none yet"
            raise NotFound(f"There is no cluster {cluster!r} to run {team}/{name} on. There are: {known}.")
        async with self.locks[f"{team}/{name}"]:
            clock = _Stopwatch()
            catalog = self._store.registry.catalog
            environment = self._fleet.environment()
            row, created = await self._store.write(catalog.publish, team, name, publish, actor, environment)
            version = Version.of(row)
            clock.lap("publish_ms")
            yield {"event": "published", "version": version.number, "created": created}
            try:
                async for event in self._make_live(version, row.state == "ACTIVE", publish, actor, clock):
                    yield event
            except BaseException as error:
                reason = error.detail if isinstance(error, RayfaasError) else f"interrupted: {type(error).__name__}"
                await asyncio.shield(self._store.write(catalog.fail, team, name, version.number, reason, actor))
                raise
            yield {
                "event": "live",
                "function": version.function,
                "version": version.number,
                "alias": publish.alias,
                "created": created,
                "took_ms": clock.total_ms(),
                "phases": clock.laps,
            }

    async def _make_live(
        self, version: Version, was_active: bool, publish: Publish, actor: str, clock: _Stopwatch
    ) -> AsyncIterator[Event]:
        function = self._catalog.function(version.function)
        async with self._swaps.swap(function, publish.alias, version) as swap:
            if swap is not None:
                async for event in _told(partial(swap.clear, publish.deadline_s)):
                    yield event
                clock.lap("swap_ms")
            interface: dict[str, Any] | None = None
            if not was_active:
                async for event in _told(partial(self._placement.start, version, publish.deadline_s)):
                    if event["event"] == "done":
                        interface = event["result"]["interface"]
                    else:
                        yield event
                version = replace(version, methods=methods_of(interface))
                clock.lap("start_ms")
            await self._activate(function, version, interface, publish, actor, clock)
        await self._announce(function)
        clock.lap("announce_ms")
        self._placement.deployment_needed(version)

    async def _activate(
        self,
        function: Function,
        version: Version,
        interface: dict[str, Any] | None,
        publish: Publish,
        actor: str,
        clock: _Stopwatch,
    ) -> None:
        alias = await self._store.write(
            self._store.registry.catalog.activate,
            function.team,
            function.name,
            version.number,
            interface,
            publish.alias,
            actor,
            publish.provenance.message or "deploy",
            clock.laps,
            publish.spec.scaling,
        )
        function.scaling = publish.spec.scaling
        function.versions[version.number] = version
        function.aliases[alias.alias] = alias
        function.kept.pop(alias.alias, None)
        clock.lap("activate_ms")

    async def _announce(self, function: Function) -> None:
        """Every gateway has it in force; then the executors that no alias leads to may end."""
        await self._swaps.announce(function)
        self._placement.retire(function)


async def _told(work: Callable[[Progress], Coroutine[Any, Any, Any]]) -> AsyncIterator[Event]:
    """Progress while it goes on, then `done`, with what it returned unless that is nothing."""
    progress: asyncio.Queue[Event] = asyncio.Queue()

    def tell(phase: str, detail: str) -> None:
        progress.put_nowait({"event": "progress", "phase": phase, "detail": detail})

    working = asyncio.ensure_future(work(tell))
    working.add_done_callback(lambda _: progress.put_nowait({"event": "done"}))
    try:
        last: Event = {"event": "progress", "phase": "start", "detail": "starting an executor"}
        while (event := await _next_or(progress, last))["event"] != "done":
            yield (last := event)
        result = working.result()
        if result is not None:
            yield {"event": "done", "result": result}
    finally:
        working.cancel()


async def _next_or(progress: asyncio.Queue[Event], last: Event) -> Event:
    """The next event; the last one again where there is none for long, so that nobody takes the server for dead."""
    try:
        return await asyncio.wait_for(progress.get(), QUIET_S)
    except asyncio.TimeoutError:
        return last


class _Stopwatch:
    """Milliseconds of each phase."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round((now - self._last) * 1000, 2)
        self._last = now

    def total_ms(self) -> float:
        return round((time.perf_counter() - self._started) * 1000, 2)

"""The parts of the controller, put together: the only place that knows all of them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Coroutine
from datetime import datetime, timezone
from functools import partial

from rayfaas.config import Home, Retention
from rayfaas.link import Method
from rayfaas.registry import Registry
from rayfaas.server.access import Access
from rayfaas.server.alarms import Alarms
from rayfaas.server.answers import Answers
from rayfaas.server.artifacts import Artifacts
from rayfaas.server.awaited import Awaited
from rayfaas.server.backups import Backups
from rayfaas.server.bundles import BundleStore
from rayfaas.server.canaries import Canaries
from rayfaas.server.catalog import Catalog, Version
from rayfaas.server.clusters import Clusters
from rayfaas.server.deploys import Deploys
from rayfaas.server.deprecations import Deprecations
from rayfaas.server.exports import Exports
from rayfaas.server.fitting import Fitting
from rayfaas.server.fleet import Fleet
from rayfaas.server.functions import Functions
from rayfaas.server.gateway_links import GatewayLinks
from rayfaas.server.gateways import Gateways
from rayfaas.server.guard import Guard
from rayfaas.server.head import Head
from rayfaas.server.journals import Journals
from rayfaas.server.limits import Limits
from rayfaas.server.loads import Loads
from rayfaas.server.looking import look_every
from rayfaas.server.machines import Machines
from rayfaas.server.members import Members
from rayfaas.server.metrics import Metrics
from rayfaas.server.mirrors import Mirrors
from rayfaas.server.misses import Misses
from rayfaas.server.overview import Overview
from rayfaas.server.placement import TICK_S, Placement
from rayfaas.server.plans import Plans
from rayfaas.server.protections import Protections
from rayfaas.server.publishing import Publishing
from rayfaas.server.release_methods import ReleaseMethods
from rayfaas.server.releases import Releases
from rayfaas.server.retention import Retaining
from rayfaas.server.routing import RouteTable
from rayfaas.server.schedules import Schedules
from rayfaas.server.seats import Seats
from rayfaas.server.secrets import Secrets
from rayfaas.server.spawned import Spawned
from rayfaas.server.spending import Settling
from rayfaas.server.store import Store
from rayfaas.server.swaps import Swaps
from rayfaas.server.tokens import Tokens
from rayfaas.server.use import Use
from rayfaas.server.vault import Vault


class Parts:
    """What the controller serves, without its sockets. `address` is where others dial it; "": nowhere. `methods` are
    what all parts together are asked, by gateways for the most part."""

    def __init__(
        self, home: Home, registry: Registry, address: str, keep_results_s: float, retention: Retention, keep_alive: str
    ) -> None:
        # What is known: of functions, of who is connected, of what was called.
        key, bundles = home.key_file.read_bytes(), BundleStore(home.bundles)
        self.store = store = Store(registry)
        self.catalog, self.fleet, self.routing = catalog, fleet, routing = Catalog(), Fleet(), RouteTable()
        self.loads, self.gateways = loads, gateways = Loads(time.monotonic), GatewayLinks()
        mirrors = Mirrors(home.journal, partial(store.query, registry.loaded_bytes))
        self.elsewhere = Gateways(store, mirrors, gateways.all, key, address)
        self._journals = journals = Journals(store, self.elsewhere.copy_journals)

        # Who may do what.
        self._access = Access(store, catalog, routing)
        self._deprecations = Deprecations(store, catalog, routing)
        self._protections = protections = Protections(store)
        self._tokens = Tokens(store, routing)
        self.limits = Limits(store, journals, routing, gateways.all)
        vault = Vault(home.secrets_key_file.read_bytes(), store, catalog)

        # What runs whatever happens, and at times.
        self._spawned = Spawned(store, journals, gateways.all, keep_results_s)
        self._schedules = schedules = Schedules(store, catalog, journals, self.limits, self._spawned.hand_out)

        # Where versions run, and what changes which of them do.
        self.machines = machines = Machines(home, store, fleet, address)
        fitting = Fitting(fleet, machines.offers, lambda: self._head.is_ours)
        self.placement = placement = Placement(
            fleet, catalog, loads, gateways.refuse, vault.order, machines.can_bring, fitting.why_never
        )
        swaps, guard = Swaps(placement, routing, gateways.waiting), Guard(store, journals.load)
        deploys = Deploys(
            store, bundles, catalog, placement, swaps, fleet, guard, vault, self._access, protections, schedules
        )
        releases = Releases(store, catalog, placement, swaps, deploys.locks, protections)
        self._functions = Functions(
            store, catalog, placement, swaps, deploys.locks, fleet, gateways.refuse, protections, schedules
        )
        self._canaries = Canaries(store, journals, releases, lambda: datetime.now(timezone.utc))
        self._secrets = Secrets(vault, fleet, placement, routing)

        # Clusters, and their machines.
        use = Use(catalog, fleet, loads, placement, deploys, gateways.all)
        self._head = head = Head(store, fleet, machines, use.calls, use.minimum, keep_alive)
        self.clusters = Clusters(store, fleet, routing, address, head.shown)
        self.seats = Seats(key, machines, fleet)
        self._awaited = Awaited(catalog, fleet, placement, head, machines, gateways.all)

        # What was called.
        self._alarms = Alarms(store, gateways.all)
        self._retaining = Retaining(store, retention, home.outgoing, time.time)
        self._settling = Settling(store, time.time)

        self.methods: dict[str, Method] = {}
        for part in (
            self.elsewhere,
            self._access,
            self._deprecations,
            self._tokens,
            self.limits,
            self._secrets,
            machines,
            self._functions,
            head,
            self.clusters,
            self.seats,
            self._spawned,
            schedules,
            self._alarms,
            Answers(store, journals, catalog, bundles),
            Artifacts(store, journals),
            Backups(home, store, journals),
            Exports(store, journals, home.outgoing),
            Members(store, routing, self._tokens),
            Metrics(store, journals, loads, fleet, machines, gateways.all),
            Misses(store, journals, bundles),
            Overview(catalog, fleet, head.shown, gateways.all),
            Publishing(store, bundles, deploys, Plans(store, bundles, fleet, journals.load)),
            ReleaseMethods(catalog, releases, self._canaries),
        ):
            self.methods |= part.methods

    async def read_registry(self) -> None:
        """Know again what was known before the controller ended."""
        await self._access.read()
        await self._deprecations.read()
        await self._protections.read()
        await self._read_catalog()
        await self._secrets.read()
        await self._functions.read_registry()
        await self._canaries.resume()
        await self.limits.read()
        await self.limits.announce()
        await self._tokens.announce()
        await self.clusters.read_registry()
        await self.elsewhere.read_registry()
        await self.machines.read_registry()
        await self._head.read_registry()
        await self._alarms.read()
        await self._schedules.read()

    async def _read_catalog(self) -> None:
        for route in await self.store.write(self.store.registry.catalog.routes):
            function = self.catalog.function(f"{route.team}/{route.name}")
            function.scaling, function.declared = route.scaling, route.declared
            function.aliases = dict(route.aliases)
            function.versions = {row.version: Version.of(row) for row in route.versions}
            await self.routing.set_function(function.route())

    def loops(self) -> list[Coroutine[None, None, None]]:
        """What goes on for as long as the controller lives, asked by nobody."""
        ticks = itertools.count(1)
        return [
            self._journals.keep_loading(),
            self._spawned.keep_looking(),
            self._canaries.keep_looking(),
            self._schedules.keep_looking(),
            self.limits.keep_looking(),
            self.machines.keep_looking(),
            self._head.keep_looking(),
            self._awaited.keep_looking(),
            self._alarms.keep_looking(),
            self._retaining.keep_looking(),
            self._settling.keep_looking(),
            look_every(TICK_S, lambda: self.placement.tick(next(ticks)), "a tick failed"),
        ]

    async def close(self) -> None:
        """Returns when all that was recorded is in the registry, and that is closed."""
        await self.machines.close()
        await self._head.close()
        await self._journals.load()
        self.store.close()

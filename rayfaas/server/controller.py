"""The controller: exactly one, the only owner of the registry's file.

    python -m rayfaas.server.controller --home DIR

It serves gateways, agents and supervisors over links, publishes versions and moves aliases, keeps versions running
where they are called, and loads the gateways' journals.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from rayfaas.background import Background
from rayfaas.config import KEEP_RESULTS_S, Home, Retention
from rayfaas.entrance import Entrance, entrance_of
from rayfaas.errors import Conflict
from rayfaas.handshake import Identity, ServerSide
from rayfaas.link import Link, Service
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
from rayfaas.server.fleet import Fleet, Member
from rayfaas.server.functions import Functions
from rayfaas.server.gateway_links import GatewayLinks
from rayfaas.server.gateways import Gateways
from rayfaas.server.guard import Guard
from rayfaas.server.head import Head
from rayfaas.server.journals import Journals
from rayfaas.server.limits import Limits
from rayfaas.server.loads import Loads
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
from rayfaas.server.roles import FROM_ELSEWHERE, methods_of
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
from rayfaas.strangers import Strangers

_log = logging.getLogger("rayfaas.controller")


class Controller(Service):
    """The methods that the peers call, each given the link that asks. Who may call which is in `roles.py`."""

    def __init__(
        self,
        home: Home,
        registry: Registry,
        entrance: Entrance | None = None,
        keep_results_s: float = KEEP_RESULTS_S,
        retention: Retention | None = None,
        head_keep_alive: str = "never",
    ) -> None:
        super().__init__(
            {
                # gateways
                "poll": self.poll,
                "load": self.load,
                "demand": self.demand,
                # clusters
                "agent_up": self.agent_up,
                "supervisor_up": self.supervisor_up,
                "executor_ended": self.executor_ended,
                "leaving": self.leaving,
            }
        )
        self._home, self._entrance = home, entrance
        self._key = home.key_file.read_bytes()
        self._store = Store(registry)
        self._bundles = BundleStore(home.bundles)
        self._catalog, self._fleet, self._routing = Catalog(), Fleet(), RouteTable()
        self._loads = Loads(time.monotonic)
        self._strangers = Strangers()
        self._gateways = GatewayLinks()
        address = entrance.address if entrance else ""
        self._clusters = Clusters(self._store, self._fleet, self._routing, address, lambda: self._head.shown())
        self._vault = Vault(home.secrets_key_file.read_bytes(), self._store, self._catalog)
        self._placement = Placement(
            self._fleet,
            self._catalog,
            self._loads,
            self._gateways.refuse,
            self._vault.order,
            lambda cluster, asked: self._machines.can_bring(cluster, asked),
        )
        mirrors = Mirrors(home.journal, self._loaded_bytes)
        self._elsewhere = Gateways(self._store, mirrors, self._gateways.all, self._key, address)
        self._journals = Journals(self._store, self._elsewhere.copy_journals)
        self._spawned = Spawned(self._store, self._journals, self._gateways.all, keep_results_s)
        self._settling = Settling(self._store, time.time)
        self._retaining = Retaining(self._store, retention or Retention(), home.outgoing, time.time)
        self._backups = Backups(home, self._store, self._journals)
        self._limits = Limits(self._store, self._journals, self._routing, self._gateways.all)
        self._access = Access(self._store, self._catalog, self._routing)
        self._answers = Answers(self._store, self._journals, self._catalog, self._bundles)
        self._tokens = Tokens(self._store, self._routing)
        self._machines = Machines(home, self._store, self._fleet, address)
        self._seats = Seats(self._key, self._machines, self._fleet)
        self._members = Members(self._store, self._routing, self._tokens)
        self._protections = Protections(self._store)
        self._alarms = Alarms(self._store, self._gateways.all)
        swaps = Swaps(self._placement, self._routing, self._gateways.waiting)
        guard = Guard(self._store, self._journals.load)
        self._schedules = Schedules(self._store, self._catalog, self._journals, self._limits, self._spawned.hand_out)
        self._deploys = Deploys(
            self._store,
            self._bundles,
            self._catalog,
            self._placement,
            swaps,
            self._fleet,
            guard,
            self._vault,
            self._access,
            self._protections,
            self._schedules,
        )
        use = Use(self._catalog, self._fleet, self._loads, self._placement, self._deploys, self._gateways.all)
        self._head = Head(self._store, self._fleet, self._machines, use.calls, use.minimum, head_keep_alive)
        self._awaited = Awaited(
            self._catalog, self._fleet, self._placement, self._head, self._machines, self._gateways.all
        )
        self._secrets = Secrets(self._vault, self._fleet, self._placement, self._routing)
        plans = Plans(self._store, self._bundles, self._fleet, self._journals.load)
        locks = self._deploys.locks
        self._releases = Releases(self._store, self._catalog, self._placement, swaps, locks, self._protections)
        self._functions = Functions(
            self._store,
            self._catalog,
            self._placement,
            swaps,
            locks,
            self._fleet,
            self._gateways.refuse,
            self._protections,
            self._schedules,
        )
        self._canaries = Canaries(self._store, self._journals, self._releases, lambda: datetime.now(timezone.utc))
        for part in (
            self._spawned,
            self._clusters,
            self._elsewhere,
            self._limits,
            self._access,
            self._answers,
            self._tokens,
            self._members,
            self._machines,
            self._head,
            self._alarms,
            self._seats,
            self._schedules,
            self._functions,
            self._backups,
            Misses(self._store, self._journals, self._bundles),
            Artifacts(self._store, self._journals),
            ReleaseMethods(self._catalog, self._releases, self._canaries),
            Publishing(self._store, self._bundles, self._deploys, plans),
            self._secrets,
            Overview(self._catalog, self._fleet, self._head, self._gateways.all),
            Metrics(self._store, self._journals, self._loads, self._fleet, self._machines, self._gateways.all),
        ):
            self.methods |= part.methods
        self._background = Background()

    # Its life

    async def serve(self, stop: asyncio.Event) -> None:
        await self._read_registry()
        path = self._home.controller_socket
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        server = await asyncio.get_running_loop().create_unix_server(self._accept, str(path))
        path.chmod(0o600)
        living = (
            self._journals.keep_loading(),
            self._spawned.keep_looking(),
            self._canaries.keep_looking(),
            self._schedules.keep_looking(),
            self._limits.keep_looking(),
            self._machines.keep_looking(),
            self._head.keep_looking(),
            self._awaited.keep_looking(),
            self._alarms.keep_looking(),
            self._retaining.keep_looking(),
            self._settling.keep_looking(),
            self._tick(),
        )
        door = self._entrance.open(self._accept_network) if self._entrance else None
        loops = [asyncio.ensure_future(each) for each in living]
        try:
            await stop.wait()
        finally:
            server.close()
            if door is not None:
                await door.close()
            for task in loops:
                task.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await self._machines.close()
            await self._head.close()
            await self._journals.load()
            self._store.close()

    async def _loaded_bytes(self, segment: str) -> int:
        return await self._store.query(self._store.registry.loaded_bytes, segment)

    def _accept(self) -> Link:
        return Link(ServerSide(self._key_of), _Guarded(self), self._strangers)

    def _accept_network(self) -> Link:
        return Link(ServerSide(self._key_over_network), _Guarded(self))

    def _key_over_network(self, identity: Identity) -> bytes | None:
        """The home's own processes are on its machine: nobody else comes in as one of them, whatever key they have."""
        if identity.get("role") == "gateway":
            return self._elsewhere.key(str(identity.get("name")))
        return self._key_of(identity) if identity.get("role") in FROM_ELSEWHERE else None

    def _key_of(self, identity: Identity) -> bytes | None:
        """The key that proves an identity: the home's, a cluster's, or a join token."""
        role = identity.get("role")
        if role in ("gateway", "home", "head"):
            return self._key
        if role in ("agent", "supervisor"):
            return self._clusters.session_key(str(identity.get("cluster")))
        if role == "join":
            # Links are few: one query on the event loop, at a join only.
            return self._store.registry.access.join_key(str(identity.get("join")))
        if role == "join_gateway":
            return self._store.registry.gateways.token_key(str(identity.get("join")))
        if role in ("newcomer", "node"):
            return self._seats.key_of(role, str(identity.get("name")))
        return None

    async def _read_registry(self) -> None:
        registry = self._store.registry
        await self._access.read()
        await self._protections.read()
        for route in await self._store.write(registry.catalog.routes):
            function = self._catalog.function(f"{route.team}/{route.name}")
            function.scaling, function.declared = route.scaling, route.declared
            function.aliases = dict(route.aliases)
            function.versions = {row.version: Version.of(row) for row in route.versions}
            await self._routing.set_function(function.route())
        await self._secrets.read()
        await self._functions.read_registry()
        await self._canaries.resume()
        await self._limits.read()
        await self._limits.announce()
        await self._tokens.announce()
        await self._clusters.read_registry()
        await self._elsewhere.read_registry()
        await self._machines.read_registry()
        await self._head.read_registry()
        await self._alarms.read()
        await self._schedules.read()

    async def _tick(self) -> None:
        count = 0
        while True:
            await asyncio.sleep(TICK_S)
            count += 1
            try:
                await self._placement.tick(count)
            except Exception:  # noqa: BLE001 a border: one bad tick must not end all of them
                _log.exception("a tick failed")

    # Peers come and go

    def on_open(self, link: Link) -> None:
        peer = link.peer or {}
        _log.info("%s is connected", _name(peer))
        if peer.get("role") == "gateway":
            if link.is_remote:
                self._elsewhere.welcome(link, peer)
                self._background.run(self._elsewhere.keep_address(peer))
            self._gateways.add(link)
            self._background.run(self._limits.announce())
            self._routing.expect(link)
            self._tell_gateways()

    def on_close(self, link: Link) -> None:
        _log.info("%s is gone", _name(link.peer or {}))
        self._routing.forget(link)
        self._loads.forget(link)
        # A gateway that went is not struck off what executors dial: it comes back at the same address.
        if self._gateways.remove(link):
            self._background.run(self._limits.announce())
            if link.is_remote:  # its machine may be gone: who starts now is not to wait for it
                self._tell_gateways()
        self._background.run(self._fleet.leave(link))

    def _tell_gateways(self) -> None:
        """Supervisors hand the gateways' addresses on to their executors."""
        for member in self._fleet.members():
            self._tell_addresses(member.link)

    def _tell_addresses(self, supervisor: Link) -> None:
        addresses = self._gateways.addresses(supervisor)
        away = sorted(self._elsewhere.addresses - set(addresses))
        supervisor.notify("set_gateways", addresses=addresses, away=away)

    # Gateways

    async def poll(self, link: Link, since: int) -> dict[str, Any]:
        return await self._routing.poll(link, since)

    async def load(self, link: Link, load: dict[str, list[float]]) -> None:
        self._loads.report(link, load)

    async def demand(self, link: Link, key: str) -> None:
        self._placement.demand(key)

    # Clusters

    async def agent_up(self, link: Link) -> None:
        await self._fleet.agent_up(str((link.peer or {})["cluster"]), link)
        await self._placement.deployments.agent_up(str((link.peer or {})["cluster"]), link)

    async def supervisor_up(
        self, link: Link, replica: str, node: str, application: str, environment: str, hosted: list[dict[str, Any]]
    ) -> None:
        member = Member(link, str((link.peer or {})["cluster"]), node, replica, application, environment)
        for executor in hosted:
            member.add(executor["version_key"], executor["executor"])
        self._tell_addresses(link)
        await self._fleet.join(member)
        await self._placement.member_up(member)

    async def executor_ended(self, link: Link, key: str, executor: str, death: dict[str, Any]) -> None:
        """`death` is a `cluster.supervisor.Death`, for the gateways whose calls it ran."""
        await self._fleet.executor_ended(link, key, executor)
        self._gateways.tell("executor_ended", executor=executor, death=death)

    async def leaving(self, link: Link) -> None:
        self._fleet.leaving(link)


class _Guarded(Service):
    """One link's view of the controller: the methods that its proven role may call."""

    def __init__(self, controller: Controller) -> None:
        super().__init__({})
        self._controller = controller

    def on_open(self, link: Link) -> None:
        self.methods = methods_of(str((link.peer or {}).get("role")), self._controller.methods)
        self._controller.on_open(link)

    def on_close(self, link: Link) -> None:
        self._controller.on_close(link)


def _name(peer: Identity) -> str:
    return f"{peer.get('role')} {peer.get('name') or peer.get('replica') or peer.get('cluster') or ''}".strip()


@click.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.option("--cluster-address", default="", help="HOST:PORT that clusters on other machines dial.")
@click.option("--cluster-listen", default="", help="The address of this machine that it leads to.")
@click.option("--keep-results-s", type=float, default=KEEP_RESULTS_S)
@click.option("--keep-calls-s", type=float, default=Retention.keep_calls_s)
@click.option("--keep-logs-s", type=float, default=Retention.keep_logs_s)
@click.option("--keep-arguments-s", type=float, default=Retention.keep_arguments_s)
@click.option("--delete-calls-s", type=float)
@click.option("--delete-logs-s", type=float)
@click.option("--archive", default="", help="The URL of an object store where the archive is kept.")
@click.option("--archive-cache-mb", type=float, default=Retention.archive_cache_mb)
@click.option("--head-keep-alive", default="never", help="How long the cluster of this machine is kept without a call.")
def main(
    home: Path, cluster_address: str, cluster_listen: str, keep_results_s: float, head_keep_alive: str, **retention: Any
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    entrance = entrance_of(Home(home), cluster_address, cluster_listen)
    asyncio.run(_main(Home(home), entrance, keep_results_s, Retention(**retention), head_keep_alive))


async def _main(
    home: Home, entrance: Entrance | None, keep_results_s: float, retention: Retention, head_keep_alive: str
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, stop.set)
    try:
        registry = Registry.open(home.database, home.journal, cache_mb=retention.archive_cache_mb)
    except Conflict as error:
        _log.critical("%s", error.detail)
        sys.exit(os.EX_CONFIG)  # which the parent takes for an answer: another try would end like this one
    await Controller(home, registry, entrance, keep_results_s, retention, head_keep_alive).serve(stop)


if __name__ == "__main__":
    main()

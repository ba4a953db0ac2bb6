"""A supervisor's link to the controller: what it is told to host, and what it tells of its executors."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import os
import platform
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from rayfaas.cluster.bundles import BundleCache
from rayfaas.cluster.hosted_executor import Death
from rayfaas.cluster.labels import AWAY, YES
from rayfaas.cluster.node import Node
from rayfaas.cluster.supervisor import Site, Supervisor, VersionOrder
from rayfaas.cluster.surroundings import ray_variables
from rayfaas.cluster.uv import OnLine
from rayfaas.environment import Locked, Wanted, digest_of
from rayfaas.errors import Unavailable
from rayfaas.link import Link, Service, keep_link
from rayfaas.orders import Order

_log = logging.getLogger("rayfaas.supervisor")

# The home's own directories need not be on other machines.
AWAY_CACHE = "~/.cache/rayfaas"


class HostConfig(msgspec.Struct, frozen=True):
    """What a supervisor is started with. `application` is `warm` or the Serve application of one function.
    `away_controller` is where the controller is for nodes on other machines, where they have another way to it."""

    controller: str
    cluster: str
    session_key: bytes
    application: str
    cache: str
    pass_env: tuple[str, ...] = ()
    environments_gb: float = 50.0
    away_controller: str = ""

    def on(self, labels: Mapping[str, str]) -> HostConfig:
        """The same for a supervisor on the Ray node with these labels."""
        if labels.get(AWAY) != YES:
            return self
        return msgspec.structs.replace(self, controller=self.away_controller or self.controller, cache=AWAY_CACHE)


class Host(Service):
    """Serves the controller's wishes: spawn, drain, set_gateways, load."""

    def __init__(self, config: HostConfig, site: Site, ray_address: str = "") -> None:
        super().__init__(
            {
                "spawn": self._spawn,
                "drain": self._drain,
                "set_gateways": self._set_gateways,
                "load": self._load,
                "resolve": self._resolve,
                "prepare": self._prepare,
                "environments": self._environments,
                "forget_bundle": self._forget_bundle,
            }
        )
        self._config, self._site = config, site
        self._link: Link | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        cache, ray = Path(config.cache).expanduser(), ray_variables(os.environ, ray_address)
        node = Node.below(cache, os.environ, config.pass_env, ray, int(config.environments_gb * 1e9))
        self._bundles = BundleCache(cache / "bundles", self._fetch)
        self.supervisor = Supervisor(site, config.session_key, self._bundles, self._exited, node=node)
        self._environment = ""
        self.calls = 0.0  # in flight and waiting anywhere, of the functions hosted here; for the autoscaler

    async def start(self) -> None:
        digest = asyncio.to_thread(environment_digest)  # reads what is installed, while the first process starts
        self._environment, _ = await asyncio.gather(digest, self.supervisor.start())
        identity = {"role": "supervisor", "cluster": self._config.cluster, "replica": self._site.replica}
        self._keeping = asyncio.ensure_future(
            keep_link(self._config.controller, identity, self._config.session_key, self)
        )

    async def stop(self, timeout_s: float) -> None:
        """Leave in order: tell the controller, let the executors finish. Asked twice, it is done once."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop(timeout_s))
        await asyncio.shield(self._stopping)

    async def _stop(self, timeout_s: float) -> None:
        if self._link is not None:
            self._link.notify("leaving")
        await self.supervisor.stop(timeout_s)
        if self._keeping is not None:
            self._keeping.cancel()
        if self._link is not None:
            self._link.close()

    def on_open(self, link: Link) -> None:
        self._link = link
        link.notify(
            "supervisor_up",
            replica=self._site.replica,
            node=self._site.node,
            application=self._config.application,
            environment=self._environment,
            hosted=self.supervisor.hosted(),
        )
        if self._stopping is not None:
            link.notify("leaving")

    def on_close(self, link: Link) -> None:
        self._link = None

    async def _spawn(self, link: Link, version: dict[str, Any], deadline_s: float) -> dict[str, Any]:
        order = msgspec.convert(version, VersionOrder)
        executor, imported = await self.supervisor.spawn(order, deadline_s)
        return {"executor": executor, "interface": imported.interface, "import_ms": imported.import_ms}

    async def _resolve(self, link: Link, wanted: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """What the resolver says, as `line`, and at last the `result`: a lock."""
        asked = msgspec.convert(wanted, Wanted)
        async for each in _told(lambda tell: self.supervisor.resolve(asked, tell)):
            yield each

    async def _prepare(self, link: Link, environment: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """What the build says, as `line`, and at last the `result`: `hit` or `built`."""
        locked = msgspec.convert(environment, Locked)
        async for each in _told(lambda tell: self.supervisor.prepare(locked, tell)):
            yield each

    async def _environments(self, link: Link) -> list[dict[str, Any]]:
        return await self.supervisor.environments()

    async def _drain(self, link: Link, key: str) -> int:
        return self.supervisor.drain(key)

    async def _set_gateways(self, link: Link, addresses: list[str], away: list[str]) -> None:
        self.supervisor.set_gateways(addresses, away)

    async def _load(self, link: Link, calls: float) -> None:
        self.calls = calls

    async def _forget_bundle(self, link: Link, digest: str) -> None:
        await asyncio.to_thread(self._bundles.forget, digest)

    async def _fetch(self, digest: str) -> bytes:
        if self._link is None:
            raise Unavailable("the controller is not reachable, so the bundle can't be fetched")
        archive: bytes = await self._link.request("bundle", digest=digest)
        return archive

    def _exited(self, order: Order, death: Death, expected: bool) -> None:
        if not expected:
            _log.warning("executor %s of %s %s", order.executor[:8], order.version_key, death.how)
        if self._link is not None:
            told = msgspec.structs.asdict(death)
            self._link.notify("executor_ended", key=order.version_key, executor=order.executor, death=told)


async def _told(work: Callable[[OnLine], Coroutine[Any, Any, Any]]) -> AsyncIterator[dict[str, Any]]:
    """The lines that it tells while it goes on, and then its result. Cancelled, it cancels the work."""
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    working = asyncio.ensure_future(work(lines.put_nowait))
    working.add_done_callback(lambda _: lines.put_nowait(None))
    try:
        while (line := await lines.get()) is not None:
            yield {"line": line}
        yield {"result": msgspec.to_builtins(working.result())}
    finally:
        working.cancel()


def environment_digest() -> str:
    """SHA-256 over the Python version and every installed distribution: equal digests run code alike."""
    installed = {(d.metadata["Name"] or "", d.version) for d in importlib.metadata.distributions()}
    return digest_of([platform.python_version(), sorted(installed)])

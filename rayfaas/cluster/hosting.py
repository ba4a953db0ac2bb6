"""A supervisor's link to the controller: what it is told to host, and what it tells of its executors."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import platform
from pathlib import Path
from typing import Any

import msgspec

from rayfaas.cluster.bundles import BundleCache
from rayfaas.cluster.supervisor import Death, Site, Supervisor, VersionOrder
from rayfaas.errors import Unavailable
from rayfaas.link import Link, Service, keep_link
from rayfaas.orders import Order
from rayfaas.spec import digest_of

_log = logging.getLogger("rayfaas.supervisor")


class HostConfig(msgspec.Struct, frozen=True):
    """What a supervisor is started with. `application` is `warm` or the Serve application of one function."""

    controller: str
    cluster: str
    session_key: bytes
    application: str
    cache: str


class Host(Service):
    """Serves the controller's wishes: spawn, drain, set_gateways, load."""

    def __init__(self, config: HostConfig, site: Site) -> None:
        super().__init__(
            {"spawn": self._spawn, "drain": self._drain, "set_gateways": self._set_gateways, "load": self._load}
        )
        self._config, self._site = config, site
        self._link: Link | None = None
        self._keeping: asyncio.Task[None] | None = None
        self.supervisor = Supervisor(
            site, config.session_key, BundleCache(Path(config.cache).expanduser(), self._fetch), self._exited
        )
        self._environment = ""
        self.calls = 0.0  # in flight and waiting anywhere, of the functions hosted here; for the autoscaler

    async def start(self) -> None:
        self._environment = await asyncio.to_thread(environment_digest)
        await self.supervisor.start()
        identity = {"role": "supervisor", "cluster": self._config.cluster, "replica": self._site.replica}
        self._keeping = asyncio.ensure_future(
            keep_link(self._config.controller, identity, self._config.session_key, self)
        )

    async def stop(self, timeout_s: float) -> None:
        """Leave in order: tell the controller, let the executors finish."""
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

    def on_close(self, link: Link) -> None:
        self._link = None

    async def _spawn(self, link: Link, version: dict[str, Any], deadline_s: float) -> dict[str, Any]:
        order = msgspec.convert(version, VersionOrder)
        executor, imported = await self.supervisor.spawn(order, deadline_s)
        return {"executor": executor, "interface": imported.interface, "import_ms": imported.import_ms}

    async def _drain(self, link: Link, key: str) -> int:
        return self.supervisor.drain(key)

    async def _set_gateways(self, link: Link, addresses: list[str]) -> None:
        self.supervisor.set_gateways(addresses)

    async def _load(self, link: Link, calls: float) -> None:
        self.calls = calls

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


def environment_digest() -> str:
    """SHA-256 over the Python version and every installed distribution: equal digests run code alike."""
    installed = {(d.metadata["Name"] or "", d.version) for d in importlib.metadata.distributions()}
    return digest_of([platform.python_version(), sorted(installed)])

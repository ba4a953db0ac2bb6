"""A supervisor with a real zygote, the bundles it asks for, and the gateway that its executors dial."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import textwrap
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayfaas.cluster.bundles import BundleCache
from rayfaas.cluster.hosted_executor import Death
from rayfaas.cluster.supervisor import Site, Supervisor, VersionOrder
from rayfaas.cluster.zygotes import kill_group
from rayfaas.orders import Imported, Order
from tests.executor.gateway import CLUSTER, Call, ExecutorEnd, Gateway
from tests.waiting import eventually

SESSION_KEY = b"the session key of the test's cluster"


def archive_of(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@dataclass(frozen=True)
class Version:
    """A version of which an executor runs."""

    order: VersionOrder
    executor_id: str
    imported: Imported
    executor: ExecutorEnd

    @property
    def pid(self) -> int:
        assert self.executor.ready_header is not None
        return self.executor.ready_header.pid

    def call(self, *args: Any, **kwargs: Any) -> Call:
        return self.executor.call(*args, **kwargs)

    def method(self, name: str, *args: Any, **kwargs: Any) -> Call:
        """A call of a method of a class."""
        return self.executor.call_method(name, *args, **kwargs)


class Replica:
    """`exits` holds each executor that ended: its order, its death, and whether that was meant."""

    def __init__(self, directory: Path, environ: Mapping[str, str] | None = None) -> None:
        self._archives: dict[str, bytes] = {}
        self._numbers = itertools.count(1)
        self.exits: list[tuple[Order, Death, bool]] = []
        self.gateway = Gateway(directory / "gateway.sock", SESSION_KEY)
        self.supervisor = Supervisor(
            Site(CLUSTER, "node-1", "replica-1", "x86_64/2cpu"),
            SESSION_KEY,
            BundleCache(directory / "bundles", self._fetch),
            lambda *ended: self.exits.append(ended),
            {**os.environ, **(environ or {})},
        )

    async def start(self) -> None:
        await self.gateway.start()
        self.supervisor.set_gateways([self.gateway.address])
        await self.supervisor.start()

    async def stop(self) -> None:
        await self.supervisor.stop(0.0)
        await self.gateway.stop()

    async def deploy(
        self, source: str | Mapping[str, str | bytes], entry: str = "f", deadline_s: float = 20.0, **options: Any
    ) -> Version:
        """Spawn an executor of `source`, the module `app` or all files, and wait until the gateway can call it."""
        order = self.publish({"app.py": source} if isinstance(source, str) else source, entry, **options)
        executor_id, imported = await self.supervisor.spawn(order, deadline_s)
        return Version(order, executor_id, imported, await self.gateway.executor(executor_id))

    def publish(self, files: Mapping[str, str | bytes], entry: str = "f", **options: Any) -> VersionOrder:
        archive = archive_of({n: textwrap.dedent(c) if isinstance(c, str) else c for n, c in files.items()})
        digest = hashlib.sha256(archive).hexdigest()
        self._archives[digest] = archive
        fields: dict[str, Any] = {"entry_kind": "module", "concurrency": 1, "env": {}, "preload": [], **options}
        return VersionOrder(
            function="default/f",
            version=next(self._numbers),
            bundle=digest,
            entry_module="app",
            entry_name=entry,
            **fields,
        )

    async def death_of(self, version: Version) -> Death:
        def found() -> list[Death]:
            return [death for order, death, _ in self.exits if order.executor == version.executor_id]

        return (await eventually(found))[0]

    async def clear(self) -> None:
        """End every executor."""

        def are_gone() -> bool:
            for hosted in self.supervisor.hosted():
                if hosted["pid"] is not None:  # an executor may be ready before its zygote has told its pid
                    kill_group(hosted["pid"])
            return not self.supervisor.hosted()

        await eventually(are_gone)

    async def run(self, source: str, *args: Any, **options: Any) -> Any:
        """The result of one call of `f(*args)`."""
        return await (await self.deploy(source, **options)).call(*args).value()

    async def _fetch(self, digest: str) -> bytes:
        return self._archives[digest]

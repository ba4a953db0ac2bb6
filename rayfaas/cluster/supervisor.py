"""A supervisor: hosts the executors of one replica. It holds no user code; it forks, watches, drains and buries.

Plain asyncio: the Ray Serve replica around it is in `replica.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rayfaas import frames
from rayfaas.cluster.bundles import BundleCache
from rayfaas.cluster.generations import Generations
from rayfaas.cluster.hosted_executor import Death, HostedExecutor, Output
from rayfaas.cluster.lines import BASE, Lines
from rayfaas.cluster.memory import LOOK_S
from rayfaas.cluster.node import Node
from rayfaas.cluster.uv import OnLine
from rayfaas.environment import Locked, Wanted
from rayfaas.errors import ImportFailed, RayfaasError, Unavailable
from rayfaas.frames import Kind
from rayfaas.handshake import derive
from rayfaas.modules import outside_imports
from rayfaas.names import new_id
from rayfaas.orders import Imported, Order
from rayfaas.project import Project
from rayfaas.redaction import Redactor
from rayfaas.within import within

_log = logging.getLogger("rayfaas.supervisor")


@dataclass(frozen=True)
class Site:
    """Where a supervisor is: recorded with every call that it hosts."""

    cluster: str
    node: str
    replica: str
    hardware: str


class VersionOrder(msgspec.Struct):
    """What the controller says of a version that is to be run."""

    function: str
    version: int
    bundle: str
    entry_kind: str
    entry_module: str
    entry_name: str
    concurrency: int
    env: dict[str, str]
    preload: list[str]
    memory_mb: int = 0
    environment: Locked | None = None
    secrets: dict[str, str] = {}
    edition: str = ""
    ray: bool = False
    record_arguments: bool | list[str] = False

    @property
    def key(self) -> str:
        return f"{self.function}:{self.version}"


class Supervisor:
    """Hosts executors of any number of versions, each forked from the newest zygote of its environment.

    `on_exit(order, death, expected)` is told of each executor that ended.
    """

    def __init__(
        self,
        site: Site,
        session_key: bytes,
        bundles: BundleCache,
        on_exit: Callable[[Order, Death, bool], None],
        environ: Mapping[str, str] | None = None,
        node: Node | None = None,
    ) -> None:
        self.site = site
        environ = os.environ if environ is None else environ
        node = node or Node.below(bundles.directory.parent, environ)
        self._environments, self._scratch, self._ray = node.environments, node.scratch, node.ray
        self._key, self._bundles, self._on_exit = session_key, bundles, on_exit
        self._executors: dict[str, HostedExecutor] = {}
        self._gateways: list[str] = []
        self._lines = Lines(node.environments, environ, node.pass_env, self._exited)
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_stopping = False
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await asyncio.to_thread(self._scratch.start)
        await (await self._lines.of(None)).generations.newest()
        self._watching = asyncio.ensure_future(self._watch_memory())

    def set_gateways(self, addresses: list[str], away: list[str] | None = None) -> None:
        """Executors that run keep to those that are away, too, which may be back any time; new ones do not dial them,
        because each would wait for them before it is ready."""
        self._gateways = addresses
        header = frames.encode_header({"gateways": [*addresses, *(away or [])]})
        for executor in self._executors.values():
            executor.tell(Kind.CALL, header)

    async def spawn(self, version: VersionOrder, deadline_s: float) -> tuple[str, Imported]:
        """Fork an executor of it; returns its id when its code is imported and the gateways are dialled.

        Raises `ImportFailed` with the user's traceback, `EnvironmentFailed`, or `Unavailable`.
        """
        path = await self._bundles.path(version.bundle)
        generations = (await self._lines.of(version.environment)).generations
        await generations.load([*version.preload, *await _imports_of(version, path)], deadline_s)
        executor = HostedExecutor(self._order(version, str(path)), version.memory_mb, _digest(version.environment))
        secrets = {**(self._ray if version.ray else {}), **version.secrets}
        await self._fork(executor, generations, secrets)
        try:
            imported = await within(deadline_s, asyncio.shield(executor.imported))
        except asyncio.TimeoutError:
            executor.kill()
            raise ImportFailed(f"{version.entry_module} was still importing after {deadline_s:.0f} s.") from None
        except asyncio.CancelledError:
            executor.kill()
            raise
        generations.learn(imported.modules)
        return executor.order.executor, imported

    def drain(self, version_key: str) -> int:
        """Have the executors of a version finish their calls and end; returns how many there are."""
        found = [e for e in self._executors.values() if e.order.version_key == version_key and not e.draining]
        for executor in found:
            executor.drain()
        return len(found)

    def hosted(self) -> list[dict[str, Any]]:
        """The executors that are ready: id, version, pid."""
        return [
            {"executor": e.order.executor, "version_key": e.order.version_key, "pid": e.pid}
            for e in self._executors.values()
            if e.imported.done() and not e.imported.exception() and not e.draining
        ]

    def preloaded(self) -> dict[str, Any]:
        """What the zygote of the server's own environment has loaded, and what it refused and why."""
        return self._lines.preloaded()[BASE]

    async def stop(self, timeout_s: float) -> None:
        """Drain everything, wait for it at most so long, then end what is left."""
        self._is_stopping = True
        for executor in self._executors.values():
            executor.drain()
        try:
            await within(timeout_s, self._idle.wait())
        except asyncio.TimeoutError:
            _log.warning("%d executors did not finish in %.0f s; they are killed", len(self._executors), timeout_s)
        for executor in list(self._executors.values()):
            executor.kill()
        if self._watching is not None:
            self._watching.cancel()
        await self._lines.stop()
        await asyncio.to_thread(self._scratch.stop)

    # Environments

    async def resolve(self, wanted: Wanted, on_line: OnLine) -> Locked:
        """The lock of an environment. Raises `EnvironmentFailed`."""
        return await self._environments.resolve(wanted, on_line)

    async def prepare(self, locked: Locked, on_line: OnLine) -> str:
        """Have an environment built and its zygote up; `hit` where it was built, else `built`."""
        return await self._lines.prepare(locked, on_line)

    async def environments(self) -> list[dict[str, Any]]:
        """Those of this node, with what the zygotes here have loaded; the server's own, "", is the first."""
        listed = [{"digest": BASE}, *await asyncio.to_thread(self._environments.listed)]
        preloaded = self._lines.preloaded()
        return [{**each, "zygote": preloaded.get(str(each["digest"]))} for each in listed]

    # Forking

    def _order(self, version: VersionOrder, bundle_path: str) -> Order:
        executor = new_id()
        return Order(
            executor=executor,
            function=version.function,
            version=version.version,
            bundle_path=bundle_path,
            entry_kind=version.entry_kind,
            entry_module=version.entry_module,
            entry_name=version.entry_name,
            concurrency=version.concurrency,
            gateways=self._gateways,
            key=derive(self._key, "executor", self.site.cluster, version.function, version.version, executor),
            cluster=self.site.cluster,
            node=self.site.node,
            replica=self.site.replica,
            hardware=self.site.hardware,
            env=version.env,
            record_arguments=version.record_arguments,
            edition=version.edition,
            scratch=str(self._scratch.path(executor)),
        )

    async def _fork(self, executor: HostedExecutor, generations: Generations, secrets: Mapping[str, str]) -> None:
        name = executor.order.executor
        self._executors[name] = executor
        self._idle.clear()
        try:
            async with _connected(executor) as (control, output):
                zygote = await generations.newest()
                if self._is_stopping:
                    raise Unavailable("the replica is about to end")
                executor.zygote, executor.redactor = zygote, Redactor(secrets.values())
                zygote.fork(executor.order, control.fileno(), output.fileno(), secrets)
        except BaseException:  # a cancel too: there is no executor then
            self._forget(name)
            raise

    # Ends

    async def _watch_memory(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for executor in list(self._executors.values()):
                executor.check_memory()
            self._lines.end_idle({executor.environment for executor in self._executors.values()})

    def _exited(self, name: str, status: int) -> None:
        executor = self._executors.get(name)
        if executor is not None:
            death = executor.ended(status)
            self._forget(name)
            self._on_exit(executor.order, death, executor.draining)

    def _forget(self, name: str) -> None:
        self._executors.pop(name, None)
        asyncio.get_running_loop().run_in_executor(None, self._scratch.remove, name)
        if not self._executors:
            self._idle.set()


@contextlib.asynccontextmanager
async def _connected(executor: HostedExecutor) -> AsyncIterator[tuple[socket.socket, io.FileIO]]:
    """The executor's ends of its control channel and of its output, until it has them. Ours end with the last of its.

    Cancelled, it leaves none of them open.
    """
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    output_in, output_out = (io.FileIO(fd, mode) for fd, mode in zip(os.pipe(), "rw", strict=True))
    with theirs, output_out:
        try:
            await loop.connect_accepted_socket(lambda: executor, ours)
        except BaseException:
            output_in.close()
            raise
        executor.output, _ = await loop.connect_read_pipe(lambda: Output(executor), output_in)
        yield theirs, output_out


async def _imports_of(version: VersionOrder, bundle: Path) -> list[str]:
    """What its code imports of installed packages; its import itself tells where the code does not parse."""
    if version.entry_kind == "pickle":
        return []
    try:
        return await asyncio.to_thread(outside_imports, Project(bundle), version.entry_module)
    except RayfaasError:
        return []


def _digest(locked: Locked | None) -> str:
    return locked.digest if locked is not None else BASE

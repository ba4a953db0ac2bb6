"""A host does what its controller asks over the link, tells what became of it, and serves on while the link is down."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from rayfaas.cluster.hosting import Host, HostConfig, environment_digest
from rayfaas.cluster.supervisor import Site
from rayfaas.errors import DeployError, ImportFailed, InvalidArguments, RayfaasError, Unavailable
from rayfaas.handshake import Identity, ServerSide
from rayfaas.link import Link, Service
from tests.executor.gateway import CLUSTER, Gateway
from tests.executor.replica import SESSION_KEY, archive_of
from tests.waiting import eventually

SITE = Site(CLUSTER, "node-1", "replica-1", "x86_64/2cpu")
SOURCE = """
import os, time
def f(x: int, seconds: float = 0.0):
    if x < 0: os._exit(3)
    time.sleep(seconds)
    return x + 1
"""
ARCHIVE = archive_of({"app.py": SOURCE})
BROKEN = archive_of({"app.py": "1 / 0"})


def digest_of(archive: bytes) -> str:
    return hashlib.sha256(archive).hexdigest()


class Controller(Service):
    """What a host dials. `told` is all that it said of itself, by method."""

    def __init__(self, directory: Path) -> None:
        methods = ("supervisor_up", "executor_ended", "leaving")
        super().__init__({"bundle": self._bundle, **{name: self._hear(name) for name in methods}})
        self._path = directory / "controller.sock"
        self._server: asyncio.AbstractServer | None = None
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.links: list[Link] = []
        self.bundles = {digest_of(ARCHIVE): ARCHIVE, digest_of(BROKEN): BROKEN, "d" * 64: b"something else"}

    @property
    def address(self) -> str:
        return f"unix:{self._path}"

    @property
    def link(self) -> Link:
        return self.links[-1]

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Link(ServerSide(self._key_of), self), self._path)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._path.unlink()
        for link in list(self.links):
            link.abort()
        await eventually(lambda: not self.links)

    def on_open(self, link: Link) -> None:
        self.links.append(link)

    def on_close(self, link: Link) -> None:
        self.links.remove(link)

    async def heard(self, method: str, count: int = 1) -> dict[str, Any]:
        """What was said with the `count`th message of this kind."""
        told = await eventually(lambda: [p for name, p in self.told if name == method][count - 1 :])
        return told[0]

    async def spawn(self, archive: bytes, version: int, **changed: Any) -> dict[str, Any]:
        order = {
            "function": "t/f",
            "version": version,
            "bundle": digest_of(archive),
            "entry_kind": "module",
            "entry_module": "app",
            "entry_name": "f",
            "concurrency": 1,
            "env": {},
            "preload": [],
            **changed,
        }
        answer: dict[str, Any] = await self.link.request("spawn", version=order, deadline_s=20.0)
        return answer

    def _key_of(self, identity: Identity) -> bytes | None:
        return SESSION_KEY if identity == {"role": "supervisor", "cluster": CLUSTER, "replica": "replica-1"} else None

    def _hear(self, name: str) -> Any:
        async def method(link: Link, **parameters: Any) -> None:
            self.told.append((name, parameters))

        return method

    async def _bundle(self, link: Link, digest: str) -> bytes:
        return self.bundles[digest]


@asynccontextmanager
async def hosting(directory: Path) -> AsyncIterator[tuple[Host, Controller, Gateway]]:
    await asyncio.to_thread(directory.mkdir)
    controller, gateway = Controller(directory), Gateway(directory / "gateway.sock", SESSION_KEY)
    await controller.start()
    await gateway.start()
    host = Host(HostConfig(controller.address, CLUSTER, SESSION_KEY, "warm", str(directory / "cache")), SITE)
    await host.start()
    await controller.heard("supervisor_up")
    await controller.link.request("set_gateways", addresses=[gateway.address], away=[])
    try:
        yield host, controller, gateway
    finally:
        await host.stop(0.0)
        await gateway.stop()
        await controller.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hosted(directory: Path) -> AsyncIterator[tuple[Host, Controller, Gateway]]:
    async with hosting(directory / "host") as all_three:
        yield all_three


Hosted = tuple[Host, Controller, Gateway]


async def test_it_says_who_and_where_it_is_and_what_it_hosts(hosted: Hosted) -> None:
    _, controller, _ = hosted
    assert await controller.heard("supervisor_up") == {
        "replica": "replica-1",
        "node": "node-1",
        "application": "warm",
        "environment": environment_digest(),
        "hosted": [],
    }


async def test_a_spawned_version_is_told_with_its_interface_and_serves(hosted: Hosted) -> None:
    _, controller, gateway = hosted
    answer = await controller.spawn(ARCHIVE, 1)
    assert answer["interface"]["arguments"]["required"] == ["x"]
    assert answer["import_ms"] > 0
    executor = await gateway.executor(answer["executor"])
    assert await executor.call(1).value() == 2
    assert isinstance(await executor.call("text").error(), InvalidArguments)


async def test_errors_of_a_spawn_reach_the_controller_as_they_are(hosted: Hosted) -> None:
    _, controller, _ = hosted
    with pytest.raises(ImportFailed, match="ZeroDivisionError") as caught:
        await controller.spawn(BROKEN, 2)
    assert "1 / 0" in caught.value.extra["traceback"]
    with pytest.raises(DeployError, match="damaged"):
        await controller.spawn(ARCHIVE, 3, bundle="d" * 64)
    with pytest.raises(RayfaasError, match="bundle failed: KeyError"):
        await controller.spawn(ARCHIVE, 4, bundle="0" * 64)


@pytest.mark.parametrize("changed", [{"function": 5}, {"bundle": None}, {"env": []}, {"concurrency": "many"}])
async def test_an_order_that_is_none_is_refused(hosted: Hosted, changed: dict[str, Any]) -> None:
    _, controller, _ = hosted
    with pytest.raises(RayfaasError, match="spawn failed: ValidationError"):
        await controller.spawn(ARCHIVE, 5, **changed)


async def test_the_end_of_an_executor_is_told_with_how_it_came(hosted: Hosted) -> None:
    _, controller, gateway = hosted
    answer = await controller.spawn(ARCHIVE, 6)
    ends = len([name for name, _ in controller.told if name == "executor_ended"])
    await (await gateway.executor(answer["executor"])).call(-1).died()
    told = await controller.heard("executor_ended", ends + 1)
    assert (told["key"], told["executor"]) == ("t/f:6", answer["executor"])
    assert told["death"]["how"] == "exited with code 3"


async def test_a_drain_is_answered_with_how_many(hosted: Hosted) -> None:
    _, controller, _ = hosted
    answer = await controller.spawn(ARCHIVE, 7)
    assert await controller.link.request("drain", key="t/f:7") == 1
    assert await controller.link.request("drain", key="t/f:7") == 0
    await eventually(lambda: answer["executor"] in [p["executor"] for n, p in controller.told if n == "executor_ended"])


async def test_the_autoscaler_sees_the_calls_that_the_controller_counts(hosted: Hosted) -> None:
    host, controller, _ = hosted
    await controller.link.request("load", calls=7.5)
    assert host.calls == 7.5


async def test_a_controller_that_comes_back_is_told_what_runs_and_calls_never_stopped(hosted: Hosted) -> None:
    _, controller, gateway = hosted
    answer = await controller.spawn(ARCHIVE, 8)
    executor = await gateway.executor(answer["executor"])
    introductions = len([name for name, _ in controller.told if name == "supervisor_up"])
    await controller.stop()
    assert await executor.call(1).value() == 2
    await controller.start()
    told = await controller.heard("supervisor_up", introductions + 1)
    assert [h["version_key"] for h in told["hosted"] if h["executor"] == answer["executor"]] == ["t/f:8"]


async def test_a_host_that_stops_says_so_first_and_lets_calls_finish(directory: Path) -> None:
    async with hosting(directory / "stopping") as (host, controller, gateway):
        answer = await controller.spawn(ARCHIVE, 1)
        call = (await gateway.executor(answer["executor"])).call(1)
        await host.stop(20.0)
        assert await call.value() == 2
        await eventually(lambda: not controller.links)
        names = [name for name, _ in controller.told]
        assert names == ["supervisor_up", "leaving", "executor_ended"]


async def test_a_host_that_stops_takes_no_more_orders_whoever_tells_it_to(directory: Path) -> None:
    async with hosting(directory / "told-twice") as (host, controller, gateway):
        answer = await controller.spawn(ARCHIVE, 1)
        call = (await gateway.executor(answer["executor"])).call(1, 0.5)
        stopping = [asyncio.ensure_future(host.stop(20.0)) for _ in range(2)]
        await controller.heard("leaving")
        with pytest.raises(Unavailable, match="about to end"):
            await controller.spawn(ARCHIVE, 2)
        await controller.stop()
        await controller.start()
        assert (await controller.heard("supervisor_up", 2))["hosted"] == []
        await controller.heard("leaving", 2)
        assert await call.value() == 2
        await asyncio.gather(*stopping)


def test_the_digest_of_an_environment_is_the_same_for_the_same_packages() -> None:
    assert environment_digest() == environment_digest()
    assert len(environment_digest()) == 64

"""What tests of the server are made of: peers that answer as a test says, versions, and members of a fleet."""

from __future__ import annotations

import asyncio
import inspect
import resource
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, cast

from rayfaas.link import Link
from rayfaas.names import new_id
from rayfaas.registry.rows import AliasRow
from rayfaas.server.catalog import Catalog, Version
from rayfaas.server.fleet import WARM, Member
from rayfaas.server.routing import RouteTable
from rayfaas.spec import Entry, Scaling, Shape, Spec

INTERFACE = {"kind": "function"}
NOON = 1_795_867_200.0
"""2026-11-28 12:00 UTC, a Saturday, as Unix time."""
GPU = Spec(shape=Shape(gpus=1))


class Peer:
    """The other end of a link. `answers` are by method: a value, an error to raise, or a function of the parameters."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.is_open = True
        self.is_remote = False
        self.peer: dict[str, Any] | None = None

    @property
    def link(self) -> Link:
        return cast(Link, self)

    async def request(self, method: str, timeout_s: float | None = None, **parameters: Any) -> Any:
        self.asked.append((method, parameters))
        answer = self.answers.get(method)
        if callable(answer):
            answer = answer(**parameters)
        if inspect.isawaitable(answer):
            answer = await asyncio.wait_for(answer, timeout_s)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def stream(self, method: str, **parameters: Any) -> AsyncIterator[Any]:
        """A line of progress, and then the answer as `result`."""
        yield {"line": f"{method} goes on"}
        yield {"result": await self.request(method, **parameters)}

    def notify(self, method: str, **parameters: Any) -> None:
        self.told.append((method, parameters))

    def asked_for(self, method: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.asked if name == method]

    def told_of(self, method: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.told if name == method]

    @property
    def spawned(self) -> list[str]:
        """The versions that it was asked to run, by key."""
        orders = [parameters["version"] for parameters in self.asked_for("spawn")]
        return [f"{order['function']}:{order['version']}" for order in orders]

    @property
    def drained(self) -> list[str]:
        return [parameters["key"] for parameters in self.told_of("drain")]


def supervisor(**answers: Any) -> Peer:
    """It starts whatever it is asked to, unless `answers` say otherwise."""
    return Peer(**{"spawn": lambda **_: made(), **answers})


def made() -> dict[str, Any]:
    return {"executor": new_id(), "interface": INTERFACE, "import_ms": 1.0}


async def never(**_: Any) -> None:
    """The peer hangs."""
    await asyncio.Event().wait()


def member(
    peer: Peer,
    application: str = WARM,
    hosted: list[Version] | None = None,
    environment: str = "e1",
    cluster: str = "lab",
) -> Member:
    made = Member(peer.link, cluster, "node", new_id(), application, environment)
    for version in hosted or []:
        made.add(version.key, new_id())
    return made


def version(function: str = "red/f", number: int = 1, spec: Spec | None = None) -> Version:
    return Version(function, number, "b" * 64, Entry(module="m", name="f"), spec or Spec(), "5e11", "e1")


def serve(catalog: Catalog, *versions: Version, scaling: Scaling | None = None, **aliases: Version) -> None:
    """Have these versions in the catalog; the last of them is `live` unless `aliases` say otherwise."""
    for each in versions:
        function = catalog.function(each.function)
        function.versions[each.number] = each
        function.scaling = scaling or function.scaling
        for alias, leads_to in (aliases or {"live": each}).items():
            function.aliases[alias] = AliasRow(alias, leads_to.number, 1)


async def settle() -> None:
    """Let all tasks go on until they wait for something that takes time."""
    for _ in range(50):
        await asyncio.sleep(0)


class Clock:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Hour:
    """The time of day: 2026-11-28 12:00 UTC, and what a test makes of it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def silent(phase: str, detail: str) -> None:
    """Progress that nobody looks at."""


@contextmanager
def closing_database() -> Iterator[None]:
    """Whoever closes a store in here has the database's file closed, too: it is when the store's threads have ended."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith(("registry", "query"))]
    yield
    for thread in threads:
        thread.join(20)


@contextmanager
def full_disk(free: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes: a write past them fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def announced(table: RouteTable) -> list[dict[str, Any]]:
    """The functions, as gateways are told of them."""
    asking = Peer().link
    answer = await table.poll(asking, 0)
    table.forget(asking)  # or it would be waited for
    functions: list[dict[str, Any]] = answer["functions"]
    return functions

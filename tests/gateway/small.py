"""A whole gateway in the test's own process: its real parts, with both of its neighbours played by the test."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from rayfaas.config import Limits
from rayfaas.connection import dial
from rayfaas.envelope import ReadyHeader
from rayfaas.gateway.config import GatewayConfig
from rayfaas.gateway.deaths import Deaths
from rayfaas.gateway.executors import ExecutorConnection, executor_key
from rayfaas.gateway.keys import Keys
from rayfaas.gateway.parts import Parts
from rayfaas.handshake import Identity
from rayfaas.link import keep_link
from rayfaas.records import CallEnded, CallStarted, Kept, LogLine, LookedUp, Record, Settled, Touched
from rayfaas.records import Spawned as SpawnedRecord
from rayfaas.strangers import Strangers
from tests.gateway.asgi import Answer, Exchange
from tests.gateway.controller import FakeController, version_route
from tests.gateway.executor import FakeExecutor
from tests.waiting import close, eventually

HOME_KEY = b"the key of the test's home"
SESSIONS = {"local": b"the session key of the test's cluster"}
URL = "http://127.0.0.1:8700"

# Name, team, role. Each name is its own token.
PEOPLE = (
    ("vera", "nlp", "viewer"),
    ("ivan", "nlp", "invoker"),
    ("dora", "nlp", "deployer"),
    ("ada", "nlp", "admin"),
    ("otto", "vision", "invoker"),
    ("dina", "vision", "deployer"),
    ("root", "ops", "admin"),
)

_decode_record = msgspec.json.Decoder(Record).decode


class SmallGateway:
    """Knows nlp/embed, whose version 1 is `live` and whose version 2 is `prod`, and everybody in PEOPLE."""

    def __init__(self, directory: Path, limits: Limits | None = None) -> None:
        self.controller = FakeController(directory / "controller", HOME_KEY)
        self.executor_socket = directory / "executors"
        config = GatewayConfig(
            name="gateway-0",
            host="127.0.0.1",
            port=8700,
            executor_socket=self.executor_socket,
            controller=f"unix:{directory / 'controller'}",
            journal=directory / "journal",
            keys=Keys(HOME_KEY, HOME_KEY, HOME_KEY),
            limits=limits or Limits(),
            cache=directory / "cached",
            webhook_networks=("127.0.0.1/32",),
            cache_bytes=1 << 20,
        )
        self._parts = parts = Parts(config, Deaths(wait_s=0.02), pauses_s=(0.0, 0.0))
        self.access, self.routes, self.link, self.ending = parts.access, parts.routes, parts.controller, parts.ending
        self.dispatcher, self.journal, self.recording = parts.dispatcher, parts.journal, parts.recording
        self.cache, self.in_flight, self.direct, self.app = parts.cache, parts.in_flight, parts.direct, parts.app
        self.spawned, self.webhooks = parts.spawned, parts.webhooks
        self.calls, self.alarms = parts.calls, parts.alarms
        self._directory = directory
        self.strangers = Strangers()
        self._numbers = itertools.count(1)
        self._ends: list[ExecutorConnection] = []
        self._executors: list[FakeExecutor] = []

    async def __aenter__(self) -> SmallGateway:
        await self.controller.set_function(
            "nlp/embed", [version_route(1), version_route(2)], {"live": (1, 4), "prod": (2, 5)}
        )
        await self.controller.set_tokens(*PEOPLE)
        await self.controller.set_sessions(SESSIONS)
        await self.controller.start()
        self._server = await asyncio.get_running_loop().create_unix_server(self._accept, str(self.executor_socket))
        address = f"unix:{self._directory / 'controller'}"
        keep = keep_link(address, {"role": "gateway"}, HOME_KEY, self.link, 0.01, 0.01)
        self._keep = asyncio.ensure_future(keep)
        await asyncio.wait_for(self.link.has_routes.wait(), 20)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        self._keep.cancel()
        await close(self._server)
        for connection in (*self._executors, *self._ends):
            connection.abort()
            await connection.closed
        if self.controller.listens:
            await self.controller.stop()
        await eventually(lambda: not self.link.is_up)
        await self._parts.close()

    def _accept(self) -> ExecutorConnection:
        end = self._parts.accept_executor(self.access, self.strangers)
        self._ends.append(end)
        return end

    @property
    def has_executors(self) -> bool:
        return bool(self._executors)

    @property
    def accepted(self) -> int:
        """How many ever dialled its executors' socket."""
        return len(self._ends)

    @property
    def strangers_waiting(self) -> int:
        return len([end for end in self._ends if not end.is_open and not end.closed.done()])

    # Executors

    async def executor(
        self, version: int = 1, concurrency: int = 1, function: str = "nlp/embed", edition: str = ""
    ) -> FakeExecutor:
        """An executor that the gateway may dispatch to."""
        executor = await self.dial(self.identity(version, function), concurrency=concurrency, edition=edition)
        executor.is_ready()
        await eventually(lambda: self._ends[-1].ready_header)
        return executor

    async def dial(
        self, identity: Identity, key: bytes | None = None, concurrency: int = 1, edition: str = ""
    ) -> FakeExecutor:
        """An executor that has shaken hands and is not ready yet; `key` is what it proves, if not its own."""
        ready = ReadyHeader(
            f"{identity['function']}:{identity['version']}",
            str(identity["executor"]),
            concurrency,
            4711,
            "replica",
            "node",
            str(identity["cluster"]),
            "hardware",
            edition,
        )
        proven = key or executor_key(SESSIONS, identity) or b"none"
        executor: FakeExecutor = await dial(
            f"unix:{self.executor_socket}", lambda: FakeExecutor(identity, proven, ready)
        )
        self._executors.append(executor)
        return executor

    def identity(self, version: int = 1, function: str = "nlp/embed") -> Identity:
        name = f"executor{next(self._numbers)}"
        return {"role": "executor", "cluster": "local", "function": function, "version": version, "executor": name}

    # Requests

    def request(
        self,
        method: str,
        url: str,
        body: bytes | Sequence[bytes] = b"",
        who: str | None = "ivan",
        headers: Mapping[str, str | bytes] | None = None,
        whole: bool = True,
    ) -> Exchange:
        """`body` in pieces is sent without a Content-Length, as chunks are."""
        sent: dict[str, str | bytes] = {"Host": "gateway"}
        if who is not None:
            sent["Authorization"] = f"Bearer {who}"
        if isinstance(body, bytes):
            sent["Content-Length"] = str(len(body))
            body = [body]
        return Exchange(self.app, method, url, sent | dict(headers or {}), body, whole)

    async def ask(
        self,
        method: str,
        url: str,
        body: bytes | Sequence[bytes] = b"",
        who: str | None = "ivan",
        headers: Mapping[str, str | bytes] | None = None,
    ) -> Answer:
        return await self.request(method, url, body, who, headers).answer()

    def call(self, body: bytes = b"1", target: str = "embed", who: str = "ivan", **headers: str) -> Exchange:
        """A call under way; headers are written `Rayfaas_Timeout="2"`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", f"/call/{target}", body, who, named)

    # What is recorded

    def records(self) -> list[Record]:
        """Every record of the journal, in order."""
        lines: list[bytes] = []
        for path in sorted((self._directory / "journal").glob("*.ndjson")):
            lines += path.read_bytes().splitlines()
        return [_decode_record(line) for line in lines]

    def starts(self) -> list[CallStarted]:
        return [record for record in self.records() if isinstance(record, CallStarted)]

    def ends(self) -> list[CallEnded]:
        return [record for record in self.records() if isinstance(record, CallEnded)]

    def end_of(self, call_id: str) -> CallEnded:
        """Its one end."""
        (end,) = (end for end in self.ends() if end.call == call_id)
        return end

    def logs(self) -> list[LogLine]:
        return [record for record in self.records() if isinstance(record, LogLine)]

    def kept(self) -> list[SpawnedRecord]:
        return [record for record in self.records() if isinstance(record, SpawnedRecord)]

    def settled(self) -> list[Settled]:
        return [record for record in self.records() if isinstance(record, Settled)]

    def looked_up(self) -> list[LookedUp]:
        return [record for record in self.records() if isinstance(record, LookedUp)]

    def results_kept(self) -> list[Kept]:
        return [record for record in self.records() if isinstance(record, Kept)]

    def touched(self) -> list[Touched]:
        return [record for record in self.records() if isinstance(record, Touched)]

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
from rayfaas.gateway.admission import Admission
from rayfaas.gateway.alarms import Alarms
from rayfaas.gateway.answers import Answers
from rayfaas.gateway.app import App
from rayfaas.gateway.applications import Applications
from rayfaas.gateway.cache.cache import Cache
from rayfaas.gateway.call_access import CallAccess
from rayfaas.gateway.calls import Calls
from rayfaas.gateway.control import Control
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.deaths import Deaths
from rayfaas.gateway.direct import Direct
from rayfaas.gateway.dispatch import Dispatcher
from rayfaas.gateway.dry_run import DryRuns
from rayfaas.gateway.executors import ExecutorConnection, executor_key
from rayfaas.gateway.following import Following
from rayfaas.gateway.history import History
from rayfaas.gateway.in_flight import InFlight
from rayfaas.gateway.invoke import Invoke
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.openapi.endpoints import OpenApi
from rayfaas.gateway.outcomes import Outcomes
from rayfaas.gateway.posts import Posts
from rayfaas.gateway.recording import Recording
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.shadows import Shadows
from rayfaas.gateway.spawned import Spawned
from rayfaas.gateway.touches import Touches
from rayfaas.gateway.webhook_rules import WebhookRules
from rayfaas.gateway.webhooks import Webhooks
from rayfaas.handshake import Identity
from rayfaas.link import keep_link
from rayfaas.records import CallEnded, CallStarted, Kept, LogLine, LookedUp, Record, Settled, Touched
from rayfaas.records import Spawned as SpawnedRecord
from rayfaas.strangers import Strangers
from tests.gateway.asgi import Answer, Exchange
from tests.gateway.controller import FakeController, version_route
from tests.gateway.executor import FakeExecutor
from tests.waiting import eventually

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
        limits = limits or Limits()
        self.controller = FakeController(directory / "controller", HOME_KEY)
        self.access = CallAccess(HOME_KEY, URL)
        self.routes = Routes(self.access)
        deaths = Deaths(wait_s=0.02)
        self.link = ControllerLink(self.routes, deaths)
        self.dispatcher = Dispatcher(self.link.demand, limits.max_queue, deaths, self.routes.weights)
        self.link.serve(self.dispatcher)
        self.journal = Journal(directory / "journal", "gateway-0")
        self.recording = Recording(self.journal)
        self.cache = Cache(directory / "cached", 1 << 20, self.recording, self.journal)
        self.in_flight = InFlight(self.dispatcher, self.recording)
        outcomes = Outcomes(self.dispatcher, self.recording, self.cache)
        posts = Posts(WebhookRules(["127.0.0.1/32"]), HOME_KEY)
        self.webhooks = Webhooks(posts, self.journal, self.link, pauses_s=(0.0, 0.0))
        self.spawned = Spawned(
            self.routes, self.recording, self.in_flight, outcomes, self.journal, self.link, self.webhooks
        )
        shadows = Shadows(self.dispatcher, self.recording, self.in_flight, outcomes, self.journal)
        admission = Admission(self.routes, History(self.routes, self.link), self.recording)
        answers = Answers(self.dispatcher, self.recording, shadows, self.cache, self.link.progress)
        invoke = Invoke(
            admission,
            self.recording,
            self.in_flight,
            answers,
            self.spawned,
            outcomes,
            DryRuns(self.dispatcher),
            limits.max_body,
        )
        self.direct = Direct(invoke, admission, self.dispatcher, self.recording, self.in_flight, answers, shadows)
        self.ending = asyncio.Event()
        following = Following(self.link, self.ending)
        self.calls = Calls(self.routes, self.link, self.spawned, self.in_flight, following)
        self.alarms = Alarms(self.routes, self.link, posts)
        control = Control(self.routes, self.link, following, posts.secret, self.alarms)
        openapi = OpenApi(self.routes, self.link)
        applications = Applications(admission, self.dispatcher, self.recording, self.in_flight)
        self.app = App(invoke, admission, applications, self.calls, control, openapi, self.link)
        self.executor_socket = directory / "executors"
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
        self._server.close()
        for connection in (*self._executors, *self._ends):
            connection.abort()
            await connection.closed
        if self.controller.links:
            await self.controller.stop()
        await eventually(lambda: not self.link.is_up)
        await self.cache.close()
        self.journal.close()

    def _accept(self) -> ExecutorConnection:
        end = ExecutorConnection(
            self.dispatcher,
            lambda who: executor_key(self.routes.sessions, who),
            self.access.issue,
            Touches(self.journal, self.cache.hear),
            self.strangers,
        )
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

    async def executor(self, version: int = 1, concurrency: int = 1, function: str = "nlp/embed") -> FakeExecutor:
        """An executor that the gateway may dispatch to."""
        executor = await self.dial(self.identity(version, function), concurrency=concurrency)
        executor.is_ready()
        await eventually(lambda: self._ends[-1].ready_header)
        return executor

    async def dial(self, identity: Identity, key: bytes | None = None, concurrency: int = 1) -> FakeExecutor:
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

"""One gateway process: its parts put together, its sockets, its life: open, serve, drain, close."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn

from rayfaas.config import CACHE_MB, Limits, local_url
from rayfaas.entrance import Entrance
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
from rayfaas.gateway.heads import Heads
from rayfaas.gateway.history import History
from rayfaas.gateway.http import CallProtocol
from rayfaas.gateway.in_flight import InFlight
from rayfaas.gateway.invoke import Invoke
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.keys import Keys
from rayfaas.gateway.openapi.endpoints import OpenApi
from rayfaas.gateway.outcomes import Outcomes
from rayfaas.gateway.posts import Posts
from rayfaas.gateway.recording import Recording
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.segments import Segments
from rayfaas.gateway.shadows import Shadows
from rayfaas.gateway.spawned import Spawned
from rayfaas.gateway.touches import Touches
from rayfaas.gateway.webhook_rules import WebhookRules
from rayfaas.gateway.webhooks import Webhooks
from rayfaas.link import keep_link
from rayfaas.strangers import Strangers

_log = logging.getLogger("rayfaas.gateway")

DRAIN_S = 30
FLUSH_S = 1.0
# How long a client may take nothing of an answer, whether its call is over or not.
UNTAKEN_S = 600.0


@dataclass(frozen=True)
class GatewayConfig:
    """`controller` is an address (`rayfaas.address`), `keys` say who this is and sign.

    `webhook_networks` are those to which webhooks may go though they are not public; `entrance` is where executors of
    other machines come in; `public_url` is where those reach this gateway by HTTP, if not where its entrance says.
    Results are kept in `cache`, `cache_bytes` of them.
    """

    name: str
    host: str
    port: int
    executor_socket: Path
    controller: str
    journal: Path
    keys: Keys
    limits: Limits
    cache: Path
    webhook_networks: tuple[str, ...] = ()
    entrance: Entrance | None = None
    public_url: str = ""
    cache_bytes: int = CACHE_MB << 20

    @property
    def url(self) -> str:
        """Where executors of this machine reach this gateway by HTTP."""
        return local_url(self.host, self.port)

    @property
    def network_url(self) -> str:
        """Where those on other machines do."""
        guessed = self.entrance.http_url(self.host, self.port) if self.entrance else ""
        return self.public_url or guessed or self.url

    @property
    def is_elsewhere(self) -> bool:
        """Whether its controller is on another machine, which can't read the journal's folder."""
        return not self.controller.startswith("unix:")

    @property
    def executor_address(self) -> str:
        """Where executors dial this gateway."""
        return f"unix:{self.executor_socket}"

    @property
    def network_address(self) -> str:
        """Where those on other machines do; "": nowhere."""
        return self.entrance.address if self.entrance else ""


class Gateway:
    """Built once per process; `serve` returns when the process was told to end (SIGTERM, SIGINT)."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._access = CallAccess(config.keys.calls, config.url)
        self._network_access = CallAccess(config.keys.calls, config.network_url)
        self._routes = Routes(self._access)
        deaths = Deaths()
        self._controller = ControllerLink(self._routes, deaths)
        self._dispatcher = Dispatcher(self._controller.demand, config.limits.max_queue, deaths, self._routes.weights)
        self._controller.serve(self._dispatcher)
        self._journal = Journal(config.journal, config.name)
        self._segments = Segments(self._journal, self._controller) if config.is_elsewhere else None
        recording = Recording(self._journal)
        self._cache = Cache(config.cache, config.cache_bytes, recording, self._journal)
        in_flight = InFlight(self._dispatcher, recording)
        outcomes = Outcomes(self._dispatcher, recording, self._cache)
        posts = Posts(WebhookRules(config.webhook_networks), config.keys.webhooks)
        webhooks = Webhooks(posts, self._journal, self._controller)
        spawned = Spawned(self._routes, recording, in_flight, outcomes, self._journal, self._controller, webhooks)
        shadows = Shadows(self._dispatcher, recording, in_flight, outcomes, self._journal)
        admission = Admission(self._routes, History(self._routes, self._controller), recording)
        answers = Answers(self._dispatcher, recording, shadows, self._cache, self._controller.progress)
        dry_runs = DryRuns(self._dispatcher)
        invoke = Invoke(admission, recording, in_flight, answers, spawned, outcomes, dry_runs, config.limits.max_body)
        self._direct = Direct(invoke, admission, self._dispatcher, recording, in_flight, answers, shadows)
        self._ending = asyncio.Event()
        following = Following(self._controller, self._ending)
        calls = Calls(self._routes, self._controller, spawned, in_flight, following)
        alarms = Alarms(self._routes, self._controller, posts)
        control = Control(self._routes, self._controller, following, posts.secret, alarms)
        applications = Applications(admission, self._dispatcher, recording, in_flight)
        openapi = OpenApi(self._routes, self._controller)
        self._app = App(invoke, admission, applications, calls, control, openapi, self._controller)

    async def serve(self) -> None:
        executors = await self._listen_for_executors()
        entrance = self._config.entrance
        door = entrance.open(partial(self._accept_executor, self._network_access)) if entrance else None
        identity = {
            "role": "gateway",
            "name": self._config.name,
            "pid": os.getpid(),
            "instance": self._journal.instance,
            "executor_address": self._config.executor_address,
            "network_address": self._config.network_address,
        }
        keeping = keep_link(self._config.controller, identity, self._config.keys.link, self._controller, 0.05, 0.5)
        link = asyncio.ensure_future(keeping)
        flushing = asyncio.ensure_future(self._flush_late_ends())
        try:
            await self._controller.has_routes.wait()
            await self._serve_http()
        finally:
            flushing.cancel()
            executors.close()
            if door is not None:
                await door.close()
            await self._cache.close()
            self._journal.close()
            if self._segments is not None:
                await self._segments.wait_copied()
            link.cancel()

    async def _flush_late_ends(self) -> None:
        """A full disk held them up; on a gateway without calls nothing else would write them."""
        while True:
            await asyncio.sleep(FLUSH_S)
            self._journal.flush_late()

    async def _serve_http(self) -> None:
        config = uvicorn.Config(
            cast(Any, self._app),
            http=cast(Any, partial(CallProtocol, self._direct, Heads())),
            ws="websockets-sansio",
            ws_per_message_deflate=False,  # a small message could be a very large one
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # whose address a client has is nothing that we ask
            server_header=False,
            timeout_graceful_shutdown=DRAIN_S,
        )
        # uvicorn raises the signal that ended it once more when it is done; then our own end is still to come.
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, lambda *_: None)
        await _Server(config, self._ending).serve(sockets=[listening_socket(self._config.host, self._config.port)])

    async def _listen_for_executors(self) -> asyncio.Server:
        path = self._config.executor_socket
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # of a gateway before us in this slot, which is gone
        server = await asyncio.get_running_loop().create_unix_server(
            partial(self._accept_executor, self._access, Strangers()), str(path)
        )
        path.chmod(0o600)
        return server

    def _accept_executor(self, access: CallAccess, strangers: Strangers | None = None) -> ExecutorConnection:
        return ExecutorConnection(
            self._dispatcher,
            lambda who: executor_key(self._routes.sessions, who),
            access.issue,
            Touches(self._journal, self._cache.hear),
            strangers,
        )


class _Server(uvicorn.Server):
    """Sets `ending` when it is told to end, for answers that have no end of their own."""

    def __init__(self, config: uvicorn.Config, ending: asyncio.Event) -> None:
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending.set()
        await super().shutdown(sockets)


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that several gateways may share: the kernel spreads the connections (SO_REUSEPORT), and breaks off those
    whose clients take nothing of what is sent for too long (TCP_USER_TIMEOUT)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNTAKEN_S * 1000))
    sock.bind((host, port))
    sock.setblocking(False)
    return sock

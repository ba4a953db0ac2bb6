"""One gateway process: its sockets, and its life: open, serve, drain, close."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import uvicorn

from rayfaas.gateway.call_access import CallAccess
from rayfaas.gateway.config import GatewayConfig
from rayfaas.gateway.heads import Heads
from rayfaas.gateway.http import CallProtocol
from rayfaas.gateway.parts import Parts
from rayfaas.gateway.segments import Segments
from rayfaas.link import keep_link
from rayfaas.strangers import Strangers

DRAIN_S = 30
# The last of it is for telling those who wait for calls that have not ended.
TELL_S = 1
FLUSH_S = 1.0
# How long a client may take nothing of an answer, whether its call is over or not.
UNTAKEN_S = 600.0


class Gateway:
    """Built once per process; `serve` returns when the process was told to end (SIGTERM, SIGINT)."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config, self._parts = config, Parts(config)
        self._network_access = CallAccess(config.keys.calls, config.network_url)
        self._segments: Segments | None = None
        if config.is_elsewhere:
            self._segments = Segments(self._parts.journal, self._parts.controller)

    async def serve(self) -> None:
        executors = await self._listen_for_executors()
        entrance = self._config.entrance
        door = entrance.open(partial(self._parts.accept_executor, self._network_access)) if entrance else None
        identity = {
            "role": "gateway",
            "name": self._config.name,
            "pid": os.getpid(),
            "instance": self._parts.journal.instance,
            "executor_address": self._config.executor_address,
            "network_address": self._config.network_address,
        }
        keeping = keep_link(
            self._config.controller, identity, self._config.keys.link, self._parts.controller, 0.05, 0.5
        )
        link = asyncio.ensure_future(keeping)
        flushing = asyncio.ensure_future(self._flush_late_ends())
        try:
            await self._parts.controller.has_routes.wait()
            await self._serve_http()
        finally:
            flushing.cancel()
            executors.close()
            if door is not None:
                await door.close()
            await self._parts.close()
            if self._segments is not None:
                await self._segments.wait_copied()
            link.cancel()

    async def _flush_late_ends(self) -> None:
        """A full disk held them up; on a gateway without calls nothing else would write them."""
        while True:
            await asyncio.sleep(FLUSH_S)
            self._parts.journal.flush_late()

    async def _serve_http(self) -> None:
        config = uvicorn.Config(
            cast(Any, self._parts.app),
            http=cast(Any, partial(CallProtocol, self._parts.direct, Heads())),
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
        await _Server(config, self._parts.ending, self._parts.in_flight.end_all).serve(
            sockets=[listening_socket(self._config.host, self._config.port)]
        )

    async def _listen_for_executors(self) -> asyncio.Server:
        path = self._config.executor_socket
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # of a gateway before us in this slot, which is gone
        server = await asyncio.get_running_loop().create_unix_server(
            partial(self._parts.accept_executor, self._parts.access, Strangers()), str(path)
        )
        path.chmod(0o600)
        return server


class _Server(uvicorn.Server):
    """Sets `ending` when it is told to end, for answers that have no end of their own; `end_all` ends the others when
    the time is nearly over."""

    def __init__(self, config: uvicorn.Config, ending: asyncio.Event, end_all: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending, self._end_all = ending, end_all

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending.set()
        timer = asyncio.get_running_loop().call_later(DRAIN_S - TELL_S, self._end_all)
        await super().shutdown(sockets)
        timer.cancel()


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

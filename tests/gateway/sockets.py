"""Applications served over real HTTP, and requests to them byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from rayfaas.gateway.heads import Headers, Heads
from rayfaas.gateway.http import HEAD_S, CallProtocol, DirectCalls, Exchange
from tests.gateway.asgi import Answer, Application
from tests.waiting import eventually


class NoDirectCalls:
    """Takes none."""

    def takes(self, headers: Headers) -> bool:
        return False

    def begin(self, exchange: Exchange) -> None:
        raise AssertionError("it took none")


@asynccontextmanager
async def served(app: Application, direct: DirectCalls | None = None, head_s: float = HEAD_S) -> AsyncIterator[int]:
    """The port at which it is served, with the calls that `direct` takes answered by that."""
    config = uvicorn.Config(cast(Any, app), ws="none", lifespan="off", log_config=None, access_log=False)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"Fri, 27 Nov 2026 12:00:00 GMT")]
    options: dict[str, Any] = {"config": config, "server_state": state, "app_state": {}, "head_s": head_s}
    server = await asyncio.get_running_loop().create_server(
        partial(CallProtocol, direct or NoDirectCalls(), Heads(), **options), "127.0.0.1", 0
    )
    yield server.sockets[0].getsockname()[1]
    server.close()
    for connection in list(state.connections):
        cast(CallProtocol, connection).transport.abort()
    await eventually(lambda: not state.connections)
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=20)
    await server.wait_closed()


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def line(self) -> bytes:
        return await asyncio.wait_for(self._reader.readline(), 20)

    async def answer(self) -> Answer:
        """The next whole answer on this connection."""
        return await asyncio.wait_for(self._answer(), 20)

    async def is_closed(self) -> bool:
        """Waits until the server ends the connection; whether it said nothing more before."""
        rest = await asyncio.wait_for(self._reader.read(), 20)
        await self.close()
        return rest == b""

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def reset(self) -> None:
        """Break the connection off."""
        self._writer.transport.abort()
        await self._writer.wait_closed()

    async def _answer(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join([chunk async for chunk in self._chunks()])
        else:
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(status.split()[1]), headers, body)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int(await self._reader.readline(), 16):
            yield await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)


def post(path: str, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """A request, as bytes; `length` is the Content-Length that it claims, if not the body's."""
    told = len(body) if length is None else length
    lines = [f"POST {path} HTTP/1.1", "Host: gateway", f"Content-Length: {told}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

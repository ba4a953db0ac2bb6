"""A small HTTP server that answers as a test says, well or badly: real sockets, on a free port of the loopback."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import parse_qs, urlsplit

from rayfaas.errors import PROBLEM_JSON, NotFound, RayfaasError, to_problem

NDJSON = "application/x-ndjson"


class Request(NamedTuple):
    """`headers` have lower-case names; `connection` counts the connections of the server."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    def json(self) -> Any:
        return json.loads(self.body)


class Reply:
    def __init__(self, method: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._method, self._reader, self._writer = method, reader, writer

    async def send(self, status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        await self.raw(_head(status, {"Content-Length": str(len(body)), **(headers or {})}))
        if self._method != "HEAD":
            await self.raw(body)

    async def json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        await self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    async def problem(self, error: RayfaasError, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(to_problem(error)).encode()
        await self.send(error.status, body, {"Content-Type": PROBLEM_JSON, **(headers or {})})

    async def begin(self, media: str = NDJSON) -> None:
        """The head of an answer in chunks."""
        await self.raw(_head(200, {"Content-Type": media, "Transfer-Encoding": "chunked"}))

    async def events(self, *values: Any) -> None:
        """Lines of NDJSON, in one chunk."""
        await self.chunk("".join(f"{json.dumps(value)}\n" for value in values).encode())

    async def chunk(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.raw(b"0\r\n\r\n")

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def break_off(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()

    async def hang_up(self) -> None:
        """Close the connection, in an orderly way, without a word of it before."""
        self._writer.close()
        await self._writer.wait_closed()

    async def gone(self) -> None:
        """Returns when the client has closed the connection."""
        try:
            while await self._reader.read(1 << 16):
                pass
        except ConnectionError:
            pass


Handler: TypeAlias = Callable[[Request, Reply], Awaitable[None]]


class ScriptedServer:
    """Answers each request with `handler`, and keeps connections alive. What a handler raises fails the test."""

    def __init__(self, handler: Handler) -> None:
        self.requests: list[Request] = []
        self.url = ""
        self._handler = handler
        self._failures: list[BaseException] = []
        self._connections = 0
        self._open: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._ready, self._ending = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="scripted-server", daemon=True)

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        if self._failures and error is None:
            raise self._failures[0]

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Have it called on the server's event loop."""
        self._loop.call_soon_threadsafe(callback)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._ending.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self._connections += 1
        try:
            await self._converse(self._connections, reader, writer)
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception as failure:
            self._failures.append(failure)
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _converse(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await _read_request(number, reader)
            self.requests.append(request)
            await self._handler(request, Reply(request.method, reader, writer))
            if writer.is_closing():
                return


def answering(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Handler:
    """Answers each request with the same JSON."""

    async def handler(_: Request, reply: Reply) -> None:
        await reply.json(value, status, headers)

    return handler


def refusing(error: RayfaasError, headers: Mapping[str, str] | None = None) -> Handler:
    """Answers each request with the same problem."""

    async def handler(_: Request, reply: Reply) -> None:
        await reply.problem(error, headers)

    return handler


def streaming(*events: Any) -> Handler:
    """Answers each request with the same NDJSON."""

    async def handler(_: Request, reply: Reply) -> None:
        await reply.begin()
        for event in events:
            await reply.events(event)
        await reply.end()

    return handler


def routes(table: Mapping[str, Any]) -> Handler:
    """`{"GET /v1/whoami": value or handler}`; what is not in it is not found."""

    async def handler(request: Request, reply: Reply) -> None:
        found = table.get(f"{request.method} {request.path}", refusing(NotFound(f"no {request.target}")))
        await (found if callable(found) else answering(found))(request, reply)

    return handler


def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s"
        time.sleep(0.005)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_phrase(status)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Odd"


async def _read_request(connection: int, reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.splitlines()
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body, connection)

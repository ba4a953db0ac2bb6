"""A gateway that does what a test says: real executors dial it, it sends them calls and keeps what they answer."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rayfaas.connection import Connection
from rayfaas.envelope import (
    AccessBody,
    ArgumentsHeader,
    CallHeader,
    CancelHeader,
    CreditHeader,
    ErrorHeader,
    LogHeader,
    OutputHeader,
    ReadyHeader,
    ResultHeader,
    UploadHeader,
)
from rayfaas.errors import RayfaasError, from_problem
from rayfaas.frames import Kind, Message
from rayfaas.handshake import Identity, ServerSide, derive
from rayfaas.names import new_id
from rayfaas.touches import Touch, TouchedHeader, TrackedHeader, decode_touches
from rayfaas.wire import ARGUMENTS_JSON, OCTETS
from tests.ends import end_of
from tests.waiting import close, eventually

CLUSTER = "test"
WAIT_S = 20.0
DEADLINE = 4_102_444_800.0  # the year 2100

_encode = msgspec.msgpack.encode


class Call:
    """One call, as its caller sees it."""

    def __init__(self, executor: ExecutorEnd, number: int, header: CallHeader) -> None:
        self.executor, self.number, self.header = executor, number, header
        self.items: list[Any] = []
        self.logs: list[tuple[LogHeader, str]] = []
        self.said: list[str] = []
        self.recorded: list[tuple[Any, bool, bool]] = []  # its arguments, whether they are whole, and cut
        self.end: asyncio.Future[ResultHeader | ErrorHeader] = asyncio.get_running_loop().create_future()
        self.body = b""
        self.output_header: OutputHeader | None = None  # of a result that came in pieces
        self.credit = 0  # pieces of its body that it asked for and did not get

    async def value(self) -> Any:
        """Its JSON result; raises its error."""
        end = await self.ended()
        if isinstance(end, ErrorHeader):
            raise from_problem(end.problem)
        return json.loads(self.body) if self.body else None

    async def error(self) -> RayfaasError:
        end = await self.ended()
        assert isinstance(end, ErrorHeader)
        return from_problem(end.problem)

    async def touches(self) -> list[Touch]:
        """What it read and wrote, once it has ended."""
        await self.ended()
        mine = self.header.call_id
        await eventually(lambda: mine in self.executor.touched)
        return self.executor.touched[mine]

    async def tracked(self) -> tuple[list[Touch], str]:
        """All that its result depends on, and what can't be told of that, once it has ended."""
        await self.ended()
        mine = self.header.call_id
        await eventually(lambda: mine in self.executor.tracked)
        return self.executor.tracked[mine]

    async def died(self) -> None:
        """Wait until its executor has gone without an answer."""
        with pytest.raises(ConnectionError):
            await self.ended()

    async def ended(self) -> ResultHeader | ErrorHeader:
        return await asyncio.wait_for(asyncio.shield(self.end), WAIT_S)

    def output(self, stream: str = "stdout") -> str:
        return "".join(text for header, text in self.logs if header.stream == stream)

    async def until(self, text: str) -> None:
        """Wait until it has printed this."""
        await eventually(lambda: text in self.output())

    def grant(self, items: int) -> None:
        self.executor.send(Kind.CREDIT, self.number, _encode(CreditHeader(items)))

    def cancel(self, reason: str = "cancelled") -> None:
        self.executor.send(Kind.CANCEL, self.number, _encode(CancelHeader(reason)))

    async def feed(self, *pieces: bytes, last: bool = False) -> None:
        """Pieces of its body, each when it is asked for."""
        for number, piece in enumerate(pieces, 1):
            await eventually(lambda: self.credit)
            self.credit -= 1
            header = _encode(UploadHeader(last and number == len(pieces)))
            self.executor.send(Kind.INPUT, self.number, header, piece)

    def type(self, line: str) -> None:
        """Into its debugger."""
        self.executor.send(Kind.DEBUG, self.number, b"", line.encode())

    async def says(self, text: str) -> str:
        """All that its debugger has said, once this is in it."""
        await eventually(lambda: any(text in each for each in self.said))
        return "".join(self.said)

    def lost(self) -> None:
        if not self.end.done():
            self.end.set_exception(ConnectionError("the executor is gone"))
            self.end.exception()

    def hear(self, message: Message) -> None:
        if message.kind == Kind.ITEM:
            self.items.append(json.loads(message.body))
        elif message.kind == Kind.DEBUG:
            self.said.append(message.body.decode())
        elif message.kind == Kind.LOG:
            self.logs.append((msgspec.msgpack.decode(message.header, type=LogHeader), message.body.decode()))
        elif message.kind == Kind.ARGUMENTS:
            told = msgspec.msgpack.decode(message.header, type=ArgumentsHeader)
            self.recorded.append((json.loads(message.body), told.is_whole, told.is_cut))
        elif message.kind == Kind.OUTPUT:
            self.output_header = self.output_header or msgspec.msgpack.decode(message.header, type=OutputHeader)
            self.body += message.body
        elif message.kind == Kind.CREDIT:
            self.credit += msgspec.msgpack.decode(message.header, type=CreditHeader).items
        elif message.kind == Kind.RESULT:
            self.body += message.body
            self.end.set_result(msgspec.msgpack.decode(message.header, type=ResultHeader))
        elif message.kind == Kind.ERROR:
            self.end.set_result(msgspec.msgpack.decode(message.header, type=ErrorHeader))


class ExecutorEnd(Connection):
    """An executor's connection, on the gateway's side."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(ServerSide(gateway.key_of))
        self._gateway = gateway
        self._numbers = itertools.count(1)
        self._calls: dict[int, Call] = {}
        self.ready_header: ReadyHeader | None = None
        self.has_drained = False
        self.access_asked = 0
        self.touched: dict[str | None, list[Touch]] = {}  # by call; None: as it began
        self.tracked: dict[str, tuple[list[Touch], str]] = {}
        self.agrees_to_drain = True

    def call(self, *args: Any, credit: int = 1000, **kwargs: Any) -> Call:
        body = json.dumps({"args": args, "kwargs": kwargs}).encode()
        return self.call_raw(ARGUMENTS_JSON, body, credit)

    def call_method(self, method: str, *args: Any, who: str = "alice", **kwargs: Any) -> Call:
        body = json.dumps({"args": args, "kwargs": kwargs}).encode()
        return self.call_raw(ARGUMENTS_JSON, body, method=method, who=who)

    def check(self, *args: Any, **kwargs: Any) -> Call:
        """Ask whether these arguments would do."""
        return self.call_raw(ARGUMENTS_JSON, json.dumps({"args": args, "kwargs": kwargs}).encode(), kind=Kind.CHECK)

    def debug(self, *args: Any) -> Call:
        """A call whose caller waits with a debugger."""
        return self.call_raw(ARGUMENTS_JSON, json.dumps({"args": args, "kwargs": {}}).encode(), debug=True)

    def track(self, *args: Any) -> Call:
        """A call whose result may be kept."""
        return self.call_raw(ARGUMENTS_JSON, json.dumps({"args": args, "kwargs": {}}).encode(), tracks=True)

    def upload(self, content_type: str = OCTETS) -> Call:
        """A call whose body is fed to it."""
        return self.call_raw(content_type, b"", kind=Kind.UPLOAD)

    def call_raw(
        self,
        content_type: str,
        body: bytes,
        credit: int = 1000,
        method: str | None = None,
        who: str = "alice",
        accept: str = "",
        debug: bool = False,
        kind: Kind = Kind.CALL,
        tracks: bool = False,
    ) -> Call:
        call_id = new_id()
        header = CallHeader(
            call_id, call_id, None, content_type, who, "research", DEADLINE, credit, method, accept, debug, tracks
        )
        call = Call(self, next(self._numbers), header)
        self._calls[call.number] = call
        self.send(kind, call.number, _encode(header), body)
        return call

    def on_closed(self) -> None:
        for call in self._calls.values():
            call.lost()

    def on_message(self, message: Message) -> None:
        if message.kind == Kind.READY:
            self.ready_header = msgspec.msgpack.decode(message.header, type=ReadyHeader)
        elif message.kind == Kind.DRAIN:
            self.has_drained = True
            if self.agrees_to_drain:
                self.send(Kind.DRAIN, 0)
        elif message.kind == Kind.TRACKED:
            told = msgspec.msgpack.decode(message.header, type=TrackedHeader)
            self.tracked[told.call_id] = decode_touches(message.body), told.unknown
        elif message.kind == Kind.TOUCHED:
            header = msgspec.msgpack.decode(message.header, type=TouchedHeader)
            self.touched.setdefault(header.call_id, []).extend(decode_touches(message.body))
        elif message.kind == Kind.ACCESS:
            self.access_asked += 1
            self.send(Kind.ACCESS, message.call, b"", _encode(AccessBody("http://gateway", "a token")))
        elif call := self._calls.get(message.call):
            call.hear(message)


class Gateway:
    """Listens on a UNIX socket. `executors` are all that ever connected, in order."""

    def __init__(self, path: Path, session_key: bytes) -> None:
        self._path, self._session_key = path, session_key
        self._server: asyncio.Server | None = None
        self.executors: list[ExecutorEnd] = []

    @property
    def address(self) -> str:
        return f"unix:{self._path}"

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._accept, self._path)

    async def stop(self) -> None:
        """Like the end of its process: the socket and every connection."""
        assert self._server is not None
        await close(self._server)
        self._path.unlink(missing_ok=True)
        for executor in self.executors:
            await end_of(executor)

    async def executor(self, executor_id: str, after: int = 0) -> ExecutorEnd:
        """The connection of an executor that is ready; `after` skips so many older ones."""

        def ready() -> list[ExecutorEnd]:
            mine = [e for e in self.executors if e.ready_header and e.ready_header.executor == executor_id]
            return mine[after:]

        return (await eventually(ready))[0]

    def key_of(self, identity: Identity) -> bytes:
        i = identity
        return derive(self._session_key, i["role"], i["cluster"], i["function"], i["version"], i["executor"])

    def _accept(self) -> ExecutorEnd:
        executor = ExecutorEnd(self)
        self.executors.append(executor)
        return executor

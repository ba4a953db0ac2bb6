"""An executor that does what a test says, over a real connection with the real handshake and frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec

from rayfaas.connection import Connection
from rayfaas.envelope import (
    AccessBody,
    CallHeader,
    CancelHeader,
    CreditHeader,
    DebugHeader,
    ErrorHeader,
    LogHeader,
    OutputHeader,
    ReadyHeader,
    ResultHeader,
    UploadHeader,
)
from rayfaas.errors import RayfaasError, to_problem
from rayfaas.frames import Kind, Message
from rayfaas.handshake import ClientSide, Identity
from rayfaas.touches import Touch, TrackedHeader, encode_touches
from rayfaas.wire import JSON, OCTETS
from tests.waiting import eventually

_encode = msgspec.msgpack.Encoder().encode
_decode_call = msgspec.msgpack.Decoder(CallHeader).decode
_decode_cancel = msgspec.msgpack.Decoder(CancelHeader).decode
_decode_credit = msgspec.msgpack.Decoder(CreditHeader).decode
_decode_upload = msgspec.msgpack.Decoder(UploadHeader).decode
_decode_access = msgspec.msgpack.Decoder(AccessBody).decode

STARTED_US = 1_700_000_000_000_000


class ReceivedCall:
    """A call that came to the executor; the test answers it."""

    def __init__(self, executor: FakeExecutor, message: Message) -> None:
        self._executor, self.number = executor, message.call
        self.header, self.body = _decode_call(message.header), message.body
        self.credit = self.header.credit
        self.is_whole = message.kind != Kind.UPLOAD
        self.cancelled: str | None = None
        self.typed: list[str] = []

    def takes(self, pieces: int = 1) -> None:
        """Ask for so many more pieces of its body."""
        self._executor.send(Kind.CREDIT, self.number, _encode(CreditHeader(pieces)))

    async def whole(self) -> bytes:
        """Its body, when all of it is here."""
        await eventually(lambda: self.is_whole)
        return self.body

    def gives(self, *pieces: bytes, content_type: str = OCTETS, length: int | None = None) -> None:
        """Pieces of its result."""
        for piece in pieces:
            self._executor.send(Kind.OUTPUT, self.number, _encode(OutputHeader(content_type, length)), piece)

    def gave(self, last: bytes = b"", items: int | None = None) -> None:
        """The end of a result that came in pieces."""
        header = _encode(ResultHeader("", STARTED_US, 50_000, 700, 0, items))
        self._executor.send(Kind.RESULT, self.number, header, last)

    def returns(self, value: Any, run_us: int = 50_000, load: int = 0) -> None:
        header = _encode(ResultHeader(JSON, STARTED_US, run_us, 700, load))
        self._executor.send(Kind.RESULT, self.number, header, json.dumps(value).encode())

    def says(self, text: str, waits: bool) -> None:
        """Its debugger does."""
        self._executor.send(Kind.DEBUG, self.number, _encode(DebugHeader(waits)), text.encode())

    def touched(self, *touches: Touch, unknown: str = "") -> None:
        """All that it touched, as its executor tells it where its result may be kept."""
        header = _encode(TrackedHeader(self.header.call_id, unknown))
        self._executor.send(Kind.TRACKED, 0, header, encode_touches(touches))

    def fails(self, error: RayfaasError, started_us: int = STARTED_US) -> None:
        self._executor.send(Kind.ERROR, self.number, _encode(ErrorHeader(to_problem(error), started_us, 50_000, 0, 0)))

    def yields(self, *items: Any) -> None:
        for item in items:
            self._executor.send(Kind.ITEM, self.number, b"", json.dumps(item).encode())

    def ends(self, items: int) -> None:
        """The end of a generator that made so many items."""
        self._executor.send(Kind.RESULT, self.number, _encode(ResultHeader("", STARTED_US, 50_000, 700, 0, items)))

    def prints(self, text: str | bytes, stream: str = "stdout", level: str | None = None) -> None:
        body = text if isinstance(text, bytes) else text.encode()
        self._executor.send(Kind.LOG, self.number, _encode(LogHeader(STARTED_US, stream, level)), body)

    async def access(self) -> AccessBody:
        """With what it may call others, as the gateway says."""
        self._executor.send(Kind.ACCESS, self.number)
        return await asyncio.wait_for(self._executor.accesses.get(), 20)


class FakeExecutor(Connection):
    """`received` are the calls in the order in which they came."""

    def __init__(self, identity: Identity, key: bytes, ready: ReadyHeader) -> None:
        super().__init__(ClientSide(identity, key))
        self.ready_header = ready
        self.received: list[ReceivedCall] = []
        self.accesses: asyncio.Queue[AccessBody] = asyncio.Queue()
        self._by_number: dict[int, ReceivedCall] = {}
        self._untaken: asyncio.Queue[ReceivedCall] = asyncio.Queue()
        self._checks: asyncio.Queue[ReceivedCall] = asyncio.Queue()
        self._answer: Callable[[ReceivedCall], object] | None = None
        self._drained = asyncio.Event()
        self.collects = True  # large bodies by itself, and tells the test of a call when it is whole

    def is_ready(self) -> None:
        self.send(Kind.READY, 0, _encode(self.ready_header))

    def answers(self, answer: Callable[[ReceivedCall], object]) -> None:
        """Answer all calls so, those that nobody took among them."""
        self._answer = answer
        while not self._untaken.empty():
            answer(self._untaken.get_nowait())

    async def call(self) -> ReceivedCall:
        """The next call."""
        return await asyncio.wait_for(self._untaken.get(), 20)

    async def check(self) -> ReceivedCall:
        """The next that it is asked about; `returns` says yes."""
        return await asyncio.wait_for(self._checks.get(), 20)

    async def drain(self) -> None:
        """Take no more calls: when the gateway has agreed, all that it ever sent is in `received`."""
        self.send(Kind.DRAIN, 0)
        await asyncio.wait_for(self._drained.wait(), 20)

    async def die(self) -> None:
        self.abort()
        await self.closed

    @property
    def bodies(self) -> list[bytes]:
        return [call.body for call in self.received]

    def on_message(self, message: Message) -> None:
        if message.kind == Kind.CALL:
            self._take(ReceivedCall(self, message))
        elif message.kind == Kind.UPLOAD:
            self._upload(ReceivedCall(self, message))
        elif message.kind == Kind.INPUT:
            self._input(self._by_number[message.call], message)
        elif message.kind == Kind.CHECK:
            check = self._by_number[message.call] = ReceivedCall(self, message)
            self._checks.put_nowait(check)
        elif message.kind == Kind.DRAIN:
            self._drained.set()
        elif message.kind == Kind.ACCESS:
            self.accesses.put_nowait(_decode_access(message.body))
        elif message.kind == Kind.DEBUG:
            self._by_number[message.call].typed.append(message.body.decode())
        elif message.kind == Kind.CANCEL:
            self._by_number[message.call].cancelled = _decode_cancel(message.header).reason
        elif message.kind == Kind.CREDIT:
            self._by_number[message.call].credit += _decode_credit(message.header).items

    def _upload(self, call: ReceivedCall) -> None:
        self._by_number[call.number] = call
        if self.collects:
            call.takes(16)
        else:
            self._take(call)

    def _input(self, call: ReceivedCall, message: Message) -> None:
        call.body += message.body
        call.is_whole = _decode_upload(message.header).last
        if self.collects:
            self._take(call) if call.is_whole else call.takes()

    def _take(self, call: ReceivedCall) -> None:
        self.received.append(call)
        self._by_number[call.number] = call
        if self._answer is not None:
            self._answer(call)
        else:
            self._untaken.put_nowait(call)

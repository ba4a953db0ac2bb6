"""Answers that come in pieces: a generator's items, and logs if asked for, in the format that the caller takes.

A stream ends with `done` or with `error`, never by silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from rayfaas.envelope import DebugHeader, ErrorHeader, LogHeader, ResultHeader
from rayfaas.errors import RayfaasError, to_problem
from rayfaas.frames import Kind, Message
from rayfaas.gateway.asgi import HeaderList, Receive, Send
from rayfaas.gateway.formats import NdjsonFormat
from rayfaas.gateway.pending import CREDIT, PendingCall

# Of what has come, in bytes; one message may be longer.
MOST_AT_ONCE = 64 << 10
_decode_debug = msgspec.msgpack.Decoder(DebugHeader).decode
_decode_log = msgspec.msgpack.Decoder(LogHeader).decode


class Stream:
    """Sends one call's answer in pieces. `end(code, retryable)` records the call's end. Of one that `is_begun` the head
    is sent."""

    def __init__(
        self,
        call: PendingCall,
        format: NdjsonFormat,
        headers: HeaderList,
        end: Callable[[str | None, bool | None], None],
        is_begun: bool = False,
    ) -> None:
        self._is_begun = is_begun
        self._call, self._format, self._headers, self._end = call, format, headers, end
        self._sent = self._since_grant = 0
        self._held: list[bytes] | None = None  # what waits until the last piece of an item is here

    async def send(self, first: Message, receive: Receive, send: Send) -> None:
        """Returns when the last byte is sent, or when the client is gone (the call has no recorded end then)."""
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            if not self._is_begun:
                await self._start(send)
            await self._write(send, self._format.start())
            message: Message | None = first
            while message is not None and not gone.done():
                message = await self._step(message, send, gone)
        finally:
            gone.cancel()

    async def _step(self, message: Message, send: Send, gone: asyncio.Future[None]) -> Message | None:
        """Send this message and those that have come after it, and return the next; None after the last."""
        text, items, end = self._gather(message)
        await self._write(send, text)
        self._grant(items)
        if end is not None:
            await self._finish(end, send)
            return None
        return await self._next(send, gone)

    def _gather(self, message: Message) -> tuple[bytes, int, Message | None]:
        """What has come, as one piece, because each costs the client as much as many items; how many items are in it;
        and the message that ends the stream, if that has come."""
        pieces: list[bytes] = []
        size = items = 0
        following: Message | None = message
        while following is not None:
            if following.kind == Kind.RESULT or following.kind == Kind.ERROR:
                return b"".join(pieces), items, following
            if following.kind == Kind.LOG:
                self._aside(pieces, self._format.log(_log_entry(following)))
            elif following.kind == Kind.DEBUG:
                self._aside(pieces, self._format.debug(self._debug_entry(following)))
            else:
                output = following.kind == Kind.OUTPUT
                pieces.append(self._piece(following.body) if output else self._item(following.body))
                items += 1
            size += len(following.body)
            following = self._call.next_ready() if size < MOST_AT_ONCE else None
        return b"".join(pieces), items, None

    async def _next(self, send: Send, gone: asyncio.Future[None]) -> Message | None:
        if (ready := self._call.next_ready()) is not None:
            return ready
        following = asyncio.ensure_future(self._call.next_item())
        try:
            waiting: list[asyncio.Future[Any]] = [following, gone]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return following.result() if following.done() else None
        except RayfaasError as error:
            self._end(error.code, error.retryable)
            await self._fail(to_problem(error), send)
            return None
        finally:
            following.cancel()

    async def _finish(self, message: Message, send: Send) -> None:
        ended = self._call.ended
        if isinstance(ended, ErrorHeader):
            self._end(str(ended.problem["code"]), bool(ended.problem["retryable"]))
            return await self._fail({**ended.problem, "call": self._call.call_id}, send)
        text = self._rest(message.body)
        single = {} if isinstance(ended, ResultHeader) and ended.items is not None else {"single": True}
        text += self._format.done({"call": self._call.call_id, "items": self._sent, **single})
        self._call.bytes_out += len(text)
        self._end(None, None)
        await self._write(send, text, last=True)

    async def _fail(self, problem: dict[str, Any], send: Send) -> None:
        if not self._format.cuts_off:
            await self._write(send, self._format.error(problem), last=True)

    def _rest(self, body: bytes) -> bytes:
        """What comes with the end: the result, or the last piece of it."""
        if self._held is not None:
            return b"".join((body, self._format.around[1], *self._held))
        return b"" if self._sent or not body else self._item(body)

    def _aside(self, pieces: list[bytes], text: bytes) -> None:
        """What is no item can't be written into the middle of one."""
        (pieces if self._held is None else self._held).append(text)

    def _debug_entry(self, message: Message) -> dict[str, Any]:
        waits = _decode_debug(message.header).waits
        return {"call": self._call.call_id, "text": message.body.decode("utf-8", "replace"), "waits": waits}

    def _item(self, body: bytes) -> bytes:
        self._sent += 1
        text = self._format.item(body, self._sent == 1)
        self._call.bytes_out += len(text)
        return text

    def _piece(self, body: bytes) -> bytes:
        """Of the only item."""
        self._call.bytes_out += len(body)
        if self._held is not None:
            return body
        self._held, self._sent = [], 1
        return self._format.around[0] + body

    def _grant(self, items: int) -> None:
        self._since_grant += items
        if self._since_grant >= CREDIT // 2 and self._call.executor is not None:
            self._call.executor.grant(self._call, self._since_grant)
            self._since_grant = 0

    async def _start(self, send: Send) -> None:
        head = [*self._format.headers(), *self._headers]
        await send({"type": "http.response.start", "status": 200, "headers": head})

    async def _write(self, send: Send, text: bytes, last: bool = False) -> None:
        if text or last:
            await send({"type": "http.response.body", "body": text, "more_body": not last})


def _log_entry(message: Message) -> dict[str, Any]:
    header = _decode_log(message.header)
    return {
        "at_us": header.at_us,
        "stream": header.stream,
        "level": header.level,
        "text": message.body.decode("utf-8", "replace"),
    }


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

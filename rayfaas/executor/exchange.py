"""One HTTP request or WebSocket of an ASGI application: what its client sent, and what the application answers."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from rayfaas.asgi_events import INPUT_CREDIT, MAX_PIECE, Event, encode_event, pieces
from rayfaas.envelope import CreditHeader
from rayfaas.executor import running
from rayfaas.executor.exceptions import describe_exception, format_traceback
from rayfaas.executor.running import Done, RunningCall
from rayfaas.frames import Kind

_encode = msgspec.msgpack.Encoder().encode


class ClientGone(OSError):
    """What `send` raises when nobody listens any more, as ASGI has it."""


class RunningExchange(RunningCall):
    """The call that it is; `hear` is told, on the thread that reads, of each event of its client."""

    hear: Callable[[Event], object]
    inputs: asyncio.Queue[Event]
    heard_cancel = False
    client_is_gone = False

    @property
    def holds_its_process(self) -> bool:
        """Others are served beside it: only where the loop is stuck does the process end with it."""
        return not self.heard_cancel

    def heard(self, event: Event) -> None:
        """On the loop: the application may `receive` it."""
        self.inputs.put_nowait(event)
        if event["type"].endswith(".disconnect"):
            self.client_is_gone = True
            self.changed.set()

    def want(self, events: int) -> None:
        """So many more events of the client may come."""
        self._send(Kind.CREDIT, _encode(CreditHeader(events)))

    def event(self, event: Mapping[str, Any]) -> None:
        self._send(Kind.ITEM, *encode_event(event))


class Exchange:
    """`receive` and `send` of the application. `done` hears of its end before the last of its answer is sent.

    An HTTP answer that is complete ends it, so that work in the background holds up nobody. One of status 500 or more
    is held until the application returns or raises: then the log can say why.
    """

    def __init__(self, call: RunningExchange, done: Done) -> None:
        self._call, self._inputs, self._done = call, call.inputs, done
        self._taken = 0
        self._status = 0
        self._gone: Event | None = None
        self._held: Event | None = None
        self._is_over = False

    async def receive(self) -> Event:
        if self._gone is not None:
            return self._gone
        event = await self._inputs.get()
        if event["type"].endswith(".disconnect"):
            self._gone = event
        self._taken += 1
        if self._taken >= INPUT_CREDIT // 2 and not self._is_over:
            self._call.want(self._taken)
            self._taken = 0
        return event

    async def send(self, event: Event) -> None:
        if self._is_over or self._held is not None:
            raise RuntimeError(f"The answer is complete, and {event['type']!r} came after it.")
        kind = event["type"]
        if kind.endswith("response.start"):
            self._status = int(event["status"])
        if kind == "http.response.body" and not event.get("more_body", False):
            await self._complete(event)
        else:
            await self._pass_on(event)

    def returned(self) -> None:
        if not self._is_over:
            self._end(self._held)

    def raised(self, error: BaseException) -> None:
        if self._is_over:
            traceback.print_exception(error, file=sys.stderr)  # of its work in the background
        elif _says_gone(error):
            self._end(None)
        elif self._held is not None:
            self._call.log("stderr", format_traceback(error))
            self._end(self._held)
        else:
            self._is_over = True
            self._done(self._call, error)
            self._call.error(describe_exception(error))

    async def _complete(self, event: Event) -> None:
        """The last of an HTTP answer."""
        body = event.get("body") or b""
        if len(body) > MAX_PIECE:
            *first, event = (dict(piece) for piece in pieces(event))
            for piece in first:
                await self._pass_on(piece)
        if self._status >= 500:
            self._held = event
        else:
            await self._take_credit()
            self._end(event)

    async def _pass_on(self, event: Mapping[str, Any]) -> None:
        for piece in pieces(event):
            await self._take_credit()
            self._call.event(piece)
            await asyncio.sleep(0)  # one who always has something to send lets the others, and its client's leaving, in

    async def _take_credit(self) -> None:
        while not self._call.client_is_gone and not self._call.try_credit():
            self._call.changed.clear()
            await self._call.changed.wait()
        if self._call.client_is_gone:
            raise ClientGone("The client is gone.")

    def _end(self, last: Event | None) -> None:
        self._is_over = True
        self._done(self._call)
        running.current.set(None)  # what comes after belongs to no call
        if last is not None:
            self._call.event(last)
        self._call.result("", b"")
        if self._gone is None:
            self._inputs.put_nowait({"type": "http.disconnect"})


def _says_gone(error: BaseException | None) -> bool:
    """Whether an exception is, or was made of, what `send` raised because the client is gone."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ClientGone):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False

"""A call between its acceptance and its answer, at the gateway."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from rayfaas.envelope import CallHeader, ErrorHeader, ReadyHeader, ResultHeader
from rayfaas.errors import RayfaasError
from rayfaas.frames import Kind, Message
from rayfaas.gateway.call_access import Claims
from rayfaas.gateway.route import Route
from rayfaas.trace import trace_of

_encode = msgspec.msgpack.Encoder().encode

# How many items an executor may send before its caller has taken some.
CREDIT = 64

OnLog = Callable[["PendingCall", Message], None]


class Runner(Protocol):
    """The executor that a call was sent to."""

    ready_header: ReadyHeader | None

    def grant(self, pending: PendingCall, items: int) -> None: ...

    def cancel(self, pending: PendingCall, reason: str) -> None: ...

    def type(self, pending: PendingCall, line: str) -> None: ...

    def input(self, pending: PendingCall, header: bytes, body: bytes) -> None: ...


class First(Protocol):
    """Who waits for a call's first message: a future, or what is told at once."""

    def done(self) -> bool: ...

    def set_result(self, message: Message, /) -> None: ...

    def set_exception(self, error: RayfaasError, /) -> None: ...


class PendingCall:
    """One call.

    Its answer is told to `first`: a RESULT, an ERROR, or the first ITEM of a stream, whose others are read with
    `next_item`. Where the caller wants logs, a LOG is a message like an ITEM.
    """

    __slots__ = (
        "accept", "accepted_ns", "body", "bytes_out", "call_id", "cold", "content_type", "context", "credit",
        "deadline", "debug",
        "dispatched_ns", "ended", "executor", "first", "is_spawned", "items", "more", "number", "on_log", "parent_id",
        "principal", "priority", "rate", "root_id", "route", "team", "timer", "wants_logs",
    )  # fmt: skip
    kind = Kind.CALL  # of the frame that it is sent in

    def __init__(
        self,
        route: Route,
        call_id: str,
        root_id: str,
        parent_id: str | None,
        principal: str,
        team: str,
        content_type: str,
        body: bytes,
        timeout_s: float,
        on_log: OnLog,
        first: First | None = None,
        accept: str = "",
        context: str | None = None,
    ) -> None:
        self.context = context
        self.route, self.call_id, self.root_id, self.parent_id = route, call_id, root_id, parent_id
        self.principal, self.team, self.content_type, self.body = principal, team, content_type, body
        self.accept = accept
        self.accepted_ns = time.time_ns()
        self.dispatched_ns = 0
        self.deadline = self.accepted_ns / 1e9 + timeout_s
        self.credit = CREDIT
        self.cold = ""
        self.on_log, self.wants_logs = on_log, False
        self.executor: Runner | None = None
        self.number = self.priority = 0
        self.debug = self.is_spawned = False  # whether nobody waits for it
        self.rate: list[tuple[bytes, bytes]] | None = None  # headers that tell what is left of a limit
        self.bytes_out = 0
        self.ended: ResultHeader | ErrorHeader | None = None
        self.first: First = first or asyncio.get_running_loop().create_future()
        self.items: deque[Message | RayfaasError] = deque()
        self.more: asyncio.Event | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def function(self) -> str:
        return self.route.function

    @property
    def can_move(self) -> bool:
        """Whether another executor may have it, where the one that it was sent to is gone before its turn."""
        return True

    @property
    def lateness(self) -> str:
        """What did not happen within its time."""
        return "did not answer"

    def header(self) -> bytes:
        return _encode(
            CallHeader(
                self.call_id,
                self.root_id,
                self.parent_id,
                self.content_type,
                self.principal,
                self.team,
                self.deadline,
                self.credit,
                self.route.method,
                self.accept,
                self.debug,
                False,
                trace_of(self.context),
            )
        )

    def was_parked(self, since_ns: int) -> None:
        """It has waited since then for its function to be replaced, which counts."""
        self.deadline -= (self.accepted_ns - since_ns) / 1e9
        self.accepted_ns = since_ns
        self.cold = "the function was being replaced"

    def let_debug(self, seconds: float) -> None:
        """Its caller gets a debugger where it stops, and so much time instead of its timeout."""
        self.debug = self.wants_logs = True
        self.deadline = self.accepted_ns / 1e9 + seconds

    def claims(self) -> Claims:
        """What the calls that it makes are made as."""
        return Claims(
            self.call_id, self.root_id, self.principal, self.team, self.deadline, self.context, self.route.owner
        )

    def hear(self, message: Message) -> None:
        if message.kind == Kind.LOG:
            self.on_log(self, message)
            if not self.wants_logs:
                return
        if not self.first.done():
            self.first.set_result(message)
        else:
            self._queue(message)

    def fail(self, error: RayfaasError) -> None:
        """End it with an error of ours; nothing happens if it has ended."""
        if not self.first.done():
            self.first.set_exception(error)
        elif self.ended is None:
            self._queue(error)

    async def answer(self) -> Message:
        """Its first message, of a call that was made without a `first` of its own. Raises the error that ended it."""
        assert isinstance(self.first, asyncio.Future)
        message: Message = await self.first
        return message

    def next_ready(self) -> Message | None:
        """The stream's next message if it is here already."""
        if not self.items or isinstance(self.items[0], RayfaasError):
            return None
        item = self.items.popleft()
        return item if isinstance(item, Message) else None

    async def next_item(self) -> Message:
        """The stream's next message: an ITEM, or the RESULT or ERROR that ends it. Raises the error that cut it off."""
        if self.more is None:
            self.more = asyncio.Event()
        while not self.items:
            self.more.clear()
            await self.more.wait()
        item = self.items.popleft()
        if isinstance(item, RayfaasError):
            raise item
        return item

    def _queue(self, item: Message | RayfaasError) -> None:
        self.items.append(item)
        if self.more is not None:
            self.more.set()

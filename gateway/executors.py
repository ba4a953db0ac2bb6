"""Executors as this gateway sees them: connections over which calls go out and answers come back."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from rayfaas.connection import Connection
from rayfaas.envelope import CancelHeader, CreditHeader, ErrorHeader, ReadyHeader, ResultHeader
from rayfaas.errors import ExecutorDied, ProtocolError
from rayfaas.frames import Kind, Message
from rayfaas.gateway.call_access import Claims
from rayfaas.gateway.fed_calls import FedCall
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.problems import sound
from rayfaas.gateway.touches import Touches
from rayfaas.handshake import Identity, ServerSide, derive
from rayfaas.strangers import Strangers

_encode = msgspec.msgpack.Encoder().encode
_decode_credit = msgspec.msgpack.Decoder(CreditHeader).decode
_decode_ready = msgspec.msgpack.Decoder(ReadyHeader).decode
decode_result = msgspec.msgpack.Decoder(ResultHeader).decode
_decode_error = msgspec.msgpack.Decoder(ErrorHeader).decode

# An executor whose calls are short is sent the next ones before it has answered, up to this much work: it need not wait
# for a round trip between two calls, and no call waits long behind another.
_AHEAD_US = 2_000
_MOST_AHEAD = 16


class Listener(Protocol):
    """Who is told of executors; `key` is the version that they run."""

    def executor_ready(self, executor: ExecutorConnection, key: str) -> None: ...

    def executor_has_room(self, executor: ExecutorConnection, key: str) -> None: ...

    def executor_leaves(self, executor: ExecutorConnection, key: str) -> None: ...

    def executor_gone(self, executor: ExecutorConnection, key: str) -> None: ...


class ExecutorConnection(Connection):
    """One executor. It is dispatched to from READY until DRAIN or its end."""

    def __init__(
        self,
        listener: Listener,
        lookup: Callable[[Identity], bytes | None],
        issue_access: Callable[[Claims], bytes],
        touches: Touches,
        strangers: Strangers | None = None,
    ) -> None:
        super().__init__(ServerSide(lookup), strangers)
        self._listener, self._issue_access, self._touches = listener, issue_access, touches
        self._numbers = itertools.count(1)
        self.calls: dict[int, PendingCall] = {}  # in the order in which they were sent
        self._checks: dict[int, PendingCall] = {}
        self.ready_header: ReadyHeader | None = None
        self.concurrency = 0
        self.capacity = 0  # how many calls it may have, those sent ahead included
        self.others = 0  # its calls of other gateways, as it said last
        self._run_us = 1e9

    @property
    def load(self) -> int:
        return len(self.calls) + self.others

    def submit(self, pending: PendingCall) -> None:
        number = next(self._numbers)
        pending.executor, pending.number, pending.dispatched_ns = self, number, time.time_ns()
        self.calls[number] = pending
        if pending.kind != Kind.CALL:
            self.capacity = self.concurrency  # it is fed, by who may be slow: none waits behind it here
        self.send(pending.kind, number, pending.header(), pending.body)

    def check(self, pending: PendingCall) -> None:
        """Ask whether its arguments would do. It runs nothing, and counts as no call."""
        number = next(self._numbers)
        pending.executor, pending.number = self, number
        self._checks[number] = pending
        self.send(Kind.CHECK, number, pending.header(), pending.body)

    def forget_check(self, pending: PendingCall) -> None:
        """Nobody waits for it any more."""
        if self._checks.pop(pending.number, None) is not None:
            self.cancel(pending, "cancelled")

    def grant(self, pending: PendingCall, items: int) -> None:
        self.send(Kind.CREDIT, pending.number, _encode(CreditHeader(items)))

    def input(self, pending: PendingCall, header: bytes, body: bytes) -> None:
        """What the client sent: an event for an application, or a piece of the call's body."""
        self.send(Kind.INPUT, pending.number, header, body)

    def cancel(self, pending: PendingCall, reason: str) -> None:
        """Nobody waits for it; its answer, if one comes, is dropped. The executor may end itself over it."""
        self.send(Kind.CANCEL, pending.number, _encode(CancelHeader(reason)))

    def type(self, pending: PendingCall, line: str) -> None:
        """Its caller typed this into the debugger."""
        self.send(Kind.DEBUG, pending.number, b"", line.encode())

    def on_message(self, message: Message) -> None:
        try:
            self._hear(message)
        except msgspec.DecodeError as error:
            raise ProtocolError(f"an executor's header can't be read: {error}") from None

    def _hear(self, message: Message) -> None:
        kind = message.kind
        if kind == Kind.RESULT or kind == Kind.ERROR:
            self._ended(message)
        elif kind == Kind.ITEM or kind == Kind.LOG or kind == Kind.OUTPUT:
            pending = self.calls.get(message.call)
            if pending is not None:
                pending.hear(message)
        elif kind == Kind.READY:
            self._ready(_decode_ready(message.header))
        elif kind == Kind.ACCESS:
            pending = self.calls.get(message.call)
            if pending is not None:
                self.send(Kind.ACCESS, message.call, b"", self._issue_access(pending.claims()))
        elif kind == Kind.DEBUG:
            pending = self.calls.get(message.call)
            if pending is not None and pending.debug:
                pending.hear(message)
        elif kind == Kind.CREDIT:
            pending = self.calls.get(message.call)
            if isinstance(pending, FedCall):
                pending.granted(_decode_credit(message.header).items)
        elif kind == Kind.TRACKED:
            self._touches.hear_all(self, message)
        elif kind == Kind.TOUCHED:
            if self.ready_header is not None:
                self._touches.hear(self.ready_header, message)
        elif kind == Kind.ARGUMENTS:
            pending = self.calls.get(message.call)
            if pending is not None:
                self._touches.hear_arguments(pending.call_id, message)
        elif kind == Kind.DRAIN:
            if self.ready_header is not None:
                self._listener.executor_leaves(self, self.ready_header.version_key)
            self.send_last(Kind.DRAIN, 0)

    def on_closed(self) -> None:
        for check in self._checks.values():
            check.fail(ExecutorDied())
        if self.ready_header is not None:
            self._listener.executor_gone(self, self.ready_header.version_key)

    def _ready(self, ready: ReadyHeader) -> None:
        peer = self.peer or {}
        if ready.version_key != f"{peer.get('function')}:{peer.get('version')}":
            raise ProtocolError("an executor is ready for a version that it did not prove to be")
        if self.ready_header is not None:
            raise ProtocolError("an executor is ready twice")
        self.ready_header = ready
        self.capacity = self.concurrency = ready.concurrency
        self._listener.executor_ready(self, ready.version_key)

    def _ended(self, message: Message) -> None:
        if message.call not in self.calls or self.ready_header is None:
            return self._checked(message)
        ended = decode_result(message.header) if message.kind == Kind.RESULT else decode_error(message.header)
        pending = self.calls.pop(message.call)
        self.others = max(0, ended.load - len(self.calls))
        self._learn(ended.run_us)
        pending.ended = ended
        pending.hear(message)
        self._listener.executor_has_room(self, self.ready_header.version_key)

    def _checked(self, message: Message) -> None:
        pending = self._checks.pop(message.call, None)
        if pending is not None:
            is_good = message.kind == Kind.RESULT
            pending.ended = decode_result(message.header) if is_good else decode_error(message.header)
            pending.hear(message)

    def _learn(self, run_us: int) -> None:
        """Allow so many calls ahead as fit into `_AHEAD_US`, by a moving mean of the time that they take."""
        self._run_us = run_us if self._run_us >= 1e9 else self._run_us + (run_us - self._run_us) / 8
        self.capacity = self.concurrency + min(_MOST_AHEAD, int(_AHEAD_US / max(self._run_us, 20.0)))


def decode_error(header: bytes) -> ErrorHeader:
    """Of an executor, which may tell of a problem that is none."""
    ended = _decode_error(header)
    ended.problem = sound(ended.problem)
    return ended


def executor_key(sessions: dict[str, bytes], identity: Identity) -> bytes | None:
    """The key that an executor must prove: derived from its cluster's, and good for its own version only."""
    session = sessions.get(str(identity.get("cluster")))
    if session is None or identity.get("role") != "executor":
        return None
    parts = (identity.get("cluster"), identity.get("function"), identity.get("version"), identity.get("executor"))
    return derive(session, "executor", *parts)

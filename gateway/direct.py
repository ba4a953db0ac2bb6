"""Calls whose request came whole and whose answer is one piece, which are most: answered without a task.

Those of one turn of the loop are recorded in one write: the starts before any of them is dispatched, the ends before
any of them is answered. Everything else goes through `Invoke`; what turns out to be a stream is sent by `Answers`.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, NamedTuple

from rayfaas.envelope import ErrorHeader, ResultHeader
from rayfaas.errors import RayfaasError, to_problem
from rayfaas.frames import Kind, Message
from rayfaas.gateway.admission import Admission
from rayfaas.gateway.answer_heads import call_headers, result_headers
from rayfaas.gateway.answers import Answers
from rayfaas.gateway.asgi import HeaderList, Receive, Scope, Send
from rayfaas.gateway.call_options import CALL_OPTIONS
from rayfaas.gateway.content import has_many_inputs
from rayfaas.gateway.dispatch import Dispatcher
from rayfaas.gateway.formats import format_for
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.http import ON_GONE, Application, Exchange
from rayfaas.gateway.in_flight import InFlight
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.problems import write_problem
from rayfaas.gateway.recording import Recording
from rayfaas.gateway.route import Parked, Past
from rayfaas.gateway.shadows import Shadows
from rayfaas.records import CallEnded, CallStarted
from rayfaas.wire import JSON, VALUE_ACCEPT

_log = logging.getLogger("rayfaas.gateway")

# What asks for more than one plain answer.
_LONG_WAY = frozenset((b"prefer", b"idempotency-key", b"rayfaas-logs", *CALL_OPTIONS))
# What the caller accepts, and what the executor is told of it.
_PLAIN_ANSWER = {None: "", b"*/*": "", JSON.encode(): JSON, VALUE_ACCEPT.encode(): VALUE_ACCEPT}


class DirectCall:
    """A call and its exchange. It hears the first message, as `PendingCall.first`."""

    __slots__ = ("_direct", "answer", "call", "exchange")

    def __init__(self, direct: Direct, exchange: Exchange) -> None:
        self._direct, self.exchange = direct, exchange
        self.call: PendingCall | None = None
        self.answer: Message | RayfaasError | None = None

    def let_go(self) -> None:
        """It is answered. It and its call hold each other no longer: to find such rings takes the collector long."""
        self.call = self.exchange.on_gone = None

    def done(self) -> bool:
        return self.answer is not None

    def set_result(self, message: Message, /) -> None:
        self.answer = message
        self._direct.ended(self)

    def set_exception(self, error: RayfaasError, /) -> None:
        self.answer = error
        self._direct.ended(self)


class Direct:
    """The direct calls of this gateway."""

    def __init__(
        self,
        long_way: Application,
        admission: Admission,
        dispatcher: Dispatcher,
        recording: Recording,
        in_flight: InFlight,
        answers: Answers,
        shadows: Shadows,
    ) -> None:
        self._long_way, self._admission, self._dispatcher, self._recording = long_way, admission, dispatcher, recording
        self._in_flight, self._answers, self._shadows = in_flight, answers, shadows
        self._starting: list[Start] = []
        self._ending: list[DirectCall] = []
        self._turns = False

    def takes(self, headers: Headers) -> bool:
        """Whether a call with these headers has one plain answer."""
        has_plain_answer = headers.get(b"accept") in _PLAIN_ANSWER
        return has_plain_answer and _LONG_WAY.isdisjoint(headers) and not has_many_inputs(headers)

    def begin(self, exchange: Exchange) -> None:
        direct = DirectCall(self, exchange)
        try:
            principal, route = self._admission.admit(exchange.target, exchange.headers)
            if route.version.cache is not None:
                return exchange.begin_again(self._long_way)
            accept = _PLAIN_ANSWER[exchange.headers.get(b"accept")]
            call = self._admission.accept(
                PendingCall, route, principal, exchange.headers, exchange.body, first=direct, accept=accept
            )
        except RayfaasError as error:
            return _refuse(exchange, self._admission.judged(error, exchange.client))
        except (Parked, Past):
            return exchange.begin_again(self._long_way)
        direct.call = call
        exchange.on_gone = partial(self._in_flight.client_gone, call)
        self._recording.in_flight[call.call_id] = call
        record = self._recording.start_record(call, exchange.target)
        self._starting.append(Start(direct, call, record))
        self._turn_soon()

    def ended(self, direct: DirectCall) -> None:
        """It has its first message, or the error that ended it."""
        self._ending.append(direct)
        self._turn_soon()

    def _turn_soon(self) -> None:
        """At once for the only call that is in flight: no other can come to share its write."""
        if self._turns:
            return
        if len(self._recording.in_flight) == 1:
            self._turn()
        else:
            self._turns = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """The turn is over: record what it brought, then dispatch, then answer."""
        self._turns = False
        starting, self._starting = self._starting, []
        ending, self._ending = self._ending, []
        replies = [self._reply(direct) for direct in ending]
        ends = [reply.record for reply in replies if reply.record is not None]
        try:
            self._recording.turned([start.record for start in starting], ends)
        except RayfaasError as error:
            self._refuse_all(starting, error)
        else:
            self._dispatcher.dispatch_all(start.call for start in starting if not start.direct.done())
        for direct, reply in zip(ending, replies, strict=True):
            direct.let_go()
            reply.send(direct.exchange)

    def _reply(self, direct: DirectCall) -> Reply | HandedOn:
        call, answer = direct.call, direct.answer
        assert call is not None
        assert answer is not None
        try:
            return self._reply_to(call, answer)
        except Exception:  # noqa: BLE001 a border: what is wrong with one answer must not hold up the others
            _log.exception("the answer to %s can't be sent", call.call_id)
            return self._problem(call, to_problem(RayfaasError("The gateway failed on this call; its log says how.")))

    def _reply_to(self, call: PendingCall, answer: Message | RayfaasError) -> Reply | HandedOn:
        if isinstance(answer, RayfaasError):
            return self._problem(call, to_problem(answer))
        ended = call.ended
        if call.route.shadow is not None:
            self._shadows.copy(call, answer)
        if answer.kind == Kind.ERROR and isinstance(ended, ErrorHeader):
            return self._problem(call, {**ended.problem, "call": call.call_id})
        if answer.kind == Kind.RESULT and isinstance(ended, ResultHeader) and ended.items is None:
            headers = result_headers(call, ended, answer.body)
            return Reply(self._end(call, None, bytes_out=len(answer.body)), 200, headers, answer.body)
        return HandedOn(partial(self._stream, call, answer))

    def _problem(self, call: PendingCall, problem: dict[str, Any]) -> Reply:
        head, body = write_problem(problem)
        code, status = str(problem["code"]), int(problem["status"])
        return Reply(self._end(call, code, bool(problem["retryable"])), status, head + call_headers(call), body)

    def _end(
        self, call: PendingCall, code: str | None, retryable: bool | None = None, bytes_out: int = 0
    ) -> CallEnded | None:
        if call.timer is not None:
            call.timer.cancel()
        return self._recording.end_record(call, code, retryable, bytes_out)

    async def _stream(self, call: PendingCall, first: Message, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ON_GONE] = partial(self._in_flight.client_gone, call)
        unread = self._in_flight.unread(scope, call)
        try:
            await self._answers.send_stream(call, format_for(dict(scope["headers"])), first, receive, send)
        finally:
            unread.stop()
            self._in_flight.let_go(call)

    def _refuse_all(self, starting: list[Start], error: RayfaasError) -> None:
        for start in starting:
            self._recording.in_flight.pop(start.call.call_id, None)
            if not start.direct.done():
                start.direct.answer = error
                _refuse(start.direct.exchange, error)


class Start(NamedTuple):
    """A call that this turn began."""

    direct: DirectCall
    call: PendingCall
    record: CallStarted


class Reply(NamedTuple):
    """How one ends, with what is recorded of it: nothing where that was done before."""

    record: CallEnded | None
    status: int
    headers: HeaderList
    body: bytes

    def send(self, exchange: Exchange) -> None:
        exchange.answer(self.status, self.headers, self.body)


class HandedOn(NamedTuple):
    """Its answer is not one piece."""

    application: Application
    record: None = None

    def send(self, exchange: Exchange) -> None:
        exchange.hand_on(self.application)


def _refuse(exchange: Exchange, error: RayfaasError) -> None:
    head, body = write_problem(to_problem(error))
    exchange.answer(error.status, head, body)

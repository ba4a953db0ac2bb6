"""`POST /call/{target}`: the hot path. A plain ASGI callable in front of everything else.

Authenticate, resolve, record the start, dispatch, record the end, answer.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from rayfaas.config import Limits
from rayfaas.envelope import ErrorHeader, LogHeader, ResultHeader
from rayfaas.errors import BadRequest, BodyTooLarge, CallCancelled, Forbidden, RayfaasError
from rayfaas.frames import Kind, Message
from rayfaas.gateway.dispatch import Dispatcher
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.problems import Send, send_error, send_problem
from rayfaas.gateway.routes import Principal, Route, Routes
from rayfaas.gateway.streams import NdjsonFormat, Stream, format_for
from rayfaas.names import new_id
from rayfaas.records import CallEnded, CallStarted, LogLine, State

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Headers = dict[bytes, bytes]

PREFIX = "/call/"
_decode_log = msgspec.msgpack.Decoder(LogHeader).decode

# The state of a call that ended with an error of this code; other codes are FAILED.
_STATES: dict[str, State] = {
    "timeout": "TIMED_OUT",
    "cancelled": "CANCELLED",
    "queue_full": "REJECTED",
    "no_capacity": "REJECTED",
    "malformed_body": "REJECTED",
    "unsupported_media_type": "REJECTED",
    "invalid_arguments": "REJECTED",
}


class Invoke:
    """Answers calls. `in_flight` holds the calls of this gateway that have no answer yet, by id."""

    def __init__(self, routes: Routes, dispatcher: Dispatcher, journal: Journal, limits: Limits) -> None:
        self._routes, self._dispatcher, self._journal, self._limits = routes, dispatcher, journal, limits
        self.in_flight: dict[str, PendingCall] = {}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        try:
            if scope["method"] != "POST":
                raise BadRequest("Functions are called with POST.")
            principal = self._routes.authenticate(headers.get(b"authorization"))
            if principal.role == "viewer":
                raise Forbidden("A viewer's token may look, not call. Ask for a token with the role invoker.")
            route = self._routes.resolve(scope["path"][len(PREFIX) :], principal.team)
            format = format_for(headers)
            body = await read_body(receive, headers, self._limits.max_body)
            call = self._accept(route, principal, headers, body, format.carries_logs and b"rayfaas-logs" in headers)
            self._record_start(call, scope["path"][len(PREFIX) :], headers)
        except RayfaasError as error:
            await send_error(send, error)
            return
        try:
            await self._answer(call, format, receive, send)
        finally:
            self._let_go(call)

    # The steps

    def _accept(
        self, route: Route, principal: Principal, headers: Headers, body: bytes, wants_logs: bool
    ) -> PendingCall:
        call_id = new_id()
        parent_id = _text(headers, b"rayfaas-parent")
        root_id = _text(headers, b"rayfaas-root") or parent_id or call_id
        return PendingCall(
            route,
            call_id,
            root_id,
            parent_id,
            principal.name,
            principal.team,
            headers.get(b"content-type", b"").decode("latin-1"),
            body,
            min(_timeout_s(headers), route.version.timeout_s),
            self._log,
            wants_logs,
        )

    async def _answer(self, call: PendingCall, format: NdjsonFormat, receive: Receive, send: Send) -> None:
        try:
            self._dispatcher.watch_deadline(call)
            self._dispatcher.dispatch(call)
            message = await call.first
        except RayfaasError as error:
            self._end(call, error.code, error.retryable)
            await send_error(send, error, _call_headers(call))
            return
        if message.kind == Kind.ERROR:
            await self._send_failure(call, send)
        elif isinstance(call.ended, ResultHeader) and call.ended.items is None and not format.is_stream:
            await self._send_result(call, message, send)
        else:
            stream = Stream(call, format, _call_headers(call), lambda code: self._end(call, code))
            await stream.send(message, receive, send)

    async def _send_result(self, call: PendingCall, message: Message, send: Send) -> None:
        ended = call.ended
        assert isinstance(ended, ResultHeader)
        self._end(call, None, bytes_out=len(message.body))
        head = [
            (b"content-type", ended.content_type.encode()),
            (b"content-length", str(len(message.body)).encode()),
            *_call_headers(call),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": message.body})

    async def _send_failure(self, call: PendingCall, send: Send) -> None:
        ended = call.ended
        assert isinstance(ended, ErrorHeader)
        problem = {**ended.problem, "call": call.call_id}
        self._end(call, str(problem["code"]), bool(problem["retryable"]))
        await send_problem(send, problem, _call_headers(call))

    def _let_go(self, call: PendingCall) -> None:
        """The call is over, whatever ended it: this request was cancelled if its end is not recorded yet."""
        if call.timer is not None:
            call.timer.cancel()
        if self.in_flight.pop(call.call_id, None) is not None:
            self._dispatcher.abandon(call, "cancelled")
            self._record_end(call, CallCancelled.code)

    # Records

    def _record_start(self, call: PendingCall, target: str, headers: Headers) -> None:
        """Raises `Unavailable`: a call that can't be recorded is not run."""
        route, version = call.route, call.route.version
        record = CallStarted(
            call=call.call_id,
            root=call.root_id,
            target=target,
            function=route.function,
            version=version.number,
            code_digest=version.code_digest,
            syntax_digest=version.syntax_digest,
            environment_digest=version.environment_digest,
            shape=version.shape,
            owner=route.owner,
            principal=call.principal,
            team=call.team,
            gateway=self._journal.instance,
            accepted_us=call.accepted_ns // 1000,
            bytes_in=len(call.body),
            parent=call.parent_id,
            alias=route.alias,
            alias_revision=route.alias_revision,
            context=_text(headers, b"rayfaas-context"),
            idempotency_key=_text(headers, b"idempotency-key"),
        )
        self._journal.started(record)
        self.in_flight[call.call_id] = call

    def _end(self, call: PendingCall, code: str | None, retryable: bool | None = None, bytes_out: int = 0) -> None:
        """Record the end, once, before the last byte of the answer."""
        if self.in_flight.pop(call.call_id, None) is not None:
            self._record_end(call, code, retryable, bytes_out)

    def _record_end(
        self, call: PendingCall, code: str | None, retryable: bool | None = None, bytes_out: int = 0
    ) -> None:
        record = CallEnded(
            call=call.call_id,
            state=_STATES.get(code, "FAILED") if code else "SUCCEEDED",
            ended_us=time.time_ns() // 1000,
            code=code,
            retryable=retryable,
            bytes_out=bytes_out or call.bytes_out,
            cold=call.cold,
        )
        _add_run(record, call)
        self._journal.ended(record)

    def _log(self, call: PendingCall, message: Message) -> None:
        header = _decode_log(message.header)
        text = message.body.decode("utf-8", "replace")
        route = call.route
        self._journal.log(
            LogLine(call.call_id, route.function, route.version.number, header.at_us, header.stream, text, header.level)
        )


async def read_body(receive: Receive, headers: Headers, limit: int) -> bytes:
    """The whole body. Raises `BodyTooLarge`, before reading it where its length is told."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > limit:
        raise BodyTooLarge(f"The body has {int(length):,} bytes, the limit is {limit:,}.", limit=limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    chunks, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallCancelled("The client went away before it had sent the whole body.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise BodyTooLarge(f"The body is over the limit of {limit:,} bytes.", limit=limit)
    return b"".join(chunks)


def _add_run(record: CallEnded, call: PendingCall) -> None:
    """Where and how long it ran, as far as it did."""
    ended, executor = call.ended, call.executor
    if call.dispatched_ns:
        record.queue_us = (call.dispatched_ns - call.accepted_ns) // 1000
    if executor is not None and executor.ready_header is not None:
        ready = executor.ready_header
        record.executor, record.replica, record.node = ready.executor, ready.replica, ready.node
        record.cluster, record.hardware = ready.cluster, ready.hardware
    if ended is not None and ended.started_us:
        record.started_us, record.run_us, record.cpu_us = ended.started_us, ended.run_us, ended.cpu_us
        record.gpu_us = int(ended.run_us * call.route.version.gpus)
        if isinstance(ended, ResultHeader):
            record.items = ended.items


def _call_headers(call: PendingCall) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"rayfaas-call-id", call.call_id.encode()),
        (b"rayfaas-version", str(call.route.version.number).encode()),
    ]
    if call.route.alias:
        headers.append((b"rayfaas-alias", call.route.alias.encode()))
    if call.cold:
        headers.append((b"rayfaas-cold", b"1"))
    if call.ended is not None and call.dispatched_ns:
        queue_ms, run_ms = (call.dispatched_ns - call.accepted_ns) / 1e6, call.ended.run_us / 1e3
        headers.append((b"server-timing", b"queue;dur=%.2f, run;dur=%.2f" % (queue_ms, run_ms)))
    return headers


def _text(headers: Headers, name: bytes) -> str | None:
    value = headers.get(name)
    return value.decode("latin-1") if value else None


def _timeout_s(headers: Headers) -> float:
    value = headers.get(b"rayfaas-timeout")
    if value is None:
        return float("inf")
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise BadRequest(f"Rayfaas-Timeout is a number of seconds above 0, not {value.decode('latin-1')!r}.")
    return seconds

"""`POST /call/{target}`: the hot path. A plain ASGI callable in front of everything else.

Authenticate, resolve, record the start, dispatch, record the end, answer.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, TypeVar, overload

import msgspec

from rayfaas.config import Limits
from rayfaas.context import MAX_CONTEXT
from rayfaas.envelope import ErrorHeader, ResultHeader
from rayfaas.errors import (
    BadRequest,
    CallCancelled,
    CallTimeout,
    Forbidden,
    MethodNotAllowed,
    NoCapacity,
    RayfaasError,
    to_problem,
)
from rayfaas.frames import Kind, Message
from rayfaas.gateway.cache.cache import Cache
from rayfaas.gateway.cache.call import CachedCall
from rayfaas.gateway.call_options import DEBUG, DEBUG_S, WEBHOOK, acting_for, check_debugging, priority_of
from rayfaas.gateway.content import check_content, has_many_inputs
from rayfaas.gateway.dispatch import Dispatcher
from rayfaas.gateway.dry_run import DryRuns
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.history import History
from rayfaas.gateway.http import ON_GONE, HeaderList
from rayfaas.gateway.inputs import Inputs
from rayfaas.gateway.outcome import MAX_BODY
from rayfaas.gateway.pending import First, PendingCall
from rayfaas.gateway.prefer import wait_s
from rayfaas.gateway.principal import Principal
from rayfaas.gateway.problems import Send, send_error, send_problem
from rayfaas.gateway.progress import Progress, entry, is_wanted
from rayfaas.gateway.raw import RawFormat
from rayfaas.gateway.recording import Recording
from rayfaas.gateway.route import Parked, Past, Route
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.shadows import Shadows
from rayfaas.gateway.spawned import Spawned
from rayfaas.gateway.streams import NdjsonFormat, Stream, format_for
from rayfaas.gateway.unread import Unread
from rayfaas.gateway.uploads import Body, Upload, UploadCall, begin_body
from rayfaas.gateway.webhook_rules import WebhookRules
from rayfaas.gateway.wrong_tokens import WrongTokens
from rayfaas.names import new_id

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

PREFIX = "/call/"
_check_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
AnyCall = TypeVar("AnyCall", bound=PendingCall)


class Invoke:
    """Answers calls. What is to be run whatever happens, or not twice, it hands to `spawned`."""

    def __init__(
        self,
        routes: Routes,
        dispatcher: Dispatcher,
        recording: Recording,
        spawned: Spawned,
        limits: Limits,
        webhook_rules: WebhookRules,
        history: History,
        shadows: Shadows,
        cache: Cache,
        progress: Progress,
    ) -> None:
        self._routes, self._dispatcher, self._recording, self._limits = routes, dispatcher, recording, limits
        self._spawned, self._webhook_rules = spawned, webhook_rules
        self._history, self._shadows, self._cache, self._progress = history, shadows, cache, progress
        self._dry_runs, self._wrong_tokens = DryRuns(dispatcher), WrongTokens()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        target = scope["path"][len(PREFIX) :]
        if scope["method"] != "POST":
            return await send_error(send, MethodNotAllowed("Functions are called with POST."), [(b"allow", b"POST")])
        try:
            began_ns = time.time_ns()
            principal, route, was_parked = await self.admit_soon(target, headers)
            format = format_for(headers)
            key = _text(headers, b"idempotency-key")
            is_kept = key is not None or _is_spawned(headers)
            if DEBUG in headers:
                check_debugging(principal, route, format, is_kept or has_many_inputs(headers))
            priority, webhook = priority_of(headers), self._webhook(headers, is_kept)
            is_dry_run = b"validate-only" in headers.get(b"prefer", b"")
            if has_many_inputs(headers) and not is_dry_run:
                inputs = self._inputs(route, principal, target, headers, priority)
                return await inputs.answer(scope, receive, send)
            body = await self._begin_body(receive, headers, is_kept or is_dry_run)
            wants_logs = format.carries_logs and b"rayfaas-logs" in headers
            accept = format.accept((_text(headers, b"accept") or "").strip().lower())
            kind = UploadCall if body.more else kind_of(route, is_cached=not format.is_stream)
            call = self.accept(route, principal, headers, body.held, wants_logs, accept=accept, kind=kind)
            if is_dry_run:
                return await self._dry_runs.answer(call, target, send)
            if was_parked:
                call.was_parked(began_ns)
            call.priority = priority
            if is_kept:
                return await self._spawned.answer(call, target, key, headers, webhook, send)
            if DEBUG in headers:
                call.let_debug(DEBUG_S)
            if isinstance(call, CachedCall):
                call.bypasses = b"no-cache" in headers.get(b"cache-control", b"").lower()
            self._recording.start(call, target, bytes_in=body.length)
        except RayfaasError as error:
            await send_error(send, self.judged(error, scope.get("client")))
            return
        scope[ON_GONE] = lambda: self.client_gone(call)
        unread = self.unread(scope, call)
        try:
            tells = is_wanted(format, headers)
            if isinstance(call, UploadCall):
                await self._answer_upload(call, body, format, receive, send, tells)
            elif isinstance(call, CachedCall):
                await self._answer_cached(call, format, receive, send)
            else:
                await self._answer(call, format, receive, send, tells)
        finally:
            unread.stop()
            self.let_go(call)

    def unread(self, scope: MutableMapping[str, Any], call: PendingCall) -> Unread:
        """Lets a client go that reads nothing of its answer when the call's time is over."""
        timed_out = partial(self._recording.end, call, CallTimeout.code, CallTimeout.retryable)
        return Unread(scope, call.deadline, timed_out)

    def judged(self, error: RayfaasError, client: object) -> RayfaasError:
        """What a client, by its address, is told instead of an error."""
        return self._wrong_tokens.judged(error, client)

    def let_go(self, call: PendingCall) -> None:
        """Its request is over: what still runs of it has nobody who waits."""
        if self._recording.let_go(call):
            self._dispatcher.abandon(call, "cancelled")

    def cancel(self, call_id: str) -> bool:
        """Cancel a call in flight, and those that it made; whether there is one of this id."""
        call = self._recording.in_flight.get(call_id)
        if call is not None:
            self._cancel(call, CallCancelled("The call was cancelled."))
        return call is not None

    def type(self, call_id: str, line: str) -> bool:
        """Type a line into the debugger of a call in flight; whether there is one."""
        call = self._recording.in_flight.get(call_id)
        if call is None or not call.debug or call.executor is None:
            return False
        call.executor.type(call, line)
        return True

    def copy(self, call: PendingCall, answer: Message) -> None:
        """Copy a call that has its answer for the shadow of its route. Returns at once, and raises nothing."""
        self._shadows.copy(call, answer)

    def client_gone(self, call: PendingCall) -> None:
        self._cancel(call, CallCancelled("The client went away before it had the answer."))

    def _cancel(self, call: PendingCall, why: RayfaasError) -> None:
        self._dispatcher.abandon(call, "cancelled")
        call.fail(why)
        children = [each for each in self._recording.in_flight.values() if each.parent_id == call.call_id]
        for child in [each for each in children if not self._spawned.holds(each.call_id)]:
            self._cancel(child, CallCancelled("The call that made this one was cancelled."))

    # The steps

    def admit(self, target: str, headers: Headers) -> tuple[Principal, Route]:
        """Who calls, and what. Raises what there is against it."""
        principal = _caller(self._routes.authenticate(headers.get(b"authorization")))
        route = self._routes.resolve(target, principal.team, principal.name, headers, principal.reader)
        check_content(headers, principal, route)
        return principal, route

    def _webhook(self, headers: Headers, is_kept: bool) -> str | None:
        """Where the end of a spawned call is told."""
        url = _text(headers, WEBHOOK)
        if url is None:
            return None
        if not is_kept:
            raise BadRequest("Rayfaas-Webhook is for calls that are spawned: send `Prefer: respond-async` with it.")
        return self._webhook_rules.check(url)

    async def admit_soon(self, target: str, headers: Headers) -> tuple[Principal, Route, bool]:
        """Who calls, for the team that is asked for, and what; and whether one had to wait until that was replaced."""
        deadline = math.inf
        while True:
            try:
                principal = _caller(acting_for(self._routes.authenticate(headers.get(b"authorization")), headers))
                route = self._routes.resolve(target, principal.team, principal.name, headers, principal.reader)
                check_content(headers, principal, route)
                return principal, route, deadline < math.inf
            except Past as past:
                await self._history.learn(past)
            except Parked as parked:
                patience_s = min(_timeout_s(headers), parked.timeout_s)
                deadline = min(deadline, time.monotonic() + patience_s)
                try:
                    await asyncio.wait_for(self._routes.changed(), deadline - time.monotonic())
                except asyncio.TimeoutError:
                    raise NoCapacity(
                        f"{parked.function} was still being replaced after {patience_s:.1f} s, the timeout."
                    ) from None

    @overload
    def accept(
        self,
        route: Route,
        principal: Principal,
        headers: Headers,
        body: bytes,
        wants_logs: bool = False,
        first: First | None = None,
        accept: str = "",
    ) -> PendingCall: ...
    @overload
    def accept(
        self,
        route: Route,
        principal: Principal,
        headers: Headers,
        body: bytes,
        wants_logs: bool = False,
        first: None = None,
        accept: str = "",
        *,
        kind: Callable[..., AnyCall],
    ) -> AnyCall: ...
    def accept(
        self,
        route: Route,
        principal: Principal,
        headers: Headers,
        body: bytes,
        wants_logs: bool = False,
        first: First | None = None,
        accept: str = "",
        kind: Callable[..., PendingCall] = PendingCall,
    ) -> PendingCall:
        rate = None
        if (quotas := self._routes.quotas) is not None:
            in_flight = self._recording.in_flight
            rate = quotas.take(principal.name, principal.team, route.function, in_flight)
        call_id = new_id()
        parent_id, most_s = _text(headers, b"rayfaas-parent"), math.inf
        root_id = _text(headers, b"rayfaas-root") or parent_id or call_id
        if (parent := principal.parent) is not None:
            parent_id, root_id, most_s = parent.call, parent.root, max(0.001, parent.deadline - time.time())
            context = parent.context
        else:
            context = _context(headers)
        call = kind(
            route,
            call_id,
            root_id,
            parent_id,
            principal.name,
            principal.team,
            headers.get(b"content-type", b"").decode("latin-1"),
            body,
            min(_timeout_s(headers), route.version.timeout_s, most_s),
            self._recording.log,
            wants_logs,
            first=first,
            accept=accept,
            context=context,
        )
        call.rate = rate
        return call

    def _inputs(self, route: Route, principal: Principal, target: str, headers: Headers, priority: int) -> Inputs:
        if b"idempotency-key" in headers or _is_spawned(headers):
            raise BadRequest("Many inputs in one request are waited for, and have no key: spawn calls one by one.")

        def make_call(body: bytes) -> PendingCall:
            call = self.accept(route, principal, headers, body, kind=kind_of(route))
            call.priority = priority
            return call

        most_bytes = min(self._limits.max_body, MAX_BODY)
        return Inputs(make_call, self._dispatcher, self._recording, self._cache, target, most_bytes)

    async def _begin_body(self, receive: Receive, headers: Headers, is_held: bool) -> Body:
        """Of a call that is kept or only checked the gateway holds it."""
        most = self._limits.max_body
        return await begin_body(receive, headers, min(most, MAX_BODY) if is_held else most, is_held)

    async def _answer_upload(
        self, call: UploadCall, body: Body, format: NdjsonFormat, receive: Receive, send: Send, tells: bool
    ) -> None:
        upload = Upload(call, body.start, receive, self._limits.max_body, partial(self._cancel, call))
        try:
            await self._answer(call, format, upload.receive, send, tells)
        finally:
            upload.stop()

    async def _answer_cached(self, call: CachedCall, format: NdjsonFormat, receive: Receive, send: Send) -> None:
        try:
            entry = await self._cache.find(call)
            if entry is None:
                await self._answer(call, format, receive, send)
            else:
                await send_whole(send, head_of(call, entry.content_type, entry.body), entry.body)
        except RayfaasError as error:
            self._recording.end(call, error.code, error.retryable)
            await send_error(send, error, call_headers(call))
        finally:
            self._cache.let_go(call)

    async def _answer(
        self, call: PendingCall, format: NdjsonFormat, receive: Receive, send: Send, tells: bool = False
    ) -> None:
        """`tells`: what it waits for is told to the caller."""
        is_begun = False
        try:
            self._dispatcher.watch_deadline(call)
            self._dispatcher.dispatch(call)
            if tells and call.cold:
                is_begun = await self._tell_progress(call, format, send)
            message = await call.answer()
        except RayfaasError as error:
            self._recording.end(call, error.code, error.retryable)
            if is_begun:
                return await send({"type": "http.response.body", "body": format.error(to_problem(error))})
            await send_error(send, error, call_headers(call))
            return
        if call.route.shadow is not None:
            self.copy(call, message)
        if is_begun:
            await self.send_stream(call, format, message, receive, send, is_begun)
        elif message.kind == Kind.ERROR:
            await self._send_failure(call, send)
        elif message.kind == Kind.RESULT and not format.is_stream and _is_single(call):
            await self._send_result(call, message, send)
        else:
            await self.send_stream(call, format, message, receive, send)

    async def _tell_progress(self, call: PendingCall, format: NdjsonFormat, send: Send) -> bool:
        """Until its wait is over; whether the answer has begun with it."""
        is_begun = False
        assert isinstance(call.first, asyncio.Future)
        async for stage in self._progress.follow(call, call.first):
            if not is_begun:
                head = [*format.headers(), *call_headers(call)]
                await send({"type": "http.response.start", "status": 200, "headers": head})
                is_begun = True
            text = format.idle() if stage is None else format.progress(entry(call, stage))
            await send({"type": "http.response.body", "body": text, "more_body": True})
        return is_begun

    async def send_stream(
        self,
        call: PendingCall,
        format: NdjsonFormat,
        first: Message,
        receive: Receive,
        send: Send,
        is_begun: bool = False,
    ) -> None:
        if first.kind == Kind.OUTPUT and not format.is_stream:
            format = RawFormat.of(first)
        stream = Stream(call, format, call_headers(call), partial(self._recording.end, call), is_begun)
        await stream.send(first, receive, send)

    async def _send_result(self, call: PendingCall, message: Message, send: Send) -> None:
        ended = call.ended
        assert isinstance(ended, ResultHeader)
        self._recording.end(call, None, bytes_out=len(message.body))
        if isinstance(call, CachedCall):
            self._cache.keep(call, ended.content_type, message.body)
        await send_whole(send, result_headers(call, ended, message.body), message.body)

    async def _send_failure(self, call: PendingCall, send: Send) -> None:
        ended = call.ended
        assert isinstance(ended, ErrorHeader)
        problem = {**ended.problem, "call": call.call_id}
        self._recording.end(call, str(problem["code"]), bool(problem["retryable"]))
        await send_problem(send, problem, call_headers(call))


def _is_single(call: PendingCall) -> bool:
    """Whether it returned one result, and was no generator."""
    return isinstance(call.ended, ResultHeader) and call.ended.items is None


def result_headers(call: PendingCall, ended: ResultHeader, body: bytes) -> HeaderList:
    """Raises ValueError where the executor gave a type that would break out of its header."""
    if not ended.content_type.isprintable():
        raise ValueError(f"{ended.content_type!r} is not a Content-Type")
    return head_of(call, ended.content_type, body)


def head_of(call: PendingCall, content_type: str, body: bytes) -> HeaderList:
    return [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body)), *call_headers(call)]


def kind_of(route: Route, is_cached: bool = True) -> type[PendingCall]:
    """Of a call that holds its body."""
    return CachedCall if is_cached and route.version.cache is not None else PendingCall


async def send_whole(send: Send, headers: HeaderList, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def call_headers(call: PendingCall) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"rayfaas-call-id", call.call_id.encode()),
        (b"rayfaas-version", str(call.route.version.number).encode()),
    ]
    if call.route.alias:
        headers.append((b"rayfaas-alias", call.route.alias.encode()))
    if call.cold:
        headers.append((b"rayfaas-cold", b"1"))
    if call.rate is not None:
        headers += call.rate
    if call.ended is not None and call.dispatched_ns:
        queue_ms, run_ms = (call.dispatched_ns - call.accepted_ns) / 1e6, call.ended.run_us / 1e3
        headers.append((b"server-timing", b"queue;dur=%.2f, run;dur=%.2f" % (queue_ms, run_ms)))
    return headers


def _caller(principal: Principal) -> Principal:
    if principal.role == "viewer":
        raise Forbidden("A viewer's token may look, not call. Ask for a token with the role invoker.")
    return principal


def _context(headers: Headers) -> str | None:
    """What the caller says of where it runs."""
    value = headers.get(b"rayfaas-context")
    if not value:
        return None
    if len(value) > MAX_CONTEXT:
        raise BadRequest(f"Rayfaas-Context may have {MAX_CONTEXT:,} bytes, not {len(value):,}.")
    try:
        _check_object(value)  # one that is none would break the queries of all who look into the column
        return value.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"Rayfaas-Context is a JSON object: {error}.") from None


def _is_spawned(headers: Headers) -> bool:
    """Whether its caller does not wait for its end, or not for all of the time. Raises `BadRequest`."""
    prefer = headers.get(b"prefer")
    return prefer is not None and (b"respond-async" in prefer or wait_s(prefer.decode("latin-1")) is not None)


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

"""`POST /call/{target}`: calls that take the long way. A plain ASGI callable in front of everything else.

Admit, accept, record the start, and have it answered. Calls that came whole and want one plain answer go through
`direct.py`.
"""

from __future__ import annotations

import time
from functools import partial
from typing import NamedTuple

from rayfaas.errors import BadRequest, MethodNotAllowed, RayfaasError
from rayfaas.gateway.admission import Admission
from rayfaas.gateway.answers import Answers
from rayfaas.gateway.asgi import Receive, Scope, Send
from rayfaas.gateway.cache.call import CachedCall, kind_of
from rayfaas.gateway.call_options import DEBUG, DEBUG_S, check_debugging, is_spawned, priority_of, text_of
from rayfaas.gateway.content import has_many_inputs
from rayfaas.gateway.dry_run import DryRuns
from rayfaas.gateway.formats import NdjsonFormat, format_for
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.http import ON_GONE
from rayfaas.gateway.in_flight import InFlight
from rayfaas.gateway.inputs import Inputs
from rayfaas.gateway.outcome import MAX_BODY
from rayfaas.gateway.outcomes import Outcomes
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.principal import Principal
from rayfaas.gateway.problems import send_error
from rayfaas.gateway.progress import is_wanted
from rayfaas.gateway.recording import Recording
from rayfaas.gateway.route import Route
from rayfaas.gateway.spawned import Spawned
from rayfaas.gateway.uploads import Body, Upload, UploadCall, begin_body

PREFIX = "/call/"


class Begun(NamedTuple):
    """A call whose start is recorded, and how it is answered."""

    call: PendingCall
    body: Body
    format: NdjsonFormat
    tells_progress: bool


class Invoke:
    """Answers calls. What is to be run whatever happens, or not twice, it hands to `spawned`."""

    def __init__(
        self,
        admission: Admission,
        recording: Recording,
        in_flight: InFlight,
        answers: Answers,
        spawned: Spawned,
        outcomes: Outcomes,
        dry_runs: DryRuns,
        max_body: int,
    ) -> None:
        self._admission, self._recording, self._in_flight, self._answers = admission, recording, in_flight, answers
        self._spawned, self._outcomes, self._dry_runs = spawned, outcomes, dry_runs
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            return await send_error(send, MethodNotAllowed("Functions are called with POST."), [(b"allow", b"POST")])
        try:
            begun = await self._begin(scope, receive, send)
        except RayfaasError as error:
            return await send_error(send, self._admission.judged(error, scope.get("client")))
        if begun is not None:
            await self._see_through(begun, scope, receive, send)

    async def _begin(self, scope: Scope, receive: Receive, send: Send) -> Begun | None:
        """None where the request was answered otherwise: it was no call that somebody waits for here, or many."""
        began_ns = time.time_ns()
        headers: Headers = dict(scope["headers"])
        target = scope["path"][len(PREFIX) :]
        principal, route, was_parked = await self._admission.admit_soon(target, headers)
        format, key = format_for(headers), text_of(headers, b"idempotency-key")
        is_kept = key is not None or is_spawned(headers)
        is_dry_run = b"validate-only" in headers.get(b"prefer", b"")
        if DEBUG in headers:
            check_debugging(principal, route, format, is_kept or has_many_inputs(headers))
        priority, webhook = priority_of(headers), self._spawned.webhook_of(headers, is_kept)
        if has_many_inputs(headers) and not is_dry_run:
            await self._inputs(route, principal, target, headers, priority).answer(scope, receive, send)
            return None
        body = await self._begin_body(receive, headers, is_kept or is_dry_run)
        call = self._accept(route, principal, headers, body, format)
        if is_dry_run:
            await self._dry_runs.answer(call, target, send)
            return None
        if was_parked:
            call.was_parked(began_ns)
        call.priority = priority
        if is_kept:
            await self._spawned.answer(call, target, key, headers, webhook, send)
            return None
        if DEBUG in headers:
            call.let_debug(DEBUG_S)
        self._recording.start(call, target, bytes_in=body.length)
        return Begun(call, body, format, is_wanted(format, headers))

    def _inputs(self, route: Route, principal: Principal, target: str, headers: Headers, priority: int) -> Inputs:
        if b"idempotency-key" in headers or is_spawned(headers):
            raise BadRequest("Many inputs in one request are waited for, and have no key: spawn calls one by one.")

        def make_call(body: bytes) -> PendingCall:
            call = self._admission.accept(kind_of(route), route, principal, headers, body)
            call.priority = priority
            return call

        most_bytes = min(self._max_body, MAX_BODY)
        return Inputs(make_call, self._in_flight, self._recording, self._outcomes, target, most_bytes)

    async def _begin_body(self, receive: Receive, headers: Headers, is_held: bool) -> Body:
        """Of a call that is kept or only checked the gateway holds it."""
        most = self._max_body
        return await begin_body(receive, headers, min(most, MAX_BODY) if is_held else most, is_held)

    def _accept(
        self, route: Route, principal: Principal, headers: Headers, body: Body, format: NdjsonFormat
    ) -> PendingCall:
        accept = format.accept((text_of(headers, b"accept") or "").strip().lower())
        kind = UploadCall if body.more else PendingCall if format.is_stream else kind_of(route)
        call = self._admission.accept(kind, route, principal, headers, body.held, accept=accept)
        call.wants_logs = format.carries_logs and b"rayfaas-logs" in headers
        if isinstance(call, CachedCall):
            call.bypasses = b"no-cache" in headers.get(b"cache-control", b"").lower()
        return call

    async def _see_through(self, begun: Begun, scope: Scope, receive: Receive, send: Send) -> None:
        call = begun.call
        scope[ON_GONE] = partial(self._in_flight.client_gone, call)
        unread = self._in_flight.unread(scope, call)
        try:
            if isinstance(call, UploadCall):
                await self._answer_upload(call, begun, receive, send)
            elif isinstance(call, CachedCall):
                await self._answers.send_cached(call, begun.format, receive, send)
            else:
                await self._answers.send(call, begun.format, receive, send, begun.tells_progress)
        finally:
            unread.stop()
            self._in_flight.let_go(call)

    async def _answer_upload(self, call: UploadCall, begun: Begun, receive: Receive, send: Send) -> None:
        upload = Upload(call, begun.body.start, receive, self._max_body, partial(self._in_flight.stop, call))
        try:
            await self._answers.send(call, begun.format, upload.receive, send, begun.tells_progress)
        finally:
            upload.stop()

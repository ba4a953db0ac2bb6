"""`/app/{target}/…`: ASGI applications that functions make, served with their bodies and WebSockets as they flow.

A request is translated to frames and back; each is a call, with the rights and the record of one. What the application
never sees is the caller's token.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from rayfaas.asgi_events import OUTPUT_CREDIT, Event, decode_event, encode_scope
from rayfaas.envelope import ErrorHeader
from rayfaas.errors import (
    BadAnswer,
    CallCancelled,
    FunctionError,
    NotFound,
    RayfaasError,
    UnsupportedMediaType,
    to_problem,
)
from rayfaas.frames import Kind, Message
from rayfaas.gateway.admission import Admission
from rayfaas.gateway.answer_heads import call_headers
from rayfaas.gateway.app_calls import AppCall
from rayfaas.gateway.asgi import Receive, Scope, Send
from rayfaas.gateway.clients import HttpClient, WebSocketClient
from rayfaas.gateway.dispatch import Dispatcher
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.http import ON_GONE
from rayfaas.gateway.in_flight import InFlight
from rayfaas.gateway.principal import Principal
from rayfaas.gateway.recording import Recording
from rayfaas.gateway.route import Route

_log = logging.getLogger("rayfaas.gateway")

PREFIX = "/app/"

# Whoever deploys an application could use its callers' tokens.
_NOT_FOR_APPLICATIONS = frozenset((b"authorization",))
_LONGEST_TARGET = 256
# How long an application goes on for a client that is gone before it is interrupted.
GONE_S = 10.0


class Place(NamedTuple):
    """Where an application is: who asks, for what, whether that took waiting, and the path that leads there."""

    principal: Principal
    route: Route
    was_parked: bool
    root_path: str


class Applications:
    """Serves them. `lost` returns when who sent headers may not call a route any more: then a WebSocket is closed."""

    def __init__(
        self,
        admission: Admission,
        dispatcher: Dispatcher,
        recording: Recording,
        in_flight: InFlight,
        lost: Callable[[Headers, Route], Awaitable[RayfaasError]],
    ) -> None:
        self._admission, self._dispatcher, self._recording = admission, dispatcher, recording
        self._in_flight, self._lost = in_flight, lost

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        client = WebSocketClient(send) if scope["type"] == "websocket" else HttpClient(send)
        try:
            began_ns = time.time_ns()
            place = await self._find(scope["path"], headers)
            opening = encode_scope(scope, place.root_path, _NOT_FOR_APPLICATIONS)
            call = self._admission.accept(AppCall, place.route, place.principal, headers, opening)
            if place.was_parked:
                call.was_parked(began_ns)
            self._recording.start(call, scope["path"][len(PREFIX) :][:_LONGEST_TARGET])
        except RayfaasError as error:
            return await client.fail(to_problem(self._admission.judged(error, scope.get("client"))), [])
        exchange = AppExchange(call, client, self._dispatcher, self._recording)
        scope[ON_GONE] = exchange.client_gone
        unread = self._in_flight.unread(scope, call)
        standing = self._stand(headers, call) if scope["type"] == "websocket" else None
        try:
            await exchange.run(receive)
        finally:
            unread.stop()
            if standing is not None:
                standing.cancel()
            self._in_flight.let_go(call)

    def _stand(self, headers: Headers, call: AppCall) -> asyncio.Future[None]:
        async def stand() -> None:
            self._in_flight.stop(call, await self._lost(headers, call.route))

        return asyncio.ensure_future(stand())

    async def _find(self, path: str, headers: Headers) -> Place:
        """`/app/web/…` is `web` of the caller's team; where that has none, `/app/team/web/…` is another team's.

        Raises what there is against it.
        """
        first, _, rest = path[len(PREFIX) :].partition("/")
        try:
            return Place(*await self._admission.admit_soon(first, headers), PREFIX + first)
        except NotFound as error:
            target = f"{first}/{rest.partition('/')[0]}"
            try:
                return Place(*await self._admission.admit_soon(target, headers), PREFIX + target)
            except RayfaasError:
                raise error from None


class AppExchange:
    """One request or WebSocket under way."""

    def __init__(
        self, call: AppCall, client: HttpClient, dispatcher: Dispatcher, recording: Recording, gone_s: float = GONE_S
    ) -> None:
        self._call, self._client, self._dispatcher, self._recording = call, client, dispatcher, recording
        self._gone_s = gone_s
        self._since_grant = 0
        self._giving_up: asyncio.TimerHandle | None = None

    async def run(self, receive: Receive) -> None:
        """Returns when the application has answered, or is given up."""
        feeding = asyncio.ensure_future(self._feed(receive))
        try:
            self._dispatcher.watch_deadline(self._call)
            self._dispatcher.dispatch(self._call)
            await self._answer(await self._call.answer())
        except RayfaasError as error:
            await self._fail(to_problem(error))
        except OSError:
            pass  # a WebSocket whose client is gone
        except Exception:  # noqa: BLE001 a border: an application may send what is no ASGI, or no HTTP
            _log.warning("the answer of %s can't be sent", self._call.route.key, exc_info=True)
            await self._fail(to_problem(BadAnswer("The application's answer can't be sent as HTTP.")))
        finally:
            feeding.cancel()
            if self._giving_up is not None:
                self._giving_up.cancel()

    def client_gone(self) -> None:
        """An HTTP client left before it had the whole answer: the application is told, and has some time to end."""
        if self._giving_up is None:
            self._call.send({"type": "http.disconnect"})
            self._recording.end(self._call, CallCancelled.code)
            self._give_up_soon()

    def _give_up_soon(self) -> None:
        """At once where the application has not heard of it at all."""
        self._giving_up = asyncio.get_running_loop().call_later(self._gone_s, self._give_up)
        if self._call.executor is None:
            self._give_up()

    def _give_up(self) -> None:
        self._dispatcher.abandon(self._call, "cancelled")
        self._call.fail(CallCancelled("The client went away before it had the answer."))

    # To the application

    async def _feed(self, receive: Receive) -> None:
        """One event is read ahead, so that who leaves before the application has begun is not waited for."""
        ahead = asyncio.ensure_future(receive())
        try:
            while not _is_end(event := await ahead):
                ahead = asyncio.ensure_future(receive())
                if not await self._may_send(ahead):
                    event = ahead.result()
                    break
                self._call.send(event)
        finally:
            ahead.cancel()
        if event["type"] == "http.disconnect":
            self.client_gone()
        else:
            self._call.send(event)
            self._give_up_soon()

    async def _may_send(self, ahead: asyncio.Future[Event]) -> bool:
        """Wait until the application takes an event; False where its client is gone before."""
        if self._call.has_credit:
            await self._call.may_send()
            return True
        credit = asyncio.ensure_future(self._call.may_send())
        either: list[asyncio.Future[Any]] = [credit, ahead]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not credit.done() and _is_end(ahead.result()):
                return False
            await credit
        finally:
            credit.cancel()
        return True

    # From it

    async def _answer(self, message: Message) -> None:
        while message.kind == Kind.ITEM:
            event = decode_event(message.header, message.body)
            self._client.check(event)
            self._call.bytes_out += len(message.body)
            if self._client.ends_with(event):
                return await self._complete(event)
            await self._client.send(event, call_headers(self._call))
            self._grant()
            message = await self._call.next_item()
        await self._end(message)

    async def _complete(self, last: Event) -> None:
        """It ended with this event, and is recorded before the client has all of it."""
        message = await self._call.next_item()
        if message.kind == Kind.ERROR:
            return await self._end(message)
        self._record_end()
        await self._client.send(last, call_headers(self._call))

    async def _end(self, message: Message) -> None:
        ended = self._call.ended
        if message.kind == Kind.ERROR and isinstance(ended, ErrorHeader):
            return await self._fail(_explained(ended.problem, self._call))
        self._client.check_end()
        self._record_end()
        await self._client.finish()

    async def _fail(self, problem: dict[str, Any]) -> None:
        self._recording.end(self._call, str(problem["code"]), bool(problem["retryable"]))
        try:
            await self._client.fail({**problem, "call": self._call.call_id}, call_headers(self._call))
        except OSError:
            pass  # its client is gone

    def _record_end(self) -> None:
        self._recording.end(self._call, FunctionError.code if self._client.status >= 500 else None)

    def _grant(self) -> None:
        self._since_grant += 1
        if self._since_grant >= OUTPUT_CREDIT // 2 and self._call.executor is not None:
            self._call.executor.grant(self._call, self._since_grant)
            self._since_grant = 0


def _is_end(event: Event) -> bool:
    return str(event["type"]).endswith(".disconnect")


def _explained(problem: dict[str, Any], call: AppCall) -> dict[str, Any]:
    if problem.get("code") != UnsupportedMediaType.code:
        return problem
    name = call.route.function
    return to_problem(NotFound(f"{name} is a function and no ASGI application: call it with POST /call/{name}."))

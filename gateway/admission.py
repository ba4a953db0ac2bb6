"""Who calls, what, and whether they may: the first step of every call."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import TypeVar

from rayfaas.errors import NoCapacity, RayfaasError
from rayfaas.gateway.asgi import HeaderList
from rayfaas.gateway.call_options import acting_for, check_caller, context_of, timeout_s
from rayfaas.gateway.content import check_content
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.history import History
from rayfaas.gateway.pending import First, PendingCall
from rayfaas.gateway.principal import Principal
from rayfaas.gateway.recording import Recording
from rayfaas.gateway.route import Parked, Past, Route
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.wrong_tokens import WrongTokens
from rayfaas.names import new_id
from rayfaas.within import within

AnyCall = TypeVar("AnyCall", bound=PendingCall)


class Admission:
    """`admit` says who calls what, `accept` makes a call of it."""

    def __init__(self, routes: Routes, history: History, recording: Recording) -> None:
        self._routes, self._history, self._recording = routes, history, recording
        self._wrong_tokens = WrongTokens()

    def admit(self, target: str, headers: Headers) -> tuple[Principal, Route]:
        """Who calls, and what. Raises what there is against it."""
        principal = check_caller(self._routes.authenticate(headers.get(b"authorization")))
        route = self._routes.resolve(target, principal.team, principal.name, headers, principal.reader)
        check_content(headers, principal, route)
        return principal, route

    async def admit_soon(self, target: str, headers: Headers) -> tuple[Principal, Route, bool]:
        """Who calls, for the team that is asked for, and what; and whether one had to wait until that was replaced."""
        deadline = math.inf
        while True:
            try:
                principal = check_caller(acting_for(self._routes.authenticate(headers.get(b"authorization")), headers))
                route = self._routes.resolve(target, principal.team, principal.name, headers, principal.reader)
                check_content(headers, principal, route)
                return principal, route, deadline < math.inf
            except Past as past:
                await self._history.learn(past)
            except Parked as parked:
                patience_s = min(timeout_s(headers), parked.timeout_s)
                deadline = min(deadline, time.monotonic() + patience_s)
                try:
                    await within(deadline - time.monotonic(), self._routes.changed())
                except asyncio.TimeoutError:
                    raise NoCapacity(
                        f"{parked.function} was still being replaced after {patience_s:.1f} s, the timeout."
                    ) from None

    def accept(
        self,
        kind: Callable[..., AnyCall],
        route: Route,
        principal: Principal,
        headers: Headers,
        body: bytes,
        first: First | None = None,
        accept: str = "",
    ) -> AnyCall:
        """A call of this kind. Raises `RateLimited` where it is over a limit, `BadRequest` for a wrong header."""
        rate = None if self._routes.quotas is None else self.count(principal, route.function)
        call_id = new_id()
        root_id, parent_id, most_s = call_id, None, math.inf
        if (parent := principal.parent) is not None:
            parent_id, root_id, most_s = parent.call, parent.root, max(0.001, parent.deadline - time.time())
            context = parent.context
        else:
            context = context_of(headers)
        call = kind(
            route,
            call_id,
            root_id,
            parent_id,
            principal.name,
            principal.team,
            headers.get(b"content-type", b"").decode("latin-1"),
            body,
            min(timeout_s(headers), route.version.timeout_s, most_s),
            self._recording.log,
            first=first,
            accept=accept,
            context=context,
        )
        call.rate = rate
        return call

    def count(self, principal: Principal, function: str) -> HeaderList | None:
        """Count a call against the limits that it comes under; what its answer says of them. Raises `RateLimited`."""
        quotas = self._routes.quotas
        if quotas is None:
            return None
        return quotas.take(principal.name, principal.team, function, self._recording.in_flight)

    def judged(self, error: RayfaasError, client: object) -> RayfaasError:
        """What a client, by its address, is told instead of an error."""
        return self._wrong_tokens.judged(error, client)

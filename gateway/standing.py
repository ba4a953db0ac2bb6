"""Whether who opened a WebSocket may still: tokens are revoked and expire, and functions closed, while it is open."""

from __future__ import annotations

import asyncio
import contextlib
import time

from rayfaas.errors import RayfaasError
from rayfaas.gateway.call_options import acting_for, check_caller
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.principal import Reader
from rayfaas.gateway.route import Route, no_function
from rayfaas.gateway.routes import Routes
from rayfaas.within import within


async def lost(routes: Routes, headers: Headers, route: Route) -> RayfaasError:
    """Returns when who sent these headers may not call the function any more, with what there is against it."""
    while True:
        try:
            expires_at = _check(routes, headers, route)
        except RayfaasError as error:
            return error
        left_s = None if expires_at is None else max(0.01, expires_at - time.time())
        with contextlib.suppress(asyncio.TimeoutError):
            await within(left_s, routes.changed())


def _check(routes: Routes, headers: Headers, route: Route) -> float | None:
    """Until when it may at most. Raises what there is against it."""
    principal = check_caller(acting_for(routes.authenticate(headers.get(b"authorization")), headers))
    team, _, name = route.function.partition("/")
    if routes.hides(team, name, principal.reader or Reader(principal.team)):
        raise no_function(team, name)
    return principal.expires_at

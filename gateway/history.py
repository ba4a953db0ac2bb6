"""Calls as of a moment: what an alias led to then is asked of the controller, once."""

from __future__ import annotations

import msgspec

from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.route import Past
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.snapshot import AliasRoute


class History:
    """Tells the routes what they do not know of the past."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    async def learn(self, past: Past) -> None:
        """Raises `NotFound`, `BadRequest` for the future, or `Unavailable`."""
        team, _, name = past.function.partition("/")
        moment = past.moment.timestamp()
        answer = await self._controller.request("alias_at", team=team, name=name, alias=past.alias, moment=moment)
        self._routes.learn(past, msgspec.convert(answer, AliasRoute))

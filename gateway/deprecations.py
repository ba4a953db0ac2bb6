"""Deprecating a function over HTTP: its callers are told so with every answer (`notices`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import BadRequest
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.requests import as_json, json_body, message_of, reason_of
from rayfaas.gateway.rights import allow_function
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.sight import Sight
from rayfaas.moments import parse_moment
from rayfaas.names import Target


class Deprecations:
    """The endpoints of a function's deprecation."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        path = "/v1/functions/{team}/{name}/deprecation"
        return [
            Route(path, self.deprecation, methods=["GET"]),
            Route(path, self.deprecate, methods=["PUT"]),
            Route(path, self.end, methods=["DELETE"]),
        ]

    async def deprecation(self, request: Request) -> Response:
        of = Sight.of(self._routes, request).function(request)
        return as_json(await self._controller.request("deprecation", **of))

    async def deprecate(self, request: Request) -> Response:
        """`{"successor": "nlp/embed2", "sunset_at": "2027-03-01"}`, each where there is one."""
        principal, of = allow_function(self._routes, request, "deployer")
        body = await json_body(request)
        successor = _successor(body, of["team"])
        if successor is not None:
            Sight.of(self._routes, request).check(*successor.split("/"))
        given = {"successor": successor, "sunset_at": _sunset(body), "reason": message_of(body)}
        return as_json(await self._controller.request("deprecate", **of, **given, actor=principal.name))

    async def end(self, request: Request) -> Response:
        principal, of = allow_function(self._routes, request, "deployer")
        given = {"actor": principal.name, "reason": reason_of(request)}
        return as_json(await self._controller.request("end_deprecation", **of, **given))


def _successor(body: Mapping[str, Any], team: str) -> str | None:
    """As `team/name`."""
    text = body.get("successor")
    if text is None:
        return None
    target = Target.parse(text) if isinstance(text, str) else None
    if target is None or target != Target(target.team, target.name, None, None):
        raise BadRequest(f"successor is a function, as embed or nlp/embed, not {text!r}.")
    return f"{target.team or team}/{target.name}"


def _sunset(body: Mapping[str, Any]) -> str | None:
    text = body.get("sunset_at")
    try:
        moment = None if text is None else parse_moment(text)
    except (TypeError, ValueError):
        raise BadRequest(f"sunset_at is a moment, as 2027-03-01 or 2027-03-01T12:00Z, not {text!r}.") from None
    if moment is not None and moment < datetime.now(timezone.utc):
        raise BadRequest(f"{text} is over. Callers need a moment that is still to come.")
    return None if moment is None else moment.isoformat()

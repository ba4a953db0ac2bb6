"""Protected aliases over HTTP: who may move them. Admins say so, and are not among them unless they say that too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import BadRequest
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.releases import alias_of
from rayfaas.gateway.requests import as_json, json_body, message_of, reason_of
from rayfaas.gateway.rights import allow
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.sight import Sight
from rayfaas.names import TEAM
from rayfaas.roles import ROLES, check_principal

MOST_WHO = 100
_ROLE_OF_TEAM = re.compile(rf"{TEAM}:({'|'.join(ROLES)})", re.ASCII)


class Protections:
    """The endpoints of who may move an alias."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        function = "/v1/functions/{team}/{name}"
        one = function + "/aliases/{alias}/protection"
        return [
            Route(function + "/protections", self.protections),
            Route(one, self.protect, methods=["PUT"]),
            Route(one, self.unprotect, methods=["DELETE"]),
        ]

    async def protections(self, request: Request) -> Response:
        of = Sight.of(self._routes, request).function(request)
        return as_json({"protections": await self._controller.request("protections", **of)})

    async def protect(self, request: Request) -> Response:
        """`{"who": ["ann", "nlp:admin"]}`: principals by name, and who has a role in a team."""
        actor = allow(self._routes, request, "admin").name
        of = alias_of(request)
        body = await json_body(request)
        given = {"who": _who(body), "actor": actor, "reason": message_of(body)}
        await self._controller.request("protect", **of, **given)
        return as_json({**of, "who": given["who"]})

    async def unprotect(self, request: Request) -> Response:
        actor = allow(self._routes, request, "admin").name
        reason = reason_of(request)
        await self._controller.request("unprotect", **alias_of(request), actor=actor, reason=reason)
        return Response(status_code=204)


def _who(body: Mapping[str, Any]) -> list[str]:
    who = body.get("who")
    if not isinstance(who, list) or not 0 < len(who) <= MOST_WHO:
        raise BadRequest('Say who: {"who": ["ann", "nlp:admin"]}, names of principals and roles of teams.')
    return [_one(each) for each in who]


def _one(who: object) -> str:
    name = check_principal(who)
    if ":" in name and _ROLE_OF_TEAM.fullmatch(name) is None:
        raise BadRequest(f"{name!r} is no role of a team: write nlp:admin, with one of {', '.join(ROLES)}.")
    return name

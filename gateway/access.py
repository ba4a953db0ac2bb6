"""For whom a function is, over HTTP: everybody, its own team, the teams that have a grant."""

from __future__ import annotations

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
from rayfaas.names import check_team

ACCESS = ("team", "everybody")


class Access:
    """The endpoints below a function's access."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        function = "/v1/functions/{team}/{name}"
        return [
            Route(function + "/access", self.access, methods=["GET"]),
            Route(function + "/access", self.set_access, methods=["PUT"]),
            Route(function + "/grants/{grantee}", self.grant, methods=["PUT"]),
            Route(function + "/grants/{grantee}", self.revoke, methods=["DELETE"]),
        ]

    async def access(self, request: Request) -> Response:
        of = Sight.of(self._routes, request).function(request)
        return as_json(await self._controller.request("access", **of))

    async def set_access(self, request: Request) -> Response:
        """`{"access": "team"}`, or `"everybody"`."""
        of, actor = self._may(request)
        body = await json_body(request)
        access = body.get("access")
        if access not in ACCESS:
            raise BadRequest(f"access is one of {', '.join(ACCESS)}, not {access!r}.")
        given = {"access": access, "actor": actor, "reason": message_of(body)}
        return as_json(await self._controller.request("set_access", **of, **given))

    async def grant(self, request: Request) -> Response:
        """Let a team see and call it, though it is not for everybody."""
        of, actor = self._may(request)
        reason = message_of(await json_body(request))
        return as_json(await self._ask("grant", request, of, actor, reason))

    async def revoke(self, request: Request) -> Response:
        of, actor = self._may(request)
        return as_json(await self._ask("revoke_grant", request, of, actor, reason_of(request)))

    async def _ask(self, method: str, request: Request, of: dict[str, str], actor: str, reason: str) -> Any:
        grantee = check_team(request.path_params["grantee"])
        return await self._controller.request(method, **of, grantee=grantee, actor=actor, reason=reason)

    def _may(self, request: Request) -> tuple[dict[str, str], str]:
        principal, of = allow_function(self._routes, request, "deployer")
        return of, principal.name

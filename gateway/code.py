"""The code of versions over HTTP, and plans of deploys. Code is for the team that owns it, and for admins."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import Forbidden
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.requests import as_json, function_of, json_body, version_of
from rayfaas.gateway.rights import allow_function, identify, mover_of
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.sight import Sight

ZIP = "application/zip"
_FUNCTION = "/v1/functions/{team}/{name}"


class Code:
    """The endpoints of one version, and of what would be the next."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        return [
            Route(_FUNCTION + "/versions/{version}", self.version),
            Route(_FUNCTION + "/versions/{version}/bundle", self.bundle),
            Route(_FUNCTION + "/plan", self.plan, methods=["POST"]),
        ]

    async def version(self, request: Request) -> Response:
        of = Sight.of(self._routes, request).function(request)
        found = await self._controller.request("version", **of, version=version_of(request))
        return as_json(found)

    async def bundle(self, request: Request) -> Response:
        """The archive as it was deployed; not for code that a call of the team runs."""
        principal, function = identify(self._routes, request), function_of(request)
        if principal.parent is not None:
            raise Forbidden("The token of a running call is for calling functions, not for reading their code.")
        if function["team"] not in principal.rights and not principal.is_admin:
            raise Forbidden(f"The code of team {function['team']!r} is for that team, and for admins.")
        principal, function = allow_function(self._routes, request, "viewer")
        archive = await self._controller.request("version_bundle", **function, version=version_of(request))
        return Response(archive, media_type=ZIP, headers={"X-Content-Type-Options": "nosniff"})

    async def plan(self, request: Request) -> Response:
        principal, function = allow_function(self._routes, request, "deployer")
        body = await json_body(request)
        return as_json(await self._controller.request("plan", **function, planned=body, **mover_of(principal)))

"""Functions as a whole over HTTP: their scaling, and their end."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.requests import as_json, json_body, reason_of, version_of
from rayfaas.gateway.rights import allow_function, mover_of
from rayfaas.gateway.routes import Routes
from rayfaas.scaling import Rescale
from rayfaas.spec import parse


class Functions:
    """What deployers do to a function without a deploy."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        function = "/v1/functions/{team}/{name}"
        return [
            Route(function, self.delete, methods=["DELETE"]),
            Route(function + "/versions/{version}", self.delete, methods=["DELETE"]),
            Route(function + "/scaling", self.scale, methods=["PATCH"]),
        ]

    async def scale(self, request: Request) -> Response:
        """What is not said stays as it is."""
        principal, of = allow_function(self._routes, request, "deployer")
        body: Rescale = parse(Rescale, await json_body(request), "The scaling")
        scaling = body.model_dump(mode="json", exclude_unset=True)
        return as_json(await self._controller.request("scale", **of, scaling=scaling, actor=principal.name))

    async def delete(self, request: Request) -> Response:
        """Of the whole function, or of one version; calls under way finish."""
        principal, of = allow_function(self._routes, request, "deployer")
        version = version_of(request) if "version" in request.path_params else None
        given = {"version": version, "message": reason_of(request), **mover_of(principal)}
        return as_json(await self._controller.request("delete", **of, **given))

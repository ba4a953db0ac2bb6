"""Gateways over HTTP: which there are, and how those of other machines join and leave."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import BadRequest
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.requests import as_json, json_body
from rayfaas.gateway.rights import allow
from rayfaas.gateway.routes import Routes
from rayfaas.names import check_gateway


class Gateways:
    """The endpoints below /v1/gateways."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        return [
            Route("/v1/gateways", self.gateways, methods=["GET"]),
            Route("/v1/gateways", self.invite, methods=["POST"]),
            Route("/v1/gateways/{gateway}", self.remove, methods=["DELETE"]),
        ]

    async def gateways(self, request: Request) -> Response:
        allow(self._routes, request, "viewer")
        return as_json({"gateways": await self._controller.request("gateways")})

    async def invite(self, request: Request) -> Response:
        """A token, which lets one gateway in."""
        principal = allow(self._routes, request, "admin")
        gateway = (await json_body(request)).get("gateway")
        if gateway is not None and not isinstance(gateway, str):
            raise BadRequest('gateway is a name, as {"gateway": "edge"}.')
        made = await self._controller.request("invite_gateway", gateway=gateway, actor=principal.name)
        return as_json(made, 201)

    async def remove(self, request: Request) -> Response:
        principal = allow(self._routes, request, "admin")
        gateway = check_gateway(request.path_params["gateway"])
        await self._controller.request("remove_gateway", gateway=gateway, actor=principal.name)
        return Response(status_code=204)

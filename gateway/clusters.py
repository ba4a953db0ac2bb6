"""Clusters and nodes over HTTP: who has joined, who may, and how they leave."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import BadRequest
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.machines import now_of, until
from rayfaas.gateway.requests import as_json, json_body
from rayfaas.gateway.rights import allow
from rayfaas.gateway.routes import Routes
from rayfaas.names import check_cluster, check_node


class Clusters:
    """The endpoints below /v1/clusters and /v1/nodes."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        return [
            Route("/v1/clusters", self.clusters, methods=["GET"]),
            Route("/v1/clusters", self.invite, methods=["POST"]),
            Route("/v1/clusters/{cluster}", self.remove, methods=["DELETE"]),
            Route("/v1/clusters/{cluster}/start", self.start, methods=["POST"]),
            Route("/v1/clusters/{cluster}/stop", self.stop, methods=["POST"]),
            Route("/v1/nodes", self.nodes, methods=["GET"]),
            Route("/v1/nodes/{node}/drain", self.drain, methods=["POST"]),
        ]

    async def clusters(self, request: Request) -> Response:
        allow(self._routes, request, "viewer")
        return as_json({"clusters": await self._controller.request("clusters")})

    async def invite(self, request: Request) -> Response:
        """A join token, which lets one cluster in."""
        principal = allow(self._routes, request, "admin")
        cluster = (await json_body(request)).get("cluster")
        if cluster is not None and not isinstance(cluster, str):
            raise BadRequest('cluster is a name, as {"cluster": "gpu-lab"}.')
        made = await self._controller.request("invite", cluster=cluster, actor=principal.name)
        return as_json(made, 201)

    async def remove(self, request: Request) -> Response:
        """Answers when its calls have ended; with `?now=true` at once, and they are cut."""
        principal = allow(self._routes, request, "admin")
        cluster, now = check_cluster(request.path_params["cluster"]), request.query_params.get("now", "false")
        if now not in ("true", "false"):
            raise BadRequest(f"now is true or false, not {now!r}.")
        await self._controller.request("remove_cluster", cluster=cluster, now=now == "true", actor=principal.name)
        return Response(status_code=204)

    async def start(self, request: Request) -> Response:
        """Head and all, until a moment."""
        principal = allow(self._routes, request, "admin")
        asked = {"cluster": check_cluster(request.path_params["cluster"]), "until": until(await json_body(request))}
        await self._controller.request("start_cluster", **asked, actor=principal.name)
        return as_json(asked, 202)

    async def stop(self, request: Request) -> Response:
        """Machines and head, when nothing is on them; with `now` its calls have ten minutes."""
        principal = allow(self._routes, request, "admin")
        cluster, now = check_cluster(request.path_params["cluster"]), now_of(await json_body(request))
        await self._controller.request("stop_cluster", cluster=cluster, now=now, actor=principal.name)
        return Response(status_code=202)

    async def nodes(self, request: Request) -> Response:
        allow(self._routes, request, "viewer")
        return as_json({"nodes": await self._controller.request("nodes")})

    async def drain(self, request: Request) -> Response:
        principal = allow(self._routes, request, "admin")
        node = check_node(request.path_params["node"])
        return as_json(await self._controller.request("drain_node", node=node, actor=principal.name), 202)

"""Names of artifacts over HTTP. They are a team's; to others it is as if there were none."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import BadRequest, NotFound
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.principal import Principal
from rayfaas.gateway.releases import alias_of
from rayfaas.gateway.requests import as_json, json_body, message_of
from rayfaas.gateway.rights import allow, allow_in_person, identify
from rayfaas.gateway.routes import Routes
from rayfaas.touches import MOST_URI, MOST_VERSION


class Artifacts:
    """The endpoints below /v1/artifacts."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        one = "/v1/artifacts/{team}/{name}/aliases/{alias}"
        return [
            Route("/v1/artifacts", self.list),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.move, methods=["PUT"]),
        ]

    async def list(self, request: Request) -> Response:
        """Of the token's team; of all teams for an admin."""
        principal = allow_in_person(self._routes, request)
        team = None if principal.role == "admin" else principal.team
        return as_json({"artifacts": await self._controller.request("artifacts", team=team)})

    async def show(self, request: Request) -> Response:
        """A call sees those of the team whose code it is."""
        of, principal = alias_of(request), identify(self._routes, request)
        if principal.parent is None:
            principal = allow(self._routes, request, "viewer")
        if not _sees(principal, of["team"]):
            raise NotFound(f"There is no artifact {of['team']}/{of['name']}:{of['alias']} that you may see.")
        return as_json(await self._controller.request("artifact", **of))

    async def move(self, request: Request) -> Response:
        """`{"uri": "s3://models/bert", "version": "3f9c", "message": "…"}`; the version may be left out."""
        of = alias_of(request)
        principal = allow(self._routes, request, "deployer", of["team"])
        body = await json_body(request)
        uri, version = body.get("uri"), body.get("version")
        if not isinstance(uri, str) or not _is_whole(uri) or len(uri) > MOST_URI:
            raise BadRequest("uri is what it leads to, with its scheme: s3://models/bert, file:///data/bert.bin.")
        if uri.startswith("artifact:"):
            raise BadRequest("A name of an artifact leads to an artifact, not to another name.")
        if version is not None and (not isinstance(version, str) or not 0 < len(version) <= MOST_VERSION):
            raise BadRequest(f"version is text, of {MOST_VERSION} characters at most.")
        given = {"uri": uri, "version": version, "actor": principal.name, "reason": message_of(body)}
        return as_json(await self._controller.request("move_artifact", **of, **given))


def _sees(principal: Principal, team: str) -> bool:
    if principal.parent is not None:
        return principal.reader is not None and principal.reader.team == team
    return principal.is_admin or team in principal.rights


def _is_whole(uri: str) -> bool:
    """Whether it has a scheme, and something after it."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return bool(parts.scheme and (parts.netloc or parts.path.strip("/")))

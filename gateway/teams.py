"""Teams over HTTP: who is in them, and as what. Members see their own team; admins see and change all."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import NotFound
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.requests import as_json, json_body, message_of, reason_of
from rayfaas.gateway.rights import allow, allow_in_person
from rayfaas.gateway.routes import Routes
from rayfaas.names import check_team
from rayfaas.roles import check_principal, check_role


class Teams:
    """The endpoints below /v1/teams."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        members = "/v1/teams/{team}/members"
        return [
            Route("/v1/teams", self.teams),
            Route(members, self.members, methods=["GET"]),
            Route(members, self.set_member, methods=["PUT"]),
            Route(members, self.remove_member, methods=["DELETE"]),
        ]

    async def teams(self, request: Request) -> Response:
        """Those of who asks; all for admins."""
        principal = allow_in_person(self._routes, request)
        found = await self._controller.request("teams")
        seen = [each for each in found if principal.is_admin or each["team"] in principal.rights]
        return as_json({"teams": seen})

    async def members(self, request: Request) -> Response:
        principal = allow_in_person(self._routes, request)
        team = check_team(request.path_params["team"])
        if team not in principal.rights and not principal.is_admin:
            raise NotFound(f"Nobody is in team {team}. `rayfaas team list` lists the teams.")
        return as_json({"team": team, "members": await self._controller.request("team", team=team)})

    async def set_member(self, request: Request) -> Response:
        """Of the query's `principal`: `{"role": "deployer", "message": "joins us"}`."""
        actor = allow(self._routes, request, "admin").name
        of = _member(request)
        body = await json_body(request)
        given = {"role": check_role(body.get("role")), "actor": actor, "reason": message_of(body)}
        return as_json(await self._controller.request("set_member", **of, **given))

    async def remove_member(self, request: Request) -> Response:
        """None of the principal's tokens is for the team from now on."""
        actor = allow(self._routes, request, "admin").name
        reason = reason_of(request)
        await self._controller.request("remove_member", **_member(request), actor=actor, reason=reason)
        return Response(status_code=204)


def _member(request: Request) -> dict[str, str]:
    team = check_team(request.path_params["team"])
    return {"team": team, "principal": check_principal(request.query_params.get("principal"))}

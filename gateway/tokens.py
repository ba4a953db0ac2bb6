"""Tokens over HTTP: made, rotated, listed and revoked, by admins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import BadRequest
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.principal import Principal
from rayfaas.gateway.requests import as_json, json_body, message_of, reason_of
from rayfaas.gateway.rights import allow
from rayfaas.gateway.routes import Routes
from rayfaas.names import check_alias, check_name, check_team, is_call
from rayfaas.roles import check_principal, check_role

MOST_FUNCTIONS = 1_000


class Tokens:
    """The endpoints below /v1/tokens."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        return [
            Route("/v1/tokens", self.tokens, methods=["GET"]),
            Route("/v1/tokens", self.create, methods=["POST"]),
            Route("/v1/tokens/{token_id}", self.revoke, methods=["DELETE"]),
            Route("/v1/tokens/{token_id}/rotate", self.rotate, methods=["POST"]),
        ]

    async def tokens(self, request: Request) -> Response:
        allow(self._routes, request, "admin")
        return as_json({"tokens": await self._controller.request("tokens")})

    async def create(self, request: Request) -> Response:
        """`{"principal": "ann", "teams": {"nlp": "deployer", "ads": "viewer"}, "functions": ["nlp/embed"]}`; instead of
        `teams`, `team` and `role`, or `"all": true` for what the principal has, now and later."""
        principal = allow(self._routes, request, "admin")
        body = await json_body(request)
        teams = _teams(body, principal)
        team, role = next(iter(teams.items()))
        made = await self._controller.request(
            "create_token",
            principal=check_principal(_given(body, "principal", principal.name)),
            team=team,
            role=role,
            scope={"teams": None if _is_for_all(body) else teams, "functions": _functions(body)},
            name=_name(body),
            expires_in_s=_seconds(body, "expires_in_s"),
            actor=principal.name,
            reason=message_of(body),
        )
        return as_json(made, 201)

    async def rotate(self, request: Request) -> Response:
        """`{"overlap_s": 3600}`: another secret in place of this one, which is good until then."""
        principal = allow(self._routes, request, "admin")
        body = await json_body(request)
        made = await self._controller.request(
            "rotate_token",
            token=request.path_params["token_id"],
            overlap_s=_seconds(body, "overlap_s") or 0.0,
            expires_in_s=_seconds(body, "expires_in_s"),
            actor=principal.name,
            reason=message_of(body),
        )
        return as_json(made, 201)

    async def revoke(self, request: Request) -> Response:
        """By its id, or all of a name."""
        principal = allow(self._routes, request, "admin")
        token_id = request.path_params["token_id"]
        given = {"actor": principal.name, "reason": reason_of(request)}
        await self._controller.request("revoke_token", token_id=token_id, **given)
        return Response(status_code=204)


def _teams(body: Mapping[str, Any], asker: Principal) -> dict[str, str]:
    """Roles by team."""
    teams = body.get("teams")
    if teams is None:
        team = _given(body, "team", asker.team)
        if not isinstance(team, str):
            raise BadRequest(f"team is text, not {team!r}.")
        return {check_team(team): check_role(body.get("role", "invoker"))}
    if not isinstance(teams, dict) or not teams or "team" in body or "role" in body:
        raise BadRequest('Say {"teams": {"nlp": "deployer", "ads": "viewer"}}, or one "team" and "role".')
    return {check_team(team): check_role(role) for team, role in teams.items()}


def _is_for_all(body: Mapping[str, Any]) -> bool:
    is_for_all = body.get("all", False)
    if not isinstance(is_for_all, bool):
        raise BadRequest("all is true or false.")
    if is_for_all and not {"team", "teams", "role"}.isdisjoint(body):
        raise BadRequest("A token is for all that its principal has, or for teams that are named, not both.")
    return is_for_all


def _functions(body: Mapping[str, Any]) -> list[str] | None:
    functions = body.get("functions")
    if functions is None:
        return None
    if not isinstance(functions, list) or not 0 < len(functions) <= MOST_FUNCTIONS:
        raise BadRequest(f"functions is a list of names as team/name, {MOST_FUNCTIONS} at most.")
    return [_function(each) for each in functions]


def _function(name: object) -> str:
    if not isinstance(name, str):
        raise BadRequest(f"A function is named as team/name, not {name!r}.")
    team, _, short = name.partition("/")
    return f"{check_team(team)}/{check_name(short)}"


def _name(body: Mapping[str, Any]) -> str | None:
    name = body.get("name")
    if name is not None and (not isinstance(name, str) or is_call(name)):
        raise BadRequest(f"A token's name is text, and no id: {name!r}.")
    return None if name is None else check_alias(name)


def _seconds(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e10:
        raise BadRequest(f"{name} is a number of seconds above 0.")
    return value


def _given(body: Mapping[str, Any], name: str, otherwise: str) -> Any:
    """null counts as not given."""
    value = body.get(name)
    return otherwise if value is None else value

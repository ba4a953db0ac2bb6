"""Who may: what each endpoint of the control plane asks before it does anything."""

from __future__ import annotations

from starlette.requests import Request

from rayfaas.errors import Forbidden
from rayfaas.gateway.routes import Principal, Routes

ROLES = ("viewer", "invoker", "deployer", "admin")


def allow(routes: Routes, request: Request, role: str, team: str | None = None) -> Principal:
    """Who asks, if they may: with at least `role`, and for `team` where it is named. Admins may for every team."""
    header = request.headers.get("authorization")
    principal = routes.authenticate(header.encode("latin-1") if header else None)
    if ROLES.index(principal.role) < ROLES.index(role):
        raise Forbidden(f"This needs the role {role}; the token's is {principal.role}.")
    if team is not None and team != principal.team and principal.role != "admin":
        raise Forbidden(f"The token is of team {principal.team!r}; team {team!r} is not its to change.")
    return principal


def allow_in_person(routes: Routes, request: Request) -> Principal:
    """Who asks, with a token of their own. That of a running call is for calls: what runs for a caller may be another
    team's code, which must not look up what the caller's team did."""
    principal = allow(routes, request, "viewer")
    if principal.parent is not None:
        raise Forbidden("The token of a running call is for calling functions. To ask this needs a token of your own.")
    return principal


def actor_of(principal: Principal) -> dict[str, str]:
    """As the controller takes it."""
    return {"principal": principal.name, "team": principal.team, "role": principal.role}

"""Who may: what each endpoint of the control plane asks before it does anything.

A token for named functions passes `identify`, `allow_narrow` and `allow_function`, sees what `Sight` lets it, and may
nothing else.
"""

from __future__ import annotations

from starlette.requests import Request

from rayfaas.errors import Forbidden
from rayfaas.gateway.principal import Principal
from rayfaas.gateway.requests import function_of
from rayfaas.gateway.routes import Routes
from rayfaas.names import check_team
from rayfaas.roles import rank


def identify(routes: Routes, request: Request) -> Principal:
    """Who asks: for the team of `Rayfaas-Team`, else for the first of theirs."""
    header = request.headers.get("authorization")
    principal = routes.authenticate(header.encode("latin-1") if header else None)
    team = request.headers.get("rayfaas-team")
    return principal if team is None else principal.acting_for(check_team(team))


def allow(routes: Routes, request: Request, role: str, team: str | None = None) -> Principal:
    """Who asks, if they may: with at least `role`, and for `team` where it is named. Admins may for every team."""
    principal = identify(routes, request)
    if principal.functions is not None:
        raise Forbidden(f"The token is for {_listed(principal)} alone. This needs one for all that its principal may.")
    return _with_role(principal, role, team)


def allow_function(routes: Routes, request: Request, role: str) -> tuple[Principal, dict[str, str]]:
    """Who asks, if they may with the function of the path what `role` may; and its team and name."""
    of = function_of(request)
    principal = _with_role(identify(routes, request), role, of["team"])
    if principal.functions is not None and f"{of['team']}/{of['name']}" not in principal.functions:
        raise Forbidden(f"The token is for {_listed(principal)} alone.")
    return principal, of


def allow_narrow(routes: Routes, request: Request, role: str) -> Principal:
    """`allow` for a token for named functions too: whether it is of one of them, the endpoint checks itself."""
    return _with_role(identify(routes, request), role, None)


def allow_in_person(routes: Routes, request: Request) -> Principal:
    """Who asks, with a token of their own. That of a running call is for calls: what runs for a caller may be another
    team's code, which must not look up what the caller's team did."""
    principal = allow(routes, request, "viewer")
    if principal.parent is not None:
        raise Forbidden("The token of a running call is for calling functions. To ask this needs a token of your own.")
    return principal


def actor_of(principal: Principal) -> dict[str, str]:
    """As the controller takes it; of a running call with the team whose code it is, as `code`."""
    actor = {"principal": principal.name, "team": principal.team, "role": principal.role}
    return actor if principal.parent is None else {**actor, "code": principal.parent.owner}


def mover_of(principal: Principal) -> dict[str, object]:
    """As the controller takes who changes something: with all roles, by team."""
    return {"actor": principal.name, "rights": dict(principal.rights)}


def _with_role(principal: Principal, role: str, team: str | None) -> Principal:
    """As the member of the team that may it. Raises `Forbidden`."""
    if team is not None and team in principal.rights:
        principal = principal.acting_for(team)
    may = rank(principal.role) >= rank(role)
    if may and team in (None, principal.team):
        return principal
    for of, held in principal.rights.items():
        if held == "admin" or (team is None and rank(held) >= rank(role)):
            return principal.acting_for(of)
    if not may:
        raise Forbidden(f"This needs the role {role}; the token's is {principal.role}.")
    raise Forbidden(f"The token is of team {principal.team!r}; team {team!r} is not its to change.")


def _listed(principal: Principal) -> str:
    return ", ".join(sorted(principal.functions or ()))

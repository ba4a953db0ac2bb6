"""What a caller asks of one call by headers that few calls have; those that have one go the long way."""

from __future__ import annotations

from rayfaas.errors import BadRequest, Forbidden
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.principal import Principal
from rayfaas.gateway.route import Route
from rayfaas.gateway.streams import NdjsonFormat
from rayfaas.names import check_team
from rayfaas.priority import parse_priority
from rayfaas.roles import rank

TEAM, PRIORITY, WEBHOOK, DEBUG = b"rayfaas-team", b"rayfaas-priority", b"rayfaas-webhook", b"rayfaas-debug"
CALL_OPTIONS = (TEAM, PRIORITY, WEBHOOK, DEBUG)

# How long a call that is debugged may take, instead of its timeout.
DEBUG_S = 3600.0


def acting_for(principal: Principal, headers: Headers) -> Principal:
    """The caller as one of the team in Rayfaas-Team: what it calls is that team's call. Raises `Forbidden`."""
    given = headers.get(TEAM)
    if given is None:
        return principal
    return principal.acting_for(check_team(given.decode("latin-1")))


def priority_of(headers: Headers) -> int:
    """Of Rayfaas-Priority; 0 where it is not given."""
    given = headers.get(PRIORITY)
    return 0 if given is None else parse_priority(given.decode("latin-1"))


def check_debugging(principal: Principal, route: Route, format: NdjsonFormat, is_unattended: bool) -> None:
    """Raises what there is against a debugger in this call: with it one runs code as the function's owner."""
    check_debugger(principal, route.owner)
    if is_unattended or not (format.is_stream and format.carries_logs):
        raise BadRequest(
            "A call is debugged by who waits for it: with Accept application/x-ndjson, one call, not spawned."
        )


def check_debugger(principal: Principal, owner: str) -> None:
    """Raises `Forbidden` for who may not deploy the functions of team `owner`."""
    if rank(principal.role) < rank("deployer"):
        raise Forbidden(f"To debug needs the role deployer; the token's is {principal.role}.")
    if principal.team != owner and principal.role != "admin":
        raise Forbidden(f"The token is of team {principal.team!r}; functions of team {owner!r} are not its to debug.")

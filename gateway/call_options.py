"""What a caller asks of one call by its headers."""

from __future__ import annotations

import msgspec
from msgspec.json import decode as decode_json
from msgspec.json import encode as encode_json

from rayfaas.context import MAX_CONTEXT
from rayfaas.errors import BadRequest, Forbidden
from rayfaas.gateway.formats import NdjsonFormat
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.prefer import wait_s
from rayfaas.gateway.principal import Principal
from rayfaas.gateway.route import Route
from rayfaas.names import check_team
from rayfaas.priority import parse_priority
from rayfaas.roles import rank
from rayfaas.trace import trace_facts

TEAM, PRIORITY, WEBHOOK, DEBUG = b"rayfaas-team", b"rayfaas-priority", b"rayfaas-webhook", b"rayfaas-debug"
# Few calls have one of these; those that do go the long way.
CALL_OPTIONS = (TEAM, PRIORITY, WEBHOOK, DEBUG)

# How long a call that is debugged may take, instead of its timeout.
DEBUG_S = 3600.0

_check_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def text_of(headers: Headers, name: bytes) -> str | None:
    value = headers.get(name)
    return value.decode("latin-1") if value else None


def timeout_s(headers: Headers) -> float:
    """Of Rayfaas-Timeout; infinite where it is not given. Raises `BadRequest`."""
    value = headers.get(b"rayfaas-timeout")
    if value is None:
        return float("inf")
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise BadRequest(f"Rayfaas-Timeout is a number of seconds above 0, not {value.decode('latin-1')!r}.")
    return seconds


def context_of(headers: Headers) -> str | None:
    """What the caller says of where it runs, a JSON object, with the trace that it is in. Raises `BadRequest`."""
    given = _given_context(headers)
    traceparent = headers.get(b"traceparent")
    trace = trace_facts(traceparent.decode("latin-1")) if traceparent is not None else None
    if trace is None:
        return given
    # Its own word of a trace, if it says one, is older than the span that sent the request.
    return encode_json({**(decode_json(given) if given else {}), "trace": trace}).decode()


def _given_context(headers: Headers) -> str | None:
    value = headers.get(b"rayfaas-context")
    if not value:
        return None
    if len(value) > MAX_CONTEXT:
        raise BadRequest(f"Rayfaas-Context may have {MAX_CONTEXT:,} bytes, not {len(value):,}.")
    try:
        _check_object(value)  # one that is none would break the queries of all who look into the column
        return value.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"Rayfaas-Context is a JSON object: {error}.") from None


def is_spawned(headers: Headers) -> bool:
    """Whether its caller does not wait for its end, or not for all of the time. Raises `BadRequest`."""
    prefer = headers.get(b"prefer")
    return prefer is not None and (b"respond-async" in prefer or wait_s(prefer.decode("latin-1")) is not None)


def acting_for(principal: Principal, headers: Headers) -> Principal:
    """The caller as one of the team in Rayfaas-Team: what it calls is that team's call. Raises `Forbidden`."""
    given = headers.get(TEAM)
    if given is None:
        return principal
    return principal.acting_for(check_team(given.decode("latin-1")))


def check_caller(principal: Principal) -> Principal:
    """The same. Raises `Forbidden` for one who may not call."""
    if principal.role == "viewer":
        raise Forbidden("A viewer's token may look, not call. Ask for a token with the role invoker.")
    return principal


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

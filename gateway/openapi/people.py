"""The paths of teams, tokens and protected aliases."""

from __future__ import annotations

from rayfaas import names
from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.operations import operation, problems
from rayfaas.gateway.openapi.schemas import NUMBER, TEXT, TIME, WHOLE, array, nullable, record
from rayfaas.roles import LONGEST_PRINCIPAL, ROLES

_ROLE = {"enum": list(ROLES)}
_TEAM = {**TEXT, "pattern": f"^{names.TEAM}$"}
_PRINCIPAL = {**TEXT, "minLength": 1, "maxLength": LONGEST_PRINCIPAL}
_TEAMS = {"type": "object", "additionalProperties": _ROLE}
_FUNCTION = {**TEXT, "pattern": f"^{names.TEAM}/{names.NAME}$"}
_MESSAGE = {**TEXT, "maxLength": 4096}
_DURATION = {**NUMBER, "exclusiveMinimum": 0, "exclusiveMaximum": 1e10}
_WHO = {**array(_PRINCIPAL), "minItems": 1, "maxItems": 100}
_CONFLICT = problems(409)

PRINCIPAL = record(principal=TEXT, team=TEXT, role=_ROLE, teams=_TEAMS, functions=nullable(array(TEXT)))
TOKEN = record(
    id=TEXT,
    name=nullable(TEXT),
    principal=TEXT,
    team=TEXT,
    role=_ROLE,
    teams=_TEAMS,
    functions=nullable(array(TEXT)),
    created_at=TIME,
    created_by=TEXT,
    expires_at=nullable(TIME),
)
_MAKE_TOKEN = record(
    "principal team role teams all functions name expires_in_s message",
    principal=_PRINCIPAL,
    team=_TEAM,
    role={**_ROLE, "default": "invoker"},
    teams={**_TEAMS, "minProperties": 1, "propertyNames": _TEAM},
    all={"type": "boolean", "description": "For all that the principal has, now and later."},
    functions={**array(_FUNCTION), "minItems": 1, "maxItems": 1000},
    name={**TEXT, "pattern": f"^{names.ALIAS}$"},
    expires_in_s=_DURATION,
    message=_MESSAGE,
)
_ROTATE = record("overlap_s expires_in_s message", overlap_s=_DURATION, expires_in_s=_DURATION, message=_MESSAGE)
_ROTATED = record(id=TEXT, token={**TEXT, "description": "Shown this once."}, replaced_until=TIME)
_MEMBER = record(team=TEXT, principal=TEXT, role=_ROLE, since=TIME, set_by=TEXT)
_PROTECTION = record(team=TEXT, name=TEXT, alias=TEXT, who=array(TEXT), set_at=TIME, set_by=TEXT, reason=TEXT)
_PROTECTED = record(team=TEXT, name=TEXT, alias=TEXT, who=array(TEXT))


def people_paths(function: str) -> dict[str, Schema]:
    """`function` is the path of one."""
    return {**_token_paths(), **_team_paths(), **_protection_paths(function)}


def _token_paths() -> dict[str, Schema]:
    tokens, made = record(tokens=array(reference("Token"))), reference("NewToken")
    return {
        "/v1/tokens": {
            "get": operation("tokens", "access", "The tokens in force", tokens),
            "post": operation(
                "create_token", "access", "Make a token", made, status=201, body=_MAKE_TOKEN, more=_CONFLICT
            ),
        },
        "/v1/tokens/{token_id}": {
            "delete": operation("revoke_token", "access", "Revoke a token", None, "token_id", "message", status=204)
        },
        "/v1/tokens/{token_id}/rotate": {
            "post": operation(
                "rotate_token", "access", "Another secret in its place", _ROTATED, "token_id", status=201, body=_ROTATE
            )
        },
    }


def _team_paths() -> dict[str, Schema]:
    teams = record(teams=array(record(team=TEXT, members=WHOLE, since=TIME)))
    members = record(team=TEXT, members=array(_MEMBER))
    body = record("message", role=_ROLE, message=_MESSAGE)
    return {
        "/v1/teams": {"get": operation("teams", "access", "Which teams there are", teams)},
        "/v1/teams/{team}/members": {
            "get": operation("members", "access", "Who is in it", members, "team"),
            "put": operation(
                "set_member", "access", "Let somebody in", _MEMBER, "team", "principal", body=body, more=_CONFLICT
            ),
            "delete": operation(
                "remove_member",
                "access",
                "Take somebody out",
                None,
                "team",
                "principal",
                "message",
                status=204,
                more=_CONFLICT,
            ),
        },
    }


def _protection_paths(function: str) -> dict[str, Schema]:
    of = ("team", "name")
    shown = record(protections=array(_PROTECTION))
    body = record("message", who=_WHO, message=_MESSAGE)
    return {
        f"{function}/protections": {
            "get": operation("protections", "functions", "Which aliases only some may move", shown, *of)
        },
        f"{function}/aliases/{{alias}}/protection": {
            "put": operation("protect", "functions", "Say who may move it", _PROTECTED, *of, "alias", body=body),
            "delete": operation(
                "unprotect", "functions", "Let every deployer move it", None, *of, "alias", "message", status=204
            ),
        },
    }

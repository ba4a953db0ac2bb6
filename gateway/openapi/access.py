"""The paths of access, grants, deprecations and limits."""

from __future__ import annotations

from rayfaas import names
from rayfaas.gateway.openapi.components import Schema
from rayfaas.gateway.openapi.operations import operation
from rayfaas.gateway.openapi.schemas import NUMBER, TEXT, TIME, WHOLE, array, nullable, record

_WHOM = {"enum": ["team", "everybody"]}
_TEAM = {**TEXT, "pattern": f"^{names.TEAM}$"}
_MESSAGE = {**TEXT, "maxLength": 4096}
_ACCESS = record(function=TEXT, access=_WHOM, grants=array(_TEAM))
_SET_ACCESS = record("message", access=_WHOM, message=_MESSAGE)
_DEPRECATION = record(
    function=TEXT,
    deprecated_at=nullable(TIME),
    deprecated_by=nullable(TEXT),
    sunset_at=nullable(TIME),
    successor=nullable(TEXT),
    reason=TEXT,
)
_DEPRECATE = record("successor sunset_at message", successor=nullable(TEXT), sunset_at=nullable(TEXT), message=_MESSAGE)
_LIMITED: dict[str, Schema] = {
    "calls_per_s": nullable({**NUMBER, "exclusiveMinimum": 0, "maximum": 1e6}),
    "concurrency": nullable({**WHOLE, "minimum": 1, "maximum": 1_000_000}),
    "gpu_s_per_day": nullable({**NUMBER, "minimum": 0, "maximum": 1e9}),
    "weight": {**NUMBER, "minimum": 0.01, "maximum": 100},
}
_KIND = {"enum": ["team", "principal", "function"]}
_LIMIT = record("", kind=_KIND, name=TEXT, spent_until=nullable(NUMBER), **_LIMITED)
_SET_LIMIT = record("calls_per_s concurrency gpu_s_per_day weight message", message=_MESSAGE, **_LIMITED)


def access_paths(function: str) -> dict[str, Schema]:
    """`function` is the path of one."""
    of = ("team", "name")
    return {
        f"{function}/access": {
            "get": operation("access", "access", "For whom it is", _ACCESS, *of),
            "put": operation("set_access", "access", "Say for whom it is", _ACCESS, *of, body=_SET_ACCESS),
        },
        f"{function}/grants/{{grantee}}": {
            "put": operation(
                "grant",
                "access",
                "Let a team see and call it",
                _ACCESS,
                *of,
                "grantee",
                body=record("message", message=_MESSAGE),
            ),
            "delete": operation("revoke_grant", "access", "Take that back", _ACCESS, *of, "grantee", "message"),
        },
    }


def deprecation_paths(function: str) -> dict[str, Schema]:
    of = ("team", "name")
    end = operation("end_deprecation", "functions", "Deprecate it no more", _DEPRECATION, *of, "message")
    return {
        f"{function}/deprecation": {
            "get": operation("deprecation", "functions", "Whether it is deprecated", _DEPRECATION, *of),
            "put": operation("deprecate", "functions", "Deprecate it", _DEPRECATION, *of, body=_DEPRECATE),
            "delete": end,
        }
    }


def limit_paths() -> dict[str, Schema]:
    of = ("kind", "limited")
    return {
        "/v1/limits": {"get": operation("limits", "access", "What is limited", record(limits=array(_LIMIT)))},
        "/v1/limits/{kind}": {
            "put": operation("set_limit", "access", "Limit it", _LIMIT, *of, body=_SET_LIMIT),
            "delete": operation("drop_limit", "access", "Limit it no more", None, *of, "message", status=204),
        },
    }

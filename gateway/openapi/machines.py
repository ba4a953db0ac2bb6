"""The paths of worker groups and their machines."""

from __future__ import annotations

from rayfaas.durations import DURATION
from rayfaas.gateway.openapi.components import Schema
from rayfaas.gateway.openapi.operations import operation, problems
from rayfaas.gateway.openapi.schemas import NUMBER, TEXT, WHOLE, array, record

_GROUP = "/v1/clusters/{cluster}/groups/{group}"
_MACHINE = "/v1/clusters/{cluster}/machines/{machine}"
_SPEC = {
    "type": "object",
    "properties": {
        "cpus": NUMBER,
        "gpus": NUMBER,
        "memory_mb": WHOLE,
        "accelerator": TEXT,
        "resources": {"type": "object", "additionalProperties": NUMBER},
        "min": WHOLE,
        "max": WHOLE,
        "keep_alive": {**TEXT, "description": "`90s`, `10m`, `learned` or `never`."},
        "when_idle": {"enum": ["stop", "terminate"]},
        "up": array({**TEXT, "description": "`mon-fri 08:00-18:00`, UTC."}),
        "placements": array({"type": "object"}),
    },
}
_GROUPS = record(groups=array({"type": "object"}))
_LENGTH = {**TEXT, "pattern": f"^{DURATION}$"}
FOR_A_TIME = record("", **{"for": _LENGTH})
NOW_OR_LATER = record("now", now={"type": "boolean"})
_WARM = record("number", **{"for": _LENGTH, "number": {**WHOLE, "minimum": 0, "maximum": 1000}})
_WARMED = record(cluster=TEXT, name=TEXT, number=WHOLE, until=NUMBER)
_HELD = record(cluster=TEXT, node=TEXT, until=NUMBER)


_OF_GROUP, _OF_MACHINE = ("cluster", "group"), ("cluster", "machine")
_BAD = problems(400)


def machine_paths() -> dict[str, Schema]:
    return {
        "/v1/clusters/{cluster}/groups": {
            "get": operation("groups", "clusters", "Its worker groups, with their machines", _GROUPS, "cluster")
        },
        _GROUP: {"put": _set_group(), "delete": _delete_group()},
        f"{_GROUP}/warm": {"post": _warm()},
        f"{_MACHINE}/hold": {"post": _hold()},
        f"{_MACHINE}/stop": {"post": _stop()},
    }


def _set_group() -> Schema:
    summary = "Have a worker group"
    return operation("set_group", "clusters", summary, {"type": "object"}, *_OF_GROUP, body=_SPEC, more=_BAD)


def _delete_group() -> Schema:
    return operation("delete_group", "clusters", "Have it no more", None, *_OF_GROUP, status=204, more=_BAD)


def _warm() -> Schema:
    return operation("warm", "clusters", "Have machines up for a time", _WARMED, *_OF_GROUP, body=_WARM, more=_BAD)


def _hold() -> Schema:
    summary = "Do not stop it for a time"
    return operation("hold_machine", "clusters", summary, _HELD, *_OF_MACHINE, body=FOR_A_TIME, more=_BAD)


def _stop() -> Schema:
    return operation(
        "stop_machine", "clusters", "Stop it", None, *_OF_MACHINE, status=202, body=NOW_OR_LATER, more=_BAD
    )

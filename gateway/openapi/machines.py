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
LENGTH = {**TEXT, "pattern": f"^{DURATION}$"}
_WARM = record("number", **{"for": LENGTH, "number": {**WHOLE, "minimum": 0, "maximum": 1000}})
_WARMED = record(cluster=TEXT, name=TEXT, number=WHOLE, until=NUMBER)
_HELD = record(cluster=TEXT, node=TEXT, until=NUMBER)


def machine_paths() -> dict[str, Schema]:
    bad = problems(400)
    return {
        "/v1/clusters/{cluster}/groups": {
            "get": operation("groups", "clusters", "Its worker groups, with their machines", _GROUPS, "cluster")
        },
        _GROUP: {
            "put": operation(
                "set_group",
                "clusters",
                "Have a worker group",
                {"type": "object"},
                "cluster",
                "group",
                body=_SPEC,
                more=bad,
            ),
            "delete": operation(
                "delete_group", "clusters", "Have it no more", None, "cluster", "group", status=204, more=bad
            ),
        },
        f"{_GROUP}/warm": {
            "post": operation(
                "warm", "clusters", "Have machines up for a time", _WARMED, "cluster", "group", body=_WARM, more=bad
            )
        },
        f"{_MACHINE}/hold": {
            "post": operation(
                "hold_machine",
                "clusters",
                "Do not stop it for a time",
                _HELD,
                "cluster",
                "machine",
                body={"type": "object", "properties": {"for": LENGTH}, "required": ["for"]},
                more=bad,
            )
        },
        f"{_MACHINE}/stop": {
            "post": operation(
                "stop_machine",
                "clusters",
                "Stop it",
                None,
                "cluster",
                "machine",
                status=202,
                body=record("now", now={"type": "boolean"}),
                more=bad,
            )
        },
    }

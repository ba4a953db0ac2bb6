"""The paths that ask the registry."""

from __future__ import annotations

from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.operations import operation, problems
from rayfaas.gateway.openapi.schemas import FILE, GRAPH, QUERY, TEXT
from rayfaas.wire import ARROW, CSV, JSON, NDJSON, PARQUET

_TABLE = {
    "description": "Its rows, in the type that the caller takes.",
    "content": {
        JSON: {"schema": reference("Rows")},
        **{media: {"schema": TEXT} for media in (NDJSON, CSV)},
        **dict.fromkeys((ARROW, PARQUET), FILE),
    },
}
_PARQUET = {"description": "A file.", "content": {PARQUET: FILE}}
_USAGE = ("function", "by", "since", "until", "calling_team", "cost")
_LINEAGE = ("lineage_of", "direction", "depth", "as_of", "artifact_version")
_LOGS = ("function", "of_call", "limit")


def query_paths() -> dict[str, Schema]:
    return {
        "/v1/sql": {"post": operation("sql", "registry", "Ask a SELECT", _TABLE, body=QUERY, more=problems(406))},
        "/v1/export/{view}": {
            "get": operation("export", "registry", "A view, or a day of it, as Parquet", _PARQUET, "view", "day")
        },
        "/v1/usage": {"get": operation("usage", "registry", "Who called what, how often", reference("Rows"), *_USAGE)},
        "/v1/lineage": {
            "get": operation("lineage", "registry", "Where it came from, or what came of it", GRAPH, *_LINEAGE)
        },
        "/v1/logs": {"get": operation("logs", "registry", "What calls printed", reference("Logs"), *_LOGS)},
    }

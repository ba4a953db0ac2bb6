"""The gateway's own paths: what is the same on every server, and how any function is called."""

from __future__ import annotations

from rayfaas.gateway.openapi.access import access_paths, limit_paths
from rayfaas.gateway.openapi.clusters import cluster_paths
from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.gateways import gateway_paths
from rayfaas.gateway.openapi.machines import machine_paths
from rayfaas.gateway.openapi.operations import (
    CALL_PROBLEMS,
    call_operation,
    named,
    open_operation,
    operation,
    problems,
    sse_and_ndjson,
)
from rayfaas.gateway.openapi.people import people_paths
from rayfaas.gateway.openapi.releases import release_paths
from rayfaas.gateway.openapi.scaling import deletion, scaling_paths
from rayfaas.gateway.openapi.schemas import (
    ANYTHING,
    BINARY,
    GRAPH,
    QUERY,
    RAW,
    SECRET,
    TEXT,
    array,
    nullable,
    record,
)
from rayfaas.gateway.openapi.webhooks import webhook_paths
from rayfaas.wire import ARGUMENTS_JSON, ARROW, CSV, JSON, MSGPACK, MULTIPART, NDJSON, PARQUET


def _call_any() -> Schema:
    values = {JSON: {"schema": ANYTHING}, MSGPACK: {"schema": ANYTHING}}
    raw = {media: {"schema": BINARY} for media in RAW}
    bodies = {**values, MULTIPART: {"schema": {"type": "object"}}, **raw}
    bodies[ARGUMENTS_JSON] = {"schema": reference("PositionalArguments")}
    called = call_operation(
        "Call any function",
        "A JSON object is arguments by name, anything else is the single argument. Functions that are deployed have "
        "paths of their own, with their schemas; versions are called here.",
        bodies,
        False,
        {**values, **raw, **sse_and_ndjson(ANYTHING)},
    )
    called["parameters"] = [named("target"), named("AnyPrefer"), *called["parameters"][1:]]
    return {"operationId": "call", "tags": ["calls"], **called}


def _result() -> Schema:
    raw = {media: {"schema": BINARY} for media in RAW}
    content = {"content": {JSON: {"schema": ANYTHING}, MSGPACK: {"schema": ANYTHING}, **raw}}
    pending = {"202": {"description": "There is none yet.", "content": {JSON: {"schema": reference("Call")}}}}
    good = {
        "description": "What the call returned. What it ended with otherwise is answered as by the call.",
        **content,
    }
    asked = operation("result", "calls", "What became of a spawned call", good, "call", "wait", more=pending)
    return {**asked, "responses": asked["responses"] | problems(*CALL_PROBLEMS)}


def _has_bundle() -> Schema:
    asked = operation("has_bundle", "functions", "Whether a bundle is here", None, "digest")
    told = {"200": "It is.", "404": "It is not."}
    answers = {each: {"description": told.get(each, "A problem, without its document.")} for each in asked["responses"]}
    return {**asked, "responses": answers}


_EVENTS = {
    "description": "One DeployEvent a line.",
    "content": {NDJSON: {"schema": TEXT, "x-item-schema": reference("DeployEvent")}},
}
_FILES = {"description": "A ZIP archive.", "content": {"application/zip": {"schema": {**TEXT, "format": "binary"}}}}
_ARCHIVE = {"required": True, "content": {"application/octet-stream": {"schema": {**TEXT, "format": "binary"}}}}
_LINE = {"required": True, "content": {"text/plain": {"schema": TEXT}}}
_BINARY = {"schema": {**TEXT, "format": "binary"}}
_TABLE = {
    "description": "Its rows, in the type that the caller takes.",
    "content": {
        JSON: {"schema": reference("Rows")},
        **{media: {"schema": TEXT} for media in (NDJSON, CSV)},
        **dict.fromkeys((ARROW, PARQUET), _BINARY),
    },
}
_PARQUET = {"description": "A file.", "content": {PARQUET: _BINARY}}
_CONFLICT, _FAILED = problems(409), problems(422)
_USAGE = ("by", "since", "until", "calling_team", "cost")
_LINEAGE = ("lineage_of", "direction", "depth", "as_of", "artifact_version")
_FUNCTION = "/v1/functions/{team}/{name}"


def api_paths() -> dict[str, Schema]:
    """`paths`, without the deployed functions."""
    functions = record(functions=array(reference("Function")))
    versions = record(versions=array(reference("Version")))
    call, logs = reference("Call"), reference("Logs")
    replayed = record(call=TEXT)
    of = ("team", "name")
    return {
        "/call/{target}": {"post": _call_any()},
        "/calls/{call}": {
            "get": operation("state", "calls", "State of a call", call, "call"),
            "delete": operation("cancel", "calls", "Cancel a call", None, "call", status=204, more=_CONFLICT),
        },
        "/calls/{call}/result": {"get": _result()},
        "/calls/{call}/logs": {"get": operation("call_logs", "calls", "What a call printed", logs, "call")},
        "/calls/{call}/why-miss": {
            "get": operation("why_miss", "calls", "Why it was not given an earlier result", reference("Miss"), "call")
        },
        "/calls/{call}/replay": {
            "post": operation("replay", "calls", "Run it again", replayed, "call", status=202, more=_CONFLICT)
        },
        "/calls/{call}/debug": {
            "post": operation(
                "debug", "calls", "Type a line into its debugger", None, "call", status=204, body=_LINE, more=_CONFLICT
            )
        },
        "/v1/whoami": {"get": operation("whoami", "access", "Whose token it is", reference("Principal"))},
        "/v1/status": {"get": operation("status", "gateway", "What runs", reference("Status"))},
        "/v1/environments": {
            "get": operation(
                "environments",
                "gateway",
                "What is built and loaded",
                record(environments=array(reference("Environment"))),
            )
        },
        "/v1/secrets": {
            "get": operation(
                "secrets", "access", "Secrets, without their values", record(secrets=array(reference("Secret")))
            )
        },
        "/v1/secrets/{team}/{name}": {
            "put": operation("set_secret", "access", "Set a secret", reference("SetSecret"), *of, body=SECRET),
            "delete": operation("delete_secret", "access", "Delete a secret", None, *of, status=204, more=_CONFLICT),
        },
        "/v1/bundles/{digest}": {
            "head": _has_bundle(),
            "put": operation("put_bundle", "functions", "Send a bundle", None, "digest", status=201, body=_ARCHIVE),
        },
        "/v1/functions": {"get": operation("functions", "functions", "What is deployed", functions)},
        _FUNCTION: {
            "get": operation("function", "functions", "One function", reference("Function"), *of),
            "delete": deletion(*of),
        },
        f"{_FUNCTION}/versions": {
            "get": operation("versions", "functions", "Its versions, newest first", versions, *of),
            "post": operation(
                "publish", "functions", "Deploy", _EVENTS, *of, body=reference("Publish"), more=_CONFLICT | _FAILED
            ),
        },
        f"{_FUNCTION}/versions/{{version}}": {
            "get": operation("version", "functions", "One version", reference("Version"), *of, "version"),
            "delete": deletion(*of, "version"),
        },
        f"{_FUNCTION}/versions/{{version}}/bundle": {
            "get": operation("version_bundle", "functions", "Its files, as deployed", _FILES, *of, "version")
        },
        f"{_FUNCTION}/plan": {
            "post": operation(
                "plan", "functions", "What a deploy would change", reference("Plan"), *of, body=reference("Planned")
            )
        },
        **release_paths(f"{_FUNCTION}/aliases"),
        **access_paths(_FUNCTION),
        **limit_paths(),
        **scaling_paths(_FUNCTION),
        "/v1/sql": {"post": operation("sql", "registry", "Ask a SELECT", _TABLE, body=QUERY, more=problems(406))},
        "/v1/export/{view}": {
            "get": operation("export", "registry", "A view, or a day of it, as Parquet", _PARQUET, "view", "day")
        },
        "/v1/usage": {
            "get": operation("usage", "registry", "Who called what, how often", reference("Rows"), "function", *_USAGE)
        },
        "/v1/lineage": {
            "get": operation("lineage", "registry", "Where it came from, or what came of it", GRAPH, *_LINEAGE)
        },
        "/v1/waiting": {
            "get": operation(
                "waiting",
                "calls",
                "What its calls wait for right now",
                record(target=TEXT, event=nullable(TEXT), awaits=nullable(TEXT)),
                "called",
            )
        },
        "/v1/logs": {"get": operation("logs", "registry", "What calls printed", logs, "function", "of_call", "limit")},
        **webhook_paths(),
        **people_paths(_FUNCTION),
        **cluster_paths(),
        **gateway_paths(),
        **machine_paths(),
        "/healthz": {"get": open_operation("healthz", "Whether it lives", "text/plain", 200)},
        "/readyz": {"get": open_operation("readyz", "Whether it can answer calls", "text/plain", 200, 503)},
        "/docs": {"get": open_operation("docs", "A page to read this and to try calls", "text/html", 200)},
        "/openapi.json": {"get": operation("openapi", "gateway", "This document", {"type": "object"})},
    }

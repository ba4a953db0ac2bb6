"""What operations share besides schemas: parameters, headers, problems, and how a caller is known."""

from __future__ import annotations

from typing import Any

from rayfaas import names
from rayfaas.durations import DURATION
from rayfaas.errors import BY_CODE, PROBLEM_JSON
from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.schemas import NUMBER, TEXT, WHOLE
from rayfaas.moments import MOMENT
from rayfaas.worker_group import GROUP


def _parameter(place: str, name: str, schema: Schema, description: str) -> Schema:
    required = {"required": True} if place == "path" else {}
    return {"in": place, "name": name, "schema": schema, "description": description, **required}


def _text(pattern: str) -> Schema:
    return {**TEXT, "pattern": f"^{pattern}$"}


PARAMETERS: dict[str, Schema] = {
    "target": _parameter(
        "path",
        "target",
        _text(rf"({names.TEAM}/)?{names.NAME}(\.{names.METHOD})?(:[1-9][0-9]{{0,8}}|(@{names.ALIAS})?(@{MOMENT})?)"),
        "`embed`, `embed:7`, `nlp/embed@prod`, of a class `Model.predict`, as of a moment "
        "`embed@prod@2026-11-01T12:00Z`. Slashes are sent as they are.",
    ),
    "called": _parameter("query", "target", {**TEXT, "minLength": 1}, "What was called.") | {"required": True},
    "call": _parameter("path", "call", {**TEXT, "format": "uuid"}, "A call's id."),
    "team": _parameter("path", "team", _text(names.TEAM), "A team."),
    "name": _parameter("path", "name", _text(names.NAME), "A function of it."),
    "alias": _parameter("path", "alias", _text(names.ALIAS), "An alias of that."),
    "schedule": _parameter("path", "schedule", _text(names.NAME), "A schedule of that."),
    "version": _parameter("path", "version", {**WHOLE, "minimum": 1, "maximum": 999_999_999}, "A version of that."),
    "grantee": _parameter("path", "grantee", _text(names.TEAM), "The team that gets it."),
    "kind": _parameter("path", "kind", {"enum": ["team", "principal", "function"]}, "What is limited."),
    "limited": _parameter("query", "name", TEXT, "Its name; a function's is `team/name`."),
    "principal": _parameter("query", "principal", {**TEXT, "minLength": 1, "maxLength": 256}, "A principal's name.")
    | {"required": True},
    "digest": _parameter("path", "digest", _text("[0-9a-f]{64}"), "SHA-256 of the archive."),
    "token_id": _parameter("path", "token_id", TEXT, "A token's id, or its name."),
    "cluster": _parameter("path", "cluster", _text(names.CLUSTER), "A cluster."),
    "gateway": _parameter("path", "gateway", _text(names.CLUSTER), "A gateway of another machine."),
    "node": _parameter("path", "node", _text("[0-9a-f]{4,64}"), "A node's id, or its beginning."),
    "group": _parameter("path", "group", _text(GROUP), "A worker group of it."),
    "machine": _parameter("path", "machine", _text(GROUP), "A machine of it, by its name."),
    "now": _parameter("query", "now", {"enum": ["true", "false"]}, "Do not wait for calls that run there."),
    "function": _parameter("query", "function", TEXT, "`team/name`."),
    "of_call": _parameter("query", "call", {**TEXT, "format": "uuid"}, "A call's id."),
    "lineage_of": _parameter(
        "query", "of", {**TEXT, "minLength": 1}, "The URI of an artifact, a call's id, or a version: `embed:3`."
    )
    | {"required": True},
    "direction": _parameter("query", "direction", {"enum": ["upstream", "downstream"]}, "Which way; else upstream."),
    "depth": _parameter("query", "depth", {**WHOLE, "minimum": 1, "maximum": 100}, "How many calls deep; else 10."),
    "as_of": _parameter("query", "as_of", {**TEXT, "format": "date"}, "Nothing later counts: a day or a time."),
    "artifact_version": _parameter("query", "version", TEXT, "Of the artifact; else the newest."),
    "limit": _parameter("query", "limit", {**WHOLE, "minimum": 0, "maximum": 100_000, "default": 1000}, "Lines."),
    "by": _parameter("query", "by", TEXT, "What to group by, with commas: `team,version,day`."),
    "since": _parameter("query", "since", _text(DURATION), "From how long ago: `90m`, `12h`, `30d`."),
    "until": _parameter("query", "until", _text(DURATION), "To how long ago."),
    "cost": _parameter("query", "cost", {"enum": ["0", "1"], "default": "0"}, "Tell what they cost, too."),
    "view": _parameter("path", "view", TEXT, "One of those that SQL can ask."),
    "day": _parameter("query", "day", {**TEXT, "format": "date"}, "Of calls, logs and lineage: `2026-11-27`."),
    "calling_team": _parameter("query", "team", TEXT, "Only calls by this team."),
    "moves": _parameter("query", "limit", {**WHOLE, "minimum": 1, "maximum": 10_000, "default": 100}, "Moves."),
    "message": _parameter("query", "message", {**TEXT, "maxLength": 4096}, "Why."),
    "wait": _parameter("header", "Prefer", _text("wait=[0-9]{1,3}"), "`wait=30`: wait so many seconds for the result."),
    "Prefer": _parameter(
        "header",
        "Prefer",
        {**TEXT, "pattern": "^(respond-async|wait=[0-9]{1,3})$"},
        "`respond-async`: answer with 202 when the call is on disk, and run it whatever happens. `wait=30`: the same "
        "if it has not ended within so many seconds.",
    ),
    "AnyPrefer": _parameter(
        "header",
        "Prefer",
        {**TEXT, "pattern": "^(respond-async|validate-only|wait=[0-9]{1,3})$"},
        "`respond-async`: 202 when the call is on disk. `wait=30`: the same after so many seconds. `validate-only`: "
        "run nothing, answer with a DryRun.",
    ),
    "Timeout": _parameter(
        "header", "Rayfaas-Timeout", {**NUMBER, "exclusiveMinimum": 0}, "Seconds that it may take, waiting included."
    ),
    "IdempotencyKey": _parameter(
        "header",
        "Idempotency-Key",
        {**TEXT, "pattern": "^[!-~]{1,128}$"},
        "Runs once: who sends the key again gets what the first call came to, and with other arguments 400.",
    ),
    "Retries": _parameter(
        "header", "Rayfaas-Retries", {**WHOLE, "minimum": 0, "maximum": 100}, "How often it is tried again, with 202."
    ),
    "Priority": _parameter("header", "Rayfaas-Priority", {"enum": ["low", "normal", "high"]}, "Which call goes first."),
    "Logs": _parameter("header", "Rayfaas-Logs", {"enum": ["1"]}, "Send what it prints too, in a stream."),
}

HEADERS: dict[str, Schema] = {
    "CallId": {"schema": {**TEXT, "format": "uuid"}, "description": "The id under which it is recorded."},
    "Version": {"schema": WHOLE, "description": "The version that answered."},
    "Location": {"schema": TEXT, "description": "Where to ask for its state and result."},
}


def problem_responses() -> dict[str, Schema]:
    """By `Problem404`: the codes that come with each status are those of `errors.py`."""
    responses: dict[str, Schema] = {}
    for status in sorted({error.status for error in BY_CODE.values()}):
        kinds = [error for error in BY_CODE.values() if error.status == status]
        codes = {"properties": {"code": {"enum": [kind.code for kind in kinds]}}}
        responses[f"Problem{status}"] = {
            "description": "; ".join(f"`{kind.code}`: {kind.title}" for kind in kinds),
            "content": {PROBLEM_JSON: {"schema": {"allOf": [reference("Problem"), codes]}}},
        }
    return responses


def shared_components() -> dict[str, Any]:
    """What `components` holds besides schemas."""
    return {
        "parameters": PARAMETERS,
        "headers": HEADERS,
        "responses": problem_responses(),
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "A token of this server."}},
    }

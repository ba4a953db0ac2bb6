"""The paths of calls: how any function is called, and what became of it."""

from __future__ import annotations

from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.operations import (
    CALL_PROBLEMS,
    call_operation,
    named,
    operation,
    problems,
    sse_and_ndjson,
)
from rayfaas.gateway.openapi.schemas import ANYTHING, BINARY, RAW, TEXT, nullable, record
from rayfaas.wire import ARGUMENTS_JSON, JSON, MSGPACK, MULTIPART

_VALUES = {JSON: {"schema": ANYTHING}, MSGPACK: {"schema": ANYTHING}}
_RAW = {media: {"schema": BINARY} for media in RAW}
_LINE = {"required": True, "content": {"text/plain": {"schema": TEXT}}}
_WAITING = record(target=TEXT, event=nullable(TEXT), awaits=nullable(TEXT))
_CONFLICT = problems(409)


def call_paths() -> dict[str, Schema]:
    return {
        "/call/{target}": {"post": _call_any()},
        "/calls/{call}": {"get": _state(), "delete": _cancel()},
        "/calls/{call}/result": {"get": _result()},
        "/calls/{call}/logs": {
            "get": operation("call_logs", "calls", "What a call printed", reference("Logs"), "call")
        },
        "/calls/{call}/why-miss": {
            "get": operation("why_miss", "calls", "Why it was not given an earlier result", reference("Miss"), "call")
        },
        "/calls/{call}/replay": {"post": _replay()},
        "/calls/{call}/debug": {"post": _debug()},
        "/v1/waiting": {"get": operation("waiting", "calls", "What its calls wait for right now", _WAITING, "called")},
    }


def _call_any() -> Schema:
    bodies = {**_VALUES, MULTIPART: {"schema": {"type": "object"}}, **_RAW}
    bodies[ARGUMENTS_JSON] = {"schema": reference("PositionalArguments")}
    called = call_operation(
        "Call any function",
        "A JSON object is arguments by name, anything else is the single argument. Functions that are deployed have "
        "paths of their own, with their schemas; versions are called here.",
        bodies,
        False,
        {**_VALUES, **_RAW, **sse_and_ndjson(ANYTHING)},
    )
    called["parameters"] = [named("target"), named("AnyPrefer"), *called["parameters"][1:]]
    return {"operationId": "call", "tags": ["calls"], **called}


def _state() -> Schema:
    return operation("state", "calls", "State of a call", reference("Call"), "call")


def _cancel() -> Schema:
    return operation("cancel", "calls", "Cancel a call", None, "call", status=204, more=_CONFLICT)


def _result() -> Schema:
    good = {
        "description": "What the call returned. What it ended with otherwise is answered as by the call.",
        "content": {**_VALUES, **_RAW},
    }
    pending = {"202": {"description": "There is none yet.", "content": {JSON: {"schema": reference("Call")}}}}
    asked = operation("result", "calls", "What became of a spawned call", good, "call", "wait", more=pending)
    return {**asked, "responses": asked["responses"] | problems(*CALL_PROBLEMS)}


def _replay() -> Schema:
    return operation("replay", "calls", "Run it again", record(call=TEXT), "call", status=202, more=_CONFLICT)


def _debug() -> Schema:
    summary = "Type a line into its debugger"
    return operation("debug", "calls", summary, None, "call", status=204, body=_LINE, more=_CONFLICT)

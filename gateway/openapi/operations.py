"""What an operation looks like: one that calls a function, and any other."""

from __future__ import annotations

from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.schemas import TEXT, record
from rayfaas.wire import JSON, NDJSON, SSE

CALL_PROBLEMS = (400, 401, 403, 404, 406, 413, 415, 422, 429, 499, 500, 502, 503, 504)
_ASKED = (401, 403, 404, 500, 503, 504)


def problems(*statuses: int) -> Schema:
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in statuses}


def call_operation(summary: str, description: str, bodies: Schema, needs_body: bool, answers: Schema) -> Schema:
    """How a function is called. `bodies` and `answers` are contents by media type."""
    streams = NDJSON in answers
    parameters = ["Prefer", "Timeout", "IdempotencyKey", "Retries", "Priority", *(["Logs"] if streams else [])]
    return {
        "summary": summary,
        "description": description,
        "parameters": [named(name) for name in parameters],
        "requestBody": {"required": needs_body, "content": bodies},
        "responses": _call_responses(answers),
    }


def sse_and_ndjson(item: Schema) -> Schema:
    """The content of a generator's answer as it comes. What an event is, is told by `x-item-schema`."""
    ends = [record(log=reference("LogEntry")), record(done=reference("Done")), record(error=reference("Problem"))]
    events = [record(item=item), *ends]
    return {
        NDJSON: {
            "schema": {
                **TEXT,
                "description": 'One object a line: {"item": …}, {"log": …}, at last {"done": …} or {"error": …}.',
            },
            "x-item-schema": {"oneOf": events},
        },
        SSE: {
            "schema": {
                **TEXT,
                "description": "Items are events without a name; `log`, and at last `done` or `error`, have one.",
            },
            "x-item-schema": item,
        },
    }


def _call_responses(answers: Schema) -> Schema:
    known = {"Rayfaas-Call-Id": _header("CallId"), "Rayfaas-Version": _header("Version")}
    accepted = {"Rayfaas-Call-Id": _header("CallId"), "Location": _header("Location")}
    return {
        "200": {"description": "What it returned.", "headers": known, "content": answers},
        "202": {
            "description": "With `Prefer: respond-async`: it is on disk, and will run.",
            "headers": accepted,
            "content": {JSON: {"schema": reference("AcceptedCall")}},
        },
        **problems(*CALL_PROBLEMS),
    }


def _header(name: str) -> Schema:
    return {"$ref": f"#/components/headers/{name}"}


def named(name: str) -> Schema:
    return {"$ref": f"#/components/parameters/{name}"}


def operation(
    operation_id: str,
    tag: str,
    summary: str,
    answer: Schema | None = None,
    *parameters: str,
    status: int = 200,
    body: Schema | None = None,
    more: Schema | None = None,
) -> Schema:
    """`answer` is the schema of its JSON, or a whole response, or None where there is no body."""
    if answer is None:
        good: Schema = {"description": summary}
    elif "description" in answer and "content" in answer:
        good = answer
    else:
        good = {"description": summary, "content": {JSON: {"schema": answer}}}
    content = body if body is None or "content" in body else {"required": True, "content": {JSON: {"schema": body}}}
    return {
        "operationId": operation_id,
        "tags": [tag],
        "summary": summary,
        "parameters": [named(name) for name in parameters],
        **({"requestBody": content} if content else {}),
        "responses": {
            str(status): good,
            **(more or {}),
            **problems(*_ASKED, *((400,) if parameters or body else ()), *((413,) if body else ())),
        },
    }


def open_operation(operation_id: str, summary: str, media: str, *statuses: int) -> Schema:
    """What is answered without a token."""
    answer = {"description": summary, "content": {media: {"schema": TEXT}}}
    return {
        "operationId": operation_id,
        "tags": ["gateway"],
        "summary": summary,
        "security": [],
        "responses": {str(status): answer for status in statuses},
    }

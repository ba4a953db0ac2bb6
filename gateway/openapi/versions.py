"""The paths of functions and their versions: how one is deployed, what there is, what it was made of."""

from __future__ import annotations

from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.operations import operation, problems
from rayfaas.gateway.openapi.scaling import deletion
from rayfaas.gateway.openapi.schemas import FILE, TEXT, array, record
from rayfaas.wire import NDJSON

_OF = ("team", "name")
_EVENTS = {
    "description": "One DeployEvent a line.",
    "content": {NDJSON: {"schema": TEXT, "x-item-schema": reference("DeployEvent")}},
}
_FILES = {"description": "A ZIP archive.", "content": {"application/zip": FILE}}
_ARCHIVE = {"required": True, "content": {"application/octet-stream": FILE}}
_FUNCTIONS = record(functions=array(reference("Function")))
_VERSIONS = record(versions=array(reference("Version")))


def version_paths(function: str) -> dict[str, Schema]:
    """`function` is the path of one."""
    versions, version = f"{function}/versions", f"{function}/versions/{{version}}"
    return {
        "/v1/bundles/{digest}": {
            "head": _has_bundle(),
            "put": operation("put_bundle", "functions", "Send a bundle", None, "digest", status=201, body=_ARCHIVE),
        },
        "/v1/functions": {"get": operation("functions", "functions", "What is deployed", _FUNCTIONS)},
        function: {
            "get": operation("function", "functions", "One function", reference("Function"), *_OF),
            "delete": deletion(*_OF),
        },
        versions: {
            "get": operation("versions", "functions", "Its versions, newest first", _VERSIONS, *_OF),
            "post": _publish(),
        },
        version: {
            "get": operation("version", "functions", "One version", reference("Version"), *_OF, "version"),
            "delete": deletion(*_OF, "version"),
        },
        f"{version}/bundle": {
            "get": operation("version_bundle", "functions", "Its files, as deployed", _FILES, *_OF, "version")
        },
        f"{function}/plan": {"post": _plan()},
    }


def _has_bundle() -> Schema:
    asked = operation("has_bundle", "functions", "Whether a bundle is here", None, "digest")
    told = {"200": "It is.", "404": "It is not."}
    answers = {each: {"description": told.get(each, "A problem, without its document.")} for each in asked["responses"]}
    return {**asked, "responses": answers}


def _publish() -> Schema:
    body, more = reference("Publish"), problems(409, 422)
    return operation("publish", "functions", "Deploy", _EVENTS, *_OF, body=body, more=more)


def _plan() -> Schema:
    summary = "What a deploy would change"
    return operation("plan", "functions", summary, reference("Plan"), *_OF, body=reference("Planned"))

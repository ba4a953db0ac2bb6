"""What is done to a function without a deploy."""

from __future__ import annotations

from rayfaas.gateway.openapi.components import Schema, reference
from rayfaas.gateway.openapi.operations import operation, problems
from rayfaas.gateway.openapi.schemas import TEXT, WHOLE, array, record
from rayfaas.scaling import Rescale

_SCALED = record(
    function=TEXT,
    scaling=reference("Scaling"),
    clusters={"description": "Those whose deployments follow it already.", **array(TEXT)},
)
_DELETED = record(function=TEXT, versions=array(WHOLE), detail=TEXT)
_BODY = Rescale.model_json_schema()


def scaling_paths(function: str) -> dict[str, Schema]:
    """`function` is the path of one."""
    changed = operation("scale", "functions", "Change how it scales", _SCALED, "team", "name", body=_BODY)
    return {f"{function}/scaling": {"patch": changed}}


def deletion(*of: str) -> Schema:
    """Of a whole function; or of one version, where `of` names it too."""
    if "version" not in of:
        return operation("delete", "functions", "Delete a function", _DELETED, *of, "message")
    may_fail = problems(409)
    return operation("delete_version", "functions", "Delete a version", _DELETED, *of, "message", more=may_fail)

"""Google's own description of Compute Engine, `compute.v1`, which ships with google-api-python-client."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient
import jsonschema

_NO_JSON_SCHEMA = (
    "annotations", "deprecated", "description", "enumDeprecated", "enumDescriptions", "format", "id", "properties",
)  # fmt: skip


def check(kind: str, value: Any) -> None:
    """Raises where `value` is not of this kind, or has a field that it does not have."""
    _validator(kind).validate(value)


@cache
def _validator(kind: str) -> Any:
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": _schemas()})


@cache
def _schemas() -> dict[str, Any]:
    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    found = json.loads((folder / "compute.v1.json").read_text())["schemas"]
    return {name: _as_json_schema(schema) for name, schema in found.items()}


def _as_json_schema(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_as_json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _as_json_schema(value) for key, value in schema.items() if key not in _NO_JSON_SCHEMA}
    if "properties" in schema:
        made["properties"] = {name: _as_json_schema(each) for name, each in schema["properties"].items()}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = f"#/$defs/{made['$ref']}"
    if "properties" in made and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made

"""The schemas of one document: each under a name of its own, whatever the functions call their types."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, SchemaError

Schema = dict[str, Any]

_LOCAL = "#/$defs/"
_GLOBAL = "#/components/schemas/"
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")
# What holds schemas by name, what holds values that only look like schemas, and what would say where references begin.
_BY_NAME = ("properties", "patternProperties", "dependentSchemas")
_VALUES = ("default", "const", "enum", "example", "examples")
_DROPPED = ("$defs", "$id", "$schema", "$anchor", "$dynamicAnchor", "$dynamicRef", "$vocabulary")


class Components:
    """Collects schemas, which the document has `at` this place. What a function's own types say of themselves is not
    trusted to be JSON schema."""

    def __init__(self, schemas: Mapping[str, Schema], at: str = _GLOBAL) -> None:
        self.schemas: dict[str, Schema] = dict(schemas)
        self._at = at
        self._lifted: dict[str, str] = {}

    def add(self, name: str, schema: Schema) -> Schema:
        """Keep a schema without `$defs` under `name`, or one like it; a reference to it."""
        found = unique(name, self.schemas)
        self.schemas[found] = schema
        return {"$ref": self._at + found}

    def lift(self, prefix: str, schema: Schema) -> Schema:
        """The schema with its `$defs` made components, named after `prefix`; anything goes where it is not valid."""
        try:
            defs = schema.get("$defs", {})
            names = {name: self._name_of(prefix, name, defs) for name in defs}
            places = {name: self._at + component for name, component in names.items()}
            for name, component in names.items():
                if component not in self.schemas:
                    self.schemas[component] = _checked(_rewritten(defs[name], places))
            return _checked(_rewritten(schema, places))
        except (AttributeError, KeyError, TypeError, RecursionError):
            return {}

    def _name_of(self, prefix: str, name: str, defs: Mapping[str, Any]) -> str:
        """The same for the same type, with all that it refers to, wherever it is used in one function."""
        meant = {each: defs[each] for each in sorted(_reachable(name, defs))}
        key = json.dumps([prefix, name, meant], sort_keys=True)
        if key not in self._lifted:
            taken = {*self.schemas, *self._lifted.values()}
            self._lifted[key] = unique(f"{prefix}.{_NOT_IN_A_NAME.sub('_', name)}", taken)
        return self._lifted[key]


def reference(component: str) -> Schema:
    return {"$ref": _GLOBAL + component}


def unique(name: str, taken: Any) -> str:
    """`name`, with a number where it is taken.

    >>> unique("Pet", {"Pet", "Pet2"})
    'Pet3'
    """
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}{number}"
    return found


def _reachable(name: str, defs: Mapping[str, Any]) -> set[str]:
    found, todo = {name}, [name]
    while todo:
        text = json.dumps(defs[todo.pop()])
        for each in defs.keys() - found:
            if json.dumps(_LOCAL + each) in text:
                found.add(each)
                todo.append(each)
    return found


def _rewritten(schema: Any, places: Mapping[str, str]) -> Any:
    """With references to the places of components. Those that lead elsewhere are left out: nobody is to fetch them."""
    if isinstance(schema, list):
        return [_rewritten(each, places) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in _DROPPED}
    if "$ref" in kept and str(kept["$ref"]).removeprefix(_LOCAL) not in places:
        del kept["$ref"]
    return {key: _member(key, value, places) for key, value in kept.items()}


def _member(key: str, value: Any, places: Mapping[str, str]) -> Any:
    if key in _VALUES:
        return value
    if key == "$ref":
        return places[value.removeprefix(_LOCAL)]
    if key == "discriminator":
        return _discriminator(value, places)
    if key in _BY_NAME:
        return {name: _rewritten(each, places) for name, each in value.items()}
    return _rewritten(value, places)


def _discriminator(value: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    mapping = {
        tag: places[ref.removeprefix(_LOCAL)]
        for tag, ref in value.get("mapping", {}).items()
        if ref.removeprefix(_LOCAL) in places
    }
    return {"propertyName": value["propertyName"], **({"mapping": mapping} if mapping else {})}


def _checked(schema: Schema) -> Schema:
    return schema if _is_schema(json.dumps(schema)) else {}


@lru_cache(16_384)  # checking takes a millisecond, and functions stay while others are deployed
def _is_schema(text: str) -> bool:
    try:
        Draft202012Validator.check_schema(json.loads(text))
    except SchemaError:
        return False
    return True

"""Whether every value that one JSON schema allows is allowed by another.

The answer is yes only where it is proved; what is beyond these rules is no. They know what pydantic writes: types,
bounds, arrays, objects, `anyOf`, tagged `oneOf`, `$ref`. An object that names its properties, and says nothing of
others, is taken not to have those that only the other schema names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

Schema = Mapping[str, Any] | bool

_TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_SCALARS = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
# They say nothing of which values there are.
_NOTES = frozenset({
    "$comment", "$defs", "$id", "$schema", "default", "deprecated", "description", "discriminator", "examples",
    "readOnly", "title", "writeOnly",
})  # fmt: skip
_COMBINING = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
_COMPARED = frozenset({
    "type", "const", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
    "maxLength", "items", "prefixItems", "minItems", "maxItems", "properties", "required", "additionalProperties",
    "minProperties", "maxProperties",
})  # fmt: skip
# Where one asks for it, the other must ask for the same.
_REPEATED = frozenset(
    ("contentEncoding", "contentMediaType", "format", "pattern", "patternProperties", "propertyNames", "uniqueItems")
)

# What a comparison may cost: a schema is what somebody's code says of itself.
_STEPS = 20_000
_DEPTH = 40


def includes(wide: Schema, narrow: Schema) -> bool:
    """Whether all that `narrow` allows is surely allowed by `wide`. Each may have `$defs` of its own.

    >>> includes({"type": "number"}, {"type": "integer", "minimum": 0})
    True
    >>> includes({"type": "string"}, {"anyOf": [{"type": "string"}, {"type": "null"}]})
    False
    """
    try:
        return _Comparison(wide, narrow).includes(wide, narrow, 0)
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError):
        return False  # what a type says of itself need not be a schema


class _Comparison:
    def __init__(self, wide_root: Schema, narrow_root: Schema) -> None:
        self._wide_root, self._narrow_root = wide_root, narrow_root
        self._same_definitions = _definitions(wide_root) == _definitions(narrow_root)
        self._left = _STEPS
        self._assumed: dict[tuple[str, str], int] = {}
        self._inside = 0  # of how many arrays and objects

    def includes(self, wide: Schema, narrow: Schema, depth: int) -> bool:
        self._left -= 1
        if self._left < 0 or depth > _DEPTH:
            return False
        if wide is True or narrow is False or self._same(wide, narrow):
            return True
        if isinstance(wide, bool):
            return False
        narrow = {} if narrow is True else narrow
        if "$ref" in wide or "$ref" in narrow:
            return self._recursive(wide, narrow, depth)
        return self._each_part(wide, narrow, depth)

    def _recursive(self, wide: Mapping[str, Any], narrow: Mapping[str, Any], depth: int) -> bool:
        """Of a schema that holds itself: what is being proved of a value may be used for the values inside of it."""
        pair = json.dumps(wide, sort_keys=True), json.dumps(narrow, sort_keys=True)
        if pair in self._assumed:
            return self._inside > self._assumed[pair]
        self._assumed[pair] = self._inside
        try:
            return self._each_part(wide, narrow, depth)
        finally:
            del self._assumed[pair]

    def _all_inside(self, pairs: Iterable[tuple[Schema, Schema]], depth: int) -> bool:
        self._inside += 1
        try:
            return all(self.includes(wide, narrow, depth + 1) for wide, narrow in pairs)
        finally:
            self._inside -= 1

    def _each_part(self, wide: Mapping[str, Any], narrow: Mapping[str, Any], depth: int) -> bool:
        """A schema asks for all of its keywords at once."""
        if "$ref" in wide and not self._includes_resolved(wide, narrow, depth):
            return False
        if not all(self.includes(part, narrow, depth + 1) for part in wide.get("allOf", ())):
            return False
        if not all(self._chooses(wide, choice, narrow, depth) for choice in ("anyOf", "oneOf") if choice in wide):
            return False
        return self._plain(wide, narrow, depth)

    def _includes_resolved(self, wide: Mapping[str, Any], narrow: Mapping[str, Any], depth: int) -> bool:
        found = _resolved(self._wide_root, wide["$ref"])
        return found is not None and self.includes(found, narrow, depth + 1)

    def _chooses(self, wide: Mapping[str, Any], choice: str, narrow: Mapping[str, Any], depth: int) -> bool:
        """Each way in which `narrow` can be met is in one of the branches."""
        branches = wide[choice]
        if choice == "oneOf" and not self._apart(branches):
            return False
        if any(self.includes(branch, narrow, depth + 1) for branch in branches):
            return True
        cases = self._cases(narrow)
        return cases is not None and all(self._chooses(wide, choice, case, depth + 1) for case in cases)

    def _cases(self, narrow: Mapping[str, Any]) -> list[Any] | None:
        """Schemas that together allow at least what `narrow` allows; None where it can't be taken apart."""
        if "$ref" in narrow:
            found = _resolved(self._narrow_root, narrow["$ref"])
            return None if found is None or isinstance(found, bool) else [found]
        for choice in ("anyOf", "oneOf"):
            if choice in narrow:
                return [{} if branch is True else branch for branch in narrow[choice] if branch is not False]
        if "enum" in narrow and len(narrow["enum"]) > 1:
            return [{**_without(narrow, "enum"), "const": value} for value in narrow["enum"]]
        types = narrow.get("type")
        if isinstance(types, list):
            return [{**narrow, "type": kind} for kind in types]
        return None if types is not None else [{**narrow, "type": kind} for kind in _TYPES]

    def _plain(self, wide: Mapping[str, Any], narrow: Mapping[str, Any], depth: int) -> bool:
        """The keywords that are no combinations of schemas."""
        plain = _without(wide, *_COMBINING)
        if not plain.keys() - _NOTES:
            return True
        if narrow.keys() & {"$ref", "anyOf", "oneOf"}:
            cases = self._cases(narrow)
            if cases is not None and all(self.includes(plain, case, depth + 1) for case in cases):
                return True
        if any(self.includes(plain, part, depth + 1) for part in narrow.get("allOf", ())):
            return True
        others = plain.keys() - _NOTES - _COMPARED
        return all(self._repeats(plain, narrow, each) for each in others) and self._by_type(plain, narrow, depth)

    def _by_type(self, wide: Mapping[str, Any], narrow: Mapping[str, Any], depth: int) -> bool:
        values = _values(narrow)
        if values is not None and all(_SCALARS.get(type(value)) for value in values):
            return all(self._allows(wide, value) for value in values)
        if ("enum" in wide or "const" in wide) and not self._among(wide, narrow):
            return False
        kinds = _kinds(narrow)
        if not all(kind in _kinds(wide) or (kind == "integer" and "number" in _kinds(wide)) for kind in kinds):
            return False
        if not _bounds_include(wide, narrow, kinds):
            return False
        if "array" in kinds and not self._arrays(wide, narrow, depth):
            return False
        return "object" not in kinds or self._objects(wide, narrow, depth)

    def _allows(self, wide: Mapping[str, Any], value: Any) -> bool:
        """Whether a value that is neither an array nor an object has what the plain keywords ask for."""
        kind = _SCALARS[type(value)]
        if kind == "number" and value.is_integer():
            kind = "integer"
        allowed = _values(wide)
        if allowed is not None and not any(_equal(value, each) for each in allowed):
            return False
        exact: dict[str, Any] = {"type": kind}
        if kind in ("integer", "number"):
            exact |= {"minimum": value, "maximum": value, "multipleOf": value}
        elif kind == "string":
            exact |= {"minLength": len(value), "maxLength": len(value)}
        if wide.keys() - _NOTES - _COMPARED:
            return False
        return self._by_type(_without(wide, "enum", "const"), exact, _DEPTH)

    def _among(self, wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
        values, allowed = _values(narrow), _values(wide) or []
        return values is not None and all(any(_equal(value, each) for each in allowed) for value in values)

    def _arrays(self, wide: Mapping[str, Any], narrow: Mapping[str, Any], depth: int) -> bool:
        first_wide, first_narrow = wide.get("prefixItems", []), narrow.get("prefixItems", [])
        longest = max(len(first_wide), len(first_narrow))
        most = narrow.get("maxItems", math.inf)
        places = [
            (_item(wide, first_wide, place), _item(narrow, first_narrow, place))
            for place in range(longest + 1)
            if place < most
        ]
        return self._all_inside(places, depth)

    def _objects(self, wide: Mapping[str, Any], narrow: Mapping[str, Any], depth: int) -> bool:
        if not set(wide.get("required", ())) <= set(narrow.get("required", ())):
            return False
        if "patternProperties" in narrow and ("properties" in wide or "additionalProperties" in wide):
            return False
        named = narrow.get("properties", {})
        names = [*wide.get("properties", {}), *named, None]
        if named and "additionalProperties" not in narrow:
            names = [*named, None]
        return self._all_inside(((_property(wide, name), _property(narrow, name)) for name in names), depth)

    def _apart(self, branches: list[Schema]) -> bool:
        """Whether no value is in two of the branches."""
        whole = [self._whole(branch) for branch in branches]
        return all(_are_apart(a, b) for place, a in enumerate(whole) for b in whole[:place])

    def _whole(self, branch: Schema) -> Schema:
        if isinstance(branch, bool) or "$ref" not in branch:
            return branch
        found = _resolved(self._wide_root, branch["$ref"])
        return True if found is None else found

    def _same(self, wide: Schema, narrow: Schema) -> bool:
        return (
            wide == narrow and (self._same_definitions or '"$ref"' not in json.dumps(wide)) and _exactly(wide, narrow)
        )

    def _repeats(self, wide: Mapping[str, Any], narrow: Mapping[str, Any], keyword: str) -> bool:
        return keyword in _REPEATED and keyword in narrow and self._same(wide[keyword], narrow[keyword])


def _bounds_include(wide: Mapping[str, Any], narrow: Mapping[str, Any], kinds: set[str]) -> bool:
    if kinds & {"integer", "number"} and not _numbers_include(wide, narrow):
        return False
    lengths = {"string": "Length", "array": "Items", "object": "Properties"}
    for kind, end in lengths.items():
        if kind in kinds:
            if wide.get(f"min{end}", 0) > narrow.get(f"min{end}", 0):
                return False
            if wide.get(f"max{end}", math.inf) < narrow.get(f"max{end}", math.inf):
                return False
    return True


def _numbers_include(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
    if _lowest(narrow) < _lowest(wide) or _highest(narrow) > _highest(wide):
        return False
    step = wide.get("multipleOf")
    return step is None or _is_multiple(narrow.get("multipleOf"), step)


def _lowest(schema: Mapping[str, Any]) -> tuple[float, bool]:
    """Bound, and whether the bound itself is excluded: the greater, the less is allowed."""
    return max((schema.get("minimum", -math.inf), False), (schema.get("exclusiveMinimum", -math.inf), True))


def _highest(schema: Mapping[str, Any]) -> tuple[float, bool]:
    """Bound, and whether it is included: the less, the less is allowed."""
    return min((schema.get("maximum", math.inf), True), (schema.get("exclusiveMaximum", math.inf), False))


def _is_multiple(value: Any, step: Any) -> bool:
    return isinstance(value, int) and isinstance(step, int) and step != 0 and value % step == 0


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    types = schema.get("type", list(_TYPES))
    return set(types) if isinstance(types, list) else {types}


def _values(schema: Mapping[str, Any]) -> list[Any] | None:
    """All that it can be, where it says so."""
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def _item(schema: Mapping[str, Any], first: list[Any], place: int) -> Schema:
    found: Schema = first[place] if place < len(first) else schema.get("items", True)
    return found


def _property(schema: Mapping[str, Any], name: str | None) -> Schema:
    """Of the property with this name, or of those that are not named."""
    properties = schema.get("properties", {})
    found: Schema = properties[name] if name in properties else schema.get("additionalProperties", True)
    return found


def _are_apart(a: Schema, b: Schema) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return False
    kinds = _widened(_kinds(a)) & _widened(_kinds(b))
    if not kinds:
        return True
    return kinds == {"object"} and any(_tags_are_apart(a, b, name) for name in _tags(a) & _tags(b))


def _widened(kinds: set[str]) -> set[str]:
    return kinds | {"integer"} if "number" in kinds else kinds


def _tags(schema: Mapping[str, Any]) -> set[str]:
    return set(schema.get("required", ())) & set(schema.get("properties", {}))


def _tags_are_apart(a: Mapping[str, Any], b: Mapping[str, Any], name: str) -> bool:
    ours, theirs = a["properties"][name], b["properties"][name]
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return False
    first, second = _values(ours), _values(theirs)
    return first is not None and second is not None and not any(_equal(x, y) for x in first for y in second)


def _definitions(root: Schema) -> Any:
    return None if isinstance(root, bool) else root.get("$defs")


def _resolved(root: Schema, reference: Any) -> Schema | None:
    """What a reference into the same document leads to."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for part in filter(None, reference[1:].split("/")):
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found if isinstance(found, Mapping | bool) else None


def _equal(a: Any, b: Any) -> bool:
    """As JSON schema has it: 1 is 1.0, and not true."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _exactly(a: Any, b: Any) -> bool:
    """For what Python takes for equal: true and 1."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def _without(schema: Mapping[str, Any], *keywords: str) -> dict[str, Any]:
    return {keyword: value for keyword, value in schema.items() if keyword not in keywords}

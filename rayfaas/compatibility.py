"""Whether those who call a function as it was can call it as it is now: what of its interface breaks them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rayfaas.schemas import includes

Interface = Mapping[str, Any]
"""As an executor describes a function or class: kind, signature, JSON schemas of arguments and result."""

Places = Mapping[str, tuple[str, ...]]
"""The names of the arguments that can be given by place, in order; of each method of a class, "" for a function."""

# Callers can't tell these from each other.
_ALIKE = {"async": "sync", "async_generator": "generator"}
# What holds values in a schema, and no schemas.
_VALUES = ("const", "default", "enum", "examples", "required")


@dataclass(frozen=True)
class Break:
    """`what` is method_removed, kind_changed, result_changed, or of one argument argument_removed, argument_required,
    argument_narrowed or argument_moved. `method` is of a class."""

    what: str
    detail: str
    argument: str | None = None
    method: str | None = None


def breaks(before: Interface, after: Interface) -> list[Break]:
    """What a caller of `before` may rely on and `after` does not keep.

    Arguments may be given to `after` as they were to `before`, and what it returns is among what `before` returned.
    What can't be proved to be kept is a break.
    """
    if "methods" in before and "methods" in after:
        return list(_of_methods(before["methods"], after["methods"]))
    if before.get("kind") == "class" or after.get("kind") == "class":
        return [_kind_changed(before, after, None)] if before.get("kind") != after.get("kind") else []
    return list(_of_callee(before, after, None))


def places_of(interface: Interface | None) -> Places:
    """
    >>> places_of({"signature": "(a, /, b=1, *, c)", "arguments": {"properties": {"a": {}, "b": {}, "c": {}}}})
    {'': ('a', 'b')}
    """
    callees = (interface or {}).get("methods") or {"": interface or {}}
    return {name: _places_of_callee(callee) for name, callee in callees.items()}


def _places_of_callee(callee: Interface) -> tuple[str, ...]:
    names = list(callee.get("arguments", {}).get("properties", {}))
    return tuple(_places(str(callee.get("signature", "")), names)[0])


def _of_methods(before: Mapping[str, Interface], after: Mapping[str, Interface]) -> Iterator[Break]:
    for method, interface in before.items():
        if method in after:
            yield from _of_callee(interface, after[method], method)
        else:
            yield Break("method_removed", f"there is no method {method} any more", method=method)


def _of_callee(before: Interface, after: Interface, method: str | None) -> Iterator[Break]:
    if _kind(before) != _kind(after):
        yield _kind_changed(before, after, method)
        return
    if _kind(after) == "asgi":
        return  # what its callers may rely on, the application itself says
    if "arguments" in before and "arguments" in after:
        yield from _of_arguments(_Arguments.of(before), _Arguments.of(after), method)
    result_before, result_after = before.get("result", {}), after.get("result", {})
    if not includes(_written(result_before), _written(result_after)):
        was, now = _named(result_before), _named(result_after)
        yield Break("result_changed", f"the result was {was} and is {now}", method=method)


def _written(schema: Any) -> Any:
    """Of a result: fields that have a default are written all the same, and callers may rely on them."""
    if isinstance(schema, list):
        return [_written(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    inner = {key: value if key in _VALUES else _written(value) for key, value in schema.items()}
    properties = inner.get("properties")
    if not isinstance(properties, Mapping):
        return inner
    filled = [name for name, each in properties.items() if isinstance(each, Mapping) and "default" in each]
    return {**inner, "required": [*inner.get("required", ()), *filled]}


def _kind(interface: Interface) -> str:
    kind = str(interface.get("kind"))
    return _ALIKE.get(kind, kind)


def _kind_changed(before: Interface, after: Interface, method: str | None) -> Break:
    return Break("kind_changed", f"it was {_kind(before)} and is {_kind(after)}", method=method)


class _Arguments(NamedTuple):
    """`places` are the names of those that can be given by position, in order."""

    schemas: Mapping[str, Any]
    required: frozenset[str]
    others: bool
    places: list[str]
    more_places: bool

    @classmethod
    def of(cls, interface: Interface) -> _Arguments:
        schema = interface["arguments"]
        properties = schema.get("properties", {})
        places, more_places = _places(str(interface.get("signature", "")), list(properties))
        others = schema.get("additionalProperties", True) is not False
        return cls(properties, frozenset(schema.get("required", ())), others, places, more_places)


def _of_arguments(before: _Arguments, after: _Arguments, method: str | None) -> Iterator[Break]:
    for name, schema in before.schemas.items():
        if name not in after.schemas:
            if not after.others:
                yield Break("argument_removed", f"{name} is gone", name, method)
        elif not includes(after.schemas[name], schema):
            detail = f"{name} takes {_named(after.schemas[name])}, and took {_named(schema)}"
            yield Break("argument_narrowed", detail, name, method)
    for name in after.schemas:
        if name in after.required and name not in before.required:
            detail = f"{name} must be given" + (", and need not have been" if name in before.schemas else ": it is new")
            yield Break("argument_required", detail, name, method)
    for place, name in enumerate(before.places):
        if name in after.schemas and after.places[place : place + 1] != [name] and _is_first_gap(before, after, place):
            detail = f"{name} is not number {place + 1} of those given by position any more"
            yield Break("argument_moved", detail, name, method)
    if before.others and not after.others:
        yield Break("argument_removed", "arguments of other names are not taken any more", None, method)
    if before.more_places and not after.more_places:
        yield Break("argument_removed", "more arguments by position are not taken any more", None, method)


def _is_first_gap(before: _Arguments, after: _Arguments, place: int) -> bool:
    """Whether all before it are where they were: one break is told of, not all that follow from it."""
    return before.places[:place] == after.places[:place]


def _places(signature: str, names: list[str]) -> tuple[list[str], bool]:
    """From its text; a default whose text is not Python leaves all of them in doubt, as given by position too."""
    try:
        definition = ast.parse(f"def f{signature}: ...").body[0]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return names, False
    assert isinstance(definition, ast.FunctionDef)
    arguments = definition.args
    places = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    return [name for name in places if name in names], arguments.vararg is not None


def _named(schema: Any) -> str:
    """A schema in few words.

    >>> _named({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]})
    'array of integer or null'
    """
    if not isinstance(schema, Mapping):
        return "anything"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(map(_named, choices))
    if "const" in schema or "enum" in schema:
        return " or ".join(map(repr, schema.get("enum", [schema.get("const")])))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    kind = schema.get("title") if schema.get("type") == "object" and "title" in schema else schema.get("type")
    if kind == "array" and "items" in schema:
        return f"array of {_named(schema['items'])}"
    limits = {key: value for key, value in schema.items() if key in _TOLD}
    text = " or ".join(kind) if isinstance(kind, list) else str(kind or "anything")
    return text + (f" ({', '.join(f'{key} {value}' for key, value in limits.items())})" if limits else "")


_TOLD = (
    "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength",
    "minItems", "maxItems", "multipleOf",
)  # fmt: skip

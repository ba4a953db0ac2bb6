"""One JSON schema includes another only where every value shows it: checked with random ones."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal, Optional

import pytest
from annotated_types import Ge, Le, MaxLen
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, TypeAdapter

from rayfaas.schemas import includes


class Point(BaseModel):
    x: int
    y: int = 0


class Wide(BaseModel):
    x: float
    y: int = 0
    z: str = ""


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


class WideTree(BaseModel):
    value: float
    children: list[WideTree] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (Any, int),
        (float, int),
        (Optional[int], int),  # noqa: UP045 as older code has it
        (int | str | None, str | None),
        (list[float], list[int]),
        (list[Any], list[int]),
        (dict[str, float], dict[str, int]),
        (list[int], tuple[int, int]),
        (tuple[float, ...], tuple[int, int]),
        (Annotated[int, Ge(0)], Annotated[int, Ge(1), Le(5)]),
        (str, Annotated[str, MaxLen(3)]),
        (str, Literal["a", "b"]),
        (str, Colour),
        (Literal["a", "b", 3], Literal["b", 3]),
        (int, Literal[1]),
        (float, Literal[1]),
        (Annotated[int, Ge(0), Le(9)], Literal[0, 9]),
        (Wide, Point),
        (dict[str, Any], Point),
        (Tree, Tree),
        (WideTree, Tree),
        (Pet, Cat),
        (Pet, Pet),
        (list[Pet], list[Dog]),
        (Pet | None, Pet),
        (bool | int, int),
    ],
)
def test_a_type_includes_another_and_not_the_other_way_round(wide: Any, narrow: Any) -> None:
    broad, slim = TypeAdapter(wide).json_schema(), TypeAdapter(narrow).json_schema()
    assert includes(broad, slim)
    assert includes(broad, broad)
    assert includes(slim, broad) == (broad == slim)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (int, float),
        (int, bool),
        (str, int),
        (int, Any),
        (Point, Wide),
        (Point, dict[str, int]),
        (Cat, Pet),
        (Annotated[str, Field(pattern="^a")], Literal["a"]),
        (Annotated[str, Field(pattern="^a")], Annotated[str, Field(pattern="^b")]),
        (tuple[int, int], list[int]),
    ],
)
def test_what_is_not_proved_is_denied(wide: Any, narrow: Any) -> None:
    assert not includes(TypeAdapter(wide).json_schema(), TypeAdapter(narrow).json_schema())


@pytest.mark.parametrize(
    "schema",
    [
        {"minimum": "a"},
        {"type": 3},
        {"type": [{}]},
        {"enum": 3},
        {"anyOf": 3},
        {"$ref": "#/$defs/none"},
        {"$ref": "http://example.com/schema"},
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "string"}]}}},
        {"not": {}},
        {"if": {}, "else": False},
        {"contains": {"type": "integer"}},
    ],
    ids=str,
)
def test_what_is_no_schema_or_a_strange_one_proves_nothing_but_itself(schema: dict[str, Any]) -> None:
    assert includes(schema, schema)
    assert includes({}, schema)
    assert not includes(schema, {"type": "integer"})


def test_a_schema_that_is_made_to_take_long_is_given_up() -> None:
    wide: dict[str, Any] = {"type": "integer"}
    narrow: dict[str, Any] = {"type": "number"}
    for _ in range(30):
        wide = {"anyOf": [{"type": "array", "items": wide}] * 10}
        narrow = {"anyOf": [{"type": "array", "items": narrow}] * 10}
    assert not includes(wide, narrow)
    deep: dict[str, Any] = {}
    for _ in range(2_000):
        deep = {"items": deep}
    assert not includes({"items": {"type": "array"}}, deep)


_scalars = st.sampled_from([None, True, False, 0, 1, 2, -1, 1.5, 2.0, "", "a", "b", "ab"])
_leaves = st.one_of(
    st.just({}),
    st.booleans(),
    st.fixed_dictionaries({"type": st.sampled_from(["null", "boolean", "integer", "number", "string"])}),
    st.fixed_dictionaries(
        {"type": st.lists(st.sampled_from(["null", "integer", "string"]), min_size=1, max_size=3, unique=True)}
    ),
    st.builds(lambda value: {"const": value}, _scalars),
    st.builds(lambda values: {"enum": values}, st.lists(_scalars, min_size=1, max_size=3)),
    st.dictionaries(
        st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), st.integers(-2, 3), max_size=2
    ),
    st.fixed_dictionaries({"type": st.just("integer"), "multipleOf": st.integers(1, 4)}),
    st.dictionaries(st.sampled_from(["minLength", "maxLength"]), st.integers(0, 2)),
    st.just({"$ref": "#/$defs/list"}),
)  # fmt: skip


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["a", "b"])
    some = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"type": st.just("array"), "prefixItems": some, "items": inner}),
        st.fixed_dictionaries(
            {"items": inner}, optional={"minItems": st.integers(0, 2), "maxItems": st.integers(0, 2)}
        ),
        st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(names, inner, max_size=2),
                "required": st.lists(names, max_size=2, unique=True),
                "additionalProperties": inner,
            }
        ),
        st.dictionaries(st.sampled_from(["anyOf", "oneOf", "allOf"]), some, min_size=1, max_size=2),
        st.tuples(inner, inner).map(_joined),
    )


def _joined(both: tuple[Any, Any]) -> Any:
    """One schema with the keywords of two."""
    first, second = both
    return {**first, **second} if isinstance(first, dict) and isinstance(second, dict) else first


_schemas = st.recursive(_leaves, _combined, max_leaves=6)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=6,
)
# A list of lists of lists …
_DEFINITIONS = {"list": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#/$defs/list"}}]}}


def _whole(schema: Any) -> Any:
    return {**schema, "$defs": _DEFINITIONS} if isinstance(schema, dict) else schema


@settings(max_examples=400)
@given(_schemas, _schemas, st.lists(_values, min_size=5, max_size=25))
def test_what_is_proved_holds_of_every_value(first: Any, second: Any, values: list[Any]) -> None:
    wide, narrow = _whole(first), _whole(second)
    assert includes(wide, wide)
    if includes(wide, narrow):
        for value in values:
            if Draft202012Validator(narrow).is_valid(value):
                assert Draft202012Validator(wide).is_valid(value), value

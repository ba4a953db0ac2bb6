"""Schemas become components: each name once, each reference to what it meant, and nothing that is no schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, TypeAdapter

from rayfaas.gateway.openapi.components import Components, Schema, unique


class Pet(BaseModel):
    name: str
    friends: list[Pet] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    pet: Pet


class Dog(BaseModel):
    kind: Literal["dog"]


Animal = Annotated[Cat | Dog, Field(discriminator="kind")]


def lifted(components: Components, kind: Any, prefix: str = "f") -> Schema:
    return components.lift(prefix, TypeAdapter(kind).json_schema())


def accepts(components: Components, schema: Schema, value: Any) -> bool:
    whole = {**schema, "components": {"schemas": components.schemas}}
    return bool(Draft202012Validator(whole).is_valid(value))


def test_a_schema_means_what_it_meant() -> None:
    components = Components({})
    animal, pets = lifted(components, Animal), lifted(components, list[Pet])
    assert set(components.schemas) == {"f.Cat", "f.Dog", "f.Pet"}
    assert animal["discriminator"]["mapping"]["cat"] == "#/components/schemas/f.Cat"
    assert accepts(components, animal, {"kind": "cat", "pet": {"name": "a", "friends": [{"name": "b"}]}})
    assert not accepts(components, animal, {"kind": "cat", "pet": {"name": "a", "friends": [{"name": 1}]}})
    assert not accepts(components, pets, [{}])


def test_two_types_of_one_name_are_two_components() -> None:
    components = Components({})
    one = components.lift("f", {"$defs": {"T": {"type": "string"}}, "$ref": "#/$defs/T"})
    other = components.lift("f", {"$defs": {"T": {"type": "integer"}}, "$ref": "#/$defs/T"})
    again = components.lift("f", {"$defs": {"T": {"type": "string"}}, "$ref": "#/$defs/T"})
    assert [one["$ref"], other["$ref"], again["$ref"]] == [f"#/components/schemas/f.{n}" for n in ("T", "T2", "T")]
    assert (components.schemas["f.T"], components.schemas["f.T2"]) == ({"type": "string"}, {"type": "integer"})


def test_two_types_that_refer_to_different_ones_of_one_name_are_two() -> None:
    components = Components({})
    for inner in ("string", "integer"):
        defs = {"T": {"type": "array", "items": {"$ref": "#/$defs/I"}}, "I": {"type": inner}}
        components.lift("f", {"$defs": defs, "$ref": "#/$defs/T"})
    assert components.schemas["f.T"]["items"]["$ref"] != components.schemas["f.T2"]["items"]["$ref"]


def test_a_name_is_free_or_is_given_a_number() -> None:
    components = Components({"a": {}})
    assert components.add("a", {"type": "null"}) == {"$ref": "#/components/schemas/a2"}
    assert unique("b", components.schemas) == "b"
    assert components.lift("f", {"$defs": {"Größe[int]": {}}, "$ref": "#/$defs/Größe[int]"})["$ref"].endswith(
        "f.Gr_e_int_"
    )


@pytest.mark.parametrize("name", ["$ref", "$defs", "default", "enum", "discriminator", "properties"])
def test_a_property_may_have_any_name(name: str) -> None:
    schema = {"type": "object", "properties": {name: {"type": "integer"}}}
    assert Components({}).lift("f", schema) == schema


def test_values_are_left_as_they_are() -> None:
    value = {"$ref": "#/$defs/T", "$id": "x"}
    schema = {"default": value, "enum": [value], "const": value, "examples": [value]}
    assert Components({}).lift("f", schema) == schema


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "money"},
        {"type": 3},
        {"minimum": "1"},
        {"properties": []},
        {"properties": {"a": 3}},
        {"required": "a"},
        {"$defs": 3},
        {"discriminator": 3},
        {"discriminator": {}},
        {"$ref": {}},
    ],
)
def test_what_is_no_schema_allows_anything(schema: Any) -> None:
    found = Components({}).lift("f", schema)
    Draft202012Validator.check_schema(found)
    assert accepts(Components({}), found, {"any": "thing"})


@pytest.mark.parametrize(
    "ref", ["http://elsewhere/schema", "#/components/schemas/Other", "#/$defs/Missing", "x.json#/a"]
)
def test_nothing_refers_to_elsewhere(ref: str) -> None:
    assert Components({}).lift("f", {"items": {"$ref": ref}, "$id": "http://elsewhere"}) == {"items": {}}


def test_a_schema_that_is_too_deep_allows_anything() -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = {"items": deep}
    assert Components({}).lift("f", deep) == {}

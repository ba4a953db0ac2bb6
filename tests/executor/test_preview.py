"""Values become JSON that people may read: without secrets, and never long."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import numpy
import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr

from rayfaas.executor.preview import Preview, is_secretive
from rayfaas.redaction import Redactor
from rayfaas.wire.file import File

KEY = "correct-horse-battery"


class Color(Enum):
    RED = "red"


class Model(BaseModel):
    user: str = "ann"
    key: SecretStr = SecretStr(KEY)
    card: str = Field(default="4111", repr=False)


@dataclass
class Data:
    size: int = 3
    inner: Any = None
    hidden: str = field(default="h", repr=False)


class Struct(msgspec.Struct):
    size: int = 3


def shown(value: Any, room: int = 10_000, secrets: tuple[str, ...] = (KEY,)) -> tuple[Any, bool, bool]:
    preview = Preview(Redactor(secrets), room)
    made = preview.of(value)
    assert json.loads(msgspec.json.encode(made)) == made, "it is JSON"
    return made, preview.is_whole, preview.is_cut


@pytest.mark.parametrize("value", [None, True, 3, -1.5, "text", [1, [2]], {"a": {"b": []}}, "\x00é😀"])
def test_what_is_json_stays_as_it_is(value: Any) -> None:
    assert shown(value) == (value, True, False)


@pytest.mark.parametrize(
    ("value", "json_of_it"),
    [
        (Color.RED, "red"),
        (date(2026, 11, 27), "2026-11-27"),
        (Path("/a/b"), "/a/b"),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        ({1: "a"}, {"1": "a"}),
        (Struct(), {"size": 3}),
    ],
)
def test_what_json_has_a_form_for_is_in_that(value: Any, json_of_it: Any) -> None:
    assert shown(value) == (json_of_it, True, False)


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (b"abc", "<3 bytes>"),
        (File(b"ab", "x.csv"), "<file x.csv, 2 bytes>"),
        (numpy.zeros((2, 3), "float32"), "<numpy.ndarray float32 (2, 3)>"),
        (math.nan, "nan"),
        (1 << 300, "<builtins.int>"),
        (object(), "<builtins.object>"),
    ],
)
def test_what_it_has_none_for_is_described(value: Any, description: str) -> None:
    assert shown(value) == (description, False, False)


def test_what_is_secret_by_type_by_name_or_by_value_is_hidden() -> None:
    model, is_whole, _ = shown(Model())
    assert (model, is_whole) == ({"user": "ann", "key": "***", "card": "***"}, False)
    assert shown(SecretBytes(b"x"))[0] == "***"
    assert shown(Data(inner={"API-Key": 5}))[0] == {"size": 3, "inner": {"API-Key": "***"}, "hidden": "***"}
    assert shown([f"Bearer {KEY}", {KEY: 1}])[0] == ["Bearer ***", {"***": 1}]
    assert shown([123456], secrets=("123456",)) == (["***"], False, False)


@pytest.mark.parametrize(
    "name", ["password", "db_passwd", "APIKey", "accesstoken", "X-Auth", "clientSecret", "cookies"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secretive(name)


@pytest.mark.parametrize(
    "name", ["max_tokens", "tokenizer", "author", "key", "keyboard", "text", "spinning", "authority"]
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secretive(name)


@pytest.mark.parametrize(
    "value", ["x" * 5000, ["abc"] * 5000, {f"k{n}": n for n in range(5000)}, [[list("abcd")] * 500]]
)
def test_what_is_long_is_cut_with_a_mark(value: Any) -> None:
    made, is_whole, is_cut = shown(value, room=200)
    assert (is_whole, is_cut) == (False, True)
    assert len(json.dumps(made)) < 700
    assert "…" in json.dumps(made, ensure_ascii=False)


def test_no_part_of_a_secret_is_left_where_it_is_cut() -> None:
    for room in range(1, 60):
        made, _, _ = shown(f"the key is {KEY} and more", room=room)
        assert "corr" not in made


def test_what_is_nested_too_deeply_and_what_contains_itself_ends() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert "<builtins.list>" in json.dumps(shown(endless)[0])


def test_half_a_character_is_no_trouble() -> None:
    assert shown("\ud800")[0] == "?"

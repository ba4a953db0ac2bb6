"""JSON of whatever a function returns, or an error in words; no value of a user breaks more than its own call."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.errors import MalformedBody, ResultNotSerializable
from rayfaas.wire import decode_json, encode_json
from tests.case_names import shown

finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | finite | texts
values = st.recursive(scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(texts, v, max_size=4), max_leaves=15)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: float
    tags: list[str]


class Model(pydantic.BaseModel):
    name: str
    at: date


class Scalar:
    """What a numpy scalar or a tensor looks like."""

    dtype = "float32"

    def __init__(self, value: Any) -> None:
        self._value = value

    def tolist(self) -> Any:
        return self._value


class Hostile:
    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError("no attributes here")


@settings(max_examples=40)
@given(values)
def test_json_values_come_back_as_they_were(value: Any) -> None:
    assert decode_json(encode_json(value)) == value
    assert json.loads(encode_json(value)) == value


@pytest.mark.parametrize(
    "body",
    [
        b"[1,",
        b"{'x': 1}",
        b'"\\ud800"',
        b'"\xff"',
        b"[" * 100_000,
        b"1" * 5000,
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b"tru",
        b" ",
    ],
)
def test_what_is_not_json_is_refused_with_its_place(body: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"not JSON: .* column \d+"):
        decode_json(body)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ([math.nan, math.inf, -math.inf, 1e-3], b"[null,null,null,0.001]"),
        ({"deep": [{"nan": math.nan}]}, b'{"deep":[{"nan":null}]}'),
        (b"caf\xc3\xa9", '"café"'.encode()),
        ({3}, b"[3]"),
        (frozenset({"a"}), b'["a"]'),
        ((1, 2), b"[1,2]"),
        ((n for n in range(3)), b"[0,1,2]"),
        ({1: "a", None: "b"}, b'{"1":"a","None":"b"}'),
        (Colour.RED, b'"red"'),
        (Point(1.0, ["a"]), b'{"x":1.0,"tags":["a"]}'),
        (Model(name="n", at=date(2026, 1, 2)), b'{"name":"n","at":"2026-01-02"}'),
        (datetime(2026, 1, 2, tzinfo=timezone.utc), b'"2026-01-02T00:00:00Z"'),
        (timedelta(seconds=90), b'"PT1M30S"'),
        (uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        (Decimal("1.10"), b'"1.10"'),
        (Path("/a/b"), b'"/a/b"'),
        (2**64, b"18446744073709551616"),
    ],
    ids=shown,
)
def test_what_python_has_and_json_has_not_becomes_what_is_nearest(value: Any, encoded: bytes) -> None:
    assert encode_json(value) == encoded


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (np.float32(0.5), b"0.5"),
        (np.int64(7), b"7"),
        (np.bool_(True), b"true"),
        (np.float64("nan"), b"null"),
        (np.array([[1, 2], [3, 4]]), b"[[1,2],[3,4]]"),
        (np.array([1.0, np.nan, np.inf]), b"[1.0,null,null]"),
        (np.array("text"), b'"text"'),
        ({"rows": [np.int8(1), {"x": np.zeros(2)}]}, b'{"rows":[1,{"x":[0.0,0.0]}]}'),
        (Scalar([1.5, None]), b"[1.5,null]"),
        (Scalar(Scalar(3)), b"3"),
    ],
    ids=shown,
)
def test_arrays_and_what_looks_like_them_become_numbers_and_lists(value: Any, encoded: bytes) -> None:
    assert encode_json(value) == encoded


def _raising() -> Iterator[int]:
    yield 1 // 0


def _itself() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def _deep() -> Any:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    return value


def _its_own_list() -> Any:
    class Endless:
        dtype = "object"

        def tolist(self) -> Any:
            return [self]

    return Endless()


@pytest.mark.parametrize(
    "make",
    [
        object,
        lambda: object,
        lambda: print,
        lambda: ValueError("an exception"),
        lambda: b"\xff",
        lambda: "\ud800",
        lambda: {"\ud800": 1},
        lambda: {b"\xff": 1},
        lambda: {"deep": [1, {"x": object()}]},
        lambda: Scalar(object()),
        lambda: np.array([object()]),
        lambda: Point(x=object(), tags=[]),  # type: ignore[arg-type]
        Hostile,
        lambda: {Hostile(): 1},
        _raising,
        _itself,
        _deep,
        _its_own_list,
    ],
    ids=lambda make: getattr(make, "__name__", "value"),
)
def test_what_has_no_json_is_an_error_of_the_function_that_says_what_to_return(make: Callable[[], Any]) -> None:
    with pytest.raises(ResultNotSerializable, match=r"can't be written as JSON.*Return numbers, text"):
        encode_json(make())

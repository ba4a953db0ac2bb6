"""What a caller sends is what a function with the hint gets, in every encoding that can carry it."""

from __future__ import annotations

import dataclasses
import inspect
import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from rayfaas.executor.signature import Signature
from rayfaas.wire import (
    ARROW,
    JSON,
    MSGPACK,
    VALUE_ACCEPT,
    decode_arguments,
    decode_result,
    encode_arguments,
    encode_json,
    encode_result,
)
from rayfaas.wire.msgpack import encode_msgpack
from rayfaas.wire.pickle import decode_pickle, encode_pickle
from tests.wire.samples import Colour, Named, Point, same

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
finite = st.floats(allow_nan=False, allow_infinity=False)
naive = st.datetimes(datetime(1980, 1, 1), datetime(2030, 1, 1))


@dataclasses.dataclass
class Nested:
    points: list[Point]
    colours: dict[str, Colour]
    at: datetime | None
    keys: set[uuid.UUID]


points = st.builds(Point, finite, finite)
nested = st.builds(
    Nested,
    st.lists(points, max_size=2),
    st.dictionaries(texts, st.sampled_from(Colour), max_size=2),
    st.none() | naive,
    st.sets(st.uuids(), max_size=2),
)
typed: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**63), 2**63)),
    (float, finite),
    (str, texts),
    (tuple[int, str], st.tuples(st.integers(0, 9), texts)),
    (set[int], st.sets(st.integers(0, 99), max_size=4)),
    (dict[int, str], st.dictionaries(st.integers(0, 99), texts, max_size=3)),
    (Point, points),
    (Named, st.builds(Named, name=texts)),
    (Colour, st.sampled_from(Colour)),
    (datetime, naive),
    (datetime, naive.map(lambda at: at.replace(tzinfo=datetime.now().astimezone().tzinfo))),
    (date, st.dates(date(1900, 1, 1), date(2100, 1, 1))),
    (timedelta, st.timedeltas(timedelta(-9), timedelta(9))),
    (uuid.UUID, st.uuids()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-1000, max_value=1000)),
    (list[Nested], st.lists(nested, max_size=2)),
    (int | list[Point], st.lists(points, max_size=2)),
]
dtypes = npst.scalar_dtypes().filter(lambda dtype: dtype.kind in "biufcmMSU")
arrays = st.deferred(
    lambda: dtypes.flatmap(lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=3, max_side=3)))
)
columns = st.lists(st.tuples(st.integers(-9, 9), finite, texts, naive), min_size=1, max_size=4)


def as_columns(rows: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return dict(zip(("n", "x", "text", "at"), map(list, zip(*rows, strict=True)), strict=True))


frames = columns.map(as_columns).map(pd.DataFrame)
polars_frames = columns.map(as_columns).map(pl.DataFrame)
tables = columns.map(as_columns).map(pa.table)


def signature_of(hint: Any) -> Signature:
    def function(x):  # type: ignore[no-untyped-def]
        ...

    function.__annotations__ = {"x": hint}
    assert inspect.signature(function).parameters["x"].annotation == hint
    return Signature(function)


def received(hint: Any, content_type: str, body: bytes) -> Any:
    args, kwargs = signature_of(hint).bind(decode_arguments(content_type, body))
    return (*args, *kwargs.values())[0]


@pytest.mark.parametrize(("hint", "values"), typed, ids=[str(hint) for hint, _ in typed])
def test_a_value_arrives_as_what_its_hint_says(hint: Any, values: st.SearchStrategy[Any]) -> None:
    @settings(max_examples=15)
    @given(values)
    def check(value: Any) -> None:
        assert same(received(hint, *encode_arguments([value], {})), value)
        assert same(received(hint, JSON, encode_json({"x": value})), value)
        assert same(received(hint, MSGPACK, encode_msgpack({"x": value})), value)
        assert same(decode_pickle(encode_pickle(value)), value)

    check()


@settings(max_examples=30)
@given(st.binary(max_size=20))
def test_bytes_arrive_as_they_are_but_in_json(value: bytes) -> None:
    for hint in (bytes, Any):
        assert received(hint, *encode_arguments([value], {})) == value
        assert received(hint, MSGPACK, encode_msgpack({"x": value})) == value
        assert received(hint, "application/octet-stream", value) == value
    assert decode_result(*sent(value, "")) == decode_result(*sent(value, VALUE_ACCEPT)) == value


@settings(max_examples=60)
@given(arrays)
def test_arrays_arrive_with_their_type_and_shape(array: npt.NDArray[Any]) -> None:
    for hint in (np.ndarray, Any):
        there = received(hint, *encode_arguments([array], {}))
        assert same(there, array)
        assert there.flags.writeable
    assert same(decode_result(*sent({"deep": [array]}, VALUE_ACCEPT)), {"deep": [array]})


numbers = npst.arrays(
    npst.integer_dtypes() | npst.floating_dtypes(sizes=(32, 64)) | npst.boolean_dtypes(), npst.array_shapes()
)


@settings(max_examples=30)
@given(numbers)
def test_arrays_of_numbers_are_arrow_too(array: npt.NDArray[Any]) -> None:
    native = array.astype(array.dtype.newbyteorder("="))
    assert same(decode_result(*sent(native, ARROW)), native)
    assert same(received(np.ndarray, *sent(native, ARROW)), native)
    assert same(decode_pickle(encode_pickle(native)), native)


@pytest.mark.parametrize(
    ("hint", "values"), [(pd.DataFrame, frames), (pl.DataFrame, polars_frames), (pa.Table, tables)], ids=str
)
def test_frames_arrive_as_they_are(hint: Any, values: st.SearchStrategy[Any]) -> None:
    @settings(max_examples=10)
    @given(values)
    def check(frame: Any) -> None:
        assert same(received(Any, *encode_arguments([frame], {})), frame)
        assert same(received(hint, *encode_arguments([frame], {})), frame)
        assert same(received(hint, *sent(frame, ARROW)), frame)
        assert same(decode_result(*sent([frame], VALUE_ACCEPT)), [frame])

    check()


def sent(value: Any, accept: str) -> tuple[str, bytes]:
    content_type, body = encode_result(value, accept)
    return content_type, bytes(body)

"""Arrow IPC streams: what a table was, it is again, in the memory that it came in."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from rayfaas.errors import MalformedBody, ResultNotSerializable
from rayfaas.wire.arrow import Origin, decode_arrow, encode_arrow
from tests.case_names import shown
from tests.wire.samples import same


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame({"a": [1, None], "at": [pd.Timestamp("2026"), pd.NaT], "s": ["x", None]}, index=[5, 6]),
        pd.DataFrame(),
        pd.Series([1.5, 2.5], name="q", index=["a", "b"]),
        pd.Series([1], name=None),
        pl.DataFrame({"x": [1, None], "y": [["a"], []]}),
        pl.Series("z", [1, 2]),
        pa.table({"a": [1]}),
        np.arange(6.0).reshape(2, 3),
        np.array(3),
        np.zeros((0, 3)),
        np.array(["a", "bcd"]),
        np.array(["2026-01-02"], "M8[D]"),
        np.array([True, False]),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
    ],
    ids=shown,
)
def test_it_comes_back_as_what_it_was(value: Any) -> None:
    assert same(decode_arrow(encode_arrow(value)), value)


def test_numbers_are_read_where_they_lie() -> None:
    body = bytes(encode_arrow(np.arange(1000)))
    there = decode_arrow(body)
    start = np.frombuffer(body, np.uint8).ctypes.data
    assert start < there.ctypes.data < start + len(body)
    assert not there.flags.writeable


def test_a_stream_of_another_language_is_a_table() -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("a", pa.int64())])) as writer:
        writer.write_batch(pa.record_batch({"a": [1, 2]}))
        writer.write_batch(pa.record_batch({"a": [3]}))
    assert decode_arrow(sink.getvalue().to_pybytes()).to_pydict() == {"a": [1, 2, 3]}


@pytest.mark.parametrize("value", [np.array([1j]), pd.DataFrame({"a": [object()]}), {"a": [1]}, 1], ids=shown)
def test_what_is_no_table_is_an_error(value: Any) -> None:
    with pytest.raises(ResultNotSerializable):
        encode_arrow(value)


def stream(origin: bytes, columns: dict[str, list[Any]]) -> bytes:
    table = pa.table(columns).replace_schema_metadata({b"rayfaas": origin})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def origin(dtype: str, shape: list[int]) -> bytes:
    return msgspec.json.encode(Origin("numpy.ndarray", dtype, shape))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no table",
        stream(b"no JSON", {"a": [1]}),
        stream(origin("<i8", [2]), {"a": [1]}),
        stream(origin("no type", [1]), {"a": [1]}),
        stream(origin("<i8", [1]), {"a": [1], "b": [2]}),
        bytes(encode_arrow(np.arange(100)))[:-100],
    ],
)
def test_what_is_no_stream_of_a_table_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        decode_arrow(body)


def test_lengths_of_text_are_not_believed() -> None:
    there = decode_arrow(stream(origin("<U400000000", [2]), {"a": ["x", "yz"]}))
    assert there.dtype == np.dtype("<U2")


def test_offsets_that_lead_out_of_the_body_are_refused() -> None:
    text = "ten bytes."
    body = bytearray(encode_arrow(pa.table({"a": [text]})))
    at = body.index((10).to_bytes(4, "little") + bytes(4)) if (10).to_bytes(4, "little") + bytes(4) in body else -1
    assert at >= 0, "the offsets of the column are not where they were looked for"
    body[at : at + 4] = (1 << 30).to_bytes(4, "little")
    with pytest.raises(MalformedBody):
        decode_arrow(bytes(body))

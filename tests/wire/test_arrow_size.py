"""However little a compressed table is, it is not unpacked where that would be too much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfaas.errors import BodyTooLarge, MalformedBody
from rayfaas.wire.arrow import decode_arrow, encode_arrow
from rayfaas.wire.arrow_size import MOST_UNPACKED, check_size

ROWS = 100_000


def stream(table: Any, compression: str | None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=1 << 30)
    return bytes(sink.getvalue())


TABLES = {
    "numbers": pa.table({"a": np.zeros(ROWS)}),
    "texts": pa.table({"a": ["x" * 100] * (ROWS // 100)}),
    "dictionary": pa.table({"a": pa.array(["x" * 1000, "y"] * (ROWS // 2)).dictionary_encode()}),
    "lists": pa.table({"a": [[1, 2]] * (ROWS // 10), "b": [None] * (ROWS // 10)}),
    "chunks": pa.concat_tables([pa.table({"a": np.zeros(ROWS // 4)})] * 4),
}


@pytest.mark.parametrize("compression", ["zstd", "lz4", None])
@pytest.mark.parametrize("name", TABLES)
def test_what_is_counted_is_what_it_comes_to(name: str, compression: str | None) -> None:
    table = TABLES[name]
    body = pa.py_buffer(stream(table, compression))
    size = pa.ipc.open_stream(body).read_all().get_total_buffer_size()
    check_size(pa, body, size + 4096)
    with pytest.raises(BodyTooLarge, match="Unpacked"):
        check_size(pa, body, size // 2)


def test_a_small_body_that_is_large_inside_is_refused_before_it_is_unpacked() -> None:
    column = pa.array(np.zeros(1 << 20, np.uint8))
    table = pa.table({f"c{n}": column for n in range(3000)})
    bomb = stream(table, "zstd")
    assert len(bomb) < MOST_UNPACKED // 1000
    before = pa.total_allocated_bytes()
    with pytest.raises(BodyTooLarge, match="2,147,483,648"):
        decode_arrow(bomb)
    assert pa.total_allocated_bytes() <= before


def test_rows_of_nothing_are_refused_too() -> None:
    with pytest.raises(BodyTooLarge, match="rows, in 0 bytes"):
        decode_arrow(stream(pa.table({"a": pa.nulls(1 << 22)}), None))
    assert decode_arrow(stream(pa.table({"a": pa.nulls(1000)}), None)).num_rows == 1000


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_byte_that_is_another_makes_it_malformed_or_another_table(place: int, byte: int) -> None:
    body = bytearray(encode_arrow(pa.table({"a": [1, 2], "b": ["x", None]})))
    body[place % len(body)] = byte
    try:
        decode_arrow(bytes(body))
    except (MalformedBody, BodyTooLarge):
        pass

"""Answers to SQL as bodies of bytes: CSV and NDJSON of plain values; Arrow and Parquet with the types that SQL gave."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import duckdb
import msgspec

from rayfaas.errors import NotAcceptable, QueryError
from rayfaas.wire.optional import library

_BATCH = 2_000
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Encoded:
    """`truncated` says that there were more rows than the limit."""

    body: bytes
    truncated: bool


def as_csv(columns: list[str], rows: list[list[Any]]) -> bytes:
    """With the columns in the first line; what is a list or an object is JSON.

    >>> as_csv(["a", "b"], [[1, None], ["x,y", [1]]])
    b'a,b\\n1,\\n"x,y",[1]\\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return text.getvalue().encode()


def as_ndjson(columns: list[str], rows: list[list[Any]]) -> bytes:
    """An object for each row.

    >>> as_ndjson(["a", "b"], [[1, None]])
    b'{"a":1,"b":null}\\n'
    """
    return b"".join(_encode(dict(zip(columns, row, strict=True))) + b"\n" for row in rows)


def as_arrow(found: duckdb.DuckDBPyRelation, rows: int, size: int) -> Encoded:
    """An IPC stream. Raises `NotAcceptable` where pyarrow is missing."""
    pyarrow = library("pyarrow", NotAcceptable)
    table, truncated = _table(pyarrow, found, rows, size)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Encoded(sink.getvalue().to_pybytes(), truncated)


def as_parquet(found: duckdb.DuckDBPyRelation, rows: int, size: int) -> Encoded:
    """A Parquet file."""
    table, truncated = _table(library("pyarrow", NotAcceptable), found, rows, size)
    parquet, sink = library("pyarrow.parquet", NotAcceptable), io.BytesIO()
    parquet.write_table(table, sink, compression="zstd")
    return Encoded(sink.getvalue(), truncated)


def _table(pyarrow: Any, found: duckdb.DuckDBPyRelation, rows: int, size: int) -> tuple[Any, bool]:
    reader: Any = found.to_arrow_reader(_BATCH)
    kept, number, total = [], 0, 0
    for batch in reader:
        kept.append(batch)
        number += batch.num_rows
        total += batch.nbytes
        if total > size:
            raise QueryError(f"The answer has over {size >> 20} MiB, the limit; aggregate more.")
        if number > rows:
            break
    return pyarrow.Table.from_batches(kept, reader.schema).slice(0, rows), number > rows


def _cell(value: Any) -> Any:
    return _encode(value).decode() if isinstance(value, list | dict) else value

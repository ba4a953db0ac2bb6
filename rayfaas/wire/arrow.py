"""Arrow IPC streams: data frames and arrays, without a copy where their library can read Arrow's memory.

What a table was made of stands in its metadata under `rayfaas`, so that it comes back as that. pyarrow is imported when
the first table is read or written.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import msgspec

from rayfaas.errors import MalformedBody, ResultNotSerializable
from rayfaas.wire import kinds
from rayfaas.wire.arrow_size import check_size
from rayfaas.wire.optional import library

_KEY = b"rayfaas"


class Origin(msgspec.Struct, omit_defaults=True):
    """What a table was. An array is one column of all its elements; `dtype` and `shape` are those of numpy."""

    kind: str
    dtype: str = ""
    shape: list[int] = []
    name: str | None = None


def encode_arrow(value: Any) -> memoryview:
    """Raises `ResultNotSerializable`."""
    table = table_of(value)
    pyarrow = library("pyarrow", ResultNotSerializable)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue()).cast("B")


def decode_arrow(body: bytes | memoryview) -> Any:
    """What the table was made of, a pyarrow.Table where it does not say. Raises `MalformedBody`, or `BodyTooLarge`
    where it would be too large when it is unpacked."""
    pyarrow = library("pyarrow", MalformedBody)
    try:
        buffer = pyarrow.py_buffer(body)
        check_size(pyarrow, buffer)
        with pyarrow.ipc.open_stream(buffer) as reader:
            table = reader.read_all()
        table.validate(full=True)  # lengths and offsets are the sender's word, and are read as memory
        return restored(table)
    except (pyarrow.ArrowException, msgspec.MsgspecError, ValueError, TypeError, OSError, KeyError) as error:
        raise MalformedBody(f"The body is not an Arrow IPC stream: {error}") from None


def table_of(value: Any) -> Any:
    """A frame or an array as a pyarrow.Table. Raises `ResultNotSerializable`."""
    pyarrow = library("pyarrow", ResultNotSerializable)
    try:
        return _table(pyarrow, value)
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        raise ResultNotSerializable(f"{type(value).__name__} can't be written as Arrow: {error}") from None


def restored(table: Any) -> Any:
    """A table as what it was made of."""
    origin = origin_of(table)
    if origin is None:
        return table
    try:
        return as_kind(table, origin.kind)
    except ImportError:
        return table  # the library that it was made with is not here


def as_kind(table: Any, kind: str) -> Any:
    """A pyarrow.Table as another kind. Raises ImportError where the kind's library is missing."""
    return _FROM_TABLE[kind](table) if kind in _FROM_TABLE else table


def origin_of(table: Any) -> Origin | None:
    metadata = table.schema.metadata or {}
    if _KEY in metadata:
        return msgspec.json.decode(metadata[_KEY], type=Origin)
    return Origin(kinds.DATA_FRAME) if b"pandas" in metadata else None


# Into tables


def _table(pyarrow: Any, value: Any) -> Any:
    kind = kinds.kind_of(value)
    if kind is None or kind not in _TO_TABLE:
        raise ValueError("only data frames and arrays can be")
    table = _TO_TABLE[kind](pyarrow, value)
    if kind in (kinds.TABLE, kinds.RECORD_BATCH, kinds.DATA_FRAME):
        return table  # what pandas is restored by is there already
    origin = Origin(kind)
    if kind == kinds.NDARRAY:
        origin.dtype, origin.shape = value.dtype.str, list(value.shape)
    elif kind == kinds.SERIES:
        origin.name = None if value.name is None else str(value.name)
    metadata = {**(table.schema.metadata or {}), _KEY: msgspec.json.encode(origin)}
    return table.replace_schema_metadata(metadata)


_TO_TABLE: dict[str, Callable[[Any, Any], Any]] = {
    kinds.TABLE: lambda pyarrow, table: table,
    kinds.RECORD_BATCH: lambda pyarrow, batch: pyarrow.Table.from_batches([batch]),
    kinds.DATA_FRAME: lambda pyarrow, frame: pyarrow.Table.from_pandas(frame),
    kinds.SERIES: lambda pyarrow, series: pyarrow.Table.from_pandas(series.to_frame("value")),
    kinds.POLARS_FRAME: lambda pyarrow, frame: frame.to_arrow(),
    kinds.POLARS_SERIES: lambda pyarrow, series: series.to_frame().to_arrow(),
    kinds.NDARRAY: lambda pyarrow, array: pyarrow.table({"value": array.reshape(-1)}),
}


# Out of tables


def _series(table: Any) -> Any:
    series = table.to_pandas().iloc[:, 0]
    origin = origin_of(table)
    name = origin.name if origin is not None and origin.kind == kinds.SERIES else series.name
    return series.rename(name)


def _polars(table: Any) -> Any:
    return import_module("polars").from_arrow(table)


def _array(table: Any) -> Any:
    """Numbers stay where they are, so the array is read-only; one that was sent so gets its type and shape back."""
    if table.num_columns != 1:
        raise ValueError(f"an array is a table of one column, not of {table.num_columns}")
    column = table.column(0)
    chunk = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    numpy = import_module("numpy")
    array = numpy.asarray(chunk.to_numpy(zero_copy_only=False)) if len(column) else numpy.empty(0)
    origin = origin_of(table)
    if origin is None or origin.kind != kinds.NDARRAY:
        return array
    dtype = numpy.dtype(origin.dtype)
    # How long texts are is what they say, not what the sender says: it would be made room for.
    dtype = numpy.dtype(dtype.kind) if dtype.kind in "SU" else dtype
    return array.astype(dtype, copy=False).reshape(origin.shape)


_FROM_TABLE: dict[str, Callable[[Any], Any]] = {
    kinds.DATA_FRAME: lambda table: table.to_pandas(),
    kinds.SERIES: _series,
    kinds.POLARS_FRAME: _polars,
    kinds.POLARS_SERIES: lambda table: _polars(table).to_series(),
    kinds.NDARRAY: _array,
    kinds.RECORD_BATCH: lambda table: table.combine_chunks().to_batches()[0] if len(table) else table,
}

"""Arrays, data frames and images: told apart, and made plain, without importing the libraries that make them."""

from __future__ import annotations

import sys
from typing import Any

import pydantic_core

NDARRAY = "numpy.ndarray"
DATA_FRAME = "pandas.DataFrame"
SERIES = "pandas.Series"
POLARS_FRAME = "polars.DataFrame"
POLARS_SERIES = "polars.Series"
TABLE = "pyarrow.Table"
RECORD_BATCH = "pyarrow.RecordBatch"
IMAGE = "PIL.Image.Image"

KINDS = (NDARRAY, DATA_FRAME, SERIES, POLARS_FRAME, POLARS_SERIES, TABLE, RECORD_BATCH, IMAGE)
FRAMES = frozenset((DATA_FRAME, SERIES, POLARS_FRAME, POLARS_SERIES, TABLE, RECORD_BATCH))
TABULAR = FRAMES | {NDARRAY}


def kind_of(value: Any) -> str | None:
    """One of the kinds above. A value of a library is there only where the library is loaded."""
    if type(value).__module__ == "builtins":
        return None
    for kind in KINDS:
        module, _, name = kind.rpartition(".")
        # A library that is being imported may lack the name as yet.
        if isinstance(value, getattr(sys.modules.get(module), name, ())):
            return kind
    return None


def plain(value: Any) -> Any:
    """What is nearest to it among numbers, text, lists and dicts. Raises ValueError where nothing is."""
    kind = kind_of(value)
    if kind in _PLAIN:
        return _PLAIN[kind](value)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return _array(value)  # a numpy scalar, or what imitates one
    if _is_missing(value):
        return None
    raise ValueError(f"no plain form for {type(value).__module__}.{type(value).__qualname__}")


def plain_or_model(value: Any) -> Any:
    """The same, of what pydantic knows too; for encoders that know less than pydantic's own."""
    serializer = getattr(type(value), "__pydantic_serializer__", None)
    if serializer is not None:
        return serializer.to_python(value)
    if isinstance(value, bytes):
        return bytes(value)  # a class of its own, such as a file
    try:
        return plain(value)
    except ValueError:
        return pydantic_core.to_jsonable_python(value, inf_nan_mode="constants", fallback=plain)


def _array(value: Any) -> Any:
    kind = getattr(value.dtype, "kind", "")
    if kind in ("m", "M") and type(value).__module__ == "numpy":
        # Python's times are no finer: of those that are, `tolist` makes numbers.
        value = value.astype(f"{kind}8[us]")
    return value.tolist()


def _rows(frame: Any) -> Any:
    """A missing cell, of whatever kind, is None."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _cells(series: Any) -> Any:
    return series.astype(object).where(series.notna(), None).tolist()


def _is_missing(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return value is getattr(pandas, "NA", ...) or value is getattr(pandas, "NaT", ...)


_PLAIN: dict[str | None, Any] = {
    NDARRAY: _array,
    DATA_FRAME: _rows,
    SERIES: _cells,
    POLARS_FRAME: lambda frame: frame.to_dicts(),
    POLARS_SERIES: lambda series: series.to_list(),
    TABLE: lambda table: table.to_pylist(),
    RECORD_BATCH: lambda batch: batch.to_pylist(),
}

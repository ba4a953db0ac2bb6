"""One value of each type that docs/wire.md tells of, by the name that it has there."""

from __future__ import annotations

import dataclasses
import enum
import math
import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: float
    y: float


class Named(pydantic.BaseModel):
    name: str


SAMPLES: dict[str, Any] = {
    "`int`": 7,
    "`float`": 0.5,
    "NaN": math.nan,
    "`str`": "text",
    "`tuple`": (1, 2),
    "`set`": {1},
    "dict with keys that are no text": {1: 2},
    "`bytes`": b"abc",
    "dataclass": Point(1.5, 2.0),
    "pydantic model": Named(name="n"),
    "enum": Colour.RED,
    "`datetime` with a zone": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
    "`datetime` without": datetime(2026, 1, 2, 3, 4, 5),
    "`date`": date(2026, 1, 2),
    "`timedelta`": timedelta(seconds=90),
    "`UUID`": uuid.UUID(int=1),
    "`Decimal`": Decimal("1.10"),
    "numpy scalar": np.float32(0.5),
    "numpy array": np.array([[1, 2], [3, 4]]),
    "pandas frame": pd.DataFrame({"a": [1, 2]}),
    "pandas series": pd.Series([1, 2]),
    "polars frame": pl.DataFrame({"a": [1, 2]}),
    "pyarrow table": pa.table({"a": [1, 2]}),
}


def same(one: Any, other: Any) -> bool:
    """Equal in type and value, arrays and frames too."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fcmM"))
    if isinstance(one, pd.DataFrame | pd.Series | pl.DataFrame | pl.Series | pa.Table):
        return bool(one.equals(other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)

"""A hint says what an argument becomes, however it was sent."""

from __future__ import annotations

import io
import typing
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from rayfaas.errors import InvalidArguments
from rayfaas.executor.coercion import coerced
from rayfaas.executor.signature import Signature
from rayfaas.wire import Arguments, File
from rayfaas.wire.image import encode_image
from tests.case_names import named
from tests.wire.samples import Point, same

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
COLUMNS = {"a": [1, 2], "b": ["x", "y"]}
IMAGE = Image.new("RGB", (2, 2), (1, 2, 3))
PNG = encode_image(IMAGE, "image/png")


def bound(hint: Any, value: Any) -> Any:
    def function(x):  # type: ignore[no-untyped-def]
        ...

    function.__annotations__ = {"x": hint}
    return Signature(function).bind(Arguments((), {"x": value}))[0][0]


@pytest.mark.parametrize("frame", [pd.DataFrame(ROWS), pl.DataFrame(ROWS), pa.Table.from_pylist(ROWS)], ids=type)
@pytest.mark.parametrize(
    "given", [ROWS, COLUMNS, pd.DataFrame(ROWS), pl.DataFrame(ROWS), pa.Table.from_pylist(ROWS)], ids=type
)
def test_a_frame_is_made_of_rows_columns_and_other_frames(frame: Any, given: Any) -> None:
    there = bound(type(frame), given)
    assert type(there) is type(frame)
    assert (there.to_pylist() if isinstance(there, pa.Table) else pl.DataFrame(there).to_dicts()) == ROWS


@pytest.mark.parametrize(
    ("hint", "given", "arrives"),
    [
        (np.ndarray, [[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
        (np.ndarray, 3, np.array(3)),
        (np.ndarray, np.arange(3), np.arange(3)),
        (npt.NDArray[np.float32], [1, 2], np.array([1, 2], np.float32)),
        (npt.NDArray[np.float32], np.arange(2), np.array([0, 1], np.float32)),
        (npt.NDArray[Any], [1], np.array([1])),
        (np.ndarray, pd.Series([1, 2]), np.array([1, 2])),
        (np.ndarray, pa.table({"a": [1, 2]}), np.array([1, 2])),
        (pd.Series, [1, 2], pd.Series([1, 2])),
        (pl.Series, [1, 2], pl.Series([1, 2])),
        (list[float], np.array([1.5, 2.5]), [1.5, 2.5]),
        (list[dict[str, int]], pd.DataFrame({"a": [1]}), [{"a": 1}]),
        (float, np.array(1.5), 1.5),
        (bytes, File(b"x", "name"), File(b"x")),
        (list[File], File(b"x", "name"), [File(b"x")]),
        (list[np.ndarray], [[1], [2, 3]], [np.array([1]), np.array([2, 3])]),
        (dict[str, np.ndarray | None], {"a": [1], "b": None}, {"a": np.array([1]), "b": None}),
        (typing.Optional[np.ndarray], None, None),  # noqa: UP045 both ways of writing it
    ],
    ids=named,
)
def test_what_came_becomes_what_the_hint_names(hint: Any, given: Any, arrives: Any) -> None:
    assert same(bound(hint, given), arrives)


def test_an_image_is_read_of_its_bytes() -> None:
    for given in (IMAGE, PNG, File(PNG, "a.png", "image/png")):
        assert bound(Image.Image, given).tobytes() == IMAGE.tobytes()


@pytest.mark.parametrize("hint", [io.BytesIO, typing.BinaryIO, typing.IO[bytes]])
def test_a_file_is_open_where_the_hint_says_so(hint: Any) -> None:
    for given in (File(b"content"), b"content", "content"):
        assert bound(hint, given).read() == b"content"


@pytest.mark.parametrize(
    ("hint", "given"),
    [
        (np.ndarray, "text"),
        (np.ndarray, {"a": 1}),
        (np.ndarray, [[1], [2, 3]]),
        (np.ndarray, [{"a": 1}]),
        (npt.NDArray[np.int64], ["x"]),
        (npt.NDArray[np.uint8], [300]),
        (pd.DataFrame, [1, 2]),
        (pd.DataFrame, {"a": [1], "b": [1, 2]}),
        (pl.DataFrame, "text"),
        (pa.Table, [[1]]),
        (pa.Table, {"a": [object()]}),
        (pd.Series, {"a": 1}),
        (Image.Image, b"no image"),
        (Image.Image, [1]),
        (typing.BinaryIO, 1),
        (list[np.ndarray], [["x", {}]]),
        (list[int], np.array([1.5])),
    ],
    ids=named,
)
def test_what_does_not_fit_is_refused_with_its_place(hint: Any, given: Any) -> None:
    with pytest.raises(InvalidArguments) as caught:
        bound(hint, given)
    assert caught.value.extra["errors"][0]["loc"][0] == "x"


@pytest.mark.parametrize(
    "hint", [int, Any, None, list[int], Literal["a"], Callable[[int], str], Point, dict[str, list[Point]], int | None]
)
def test_other_hints_are_left_as_they_are(hint: Any) -> None:
    assert coerced(hint) is hint

"""Arrays, data frames, images and files as type hints: an argument becomes what its hint names, however it was sent.

So a function of a data frame can be called with Arrow, with rows in JSON, and with a frame of another library.
"""

from __future__ import annotations

import io
import types
import typing
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from rayfaas.errors import RayfaasError
from rayfaas.wire import File
from rayfaas.wire.arrow import as_kind, table_of
from rayfaas.wire.image import open_image
from rayfaas.wire.kinds import (
    DATA_FRAME,
    FRAMES,
    IMAGE,
    KINDS,
    NDARRAY,
    POLARS_FRAME,
    POLARS_SERIES,
    RECORD_BATCH,
    SERIES,
    TABLE,
    TABULAR,
    kind_of,
    plain,
)

OPEN_FILES = (typing.BinaryIO, typing.IO[bytes])


def coerced(hint: Any) -> Any:
    """The hint as pydantic is to see it; the same where nothing in it is one of ours.

    >>> coerced(int), coerced(list[str])
    (<class 'int'>, list[str])
    """
    if (coerce := _coercion(hint)) is not None:
        return Annotated[Any, PlainValidator(coerce), WithJsonSchema(_schema_of(hint))]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Literal, Annotated, Callable) or not arguments:
        return hint
    inner = tuple(coerced(each) for each in arguments)
    if all(new is old for new, old in zip(inner, arguments, strict=True)):
        return hint
    return typing.Union[inner] if origin in (typing.Union, types.UnionType) else origin[inner]  # noqa: UP007


def loosened(value: Any) -> Iterator[Any]:
    """What an argument that does not fit its hint may have been meant as: an array as a list, a file as one of many."""
    if kind_of(value) in TABULAR:
        yield plain(value)
    elif isinstance(value, File):
        yield [value]


def is_open_file(hint: Any) -> bool:
    """Whether a file that is open for reading is meant."""
    return hint in OPEN_FILES or hint is io.BytesIO


def kind_of_hint(hint: Any) -> str | None:
    """Which of `rayfaas.wire.kinds` a class is.

    Polars says `polars.dataframe.frame.DataFrame` of what everybody calls polars.DataFrame.
    """
    if not isinstance(hint, type):
        return None
    library = hint.__module__.partition(".")[0]
    for kind in KINDS:
        if kind.partition(".")[0] == library and kind.rpartition(".")[2] == hint.__name__:
            return kind
    return None


def _schema_of(hint: Any) -> dict[str, Any]:
    """Of an array or a frame it may be anything."""
    is_file = is_open_file(hint) or kind_of_hint(hint) == IMAGE
    return {"type": "string", "format": "binary"} if is_file else {}


def _coercion(hint: Any) -> Callable[[Any], Any] | None:
    if is_open_file(hint):
        return _opened
    kind = kind_of_hint(typing.get_origin(hint) or hint)
    if kind == NDARRAY:
        return partial(_array, _dtype_of(hint))
    if kind == IMAGE:
        return _image
    return partial(_frame, kind) if kind is not None else None


def _dtype_of(hint: Any) -> Any:
    """Of `NDArray[float32]`, which is `ndarray[shape, dtype[float32]]`; None where it does not say."""
    arguments = typing.get_args(hint)
    inner = typing.get_args(arguments[1]) if len(arguments) == 2 else ()
    named = inner and getattr(inner[0], "__module__", "") == "numpy" and inner[0].__name__ != "generic"
    return inner[0] if named else None


def _array(dtype: Any, value: Any) -> Any:
    kind = kind_of(value)
    if kind in FRAMES:
        value = value.to_numpy() if kind not in (TABLE, RECORD_BATCH) else as_kind(value, NDARRAY)
    elif kind != NDARRAY and not isinstance(value, list | tuple | int | float):
        raise ValueError(f"an array is needed, not {type(value).__name__}")
    try:
        array = import_module("numpy").asarray(value, dtype)
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None
    if array.dtype.hasobject and kind is None:
        raise ValueError("the elements of an array are numbers or text, and all of one type")
    return array


def _frame(kind: str, value: Any) -> Any:
    given = kind_of(value)
    if given == kind:
        return value
    try:
        if given in TABULAR:
            return as_kind(table_of(value), kind)
        return _from_plain(kind, value)
    except RayfaasError as error:
        raise ValueError(error.detail) from None
    except Exception as error:  # noqa: BLE001 libraries have errors of their own for rows that make no frame
        raise ValueError(f"this makes no {kind}: {error}") from None


def _from_plain(kind: str, value: Any) -> Any:
    """A frame of a list of rows or of an object of columns; a series of a list."""
    library = import_module(kind.partition(".")[0])
    if kind in (SERIES, POLARS_SERIES):
        if not isinstance(value, list):
            raise ValueError("a series is a list")
        return library.Series(value)
    if not isinstance(value, dict) and not (isinstance(value, list) and all(isinstance(row, dict) for row in value)):
        raise ValueError("rows are a list of objects, columns an object of lists")
    if kind in (DATA_FRAME, POLARS_FRAME):
        return library.DataFrame(value)
    table = library.table(value) if isinstance(value, dict) else library.Table.from_pylist(value)
    return as_kind(table, kind)


def _image(value: Any) -> Any:
    if kind_of(value) == IMAGE:
        return value
    if not isinstance(value, bytes):
        raise ValueError("an image is needed: send it as image/png, image/jpeg or in a form")
    try:
        return open_image(value)
    except RayfaasError as error:
        raise ValueError(error.detail) from None


def _opened(value: Any) -> io.BufferedIOBase:
    return value if isinstance(value, io.BufferedIOBase) else io.BytesIO(File.of(value))

"""What a function takes and gives besides JSON is what its type hints say."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any, BinaryIO

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from rayfaas.executor.media_types import given, taken
from rayfaas.wire import ARROW, JSON, MSGPACK, MULTIPART, OCTETS, File
from rayfaas.wire.media import JPEG, PNG, WEBP


def plain(x: int, y: str = "") -> str:
    raise NotImplementedError


def file(photo: File) -> bytes:
    raise NotImplementedError


def files(photos: list[File], title: str) -> File:
    raise NotImplementedError


def opened(clip: BinaryIO, speed: float = 1.0) -> bytes | None:
    raise NotImplementedError


def maybe(photo: Annotated[bytes | None, Field(description="if there is one")] = None) -> Any:
    raise NotImplementedError


def image(photo: Image.Image) -> Image.Image:
    raise NotImplementedError


def frame(table: pd.DataFrame, by: str = "x") -> pd.Series:
    raise NotImplementedError


def array(values: NDArray[np.float32]) -> np.ndarray:
    raise NotImplementedError


def either(what: str | bytes) -> dict[str, bytes]:
    raise NotImplementedError


def named(*, photo: bytes) -> None:
    raise NotImplementedError


def loose(x, *args, **kwargs):  # type: ignore[no-untyped-def]
    raise NotImplementedError


VALUES = [JSON, MSGPACK]
IMAGES = [PNG, JPEG, WEBP]


@pytest.mark.parametrize(
    ("function", "takes", "gives"),
    [
        (plain, VALUES, VALUES),
        (file, [*VALUES, MULTIPART, OCTETS], [OCTETS, *VALUES]),
        (files, [*VALUES, MULTIPART], [OCTETS, *VALUES]),
        (opened, [*VALUES, MULTIPART, OCTETS], [OCTETS, *VALUES]),
        (maybe, [*VALUES, MULTIPART, OCTETS], VALUES),
        (image, [MSGPACK, MULTIPART, PNG, JPEG], IMAGES),
        (frame, [*VALUES, ARROW], [*VALUES, ARROW]),
        (array, [*VALUES, ARROW], [*VALUES, ARROW]),
        (either, [*VALUES, MULTIPART, OCTETS], VALUES),
        (named, [*VALUES, MULTIPART], VALUES),
        (loose, VALUES, VALUES),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_hints_say_the_media_types(function: Callable[..., Any], takes: list[str], gives: list[str]) -> None:
    hints = typing.get_type_hints(function, include_extras=True)
    assert taken(list(inspect.signature(function).parameters.values()), hints) == takes
    assert given(hints.get("return")) == gives

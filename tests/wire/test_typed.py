"""The SDK's MessagePack: values stay what they are, and what is not of its making runs nothing and breaks nothing."""

from __future__ import annotations

import collections
import enum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rayfaas.errors import MalformedBody, ResultNotSerializable
from rayfaas.wire.file import File
from rayfaas.wire.msgpack import decode_msgpack, encode_msgpack
from rayfaas.wire.typed import decode_typed, encode_typed
from tests.case_names import named, shown

Ext = msgspec.msgpack.Ext


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (Path("/a"), "/a"),
        (collections.deque([1]), [1]),
        (collections.OrderedDict(x=b"\xff"), {"x": b"\xff"}),
        (Level.LOW | Level.HIGH, 3),
        ((n for n in range(2)), [0, 1]),
        (pd.NA, None),
        (pd.NaT, None),
    ],
    ids=shown,
)
def test_what_has_no_form_of_its_own_becomes_what_is_nearest(value: Any, arrives: Any) -> None:
    assert decode_typed(encode_typed(value)) == arrives


def test_an_image_stays_one() -> None:
    image = Image.new("RGBA", (2, 3), (1, 2, 3, 4))
    there = decode_typed(encode_typed({"image": image}))["image"]
    assert (there.mode, there.size, there.tobytes()) == (image.mode, image.size, image.tobytes())


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\x00"])
def test_a_file_stays_one_with_its_name(content: bytes) -> None:
    there = decode_typed(encode_typed([File(content, "cat.png", "image/png")]))[0]
    assert (type(there), there, there.filename, there.content_type) == (File, content, "cat.png", "image/png")
    assert decode_msgpack(encode_msgpack([File(content)])) == [content]


class Hostile:
    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError("no attributes here")


def _itself() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [object(), np.array([object()]), np.zeros(2, [("a", "i4")]), Hostile(), _itself(), "\ud800", 2**70],
    ids=named,
)
def test_what_it_can_not_carry_is_an_error(value: Any) -> None:
    with pytest.raises(ResultNotSerializable, match=r"Make it of numbers, .*with_options\(pickle=True\)"):
        encode_typed([value])


def array(dtype: str, shape: list[Any], data: bytes) -> Ext:
    return Ext(1, msgspec.msgpack.encode([[dtype, shape], data]))


@pytest.mark.parametrize(
    "value",
    [
        array("|O", [1], bytes(8)),
        array("<f8", [2], bytes(8)),
        array("<f8", [-1, 0], b""),
        array("<f8", [2**62, 2**62], bytes(8)),
        array("no type", [1], bytes(8)),
        array("<U999999999", [1], bytes(8)),
        Ext(1, b""),
        Ext(1, b"\xc1"),
        Ext(2, b"no table"),
        Ext(3, b"no image"),
        Ext(77, b""),
    ],
    ids=shown,
)
def test_what_is_no_array_table_or_image_is_refused(value: Ext) -> None:
    with pytest.raises(MalformedBody):
        decode_typed(msgspec.msgpack.encode([value]))

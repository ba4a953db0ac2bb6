"""Pickles: anything crosses, large buffers beside the pickle, between Pythons of one minor version."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import numpy as np
import pytest

from rayfaas.errors import MalformedBody, ResultNotSerializable
from rayfaas.wire.pickle import PYTHON, Pickled, decode_pickle, encode_pickle
from tests.case_names import named
from tests.wire.samples import Point, same


def test_an_object_comes_back_with_its_type() -> None:
    assert decode_pickle(encode_pickle({"p": Point(1, 2), "big": 2**70, "set": {1}})) == {
        "p": Point(1, 2), "big": 2**70, "set": {1},
    }  # fmt: skip


def test_what_is_defined_nowhere_else_brings_its_code() -> None:
    assert decode_pickle(encode_pickle(lambda x: x + 1))(1) == 2


def test_large_buffers_are_beside_the_pickle() -> None:
    array = np.arange(100_000)
    body = encode_pickle([array, array])
    pickled = msgspec.msgpack.decode(body, type=Pickled)
    assert len(pickled.data) < 1000
    assert sum(map(len, pickled.buffers)) == array.nbytes
    there = decode_pickle(body)
    assert same(there, [array, array])
    assert there[0].flags.writeable


def test_another_python_is_named() -> None:
    pickled = msgspec.msgpack.encode(Pickled("3.9", memoryview(b""), []))
    with pytest.raises(MalformedBody, match=rf"pickled by Python 3\.9 and is read by Python {PYTHON}"):
        decode_pickle(pickled)


@pytest.mark.parametrize("value", [threading.Lock(), (n for n in range(3))], ids=named)
def test_what_can_not_be_pickled_is_an_error(value: Any) -> None:
    with pytest.raises(ResultNotSerializable, match="can't be pickled"):
        encode_pickle(value)


@pytest.mark.parametrize("body", [b"", b"\x80\x05N.", msgspec.msgpack.encode(Pickled(PYTHON, memoryview(b"no"), []))])
def test_what_is_no_pickle_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        decode_pickle(body)

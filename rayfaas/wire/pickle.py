"""Pickles, protocol 5, of the SDK: for what no other encoding carries.

The large buffers of a value stand beside its pickle and are not copied into it. To unpickle is to run code: a gateway
hands on such arguments for tokens only that may deploy code anyway, and an SDK asks for such results only when told to.
"""

from __future__ import annotations

import pickle
import sys
from importlib import import_module
from typing import Any

import msgspec

from rayfaas.errors import MalformedBody, ResultNotSerializable

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class Pickled(msgspec.Struct, array_like=True):
    """`python` is the version that pickled it; `buffers` are those that the pickle refers to, in order."""

    python: str
    data: memoryview
    buffers: list[memoryview]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Pickled).decode


def encode_pickle(value: Any) -> bytes:
    """Raises `ResultNotSerializable`."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        data = import_module("cloudpickle").dumps(value, protocol=5, buffer_callback=buffers.append)
        return _encode(Pickled(PYTHON, data, [buffer.raw() for buffer in buffers]))
    except Exception as error:  # noqa: BLE001 the value's own code may raise whatever it likes
        raise ResultNotSerializable(f"{type(value).__name__} can't be pickled: {error}") from None


def decode_pickle(body: bytes) -> Any:
    """Runs the sender's code. Raises `MalformedBody`, in words where another Python made it."""
    try:
        pickled = _decode(bytearray(body))  # a copy, so that arrays can be written to as those that were pickled
    except (msgspec.MsgspecError, ValueError) as error:
        raise MalformedBody(f"The body is no pickle as rayfaas sends them: {error}") from None
    if pickled.python != PYTHON:
        raise MalformedBody(
            f"This was pickled by Python {pickled.python} and is read by Python {PYTHON}, which may not understand it. "
            "Use the same Python on both sides, or send numbers, text, lists, dicts, arrays and data frames, which "
            "need no pickle."
        )
    try:
        return pickle.loads(pickled.data, buffers=pickled.buffers)
    except Exception as error:  # noqa: BLE001 it runs the sender's code
        raise MalformedBody(f"It can't be unpickled here: {type(error).__name__}: {error}") from None

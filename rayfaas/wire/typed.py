"""MessagePack in which arrays, data frames, images and files stay what they are: what the SDK and executors speak.

They are extensions 1 (an array: its type, its shape, its bytes), 2 (a table: an Arrow IPC stream), 3 (an image: a
PNG) and 4 (a `rayfaas.File`: its name, its type, its bytes). Reading them runs no code of the sender.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import msgspec

from rayfaas.errors import MalformedBody, ResultNotSerializable
from rayfaas.wire.arrow import decode_arrow, encode_arrow
from rayfaas.wire.file import File
from rayfaas.wire.image import encode_image, open_image
from rayfaas.wire.kinds import FRAMES, IMAGE, NDARRAY, kind_of, plain_or_model
from rayfaas.wire.media import PNG

_ARRAY, _TABLE, _IMAGE, _FILE = 1, 2, 3, 4
# Of numpy's types those whose bytes are their value. Objects are not: their bytes are addresses.
_BY_BYTES = "biufcmMSU"


class Array(msgspec.Struct, array_like=True):
    """The head of an array; its bytes follow."""

    dtype: str
    shape: list[int]


_decode_array = msgspec.msgpack.Decoder(tuple[Array, memoryview]).decode
_decode_file = msgspec.msgpack.Decoder(tuple[str, str, memoryview]).decode
_encode_part = msgspec.msgpack.Encoder().encode


def encode_typed(value: Any) -> bytes:
    """Raises `ResultNotSerializable`."""
    try:
        return _encode(value)
    except ResultNotSerializable:
        raise
    except Exception as error:  # noqa: BLE001 the value's own code may raise whatever it likes
        raise ResultNotSerializable(
            f"{type(value).__name__} can't be sent without a pickle: {error}. Make it of numbers, text, lists, dicts, "
            "dataclasses, arrays or data frames, or allow a pickle: with_options(pickle=True)."
        ) from None


def decode_typed(body: bytes) -> Any:
    """Raises `MalformedBody`."""
    try:
        return _decode(body)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise MalformedBody(f"The body is not MessagePack as rayfaas writes it: {error}") from None


def _extend(value: Any) -> Any:
    if isinstance(value, File):
        return msgspec.msgpack.Ext(_FILE, _encode_part((value.filename, value.content_type, memoryview(value))))
    kind = kind_of(value)
    if kind == NDARRAY:
        return msgspec.msgpack.Ext(_ARRAY, _array(value))
    if kind in FRAMES:
        return msgspec.msgpack.Ext(_TABLE, encode_arrow(value))
    if kind == IMAGE:
        return msgspec.msgpack.Ext(_IMAGE, encode_image(value, PNG))
    return plain_or_model(value)


def _array(array: Any) -> bytes:
    if array.dtype.kind not in _BY_BYTES:
        raise ValueError(f"an array of {array.dtype} has no bytes of its own")
    numpy = import_module("numpy")
    flat = numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8)
    return _encode_part((Array(array.dtype.str, list(array.shape)), flat.data))


def _restore(code: int, data: memoryview) -> Any:
    if code == _ARRAY:
        return _restored_array(data)
    if code == _TABLE:
        return decode_arrow(data)
    if code == _IMAGE:
        return open_image(bytes(data))
    if code == _FILE:
        filename, content_type, content = _decode_file(data)
        return File(bytes(content), filename, content_type)
    raise ValueError(f"extension {code} is none of rayfaas")


def _restored_array(data: memoryview) -> Any:
    """A copy of its own: code that changes its argument in place works here as it does at home."""
    head, content = _decode_array(data)
    numpy = import_module("numpy")
    dtype = numpy.dtype(head.dtype)
    if dtype.kind not in _BY_BYTES:
        raise ValueError(f"an array of {dtype} has no bytes of its own")
    return numpy.frombuffer(content, dtype).reshape(head.shape).copy()


_encode = msgspec.msgpack.Encoder(enc_hook=_extend).encode
_decode = msgspec.msgpack.Decoder(ext_hook=_restore).decode

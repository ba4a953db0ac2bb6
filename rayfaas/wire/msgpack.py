"""MessagePack: as JSON, with bytes, times and numbers that are none (NaN, infinities) as they are."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.errors import MalformedBody, ResultNotSerializable
from rayfaas.wire.kinds import plain_or_model

_encode = msgspec.msgpack.Encoder(enc_hook=plain_or_model).encode


def decode_msgpack(body: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(body)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise MalformedBody(f"The body is not MessagePack: {error}") from None


def encode_msgpack(value: Any) -> bytes:
    """Raises `ResultNotSerializable`."""
    try:
        return _encode(value)
    except Exception as error:  # noqa: BLE001 the value's own code may raise whatever it likes
        raise ResultNotSerializable(
            f"{type(value).__name__} can't be written as MessagePack: {error}. Return numbers, text, bytes, lists, "
            "dicts, dataclasses, pydantic models or numpy arrays."
        ) from None

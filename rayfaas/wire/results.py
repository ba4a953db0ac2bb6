"""The result of a call: encoded by what its caller accepts and by what it is; decoded by the SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rayfaas.errors import NotAcceptable, ProtocolError, ResultNotSerializable
from rayfaas.frames import Body
from rayfaas.wire.arrow import decode_arrow, encode_arrow
from rayfaas.wire.image import encode_image, open_image
from rayfaas.wire.json import decode_json, encode_json
from rayfaas.wire.kinds import IMAGE, TABULAR, kind_of
from rayfaas.wire.media import (
    ARROW,
    JPEG,
    JSON,
    MSGPACK,
    OCTETS,
    PICKLE,
    PNG,
    VALUE_ACCEPT,
    VALUE_MSGPACK,
    WEBP,
    media_type,
    preferences,
)
from rayfaas.wire.msgpack import decode_msgpack, encode_msgpack
from rayfaas.wire.pickle import decode_pickle, encode_pickle
from rayfaas.wire.typed import decode_typed, encode_typed

# What is JSON for whoever takes anything.
_JSON_BY_NATURE = frozenset((dict, list, str, int, float, bool, type(None), tuple))
# Only who names these gets them: a wildcard stands for what any language reads.
_BY_NAME = (VALUE_MSGPACK, PICKLE)


def encode_result(value: Any, accept: str = "") -> tuple[str, Body]:
    """Content-Type and body. Raises `NotAcceptable` with what is possible, and `ResultNotSerializable`."""
    if accept == JSON or (accept == "" and type(value) in _JSON_BY_NATURE):
        return JSON, encode_json(value)
    if accept == VALUE_ACCEPT and isinstance(value, bytes):
        return OCTETS, value  # without a copy
    offers = offers_of(value)
    failed: ResultNotSerializable | None = None
    for media in acceptable(accept or "*/*", offers):
        try:
            return media, _ENCODERS[media](value)
        except ResultNotSerializable as error:
            failed = failed or error
    raise failed or NotAcceptable(
        f"Accept {accept!r}: the result is of type {type(value).__name__}, which can be sent as {', '.join(offers)}."
    )


def offers_of(value: Any) -> tuple[str, ...]:
    """The types in which it can be sent, the one that suits it best first."""
    if isinstance(value, bytes | bytearray | memoryview):
        return (OCTETS, JSON, MSGPACK, *_BY_NAME)
    kind = kind_of(value)
    if kind == IMAGE:
        return (PNG, JPEG, WEBP, *_BY_NAME)
    return (JSON, MSGPACK, ARROW, *_BY_NAME) if kind in TABULAR else (JSON, MSGPACK, *_BY_NAME)


def acceptable(accept: str, offers: Sequence[str]) -> Iterator[str]:
    """Those of the offers that the header admits, in its order; a wildcard admits the first that it fits."""
    for wanted in preferences(accept):
        start = wanted.removesuffix("*").removesuffix("*/")
        for media in offers:
            if media == wanted or (wanted.endswith("/*") and media not in _BY_NAME and media.startswith(start)):
                yield media
                break


def decode_result(content_type: str, body: bytes, unpickle: bool = False) -> Any:
    """As the SDK hands it on. Raises `MalformedBody` and, for a type that is none of ours, `ProtocolError`."""
    media = media_type(content_type)
    if media == PICKLE and not unpickle:
        raise ProtocolError("The result is a pickle, and was not asked for as one: fn.with_options(pickle=True)")
    if media in _DECODERS:
        return _DECODERS[media](body)
    if "json" in media:
        return decode_json(body)
    raise ProtocolError(f"The result came as {media or 'no type'}, which is not understood.")


_ENCODERS: dict[str, Callable[[Any], Body]] = {
    JSON: encode_json,
    MSGPACK: encode_msgpack,
    OCTETS: lambda value: value if isinstance(value, bytes) else memoryview(value).cast("B"),
    ARROW: encode_arrow,
    PNG: lambda image: encode_image(image, PNG),
    JPEG: lambda image: encode_image(image, JPEG),
    WEBP: lambda image: encode_image(image, WEBP),
    VALUE_MSGPACK: encode_typed,
    PICKLE: encode_pickle,
}
_DECODERS: dict[str, Callable[[bytes], Any]] = {
    VALUE_MSGPACK: decode_typed,
    MSGPACK: decode_msgpack,
    OCTETS: bytes,
    ARROW: decode_arrow,
    PNG: open_image,
    JPEG: open_image,
    WEBP: open_image,
    PICKLE: decode_pickle,
}

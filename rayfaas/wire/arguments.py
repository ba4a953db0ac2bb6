"""The arguments of a call: decoded by the Content-Type of its body, and encoded by the SDK as plainly as they allow.

An object, of JSON or of MessagePack, is keyword arguments; anything else is the single argument; no body is none. The
SDK sends positional and keyword arguments together: `{"args": […], "kwargs": {…}}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rayfaas.errors import BadRequest, MalformedBody, ResultNotSerializable, UnsupportedMediaType
from rayfaas.wire.arrow import decode_arrow
from rayfaas.wire.file import File
from rayfaas.wire.json import decode_json, encode_json
from rayfaas.wire.media import (
    ARGUMENTS_JSON,
    ARGUMENTS_MSGPACK,
    ARROW,
    FORM,
    JSON,
    MSGPACK,
    MULTIPART,
    OCTETS,
    PICKLE,
    media_type,
)
from rayfaas.wire.msgpack import decode_msgpack
from rayfaas.wire.multipart import decode_multipart
from rayfaas.wire.pickle import decode_pickle, encode_pickle
from rayfaas.wire.typed import decode_typed, encode_typed

_ATOMS = frozenset((type(None), bool, int, float, str))


class Arguments(NamedTuple):
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


_NOTHING = Arguments((), {})


def decode_arguments(content_type: str, body: bytes) -> Arguments:
    """Raises `MalformedBody` (with the place) or `UnsupportedMediaType`."""
    decode = _DECODERS.get(content_type)  # most write it so
    if decode is None:
        media = media_type(content_type)
        decode = _DECODERS.get(media) or _decoder_of_family(media, body)
    if not body and decode is not _file:
        return _NOTHING
    return decode(content_type, body)


def is_file(content_type: str) -> bool:
    """Whether such a body is one file. Raises `UnsupportedMediaType`."""
    media = media_type(content_type)
    return (_DECODERS.get(media) or _decoder_of_family(media, b"some")) is _file


def encode_arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, bytes]:
    """Content-Type and body: JSON of what is plain, MessagePack with arrays and data frames, else a pickle.

    Raises `BadRequest` for what can't be sent at all.
    """
    value = {"args": list(args), "kwargs": dict(kwargs)}
    try:
        if is_plain(value):
            return ARGUMENTS_JSON, encode_json(value, "constants")
        return ARGUMENTS_MSGPACK, encode_typed(value)
    except ResultNotSerializable as error:
        reason = error.detail
    try:
        return PICKLE, encode_pickle((tuple(args), dict(kwargs)))
    except ResultNotSerializable as error:
        raise BadRequest(f"The arguments can't be sent. {reason} {error.detail}") from None


def is_plain(value: Any) -> bool:
    """Whether it comes back from JSON as it was, but for tuples, which are lists then."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is dict:
        return all(type(key) is str for key in value) and is_plain(list(value.values()))
    if kind is not list and kind is not tuple:
        return isinstance(value, int | float | str)
    try:
        return set(map(type, value)) <= _ATOMS or all(map(is_plain, value))
    except RecursionError:
        return False


def is_pickle(content_type: str) -> bool:
    """Whether reading such a body runs the sender's code."""
    return media_type(content_type) == PICKLE


# Content types


def _plain(value: Any) -> Arguments:
    by_name = isinstance(value, dict) and all(isinstance(name, str) for name in value)
    return Arguments((), value) if by_name else Arguments((value,), {})


def _of_sdk(value: Any) -> Arguments:
    if not isinstance(value, dict) or set(value) - {"args", "kwargs"}:
        raise MalformedBody('The arguments of the SDK are {"args": […], "kwargs": {…}}')
    args, kwargs = value.get("args", []), value.get("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict) or not all(isinstance(k, str) for k in kwargs):
        raise MalformedBody("args must be a list and kwargs an object")
    return Arguments(tuple(args), kwargs)


def _pickled(content_type: str, body: bytes) -> Arguments:
    value = decode_pickle(body)
    if not isinstance(value, tuple) or len(value) != 2:
        raise MalformedBody("A pickle of arguments is a tuple of positional and named ones.")
    return _of_sdk({"args": list(value[0]), "kwargs": value[1]})


def _json(content_type: str, body: bytes) -> Arguments:
    value = decode_json(body)
    return Arguments((), value) if isinstance(value, dict) else Arguments((value,), {})


def _file(content_type: str, body: bytes) -> Arguments:
    return Arguments((File(body, "", content_type),), {})


_DECODERS: dict[str, Callable[[str, bytes], Arguments]] = {
    "": _json,
    JSON: _json,
    ARGUMENTS_JSON: lambda _, body: _of_sdk(decode_json(body)),
    ARGUMENTS_MSGPACK: lambda _, body: _of_sdk(decode_typed(body)),
    MSGPACK: lambda _, body: _plain(decode_msgpack(body)),
    "application/x-msgpack": lambda _, body: _plain(decode_msgpack(body)),
    "application/vnd.msgpack": lambda _, body: _plain(decode_msgpack(body)),
    MULTIPART: lambda content_type, body: Arguments((), decode_multipart(content_type, body)),
    OCTETS: _file,
    ARROW: lambda _, body: Arguments((decode_arrow(body),), {}),
    PICKLE: _pickled,
}


def _decoder_of_family(media: str, body: bytes) -> Callable[[str, bytes], Arguments]:
    if media.endswith("+json") or not body:
        return _json
    if media.startswith("image/"):
        return _file
    # What curl says of the body of -d, whatever is in it.
    hint = f" curl -d sends that unless told otherwise: add -H 'Content-Type: {JSON}'." if media == FORM else ""
    raise UnsupportedMediaType(
        f"Content-Type {media!r} is not understood. Send the arguments as {JSON}, {MSGPACK}, {MULTIPART}, {OCTETS}, "
        f"{ARROW} or image/*.{hint}"
    )

"""Which calls are equal: those of one function, code, environment and arguments, whose results are sent alike.

Arguments are compared by their values, whatever they are written in: names in any order, by name or by place, as JSON
or MessagePack. What can't be read without running code of the sender, or is large, is compared byte by byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from rayfaas.errors import MalformedBody, RayfaasError
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.snapshot import CacheRoute
from rayfaas.wire import ARGUMENTS_MSGPACK, ARROW, PICKLE, Arguments, File, decode_arguments, media_type

# Bodies up to this are read.
READ_BYTES = 1 << 20
# How an argument that has no name is called; that of a body which is not read is WHOLE.
WHOLE = "*"
_FILE = 4  # as in `rayfaas.wire.typed`
_BY_BYTES = frozenset((PICKLE, ARROW))

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class Key(NamedTuple):
    """`digest` is the same for equal calls; `arguments` are digests of their values by name."""

    digest: str
    arguments: dict[str, str]


def key_of(call: PendingCall, cache: CacheRoute, edition: str = "") -> Key:
    """`edition` says which values the secrets have that the function names."""
    places = cache.places.get(call.route.method or "", ())
    arguments = {name: _digest(value) for name, value in _values(call.content_type, call.body, places).items()}
    parts = [
        call.route.called,
        cache.code,
        call.route.version.environment_digest,
        cache.settings + edition,
        call.accept,
        arguments,
    ]
    return Key(_digest(_encode(parts)), {name: digest[:16] for name, digest in arguments.items()})


def _values(content_type: str, body: bytes, places: Sequence[str]) -> Mapping[str, bytes]:
    """Each argument as canonical bytes."""
    try:
        return {name: _encode(_plain(value)) for name, value in _named(_read(content_type, body), places).items()}
    except (RayfaasError, msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError):
        return {WHOLE: content_type.encode("utf-8", "replace") + b"\n" + body}


def _read(content_type: str, body: bytes) -> Arguments:
    """Raises where the body is not to be read."""
    media = media_type(content_type)
    if len(body) > READ_BYTES or media in _BY_BYTES:
        raise MalformedBody("It is compared by its bytes.")
    if media == ARGUMENTS_MSGPACK:  # arrays and tables stay what they are: extensions
        value = msgspec.msgpack.decode(body, type=dict[str, Any])
        return Arguments(tuple(value.get("args", ())), dict(value.get("kwargs", {})))
    return decode_arguments(content_type, body)


def _named(arguments: Arguments, places: Sequence[str]) -> dict[str, Any]:
    named = dict(arguments.kwargs)
    for place, value in enumerate(arguments.args):
        name = places[place] if place < len(places) else ""
        named[name if name and name not in named else f"{WHOLE}{place}"] = value
    return named


def _plain(value: Any) -> Any:
    """Files as the SDK sends them."""
    if isinstance(value, File):
        return msgspec.msgpack.Ext(_FILE, _encode((value.filename, value.content_type, bytes(value))))
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

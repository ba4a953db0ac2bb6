"""ASGI scopes and events (https://asgi.readthedocs.io) as frames carry them between gateway and executor.

An event's bytes or text is the body of its frame, all else of it the header.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

import msgspec

from rayfaas.errors import ProtocolError

Event = MutableMapping[str, Any]

SCOPE = "application/vnd.rayfaas.asgi-scope"
"""The Content-Type of the call that a request to an application is."""

INPUT_CREDIT = 16
"""How many events of a client may be on their way to the application before it has taken some."""

OUTPUT_CREDIT = 16
"""How many events of the application may be on their way to the client before it has taken some."""

MAX_PIECE = 64 << 10
"""Longer pieces of an HTTP body are cut, so that credit stands for a number of bytes too."""

_SCOPE_KEYS = (
    "type", "http_version", "method", "scheme", "path", "raw_path", "query_string", "root_path", "client", "server",
    "subprotocols",
)  # fmt: skip
_PAYLOADS = ("body", "bytes", "text")
_PAYLOAD = "payload"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


def encode_scope(scope: Mapping[str, Any], root_path: str, without: frozenset[bytes]) -> bytes:
    """The scope of an application below `root_path`, without some headers."""
    told = {key: scope[key] for key in _SCOPE_KEYS if key in scope}
    told["headers"] = [(name, value) for name, value in scope["headers"] if name not in without]
    return _encode({**told, "root_path": root_path})


def decode_scope(body: bytes, state: Mapping[str, Any]) -> Event:
    scope = _decoded(body)
    scope["headers"] = [(name, value) for name, value in scope["headers"]]
    for key in ("client", "server"):
        scope[key] = tuple(scope[key]) if scope.get(key) else None
    extensions: dict[str, Any] = {"websocket.http.response": {}} if scope["type"] == "websocket" else {}
    # 2.4: `send` raises where the client is gone, so that frameworks need not `receive` beside the application to know.
    asgi = {"version": "3.0", "spec_version": "2.4"}
    return {**scope, "asgi": asgi, "extensions": extensions, "state": dict(state)}


def encode_event(event: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Header and body of a frame.

    >>> encode_event({"type": "websocket.send", "text": "hi"})[1]
    b'hi'
    """
    head = dict(event)
    if "headers" in head:
        head["headers"] = _headers(head["headers"])
    payload = b""
    for name in _PAYLOADS:
        value = head.pop(name, None)
        if value is not None:
            payload = value.encode() if isinstance(value, str) else bytes(value)
            head[_PAYLOAD] = name
    return _encode(head), payload


def decode_event(header: bytes, body: bytes) -> Event:
    """Raises `ProtocolError`."""
    event = _decoded(header)
    name = event.pop(_PAYLOAD, None)
    if not isinstance(event.get("type"), str) or name not in (None, *_PAYLOADS):
        raise ProtocolError("the peer sent what is no event of ASGI")
    if name is not None:
        event[name] = _text(body) if name == "text" else body
    return event


def pieces(event: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The same, its HTTP body in pieces of at most MAX_PIECE bytes."""
    body = event.get("body") or b""
    if len(body) <= MAX_PIECE:
        yield event
        return
    last = (len(body) - 1) // MAX_PIECE
    for i in range(last + 1):
        more = i < last or event.get("more_body", False)
        yield {**event, "body": body[i * MAX_PIECE : (i + 1) * MAX_PIECE], "more_body": more}


def _headers(headers: Iterable[Iterable[bytes]]) -> list[tuple[bytes, bytes]]:
    """Raises TypeError where an application gives text."""
    found = []
    for name, value in headers:
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise TypeError(f"ASGI headers are pairs of bytes, not {name!r}: {value!r}")
        found.append((name, value))
    return found


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"the peer sent what is no MessagePack: {error}") from None


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"the peer sent text that is not UTF-8: {error}") from None

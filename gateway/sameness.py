"""Whether two bodies are the same arguments: an idempotency key that comes again is for the call that it was for."""

from __future__ import annotations

import re

import msgspec

from rayfaas.wire import ARGUMENTS_JSON, JSON, MULTIPART, is_pickle, media_type

_BOUNDARY = re.compile(r'boundary="?([^";]+)')


def are_same(one: tuple[str, bytes], other: tuple[str, bytes]) -> bool:
    """False where they differ for sure; each is a Content-Type and a body.

    JSON is compared by value, a form without its boundary, which clients draw anew. A pickle may differ each time.

    >>> are_same(("application/json", b'{"a": 1, "b": 2}'), ("application/json", b'{"b":2,"a":1}'))
    True
    >>> are_same(("application/json", b'{"a": 1}'), ("application/json", b'{"a": 2}'))
    False
    """
    if one == other or is_pickle(one[0]) or is_pickle(other[0]):
        return True
    return _plain(*one) == _plain(*other)


def _plain(content_type: str, body: bytes) -> tuple[str, object]:
    kind = media_type(content_type)
    if kind == MULTIPART and (boundary := _BOUNDARY.search(content_type)):
        return kind, body.replace(boundary[1].encode("latin-1"), b"")
    if kind in ("", JSON, ARGUMENTS_JSON):
        try:
            return kind or JSON, msgspec.json.decode(body)
        except msgspec.DecodeError:
            pass
    return kind or JSON, body

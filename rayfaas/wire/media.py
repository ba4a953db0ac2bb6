"""Media types: their names, and what the headers Content-Type and Accept say of them."""

from __future__ import annotations

from functools import lru_cache

JSON = "application/json"
NDJSON = "application/x-ndjson"
SSE = "text/event-stream"
MSGPACK = "application/msgpack"
MULTIPART = "multipart/form-data"
FORM = "application/x-www-form-urlencoded"
OCTETS = "application/octet-stream"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv"
PNG = "image/png"
JPEG = "image/jpeg"
WEBP = "image/webp"

# What the SDK speaks: positional and named arguments together, and values as Python has them.
ARGUMENTS_JSON = "application/vnd.rayfaas.arguments+json"
ARGUMENTS_MSGPACK = "application/vnd.rayfaas.arguments+msgpack"
VALUE_MSGPACK = "application/vnd.rayfaas.value+msgpack"
PICKLE = "application/vnd.rayfaas.pickle"

VALUE_ACCEPT = f"{VALUE_MSGPACK}, */*;q=0.1"
"""The Accept header of the SDK."""

RESULTS = (JSON, MSGPACK, OCTETS, ARROW, PNG, JPEG, WEBP, VALUE_MSGPACK, PICKLE)
"""The types that a result can have, each for some values."""

_OF_STREAMS = frozenset((NDJSON, "application/jsonl", SSE, JSON, "*/*", "application/*"))


def media_type(content_type: str) -> str:
    """Without parameters, in lower case.

    >>> media_type("Application/JSON; charset=utf-8")
    'application/json'
    """
    return content_type.partition(";")[0].strip().lower()


@lru_cache(256)  # callers say the same, call after call
def preferences(accept: str) -> tuple[str, ...]:
    """The types and wildcards of an Accept header, the best first, without those that it refuses.

    >>> preferences("text/html;q=0.2, application/json, image/png;q=0")
    ('application/json', 'text/html')
    """
    weighed = [(_weight(part), media_type(part)) for part in accept.split(",")]
    return tuple(media for weight, media in sorted(weighed, key=lambda each: -each[0]) if weight > 0 and media)


def admits_stream(accept: str) -> bool:
    """Whether items of a generator, which are JSON, may be the answer."""
    return accept == "" or not _OF_STREAMS.isdisjoint(preferences(accept))


def takes_bytes(accept: str) -> bool:
    """Whether the bytes that a generator makes may be the answer as they are: where anything is taken, or nothing is
    preferred to them that items can be."""
    if accept == "":
        return True
    wanted = preferences(accept)
    return OCTETS in wanted and _OF_STREAMS.isdisjoint(wanted[: wanted.index(OCTETS)])


def _weight(part: str) -> float:
    for parameter in part.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 1.0
    return 1.0

"""Which calls are equal: by their values, however they are written."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy
import pytest

from rayfaas.gateway.cache.key import WHOLE, Key, key_of
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.route import Route
from rayfaas.gateway.snapshot import CacheRoute, VersionRoute
from rayfaas.wire import (
    ARGUMENTS_JSON,
    ARGUMENTS_MSGPACK,
    JSON,
    MSGPACK,
    MULTIPART,
    OCTETS,
    PICKLE,
    File,
    encode_arguments,
)
from rayfaas.wire.typed import encode_typed

CACHE = CacheRoute("code", "settings", places={"": ("a", "b")})


async def key(
    content_type: str, body: bytes, cache: CacheRoute = CACHE, accept: str = "", edition: str = "", **version: Any
) -> Key:
    fields: dict[str, Any] = {"code_digest": "b", "syntax_digest": "s", "environment_digest": "e", "shape": "x"}
    route = VersionRoute(1, gpus=0, timeout_s=1, concurrency=1, cache=cache, **{**fields, **version})
    named = Route("nlp/f:1", "nlp/f", "nlp", route)
    call = PendingCall(named, "c", "c", None, "ann", "nlp", content_type, body, 1.0, lambda *_: None, accept=accept)
    return key_of(call, cache, edition)


def positional(*args: Any, **kwargs: Any) -> tuple[str, bytes]:
    return ARGUMENTS_JSON, json.dumps({"args": args, "kwargs": kwargs}).encode()


async def test_equal_values_are_equal_in_every_encoding_and_by_name_or_place() -> None:
    value = {"a": [1, 2.5, None, "ö"], "b": {"x": True, "y": {}}}
    bodies = [
        (JSON, json.dumps(value).encode()),
        ("", json.dumps(dict(reversed(value.items())), indent=2).encode()),
        ("application/json; charset=utf-8", b'{"b": {"y": {}, "x": true}, "a": [1, 25e-1, null, "\\u00f6"]}'),
        (MSGPACK, msgspec.msgpack.encode(value)),
        (ARGUMENTS_MSGPACK, encode_typed({"args": [value["a"]], "kwargs": {"b": value["b"]}})),
        positional(value["a"], value["b"]),
        positional(value["a"], b=value["b"]),
    ]
    keys = {(await key(*body)).digest for body in bodies}
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"[1]", b"[1.0]"),
        (b"[1]", b"[true]"),
        (b'["1"]', b"[1]"),
        (b"[0.0]", b"[-0.0]"),
        (b"{}", b"[{}]"),
        (b"", b"[]"),
    ],
)
async def test_what_a_function_could_tell_apart_is_not_equal(one: bytes, other: bytes) -> None:
    assert (await key(JSON, one)).digest != (await key(JSON, other)).digest


async def test_arrays_and_files_are_equal_by_their_content() -> None:
    first, again = (encode_arguments((numpy.arange(3), 1), {}) for _ in range(2))
    assert first[0] == ARGUMENTS_MSGPACK
    assert await key(*first) == await key(*again)
    assert await key(*first) != await key(*encode_arguments((numpy.arange(4), 1), {}))
    form = (
        '--{0}\r\nContent-Disposition: form-data; name="a"; filename="n"\r\nContent-Type: text/csv\r\n\r\nxy\r\n--{0}--'
    )
    forms = [(f"{MULTIPART}; boundary={each}", form.format(each).encode()) for each in ("p", "q")]
    by_sdk = encode_arguments((File(b"xy", "n", "text/csv"),), {})
    assert len({(await key(*each)).digest for each in (*forms, by_sdk)}) == 1
    assert (await key(OCTETS, b"xy")).digest != (await key(OCTETS, b"xz")).digest


async def test_what_is_not_read_is_compared_by_its_bytes() -> None:
    for content_type, body in ((PICKLE, b"\x80\x04N."), (JSON, b"not JSON"), (JSON, b"1" * 400), ("x/y", b"1")):
        assert list((await key(content_type, body)).arguments) == [WHOLE]
    large = json.dumps("x" * (1 << 20)).encode()
    assert (await key(JSON, large)) == (await key(JSON, large))
    assert (await key(JSON, large)) != (await key(JSON, b" " + large))


async def test_code_environment_settings_and_encoding_of_the_result_make_a_difference() -> None:
    plain = await key(JSON, b"1")
    assert plain.digest == (await key(JSON, b"1", code_digest="another bundle")).digest
    others = [
        await key(JSON, b"1", CacheRoute("other", "settings")),
        await key(JSON, b"1", CacheRoute("code", "other")),
        await key(JSON, b"1", edition="2"),
        await key(JSON, b"1", environment_digest="other"),
        await key(JSON, b"1", accept=JSON),
    ]
    assert len({plain.digest, *(each.digest for each in others)}) == 6


async def test_each_argument_has_a_digest_that_tells_which_differs() -> None:
    one, other = await key(*positional(1, 2, 3, c=4)), await key(*positional(1, 9, 3, c=4))
    assert list(one.arguments) == ["c", "a", "b", f"{WHOLE}2"]
    assert [name for name in one.arguments if one.arguments[name] != other.arguments[name]] == ["b"]

"""An executor answers in the encoding that the call's header accepts."""

from __future__ import annotations

import json

import numpy as np

from rayfaas.errors import MalformedBody, NotAcceptable, UnsupportedMediaType
from rayfaas.wire import (
    ARROW,
    JSON,
    MSGPACK,
    OCTETS,
    PICKLE,
    VALUE_ACCEPT,
    VALUE_MSGPACK,
    decode_arguments,
    decode_result,
    encode_arguments,
)
from rayfaas.wire.arrow import encode_arrow
from tests.executor.replica import Replica, Version
from tests.wire.samples import same

SOURCE = """
def f(x=None):
    return x

def bits(data: bytes):
    return data[::-1]

def items(n: int):
    print("running")
    yield from range(n)

async def later(n: int):
    print("running")
    for i in range(n):
        yield i
"""


async def answer(version: Version, content_type: str, body: bytes, accept: str = "") -> tuple[str, bytes]:
    call = version.executor.call_raw(content_type, body, accept=accept)
    end = await call.ended()
    return getattr(end, "content_type", str(getattr(end, "problem", ""))), call.body


async def test_bytes_are_raw_for_whoever_takes_anything(replica: Replica) -> None:
    version = await replica.deploy(SOURCE, "bits")
    for accept in ("", "*/*", OCTETS):
        assert await answer(version, OCTETS, b"\xff\x00", accept) == (OCTETS, b"\x00\xff")
    assert await answer(version, OCTETS, b"ab", JSON) == (JSON, b'"ba"')
    assert await answer(version, OCTETS, b"", MSGPACK) == (MSGPACK, b"\xc4\x00")


async def test_what_the_sdk_sends_comes_back_as_it_was(replica: Replica) -> None:
    version = await replica.deploy(SOURCE)
    value = {"array": np.arange(4.0), "bytes": b"\xff", "nan": float("nan")}
    content_type, body = await answer(version, *encode_arguments([value], {}), VALUE_ACCEPT)
    assert content_type == VALUE_MSGPACK
    assert same(decode_result(content_type, body), value)
    content_type, body = await answer(version, ARROW, bytes(encode_arrow(value["array"])), ARROW)
    assert same(decode_arguments(content_type, body).args[0], value["array"])


async def test_a_large_result_comes_whole(replica: Replica) -> None:
    version = await replica.deploy(SOURCE)
    array = np.arange(1 << 19)  # 4 MiB: in chunks
    content_type, body = await answer(version, *encode_arguments([array], {}), ARROW)
    assert same(decode_result(content_type, body), array)


async def test_objects_cross_in_pickles(replica: Replica) -> None:
    version = await replica.deploy(SOURCE)
    content_type, body = await answer(version, *encode_arguments([range(3)], {}), f"{PICKLE}, {VALUE_ACCEPT}")
    assert content_type == PICKLE
    assert decode_result(content_type, body, unpickle=True) == range(3)


async def test_what_does_not_suit_is_an_error_of_the_call(replica: Replica) -> None:
    version = await replica.deploy(SOURCE)
    refused = [
        (version.executor.call_raw(JSON, b"1", accept="image/png"), NotAcceptable),
        (version.executor.call_raw("text/plain", b"1"), UnsupportedMediaType),
        (version.executor.call_raw(MSGPACK, b"\xc1"), MalformedBody),
    ]
    for call, kind in refused:
        assert isinstance(await call.error(), kind)
    assert await version.call(1).value() == 1


async def test_a_generator_does_not_run_for_whoever_takes_no_items(replica: Replica) -> None:
    for name in ("items", "later"):
        version = await replica.deploy(SOURCE, name)
        call = version.executor.call_raw(JSON, json.dumps({"n": 2}).encode(), accept=MSGPACK)
        assert isinstance(await call.error(), NotAcceptable)
        assert call.output() == ""
        taken = version.executor.call_raw(JSON, json.dumps({"n": 2}).encode(), accept=VALUE_ACCEPT)
        await taken.ended()
        assert taken.items == [0, 1]


async def test_a_value_that_ends_the_process_while_it_is_written_ends_its_call_alone(replica: Replica) -> None:
    source = """
        import sys
        class Odd:
            dtype = "odd"
            def tolist(self):
                sys.exit("no list")
        def f():
            return Odd()
    """
    version = await replica.deploy(source)
    for _ in range(2):
        assert "no list" in str(await version.executor.call_raw(JSON, b"", accept=MSGPACK).error())

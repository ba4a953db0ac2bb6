"""What goes out in pieces: generators of bytes, and results that are large."""

from __future__ import annotations

import pytest

from rayfaas.envelope import ErrorHeader, ResultHeader
from rayfaas.errors import NotAcceptable
from rayfaas.pieces import LARGE, PIECE
from rayfaas.wire import JSON, OCTETS, VALUE_ACCEPT
from tests.executor.replica import Replica
from tests.waiting import eventually

SOURCE = """
def several():
    yield b"\\xff"
    yield bytearray(b"\\xfe")
    yield memoryview(b"\\xfd")

async def later():
    yield b"\\xff"
    yield b"\\xfe\\xfd"

def texts():
    yield "one"

def mixed():
    yield b"one"
    yield "two"

def nothing():
    return
    yield

def large(size: int):
    return b"x" * size

async def large_later(size: int):
    return b"x" * size

def large_item(size: int):
    yield b"x" * size
"""


@pytest.mark.parametrize("accept", ["", OCTETS, f"{OCTETS}, {JSON};q=0.5"])
@pytest.mark.parametrize("entry", ["several", "later"])
async def test_a_generator_of_bytes_is_raw_for_who_takes_bytes(replica: Replica, entry: str, accept: str) -> None:
    version = await replica.deploy(SOURCE, entry)
    call = version.executor.call_raw(JSON, b"", accept=accept)
    end = await call.ended()
    assert isinstance(end, ResultHeader)
    assert (call.body, call.items) == (b"\xff\xfe\xfd", [])
    assert call.output_header is not None
    assert call.output_header.content_type == OCTETS


async def test_others_and_those_of_who_asks_for_items_are_json(replica: Replica) -> None:
    texts, mixed = await replica.deploy(SOURCE, "texts"), await replica.deploy(SOURCE, "mixed")
    two = ["one", "two"]
    for version, accept, items in ((texts, "", ["one"]), (mixed, JSON, two), (mixed, VALUE_ACCEPT, two)):
        call = version.executor.call_raw(JSON, b"", accept=accept)
        await call.ended()
        assert call.items == items


async def test_who_takes_bytes_only_gets_no_text(replica: Replica) -> None:
    texts, mixed = await replica.deploy(SOURCE, "texts"), await replica.deploy(SOURCE, "mixed")
    assert isinstance(await texts.executor.call_raw(JSON, b"", accept=OCTETS).error(), NotAcceptable)
    assert (await mixed.executor.call_raw(JSON, b"", accept=OCTETS).error()).code == "result_not_serializable"
    assert (await texts.executor.call_raw(JSON, b"", accept="image/png").error()).code == "not_acceptable"


async def test_bytes_of_which_none_were_made_are_an_empty_body(replica: Replica) -> None:
    version = await replica.deploy(SOURCE, "nothing")
    call = version.executor.call_raw(JSON, b"", accept=OCTETS)
    await call.ended()
    assert call.output_header is not None
    assert call.body == b""


@pytest.mark.parametrize("entry", ["large", "large_later"])
@pytest.mark.parametrize("size", [LARGE, LARGE + 1, 3 * LARGE + 7])
async def test_a_large_result_says_how_long_it_is(replica: Replica, entry: str, size: int) -> None:
    version = await replica.deploy(SOURCE, entry)
    call = version.call(size)
    end = await call.ended()
    assert isinstance(end, ResultHeader)
    assert (end.content_type, end.items, call.body) == (OCTETS, None, b"x" * size)
    assert (call.output_header is None) == (size <= LARGE)
    if call.output_header is not None:
        assert call.output_header.length == size


@pytest.mark.parametrize("entry", ["large", "large_later", "large_item"])
async def test_it_goes_out_no_faster_than_it_is_taken(replica: Replica, entry: str) -> None:
    version = await replica.deploy(SOURCE, entry)
    call = version.executor.call(4 * LARGE, credit=2)
    await eventually(lambda: len(call.body) == 2 * PIECE)
    assert not call.end.done()
    call.grant(100)
    await call.ended()
    assert len(call.body) == 4 * LARGE


@pytest.mark.parametrize("entry", ["large", "large_later", "large_item"])
async def test_one_that_nobody_takes_ends_when_it_is_cancelled(replica: Replica, entry: str) -> None:
    version = await replica.deploy(SOURCE, entry)
    call = version.executor.call(4 * LARGE, credit=2)
    await eventually(lambda: len(call.body) == 2 * PIECE)
    call.cancel()
    assert isinstance(await call.ended(), ErrorHeader)
    following = version.call(5)
    await following.ended()
    assert following.body == b"xxxxx"

"""Bodies that come in pieces: read as they come where the function reads, held once where it takes bytes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from rayfaas.envelope import ErrorHeader, ResultHeader
from rayfaas.pieces import UPLOAD_CREDIT
from rayfaas.wire import ARGUMENTS_JSON, JSON, MULTIPART, OCTETS
from tests.executor.replica import Replica
from tests.waiting import eventually

PIECES = [bytes([65 + number]) * 100_000 for number in range(20)]
BODY = b"".join(PIECES)

SOURCE = """
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

import rayfaas

def whole(data: bytes) -> list[Any]:
    return [type(data).__name__, len(data), data[0], data[-1]]

def named(data: rayfaas.File) -> list[Any]:
    return [type(data).__name__, len(data), data.content_type]

def unhinted(data) -> Any:
    return [type(data).__name__, len(data)]

def first(data: BinaryIO) -> int:
    print("begun")
    return data.read(3)[0]

def lengths(data: BinaryIO) -> Iterator[int]:
    while piece := data.read(100_000):
        yield len(piece)

def everything(data: BinaryIO) -> list[int]:
    return [len(data.read(7)), len(data.read()), len(data.read())]

def copy(data: BinaryIO) -> Iterator[bytes]:
    while piece := data.read(50_000):
        yield piece

def lines(data: BinaryIO) -> int:
    return sum(1 for _ in data)

def stubborn(data: BinaryIO) -> int:
    total = 0
    while True:
        try:
            while piece := data.read(1000):
                total += len(piece)
            return total
        except Exception:
            pass

def idle(data: BinaryIO) -> None:
    print("waits")
    while True:
        time.sleep(0.01)

async def later(data: bytes) -> int:
    return len(data)

async def opened(data: BinaryIO) -> int:
    return len(data.read())

def form(title: str, photo: rayfaas.File) -> list[Any]:
    return [title, photo.filename, len(photo)]
"""


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("whole", ["bytes", len(BODY), 65, 84]),
        ("named", ["File", len(BODY), OCTETS]),
        ("unhinted", ["bytes", len(BODY)]),
        ("everything", [7, len(BODY) - 7, 0]),
        ("lines", 1),
        ("later", len(BODY)),
        ("opened", len(BODY)),
    ],
)
async def test_a_body_in_pieces_is_what_its_hint_says(replica: Replica, entry: str, expected: object) -> None:
    version = await replica.deploy(SOURCE, entry)
    call = version.executor.upload()
    await call.feed(*PIECES, last=True)
    assert await call.value() == expected


async def test_other_encodings_are_read_when_they_are_whole(replica: Replica) -> None:
    version = await replica.deploy("def f(text): return len(text)")
    body = json.dumps({"text": "x" * 1_000_000}).encode()
    for content_type, sent in ((JSON, body), (ARGUMENTS_JSON, b'{"kwargs":' + body + b"}")):
        call = version.executor.upload(content_type)
        await call.feed(sent[:500_000], b"", sent[500_000:], last=True)
        assert await call.value() == 1_000_000


async def test_a_form_is_read_as_it_comes(replica: Replica) -> None:
    version = await replica.deploy(SOURCE, "form")
    head = b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nCat\r\n--b\r\n'
    head += b'Content-Disposition: form-data; name="photo"; filename="cat.jpg"\r\n\r\n'
    call = version.executor.upload(f"{MULTIPART}; boundary=b")
    await call.feed(head, *PIECES, b"\r\n--b--\r\n", last=True)
    assert await call.value() == ["Cat", "cat.jpg", len(BODY)]


async def test_what_is_not_understood_is_refused_before_it_is_read(replica: Replica) -> None:
    version = await replica.deploy(SOURCE, "whole")
    call = version.executor.upload("video/mp4")
    assert (await call.error()).code == "unsupported_media_type"
    assert call.credit == 0


async def test_nothing_is_asked_for_before_the_turn_of_the_call(replica: Replica) -> None:
    version = await replica.deploy(SOURCE, "whole")
    first, second = version.executor.upload(), version.executor.upload()
    await eventually(lambda: first.credit == UPLOAD_CREDIT)
    assert second.credit == 0
    for call in (first, second):
        await call.feed(*PIECES, last=True)
        assert (await call.value())[1] == len(BODY)


async def test_a_function_that_reads_begins_with_the_first_piece_and_need_not_read_the_last(replica: Replica) -> None:
    version = await replica.deploy(SOURCE, "first")
    call = version.executor.upload()
    await call.until("begun")
    await call.feed(b"abc")
    assert await call.value() == ord("a")


async def test_one_that_does_not_read_is_not_sent_anything(replica: Replica) -> None:
    version = await replica.deploy(SOURCE, "idle")
    call = version.executor.upload()
    await call.until("waits")
    assert call.credit == 0  # it asks with its first read
    call.cancel()
    await call.ended()


async def test_items_go_out_while_the_body_comes_in(replica: Replica) -> None:
    version = await replica.deploy(SOURCE, "lengths")
    call = version.executor.upload()
    for number, piece in enumerate(PIECES, 1):
        await call.feed(piece, last=number == len(PIECES))
        await eventually(lambda number=number: len(call.items) == number)  # type: ignore[misc]
    assert set(call.items) == {100_000}


async def test_bytes_go_out_as_they_are_while_the_body_comes_in(replica: Replica) -> None:
    version = await replica.deploy(SOURCE, "copy")
    call = version.executor.upload()
    await call.feed(*PIECES, last=True)
    end = await call.ended()
    assert isinstance(end, ResultHeader)
    assert call.body == BODY
    assert call.output_header is not None
    assert (call.output_header.content_type, call.output_header.length) == (OCTETS, None)


# How it ends before it is whole


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("whole", ["bytes", len(BODY), 65, 84]),
        ("everything", [7, len(BODY) - 7, 0]),
        ("later", len(BODY)),
        ("stubborn", len(BODY)),
    ],
)
async def test_a_cancelled_upload_ends_and_its_process_goes_on(replica: Replica, entry: str, expected: Any) -> None:
    version = await replica.deploy(SOURCE, entry)
    call = version.executor.upload()
    await call.feed(*PIECES[:3])
    call.cancel()
    assert isinstance(await call.ended(), ErrorHeader)
    following = version.executor.upload()
    await following.feed(*PIECES, last=True)
    assert await following.value() == expected


async def test_one_whose_gateway_is_gone_ends_too(replica: Replica) -> None:
    version = await replica.deploy(SOURCE, "whole")
    call = version.executor.upload()
    await call.feed(*PIECES[:3])
    version.executor.abort()
    executor = await replica.gateway.executor(version.executor_id, after=1)
    following = executor.upload()
    await following.feed(*PIECES, last=True)
    assert (await following.value())[1] == len(BODY)


async def test_several_come_at_once(replica: Replica) -> None:
    version = await replica.deploy(SOURCE, "whole", concurrency=3)
    calls = [version.executor.upload() for _ in range(3)]
    await asyncio.gather(*(call.feed(*PIECES, last=True) for call in calls))
    assert [(await call.value())[1] for call in calls] == [len(BODY)] * 3


async def test_words_for_an_upload_that_is_over_do_no_harm(replica: Replica) -> None:
    version = await replica.deploy(SOURCE, "first")
    call = version.executor.upload()
    await call.feed(*PIECES[:2])
    assert await call.value() == ord("A")
    await call.feed(*PIECES[:2], last=True)
    following = version.executor.upload()
    await following.feed(b"abc", last=True)
    assert await following.value() == ord("a")

"""Head and body of an answer are one write, whatever else stays as uvicorn has it; and who went away is told of."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.gateway.http import MAX_HEAD, ON_GONE, PairedWrites
from tests.gateway.asgi import Receive, Send
from tests.gateway.sockets import Client, post, served
from tests.waiting import eventually

Scope = MutableMapping[str, Any]


class Transport:
    """Keeps what is written to it."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed, "written after it was closed"
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


def paired() -> tuple[PairedWrites, Transport]:
    transport = Transport()
    return PairedWrites(cast(asyncio.Transport, transport)), transport


async def turn() -> None:
    """What was to happen in the loop's next turn has happened."""
    happened = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(happened.set_result, None)
    await happened


async def test_two_writes_of_one_turn_are_one() -> None:
    writes, transport = paired()
    writes.write(b"head")
    writes.write(b"body")
    assert transport.writes == [b"headbody"]
    await turn()
    assert transport.writes == [b"headbody"]


async def test_a_lone_write_waits_for_no_second() -> None:
    writes, transport = paired()
    writes.write(b"head")
    await turn()
    assert transport.writes == [b"head"]


@given(st.lists(st.lists(st.binary(min_size=1, max_size=5), max_size=5), max_size=6))
@settings(max_examples=60)
async def test_every_byte_goes_out_once_and_in_order(turns: list[list[bytes]]) -> None:
    writes, transport = paired()
    for chunks in turns:
        for chunk in chunks:
            writes.write(chunk)
        await turn()
        assert b"".join(transport.writes).endswith(b"".join(chunks))
    assert b"".join(transport.writes) == b"".join(chunk for chunks in turns for chunk in chunks)


async def test_closing_loses_nothing() -> None:
    writes, transport = paired()
    writes.write(b"last words")
    writes.close()
    assert (transport.writes, transport.closed) == ([b"last words"], True)
    await turn()


async def test_what_is_held_when_the_client_is_gone_is_dropped() -> None:
    writes, transport = paired()
    writes.write(b"too late")
    transport.closed = True
    await turn()
    assert transport.writes == []


async def test_all_else_is_the_transports() -> None:
    assert paired()[0].get_extra_info("peername") == "the peername"


# Over a socket


class Echo:
    """Answers with the request's body when it may; counts the clients that went before."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.asked = self.gone = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        scope[ON_GONE] = self._on_gone
        self.asked += 1
        await self.may_answer.wait()
        head = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})

    def _on_gone(self) -> None:
        self.gone += 1
        self.may_answer.set()


async def test_requests_on_one_connection_are_answered_in_order() -> None:
    echo = Echo()
    echo.may_answer.set()
    async with served(echo) as port:
        client = await Client.connect(port)
        await client.send(b"".join(post("/", str(number).encode()) for number in range(20)))
        assert [(await client.answer()).body for _ in range(20)] == [str(number).encode() for number in range(20)]
        await client.close()


async def test_a_client_that_goes_before_its_answer_is_told_of_once() -> None:
    echo = Echo()
    async with served(echo) as port:
        client = await Client.connect(port)
        await client.send(post("/", b"x"))
        await eventually(lambda: echo.asked)
        await client.reset()
        await eventually(lambda: echo.gone)
    assert echo.gone == 1


async def test_a_client_that_goes_after_its_answer_is_no_news() -> None:
    echo = Echo()
    echo.may_answer.set()
    async with served(echo) as port:
        client = await Client.connect(port)
        await client.send(post("/", b"x"))
        await client.answer()
        await client.close()
    assert echo.gone == 0


async def test_a_large_answer_to_a_slow_reader_comes_whole() -> None:
    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(16):
            await send({"type": "http.response.body", "body": bytes([number]) * (1 << 19), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with served(large) as port:
        client = await Client.connect(port)
        await client.send(post("/"))
        assert (await client.answer()).body == b"".join(bytes([number]) * (1 << 19) for number in range(16))
        await client.close()


async def test_who_asks_first_whether_to_send_the_body_is_told_to() -> None:
    echo = Echo()
    echo.may_answer.set()
    async with served(echo) as port:
        client = await Client.connect(port)
        await client.send(post("/", b"", "Expect: 100-continue", length=2))
        assert await client.line() == b"HTTP/1.1 100 Continue\r\n"
        assert await client.line() == b"\r\n"
        await client.send(b"ok")
        assert (await client.answer()).body == b"ok"
        await client.close()


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"


async def _send_much(client: Client, start: bytes, piece: bytes) -> None:
    await client.send(start)
    for _ in range(64 * MAX_HEAD // len(piece)):
        await client.send(piece)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"POST / HTTP/1.1\r\n", b"x-header: 1\r\n" * 1000),
        (b"POST / HTTP/1.1\r\nx-header: ", b"y" * 10_000),
        (b"GET /", b"y" * 10_000),
        (CHUNKED, b"x-trailer: 1\r\n" * 1000),
    ],
)
async def test_a_head_without_an_end_ends_the_connection(start: bytes, piece: bytes) -> None:
    echo = Echo()
    echo.may_answer.set()
    async with served(echo) as port:
        client = await Client.connect(port)
        with pytest.raises(ConnectionError):
            await _send_much(client, start, piece)


@pytest.mark.parametrize("pieces", [[], [b"G"], [b"POST / HTTP/1.1\r\n", b"x-header: 1\r\n"], [post("/", b"x"), b"G"]])
async def test_who_does_not_end_a_head_in_time_is_let_go(pieces: list[bytes]) -> None:
    echo = Echo()
    echo.may_answer.set()
    async with served(echo, head_s=0.3) as port:
        client = await Client.connect(port)
        for piece in pieces:
            await client.send(piece)
        if len(pieces) == 2 and pieces[1] == b"G":
            assert (await client.answer()).body == b"x"
        assert await client.is_closed()


async def test_an_answer_that_is_under_way_is_waited_for_before_a_late_head_ends_the_connection() -> None:
    echo = Echo()
    async with served(echo, head_s=0.3) as port:
        client = await Client.connect(port)
        await client.send(post("/", b"x") + b"G")
        await eventually(lambda: echo.asked)
        later = await Client.connect(port)
        assert await later.is_closed()
        echo.may_answer.set()
        assert (await client.answer()).body == b"x"
        assert await client.is_closed()
    assert echo.gone == 0


async def test_many_small_requests_are_no_large_head() -> None:
    echo = Echo()
    echo.may_answer.set()
    async with served(echo) as port:
        client = await Client.connect(port)
        requests = post("/", b"x", "X-Filling: " + "y" * 1000) * 200
        for start in range(0, len(requests), 999):
            await client.send(requests[start : start + 999])
        assert [(await client.answer()).body for _ in range(200)] == [b"x"] * 200
        await client.close()

"""A request whose head is known is the same request as one that is parsed."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, cast

import pytest
import uvicorn
from hypothesis import example, given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from rayfaas.gateway.heads import Head, Headers, Heads
from rayfaas.gateway.http import CallProtocol, Exchange
from tests.gateway.asgi import Receive, Send
from tests.gateway.sockets import post

REQUEST = post("/call/embed", b"[1]", "Authorization: Bearer ivan")
HEAD = Head("embed", {b"content-length": b"3"}, 3)


def test_a_head_is_known_with_bodies_of_its_length_only() -> None:
    heads = Heads()
    heads.learn(REQUEST, HEAD)
    assert heads.of(REQUEST.replace(b"[1]", b"[2]")) == (HEAD, b"[2]")
    assert heads.of(REQUEST + b"P") is None, "the next request begins"
    assert heads.of(REQUEST[:-1]) is None, "the body is not whole"
    assert heads.of(REQUEST.replace(b"ivan", b"otto")) is None


@pytest.mark.parametrize("request_", [REQUEST + REQUEST, REQUEST[:-1], post("/call/embed", b"[1]", f"X: {'x' * 3000}")])
def test_what_is_more_or_less_than_a_request_or_very_long_is_not_remembered(request_: bytes) -> None:
    heads = Heads()
    heads.learn(request_, HEAD)
    assert heads.of(request_) is None


def test_heads_that_never_come_again_take_no_more_and_more_memory() -> None:
    heads = Heads()
    requests = [post("/call/embed", b"[1]", f"X-Request-Id: {number}") for number in range(3000)]
    for request in requests:
        heads.learn(request, HEAD)
    known = [heads.of(request) is not None for request in requests]
    assert known[-1]
    assert sum(known) <= 1024


class Direct:
    """Takes all calls and answers them at once; what they were."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Headers, bytes]] = []

    def takes(self, headers: Headers) -> bool:
        return b"rayfaas-logs" not in headers

    def begin(self, exchange: Exchange) -> None:
        self.calls.append((exchange.target, dict(exchange.headers), exchange.body))
        exchange.answer(200, [(b"content-length", b"0")], b"")


class Wire:
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self._closing = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self._closing = True

    def is_closing(self) -> bool:
        return self._closing

    def resume_reading(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def get_extra_info(self, name: str) -> None:
        return None


async def application(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def heard(pieces: list[bytes], heads: Heads) -> tuple[list[tuple[str, Headers, bytes]], bytes]:
    """The calls that were answered directly, and all that a client was told, on one connection."""
    direct, wire, state = Direct(), Wire(), ServerState()
    config = uvicorn.Config(cast(Any, application), ws="none", lifespan="off", log_config=None, access_log=False)
    config.load()
    protocol = CallProtocol(direct, heads, config=config, server_state=state, app_state={})
    protocol.connection_made(cast(asyncio.Transport, wire))
    for piece in pieces:
        if not wire.is_closing():
            protocol.data_received(piece)
        while state.tasks:
            await asyncio.wait(state.tasks)
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    return direct.calls, b"".join(wire.written)


REQUESTS = [
    REQUEST,
    post("/call/embed", b"[22]", "Authorization: Bearer ivan"),
    post("/call/embed", b"", "Authorization: Bearer otto"),
    post("/call/embed", b"\r\n\r\n", "Authorization: Bearer ivan"),
    post("/call/embed", b"1", "Rayfaas-Logs: 1"),
    post("/call/embed", b"1", "Connection: close"),
    post("/v1/sql", b"{}"),
    b"POST /call/embed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n",
    b"\r\n",
    b"no request\r\n\r\n",
]


@given(st.lists(st.sampled_from(REQUESTS), max_size=8), st.lists(st.integers(0, 1200), max_size=8))
@example([REQUEST, REQUEST], [])
async def test_knowing_heads_changes_no_answer(requests: list[bytes], cuts: list[int]) -> None:
    stream, at = b"".join(requests), 0
    pieces = []
    if cuts:
        for cut in [*sorted(cuts), len(stream)]:
            pieces.append(stream[at:cut])
            at = max(at, cut)
    else:
        pieces = requests
    pieces = [piece for piece in pieces if piece]
    knowing = Heads()
    for request in requests:
        await heard([request], knowing)
    assert await heard(pieces, knowing) == await heard(pieces, _Forgetful())


class _Forgetful(Heads):
    def learn(self, request: bytes, head: Head) -> None:
        pass


async def test_a_head_that_is_known_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = Heads()
    first, _ = await heard([REQUEST], heads)
    monkeypatch.setattr(CallProtocol, "_parse", None)
    second, told = await heard([REQUEST, REQUEST.replace(b"[1]", b"[2]")], heads)
    assert second == [*first, (*first[0][:2], b"[2]")]
    assert told.count(b"HTTP/1.1 200") == 2

"""Whatever a server does, its client has a value or an error that says what happened, and sends nothing twice."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas import errors
from rayfaas.config import ClientConfig
from rayfaas.errors import (
    BadRequest,
    Forbidden,
    FunctionError,
    NotFound,
    ProtocolError,
    QueueFull,
    RayfaasError,
    Unauthenticated,
    Unavailable,
)
from rayfaas.transport import Transport
from tests.scripted_server import Handler, Reply, Request, ScriptedServer, answering, refusing, streaming

CONTENT = "application/json"


@asynccontextmanager
async def talking(handler: Handler, token: str | None = "rf_x") -> AsyncIterator[tuple[Transport, ScriptedServer]]:
    with ScriptedServer(handler) as server:
        transport = Transport(ClientConfig(server.url, token))
        try:
            yield transport, server
        finally:
            await transport.aclose()


def raw(data: bytes) -> Handler:
    """Answers with these bytes, and hangs up."""

    async def handler(_: Request, reply: Reply) -> None:
        await reply.raw(data)
        await reply.hang_up()

    return handler


def with_type(status: int, body: bytes, media: str) -> Handler:
    async def handler(_: Request, reply: Reply) -> None:
        await reply.send(status, body, {"Content-Type": media})

    return handler


async def events_of(transport: Transport) -> list[list[dict[str, Any]]]:
    async with transport.events("/x", body=b"{}", media=CONTENT) as batches:
        return [batch async for batch in batches if batch]


# Values


async def test_values_go_out_and_come_in_as_json() -> None:
    async def echo(request: Request, reply: Reply) -> None:
        await reply.json({"got": request.json(), "type": request.headers["content-type"]})

    async with talking(echo) as (transport, _):
        assert await transport.post("/x", {"a": [1, "é"]}) == {"got": {"a": [1, "é"]}, "type": CONTENT}


async def test_a_query_is_escaped() -> None:
    async with talking(answering(1)) as (transport, server):
        await transport.get("/x", {"function": "a&b=c/ü", "limit": 3})
    assert server.requests[0].query == {"function": ["a&b=c/ü"], "limit": ["3"]}


async def test_an_empty_answer_is_none() -> None:
    async with talking(raw(b"HTTP/1.1 204 No Content\r\n\r\n")) as (transport, _):
        assert await transport.get("/x") is None


@pytest.mark.parametrize("prefix", ["/team", "/team/"])
async def test_a_server_may_live_below_a_path(prefix: str) -> None:
    with ScriptedServer(answering(1)) as server:
        transport = Transport(ClientConfig(server.url + prefix, None))
        await transport.get("/v1/whoami")
        await transport.aclose()
    assert server.requests[0].target == "/team/v1/whoami"


async def test_requests_share_a_connection_that_is_kept_alive() -> None:
    async with talking(answering(1)) as (transport, server):
        for _ in range(3):
            await transport.get("/x")
    assert [request.connection for request in server.requests] == [1, 1, 1]


# Who asks


async def test_the_token_goes_with_every_request_and_none_without_one() -> None:
    async with talking(answering(1)) as (transport, server):
        await transport.get("/x")
    assert server.requests[0].headers["authorization"] == "Bearer rf_x"
    async with talking(answering(1), token=None) as (transport, server):
        await transport.get("/x")
    assert "authorization" not in server.requests[0].headers


async def test_a_token_that_changes_is_asked_for_each_request() -> None:
    tokens = iter(["rf_1", "rf_2"])
    with ScriptedServer(answering(1)) as server:
        transport = Transport(ClientConfig(server.url, None), lambda: next(tokens))
        await transport.get("/x")
        await transport.get("/x")
        await transport.aclose()
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer rf_1", "Bearer rf_2"]


@pytest.mark.parametrize("token", ["rf_x\n", "rf\r\nX-Evil: 1", "rf_é", "rf\0"])
def test_a_token_that_no_header_can_hold_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(BadRequest, match="The token holds characters that no token has") as caught:
        Transport(ClientConfig("http://127.0.0.1:9", token))
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "localhost:8700", "127.0.0.1:8700", "ftp://x", "http://", "http:///x", "unix:/s", "http://[::1", "//x"]
)
def test_what_is_no_servers_url_is_refused_with_how_to_write_one(url: str) -> None:
    with pytest.raises(BadRequest, match="URL"):
        Transport(ClientConfig(url, None))


# Errors that the server tells of


@pytest.mark.parametrize("code", [code for code in errors.BY_CODE if code != "internal"])
async def test_a_problem_is_raised_as_the_error_that_it_is(code: str) -> None:
    kind = errors.BY_CODE[code]
    async with talking(refusing(kind("what happened", call="c1", number=3))) as (transport, _):
        with pytest.raises(kind, match="what happened") as caught:
            await transport.get("/x")
        assert type(caught.value) is kind
        assert caught.value.extra == {"call": "c1", "number": 3}
        with pytest.raises(kind, match="what happened"):
            await events_of(transport)


async def test_who_sent_no_token_is_told_where_tokens_are() -> None:
    refusal = refusing(Unauthenticated("Send the header `Authorization`."))
    async with talking(refusal, None) as (transport, _):
        with pytest.raises(Unauthenticated, match=r"set RAYFAAS_TOKEN .*, or RAYFAAS_HOME"):
            await transport.send("GET", "/v1/functions")
    async with talking(refusal) as (transport, _):
        with pytest.raises(Unauthenticated, match="Send the header"):
            await transport.send("GET", "/v1/functions")


async def test_an_error_names_the_call_that_the_header_names() -> None:
    async with talking(refusing(FunctionError("no"), {"Rayfaas-Call-Id": "c7"})) as (transport, _):
        with pytest.raises(FunctionError) as caught:
            await transport.get("/x")
    assert caught.value.extra["call"] == "c7"


async def test_a_full_queue_is_not_asked_again_on_its_own() -> None:
    async with talking(refusing(QueueFull("full"), {"Retry-After": "1"})) as (transport, server):
        with pytest.raises(QueueFull) as caught:
            await transport.post("/x", {})
    assert caught.value.retryable
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Unauthenticated), (403, Forbidden), (404, NotFound), (503, Unavailable)]
)
async def test_an_answer_to_head_has_no_body_and_its_status_tells(status: int, kind: type[RayfaasError]) -> None:
    async with talking(with_type(status, b"", "application/problem+json")) as (transport, _):
        with pytest.raises(kind):
            await transport.send("HEAD", "/x")


# Answers that no rayfaas server gives


@pytest.mark.parametrize(
    ("status", "body", "media", "kind", "message"),
    [
        (200, b"<html>", "text/html", ProtocolError, "in text/html, as no rayfaas server does: '<html>'"),
        (200, b'{"a"', CONTENT, ProtocolError, "answered what is not JSON"),
        (200, b'"\xe9"', CONTENT, ProtocolError, "answered what is not JSON"),
        (200, b"x", "", ProtocolError, "in no type"),
        (302, b"", "", ProtocolError, "answered 302 Found"),
        (404, b"<html>nginx", "text/html", ProtocolError, "answered 404 Not Found"),
        (500, b"oops", "text/plain", ProtocolError, "answered 500"),
        (502, b"<html>", "text/html", Unavailable, "answered 502 Bad Gateway"),
        (503, b"", "", Unavailable, "answered 503"),
        (504, b"<html>", "text/html", Unavailable, "answered 504"),
        (500, b'{"code', "application/problem+json", ProtocolError, "not JSON"),
        (500, b"[1]", "application/problem+json", ProtocolError, "answered 500"),
        (400, b"{}", "application/problem+json; charset=utf-8", RayfaasError, "rayfaas failed"),
        (413, b"too big", "text/plain", ProtocolError, "answered 413"),
    ],
)
async def test_an_answer_of_somebody_else_is_an_error_that_quotes_it(
    status: int, body: bytes, media: str, kind: type[RayfaasError], message: str
) -> None:
    async with talking(with_type(status, body, media)) as (transport, _):
        with pytest.raises(kind, match=message) as caught:
            await transport.get("/x")
        assert type(caught.value) is kind


async def test_a_page_of_another_server_is_quoted_in_part_only() -> None:
    async with talking(with_type(200, b"<p>" * 100_000, "text/html")) as (transport, _):
        with pytest.raises(ProtocolError) as caught:
            await transport.get("/x")
    assert len(str(caught.value)) < 500


# Connections that break


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: appl",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
    ],
)
async def test_a_broken_answer_is_unavailable_and_the_request_is_not_sent_again(answer: bytes) -> None:
    async with talking(raw(answer)) as (transport, server):
        with pytest.raises(Unavailable, match="broke before the answer was complete") as caught:
            await transport.post("/x", {})
        assert caught.value.retryable
        assert caught.value.extra == {"url": server.url}
    assert len(server.requests) == 1


async def test_a_reset_connection_is_unavailable_and_the_next_request_has_a_new_one() -> None:
    async def once(request: Request, reply: Reply) -> None:
        if request.connection == 1:
            reply.break_off()
        else:
            await reply.json("well")

    async with talking(once) as (transport, server):
        with pytest.raises(Unavailable):
            await transport.post("/x", 1)  # it may have taken effect, so it is not sent again
        assert len(server.requests) == 1
        assert await transport.post("/x", 1) == "well"


async def test_a_question_whose_connection_broke_is_asked_once_more_and_no_more_than_that() -> None:
    async def breaking(request: Request, reply: Reply) -> None:
        if request.connection == 2:
            await reply.json("well")
        else:
            reply.break_off()

    async with talking(breaking) as (transport, server):
        assert await transport.get("/x") == "well"
        await transport.aclose()
        assert [request.connection for request in server.requests] == [1, 2]
    async with talking(lambda _, reply: _break_off(reply)) as (transport, server):
        with pytest.raises(Unavailable):
            await transport.get("/x")
        assert len(server.requests) == 2


async def _break_off(reply: Reply) -> None:
    reply.break_off()


async def test_a_kept_connection_that_the_server_closed_meanwhile_is_not_used_again() -> None:
    async def answer_and_close(_: Request, reply: Reply) -> None:
        await reply.json("well")
        await reply.hang_up()

    async with talking(answer_and_close) as (transport, server):
        for _ in range(5):
            assert await transport.get("/x") == "well"
    assert [request.connection for request in server.requests] == [1, 2, 3, 4, 5]


async def test_a_server_that_says_nothing_is_given_up_after_the_timeout() -> None:
    async def silent(_: Request, reply: Reply) -> None:
        await reply.gone()

    async with talking(silent) as (transport, _):
        with pytest.raises(Unavailable, match="did not answer in time"):
            await transport.send("GET", "/x", timeout_s=0.05)


async def test_a_server_that_is_slow_is_waited_for_byte_by_byte() -> None:
    async def slow(_: Request, reply: Reply) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\ntrue":
            await reply.raw(bytes([byte]))

    async with talking(slow) as (transport, _):
        assert await transport.get("/x") is True


async def test_nobody_there_is_unavailable_and_says_what_to_do() -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        transport = Transport(ClientConfig(f"http://127.0.0.1:{bound.getsockname()[1]}", None))
        with pytest.raises(Unavailable, match=r"Start it with `rayfaas up`, or say where it is with RAYFAAS_URL"):
            await transport.get("/x")
        await transport.aclose()


# Streams


async def test_lines_come_in_batches_whatever_chunks_they_travel_in() -> None:
    async def handler(_: Request, reply: Reply) -> None:
        await reply.begin()
        for chunk in (b'{"n": 1}\n{"n"', b": 2}\n", b"\n \n", b'{"t": "\xc3', b'\xa9"}', b"\n"):
            await reply.chunk(chunk)
        await reply.end()

    async with talking(handler) as (transport, _):
        batches = await events_of(transport)
    assert [event for batch in batches for event in batch] == [{"n": 1}, {"n": 2}, {"t": "é"}]


lines_of_text = st.lists(st.text(st.characters(codec="utf-8"), max_size=10), max_size=6)


@settings(max_examples=15)
@given(lines_of_text, st.lists(st.integers(1, 60), max_size=8, unique=True))
async def test_wherever_a_stream_is_cut_its_lines_are_whole(texts: list[str], cuts: list[int]) -> None:
    data = "".join(f"{json.dumps({'t': text}, ensure_ascii=False)}\n" for text in texts).encode("utf-8")
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]

    async def handler(_: Request, reply: Reply) -> None:
        await reply.begin()
        for start, end in itertools.pairwise(places):
            if start < end:
                await reply.chunk(data[start:end])
        await reply.end()

    async with talking(handler) as (transport, _):
        batches = await events_of(transport)
    assert [event["t"] for batch in batches for event in batch] == texts


Ending = Callable[[Reply], Awaitable[None]]


async def reset(reply: Reply) -> None:
    reply.break_off()


async def hang_up(reply: Reply) -> None:
    await reply.hang_up()


async def end_in_a_line(reply: Reply) -> None:
    await reply.chunk(b'{"n": 2')
    await reply.end()


@pytest.mark.parametrize("ending", [reset, hang_up, end_in_a_line])
async def test_a_stream_that_breaks_gives_what_came_and_then_says_so(ending: Ending) -> None:
    async def handler(_: Request, reply: Reply) -> None:
        await reply.begin()
        await reply.events({"n": 1})
        await ready.wait()
        await ending(reply)

    ready = asyncio.Event()
    came: list[dict[str, Any]] = []

    async def take(transport: Transport, server: ScriptedServer) -> None:
        async with transport.events("/x", body=b"{}", media=CONTENT) as batches:
            async for batch in batches:
                came.extend(batch)
                server.call_soon(ready.set)

    async with talking(handler) as connected:
        with pytest.raises(Unavailable, match="broke before the answer was complete"):
            await take(*connected)
    assert came == [{"n": 1}]


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"n": \n', b"[1]\n", b"3\n", b"\xff\xfe\n", b"data: {}\n"])
async def test_a_line_that_is_no_object_is_a_protocol_error(line: bytes) -> None:
    async def handler(_: Request, reply: Reply) -> None:
        await reply.begin()
        await reply.chunk(line)
        await reply.end()

    async with talking(handler) as (transport, _):
        with pytest.raises(ProtocolError, match="a line of the stream is not"):
            await events_of(transport)


async def test_what_the_reader_of_a_stream_raises_is_its_own() -> None:
    async def handler(_: Request, reply: Reply) -> None:
        await reply.begin()
        await reply.events({"n": 1})
        await reply.gone()

    async def take(transport: Transport) -> None:
        async with transport.events("/x", body=b"{}", media=CONTENT) as batches:
            async for batch in batches:
                raise LookupError(batch)

    async with talking(handler) as (transport, _):
        with pytest.raises(LookupError, match="'n': 1"):
            await take(transport)


async def test_a_stream_asks_for_ndjson() -> None:
    async with talking(streaming({"done": {}})) as (transport, server):
        assert await events_of(transport) == [[{"done": {}}]]
    assert server.requests[0].headers["accept"] == "application/x-ndjson"

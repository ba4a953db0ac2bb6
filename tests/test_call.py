"""One call: what it sends, and that its answer is whole or an error."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rayfaas.call import Call
from rayfaas.call_options import CallOptions
from rayfaas.config import ClientConfig
from rayfaas.errors import FunctionError, ProtocolError, RayfaasError, Unavailable
from rayfaas.origin import context_header
from rayfaas.transport import Transport
from rayfaas.wire import ARGUMENTS_JSON, PICKLE, VALUE_ACCEPT, VALUE_MSGPACK
from rayfaas.wire.pickle import encode_pickle
from rayfaas.wire.typed import encode_typed
from tests.scripted_server import Handler, Reply, Request, ScriptedServer, answering, refusing, streaming


@asynccontextmanager
async def talking(handler: Handler) -> AsyncIterator[tuple[Transport, ScriptedServer]]:
    with ScriptedServer(handler) as server:
        transport = Transport(ClientConfig(server.url, None))
        try:
            yield transport, server
        finally:
            await transport.aclose()


async def answer(handler: Handler) -> Any:
    async with talking(handler) as (transport, _):
        return await Call("f", (), {}).answer(transport)


async def events(handler: Handler, logs: bool = False) -> list[dict[str, Any]]:
    async with talking(handler) as (transport, _):
        return [event async for batch in Call("f", (), {}).events(transport, logs) for event in batch]


async def test_a_call_sends_its_arguments_and_only_what_was_said() -> None:
    async with talking(answering(1)) as (transport, server):
        await Call("nlp/f@prod", (1,), {"x": 2}).answer(transport)
        await Call("f", (), {}, CallOptions(2.5, 0, "k", "nlp", "high", "https://example.com/done")).answer(transport)
    plain, full = server.requests
    assert (plain.method, plain.target) == ("POST", "/call/nlp/f@prod")
    assert plain.headers["content-type"] == ARGUMENTS_JSON
    assert plain.json() == {"args": [1], "kwargs": {"x": 2}}
    said = {"rayfaas-timeout", "rayfaas-retries", "idempotency-key", "rayfaas-logs", "prefer", "rayfaas-team"}
    said |= {"rayfaas-priority", "rayfaas-webhook"}
    assert not said & set(plain.headers)
    assert {name: full.headers[name] for name in said & set(full.headers)} == {
        "rayfaas-timeout": "2.5",
        "rayfaas-retries": "0",
        "idempotency-key": "k",
        "rayfaas-team": "nlp",
        "rayfaas-priority": "high",
        "rayfaas-webhook": "https://example.com/done",
    }


async def test_a_call_says_where_it_comes_from() -> None:
    async with talking(answering(1)) as (transport, server):
        await Call("f", (), {}).answer(transport)
        await Call("f", (), {}, context=None).answer(transport)
    told, untold = server.requests
    assert json.loads(told.headers["rayfaas-context"]) == json.loads(context_header() or "")
    assert "rayfaas-context" not in untold.headers


async def test_an_automatic_key_is_of_the_run_the_target_and_the_arguments() -> None:
    async with talking(answering(1)) as (transport, server):
        run = ("prefect", "f1")
        for call in (
            Call("f", (1,), {}, CallOptions(idempotency_key="auto"), run=run),
            Call("f", (1,), {}, CallOptions(idempotency_key="auto"), run=run),
            Call("f", (2,), {}, CallOptions(idempotency_key="auto"), run=run),
            Call("g", (1,), {}, CallOptions(idempotency_key="auto"), run=run),
            Call("f", (1,), {}, CallOptions(idempotency_key="auto"), run=("prefect", "f2")),
        ):
            await call.answer(transport)
        await Call("f", (1,), {}, CallOptions(idempotency_key="auto"), run=None).answer(transport)
    *inside, outside = server.requests
    keys = [request.headers["idempotency-key"] for request in inside]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4
    assert {request.headers["rayfaas-rerun"] for request in inside} == {"failed"}
    assert not {"idempotency-key", "rayfaas-rerun"} & set(outside.headers)


@pytest.mark.parametrize("value", [None, 0, "", [], {}, False, {"error": {"code": "not_found"}}, [{"done": {}}]])
async def test_a_result_is_the_value_whatever_it_looks_like(value: Any) -> None:
    assert await answer(answering(value)) == value


async def test_a_generators_answer_is_the_list_of_its_items() -> None:
    items: list[Any] = [1, None, {"error": "no"}, {"done": 1}, []]
    assert await answer(streaming(*({"item": item} for item in items), {"done": {}})) == items
    assert await answer(streaming({"done": {}})) == []


async def test_logs_between_items_are_no_items() -> None:
    assert await answer(streaming({"item": 1}, {"log": {"text": "x"}}, {"item": 2}, {"done": {}})) == [1, 2]


@pytest.mark.parametrize("ask", [answer, events])
async def test_a_stream_that_ends_with_an_error_raises_it(ask: Any) -> None:
    problem = {"code": "function_error", "detail": "KeyError: 'x'", "exception": "KeyError", "message": "'x'"}
    with pytest.raises(KeyError) as caught:
        await ask(streaming({"item": 1}, {"error": problem}))
    assert isinstance(caught.value, FunctionError)


@pytest.mark.parametrize("ask", [answer, events])
@pytest.mark.parametrize("sent", [[], [{"item": 1}], [{"item": 1}, {"log": {}}], [{"done": {}}, {"item": 1}]])
async def test_a_stream_that_ends_without_saying_so_is_broken(ask: Any, sent: list[dict[str, Any]]) -> None:
    with pytest.raises(Unavailable, match="The stream broke off"):
        await ask(streaming(*sent))


async def test_items_that_came_before_the_break_are_had() -> None:
    came: list[dict[str, Any]] = []

    async def take(transport: Transport) -> None:
        async for batch in Call("f", (), {}).events(transport, logs=False):
            came.extend(batch)

    async with talking(streaming({"item": 1}, {"item": 2})) as (transport, _):
        with pytest.raises(Unavailable):
            await take(transport)
    assert came == [{"item": 1}, {"item": 2}]


async def test_logs_are_asked_for_only_by_who_wants_them() -> None:
    async def tell(request: Request, reply: Reply) -> None:
        await streaming({"item": request.headers.get("rayfaas-logs")}, {"done": {}})(request, reply)

    assert (await events(tell))[0] == {"item": None}
    assert (await events(tell, logs=True))[0] == {"item": "1"}


@pytest.mark.parametrize("ask", [answer, events])
async def test_a_call_that_is_refused_is_its_error(ask: Any) -> None:
    with pytest.raises(RayfaasError, match="no such thing"):
        await ask(refusing(RayfaasError("no such thing")))


async def test_a_broken_line_in_a_generators_answer_is_a_protocol_error() -> None:
    async def handler(_: Request, reply: Reply) -> None:
        await reply.send(200, b'{"item": 1}\n{"item"', {"Content-Type": "application/x-ndjson"})

    with pytest.raises(ProtocolError, match="a line of the stream is not JSON"):
        await answer(handler)


async def test_a_spawned_call_answers_with_its_id() -> None:
    async with talking(answering({"call": "c1"}, 202)) as (transport, server):
        assert await Call("f", (1,), {}, CallOptions(retries=3, idempotency_key="k")).spawn(transport) == "c1"
    headers = server.requests[0].headers
    assert (headers["prefer"], headers["rayfaas-retries"], headers["idempotency-key"]) == ("respond-async", "3", "k")


async def test_a_result_is_what_its_encoding_carries() -> None:
    async def handler(request: Request, reply: Reply) -> None:
        assert request.headers["accept"] == VALUE_ACCEPT
        await reply.send(200, encode_typed([b"\xff", 1]), {"Content-Type": VALUE_MSGPACK})

    assert await answer(handler) == [b"\xff", 1]


async def test_a_pickle_is_read_only_by_who_asked_for_it() -> None:
    async def handler(request: Request, reply: Reply) -> None:
        await reply.send(200, encode_pickle(range(3)), {"Content-Type": PICKLE})

    with pytest.raises(ProtocolError, match="was not asked for"):
        await answer(handler)
    async with talking(handler) as (transport, server):
        assert await Call("f", (), {}, options=CallOptions(takes_pickle=True)).answer(transport) == range(3)
    assert server.requests[0].headers["accept"] == f"{PICKLE}, {VALUE_ACCEPT}"

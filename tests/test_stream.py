"""Items come as they are made; a stream ends with `done`, with an error, or by being left, and never in silence."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rayfaas import Client
from rayfaas.errors import FunctionError, Unavailable
from rayfaas.stream import Stream
from tests.scripted_server import Handler, Reply, Request, ScriptedServer, eventually, streaming


class Endless:
    """Streams numbers until the client is gone."""

    def __init__(self, line_bytes: int = 20_000) -> None:
        self.sent, self.gone = 0, threading.Event()
        self._filling = "x" * line_bytes

    async def __call__(self, request: Request, reply: Reply) -> None:
        try:
            await reply.begin()
            while True:
                await reply.events({"item": self.sent, "filling": self._filling})
                self.sent += 1
        finally:
            self.gone.set()


class OneItem:
    """Streams one item, and then nothing until the client is gone."""

    def __init__(self) -> None:
        self.gone = threading.Event()

    async def __call__(self, request: Request, reply: Reply) -> None:
        await reply.begin()
        await reply.events({"item": 1})
        await reply.gone()
        self.gone.set()


def opened(client: Client, on_log: Any = None) -> Stream[Any]:
    return client.stream("f", (), {}, on_log=on_log)


@pytest.fixture
def endless() -> Endless:
    return Endless()


@pytest.fixture
def client(endless: Endless) -> Iterator[Client]:
    with ScriptedServer(endless) as server, Client(server.url, "rf_x") as client:
        yield client


def with_client(handler: Handler, use: Any) -> Any:
    with ScriptedServer(handler) as server, Client(server.url, "rf_x") as client:
        return use(client)


def test_items_come_with_for_and_with_async_for() -> None:
    async def collect(stream: Stream[int]) -> list[int]:
        return [item async for item in stream]

    handler = streaming({"item": 1}, {"item": None}, {"item": [2]}, {"done": {}})
    assert with_client(handler, lambda client: list(opened(client))) == [1, None, [2]]
    assert with_client(handler, lambda client: asyncio.run(collect(opened(client)))) == [1, None, [2]]


def test_an_item_is_had_while_the_next_is_not_made_yet() -> None:
    handler = OneItem()
    with ScriptedServer(handler) as server:
        with Client(server.url, "rf_x") as client:
            next(opened(client))
        assert handler.gone.wait(10)


def test_nothing_is_called_before_the_first_item_is_asked_for(endless: Endless) -> None:
    with ScriptedServer(endless) as server, Client(server.url, "rf_x") as client:
        opened(client).close()
        with opened(client):
            pass
        assert server.requests == []


def test_a_stream_that_has_ended_stays_ended() -> None:
    def use(client: Client) -> None:
        stream = opened(client)
        assert list(stream) == [1]
        assert list(stream) == []
        with pytest.raises(StopIteration):
            next(stream)
        stream.close()
        stream.close()

    with_client(streaming({"item": 1}, {"done": {}}), use)


def test_the_functions_error_comes_after_its_items() -> None:
    came: list[int] = []
    problem = {"code": "function_error", "detail": "ValueError: no", "exception": "ValueError"}

    def use(client: Client) -> None:
        stream = opened(client)
        with pytest.raises(ValueError, match="no") as caught:
            came.extend(stream)
        assert isinstance(caught.value, FunctionError)
        assert list(stream) == []

    with_client(streaming({"item": 1}, {"item": 2}, {"error": problem}), use)
    assert came == [1, 2]


def test_a_connection_that_breaks_is_an_error_after_the_items_that_came() -> None:
    async def broken(_: Request, reply: Reply) -> None:
        await reply.begin()
        await reply.events({"item": 1}, {"item": 2})
        await reply.hang_up()

    came: list[int] = []
    with ScriptedServer(broken) as server, Client(server.url, "rf_x") as client:
        with pytest.raises(Unavailable, match="broke"):
            came.extend(opened(client))
        assert len(server.requests) == 1
    assert came == [1, 2]


def test_an_end_without_done_is_an_error() -> None:
    with pytest.raises(Unavailable, match="broke off"):
        with_client(streaming({"item": 1}), lambda client: list(opened(client)))


def test_closing_it_ends_the_call(client: Client, endless: Endless) -> None:
    stream = opened(client)
    assert [next(stream), next(stream)] == [0, 1]
    stream.close()
    assert endless.gone.wait(10)


def test_who_waits_for_an_item_is_at_the_end_when_another_thread_closes_it() -> None:
    handler = OneItem()
    came: list[int] = []
    with ScriptedServer(handler) as server, Client(server.url, "rf_x") as client, ThreadPoolExecutor(1) as pool:
        stream = opened(client)
        taking = pool.submit(lambda: came.extend(stream))
        eventually(lambda: came == [1])
        stream.close()
        taking.result(20)
        assert handler.gone.wait(10)
        assert list(stream) == []
    assert came == [1]


def test_leaving_its_block_ends_the_call(client: Client, endless: Endless) -> None:
    with opened(client) as stream:
        assert next(stream) == 0
    assert endless.gone.wait(10)


def test_leaving_the_loop_ends_the_call(client: Client, endless: Endless) -> None:
    for item in opened(client):
        if item == 5:
            break
    gc.collect()
    assert endless.gone.wait(10)


async def test_leaving_an_asynchronous_loop_or_block_ends_the_call(client: Client, endless: Endless) -> None:
    async with opened(client) as stream:
        async for item in stream:
            if item == 5:
                break
    assert await asyncio.to_thread(endless.gone.wait, 10)


async def test_cancelling_who_waits_for_an_item_ends_the_call() -> None:
    handler = OneItem()
    with ScriptedServer(handler) as server, Client(server.url, "rf_x") as client:
        stream = opened(client)
        assert await anext(stream) == 1
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(stream), 0.05)
        assert await asyncio.to_thread(handler.gone.wait, 10)


def test_closing_the_client_ends_its_streams() -> None:
    handler = OneItem()
    with ScriptedServer(handler) as server:
        client = Client(server.url, "rf_x")
        stream = opened(client)
        next(stream)
        client.close()
        assert handler.gone.wait(10)
        with pytest.raises(RuntimeError, match="this client is closed"):
            next(stream)


def test_other_calls_go_on_while_a_stream_is_open(endless: Endless) -> None:
    async def either(request: Request, reply: Reply) -> None:
        if request.path == "/call/f":
            await endless(request, reply)
        await reply.json({"team": "nlp"})

    with ScriptedServer(either) as server, Client(server.url, "rf_x") as client, opened(client) as stream:
        for n in range(3):
            assert next(stream) == n
            assert client.whoami() == {"team": "nlp"}


def test_a_reader_that_pauses_stops_the_sender() -> None:
    handler = Endless(line_bytes=50_000)
    with ScriptedServer(handler) as server, Client(server.url, "rf_x") as client, opened(client) as stream:
        assert next(stream) == 0
        seen = [-1] * 50

        def stands_still() -> bool:
            seen.append(handler.sent)
            return seen[-50] == seen[-1] > 0

        eventually(stands_still)
        assert handler.sent * 50_000 < 64 << 20
        assert next(stream) == 1


def test_logs_are_told_in_their_place_among_the_items() -> None:
    told: list[Any] = []
    handler = streaming({"log": {"text": "a"}}, {"item": 1}, {"log": {"text": "b"}}, {"item": 2}, {"done": {}})

    def use(client: Client) -> None:
        for item in opened(client, lambda line: told.append(line["text"])):
            told.append(item)

    with_client(handler, use)
    assert told == ["a", 1, "b", 2]


def test_logs_that_nobody_wants_are_passed_over() -> None:
    handler = streaming({"log": {"text": "a"}}, {"item": 1}, {"done": {}})
    assert with_client(handler, lambda client: list(opened(client))) == [1]


def test_what_a_listener_raises_is_raised_where_items_are_taken() -> None:
    def listener(_: dict[str, Any]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        with_client(streaming({"log": {}}, {"item": 1}, {"done": {}}), lambda client: list(opened(client, listener)))


def test_a_listener_may_use_the_same_client() -> None:
    async def either(request: Request, reply: Reply) -> None:
        if request.path == "/call/f":
            await streaming({"log": {}}, {"item": 1}, {"done": {}})(request, reply)
        else:
            await reply.json({"team": "nlp"})

    told: list[Any] = []
    with ScriptedServer(either) as server, Client(server.url, "rf_x") as client:
        assert list(opened(client, lambda _: told.append(client.whoami()))) == [1]
    assert told == [{"team": "nlp"}]

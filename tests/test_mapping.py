"""`map` keeps the order, bounds what is under way and what it holds, and leaves nothing behind when it is left."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import rayfaas
from rayfaas import Client, RemoteFunction
from rayfaas.errors import FunctionError, QueueFull, Unavailable
from tests.scripted_server import Handler, Reply, Request, ScriptedServer, eventually, refusing


class Squares:
    """Answers with squares, but not those that are `held`; counts calls under way and those that were given up."""

    def __init__(self) -> None:
        self.under_way = self.given_up = 0
        self.held: set[int] = set()

    async def __call__(self, request: Request, reply: Reply) -> None:
        self.under_way += 1
        try:
            await self._answer(request.json()["args"][0], reply)
        finally:
            self.under_way -= 1

    async def _answer(self, x: int, reply: Reply) -> None:
        if x in self.held:
            await reply.gone()
            self.given_up += 1
            return
        if x < 0:
            await reply.problem(FunctionError("ValueError: negative", exception="ValueError", message="negative"))
            return
        await asyncio.sleep(0)
        await reply.json(x * x)


@contextmanager
def serving(handler: Handler) -> Iterator[RemoteFunction[..., Any]]:
    with ScriptedServer(handler) as server, Client(server.url, "rf_x") as client:
        yield rayfaas.get("square").with_options(client=client)


@pytest.fixture
def squares() -> Squares:
    return Squares()


@pytest.fixture
def square(squares: Squares) -> Iterator[RemoteFunction[..., Any]]:
    with serving(squares) as square:
        yield square


def counted(inputs: Any) -> tuple[Iterator[int], list[int]]:
    """The same inputs, and a list of those that were taken."""
    taken: list[int] = []

    def take() -> Iterator[int]:
        for value in inputs:
            taken.append(value)
            yield value

    return take(), taken


async def collect(results: Any) -> list[Any]:
    return [value async for value in results]


@pytest.mark.parametrize("concurrency", [1, 3, 32])
def test_results_come_in_the_order_of_the_inputs(square: RemoteFunction[..., Any], concurrency: int) -> None:
    expected = [x * x for x in range(16)]
    assert list(square.map(range(16), concurrency=concurrency)) == expected
    assert asyncio.run(collect(square.map(range(16), concurrency=concurrency))) == expected


def test_unordered_results_are_all_there(square: RemoteFunction[..., Any]) -> None:
    expected = [x * x for x in range(16)]
    assert sorted(square.map(range(16), concurrency=7, ordered=False)) == expected
    assert sorted(asyncio.run(collect(square.map(range(16), concurrency=7, ordered=False)))) == expected


def test_nothing_in_is_nothing_out(square: RemoteFunction[..., Any]) -> None:
    assert list(square.map([])) == asyncio.run(collect(square.map([]))) == []


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_slow_call_does_not_hold_up_unordered_results(
    square: RemoteFunction[..., Any], squares: Squares, asynchronous: bool
) -> None:
    squares.held = {0}

    async def first(results: Any, n: int) -> list[int]:
        came: list[int] = []
        async for value in results:
            came.append(value)
            if len(came) == n:
                break
        return came

    results = square.map(range(10), concurrency=2, ordered=False)
    came = asyncio.run(first(results, 9)) if asynchronous else list(itertools.islice(results, 9))
    assert sorted(came) == [x * x for x in range(1, 10)]


def test_so_many_calls_are_under_way_and_no_more() -> None:
    under_way = most = 0
    together = asyncio.Event()

    async def five_at_once(_: Request, reply: Reply) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 5:
            together.set()
        await together.wait()
        under_way -= 1
        await reply.json(1)

    with serving(five_at_once) as function:
        assert sum(function.map(range(60), concurrency=5)) == 60
    assert most == 5


@pytest.mark.parametrize("ordered", [True, False])
def test_inputs_are_taken_only_as_there_is_room(square: RemoteFunction[..., Any], ordered: bool) -> None:
    inputs, taken = counted(range(1000))
    results = iter(square.map(inputs, concurrency=4, ordered=ordered))
    assert taken == []
    for n in range(1, 20):
        next(results)
        assert len(taken) <= n + 4
    results.close()  # type: ignore[attr-defined]


class Input(float):
    """A number that tells whether it is still held."""


@pytest.mark.parametrize("ordered", [True, False])
def test_endless_inputs_are_let_go_of_as_their_results_are_taken(
    square: RemoteFunction[..., Any], ordered: bool
) -> None:
    alive: weakref.WeakSet[Input] = weakref.WeakSet()

    def inputs() -> Iterator[Input]:
        for n in itertools.count():
            value = Input(n)
            alive.add(value)
            yield value

    results = iter(square.map(inputs(), concurrency=4, ordered=ordered))
    for _ in itertools.islice(results, 40):
        pass
    gc.collect()
    assert len(alive) <= 10
    results.close()  # type: ignore[attr-defined]


def test_an_error_is_raised_in_the_place_of_its_result(square: RemoteFunction[..., Any]) -> None:
    came: list[int] = []
    with pytest.raises(ValueError, match="negative") as caught:
        came.extend(square.map([1, 2, -1, 3]))
    assert isinstance(caught.value, FunctionError)
    assert came == [1, 4]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes there")
@pytest.mark.parametrize("ordered", [True, False])
def test_an_error_says_for_which_input_it_was_raised(square: RemoteFunction[..., Any], ordered: bool) -> None:
    with pytest.raises(ValueError, match="negative") as raised:
        list(square.map([1, 2, -3, 4], ordered=ordered))
    assert raised.value.__notes__ == ["It was raised for input 2 of map, counted from 0: -3"]
    with pytest.raises(ValueError, match="negative") as raised:
        list(square.starmap([(-1, 1)], ordered=ordered))
    assert raised.value.__notes__ == ["It was raised for input 0 of map, counted from 0: (-1, 1)"]


def test_errors_are_returned_in_the_place_of_their_results(square: RemoteFunction[..., Any]) -> None:
    for asynchronous in (False, True):
        results = square.map([1, -1, 2], return_exceptions=True, concurrency=2)
        values = asyncio.run(collect(results)) if asynchronous else list(results)
        assert [type(value) is int or isinstance(value, FunctionError) for value in values] == [True] * 3
        assert [values[0], values[2]] == [1, 4]
        assert isinstance(values[1], ValueError)


def test_our_errors_are_returned_as_well() -> None:
    with serving(refusing(QueueFull("full"))) as square:
        assert [type(value) for value in square.map(range(3), return_exceptions=True)] == [QueueFull] * 3


def test_a_connection_that_breaks_is_the_error_of_one_result() -> None:
    async def breaks_once(request: Request, reply: Reply) -> None:
        if request.json()["args"] == [1]:
            await reply.hang_up()
        else:
            await reply.json("well")

    with serving(breaks_once) as square:
        values = list(square.map(range(3), return_exceptions=True, concurrency=1))
        assert [values[0], type(values[1]), values[2]] == ["well", Unavailable, "well"]


@pytest.mark.parametrize("ordered", [True, False])
def test_leaving_the_loop_cancels_the_calls_under_way(
    square: RemoteFunction[..., Any], squares: Squares, ordered: bool
) -> None:
    squares.held = set(range(1, 100))
    inputs, taken = counted(range(100))
    for value in square.map(inputs, concurrency=4, ordered=ordered):
        assert value == 0
        eventually(lambda: squares.under_way == 3)
        break
    eventually(lambda: squares.given_up == 3)
    assert taken == [0, 1, 2, 3]


async def test_leaving_an_asynchronous_loop_cancels_the_calls_under_way(squares: Squares) -> None:
    squares.held = {1, 2, 3}
    with ScriptedServer(squares) as server, Client(server.url, "rf_x") as client:
        async for _ in rayfaas.get("square").with_options(client=client).map(range(4)):
            await asyncio.to_thread(eventually, lambda: squares.under_way == 3)
            break
        await asyncio.to_thread(eventually, lambda: squares.given_up == 3)


def test_an_error_cancels_the_calls_under_way(square: RemoteFunction[..., Any], squares: Squares) -> None:
    squares.held = {1, 2}

    def inputs() -> Iterator[int]:
        yield from (1, 2)
        eventually(lambda: squares.under_way == 2)
        yield -1

    with pytest.raises(ValueError, match="negative"):
        list(square.map(inputs(), ordered=False, concurrency=3))
    eventually(lambda: squares.given_up == 2)


async def test_cancelling_who_waits_cancels_the_calls_under_way(squares: Squares) -> None:
    squares.held = {0, 1}
    with ScriptedServer(squares) as server, Client(server.url, "rf_x") as client:
        task = asyncio.create_task(collect(rayfaas.get("square").with_options(client=client).map(range(2))))
        await asyncio.to_thread(eventually, lambda: squares.under_way == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(eventually, lambda: squares.given_up == 2)


def test_what_the_inputs_raise_is_raised_and_cancels_the_calls(
    square: RemoteFunction[..., Any], squares: Squares
) -> None:
    squares.held = {0, 1}

    def inputs() -> Iterator[int]:
        yield from (0, 1)
        eventually(lambda: squares.under_way == 2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(square.map(inputs()))
    eventually(lambda: squares.given_up == 2)


def test_an_input_that_can_not_be_sent_is_the_error_of_one_result(square: RemoteFunction[..., Any]) -> None:
    values = list(square.map([1, threading.Lock(), 2], return_exceptions=True))
    assert [values[0], values[2]] == [1, 4]
    assert "can't be sent" in str(values[1])


def test_two_maps_go_on_at_once(square: RemoteFunction[..., Any]) -> None:
    both = zip(square.map(range(20)), square.map(range(20), ordered=True, concurrency=2), strict=True)
    assert [a - b for a, b in both] == [0] * 20


def test_a_map_of_a_closed_client_says_so(squares: Squares) -> None:
    with ScriptedServer(squares) as server:
        client = Client(server.url, "rf_x")
        results = iter(rayfaas.get("square").with_options(client=client).map(range(100), concurrency=2))
        next(results)
        client.close()
        with pytest.raises(RuntimeError, match="closed"):
            list(results)

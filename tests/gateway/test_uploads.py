"""Large bodies on their way in: no faster than the executor takes them, and every way in which they can break off."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rayfaas.config import Limits
from rayfaas.errors import FunctionError
from rayfaas.gateway import invoke
from rayfaas.pieces import LARGE
from tests.gateway.asgi import Exchange
from tests.gateway.executor import FakeExecutor, ReceivedCall
from tests.gateway.small import SmallGateway
from tests.gateway.sockets import Client, post, served
from tests.waiting import eventually

PIECES = [bytes([65 + number]) * (LARGE // 4) for number in range(8)]
BODY = b"".join(PIECES)


async def slow_executor(gateway: SmallGateway, concurrency: int = 1) -> FakeExecutor:
    """One whose test asks for bodies."""
    executor = await gateway.executor(concurrency=concurrency)
    executor.collects = False
    return executor


def upload(gateway: SmallGateway, whole: bool = True, headers: dict[str, str] | None = None) -> Exchange:
    return gateway.request(
        "POST", "/call/embed", PIECES, headers={"Content-Length": str(len(BODY))} | (headers or {}), whole=whole
    )


async def begun(gateway: SmallGateway, executor: FakeExecutor, whole: bool = True) -> tuple[Exchange, ReceivedCall]:
    """An upload of which two pieces have arrived."""
    exchange = upload(gateway, whole)
    call = await executor.call()
    call.takes(2)
    await eventually(lambda: len(call.body) == 2 * len(PIECES[0]))
    return exchange, call


@pytest.mark.parametrize("headers", [{"Content-Length": str(len(BODY))}, {}], ids=["told", "chunked"])
async def test_a_large_body_arrives_as_it_was_sent(gateway: SmallGateway, headers: dict[str, str]) -> None:
    executor = await slow_executor(gateway)
    exchange = gateway.request("POST", "/call/embed", PIECES, headers=headers)
    call = await executor.call()
    call.takes(len(PIECES))
    assert await call.whole() == BODY
    call.returns("done")
    answer = await exchange.answer()
    assert (answer.status, answer.json()) == (200, "done")


async def test_no_more_is_read_from_the_client_than_the_executor_asks_for(gateway: SmallGateway) -> None:
    executor = await slow_executor(gateway)
    exchange, call = await begun(gateway, executor)
    assert len(exchange.unsent) == len(PIECES) - 2
    call.takes(3)
    await eventually(lambda: len(call.body) == 5 * len(PIECES[0]))
    assert len(exchange.unsent) == len(PIECES) - 5
    call.returns(1)
    await exchange.answer()


async def test_how_long_it_is_is_recorded(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    await upload(gateway).answer()
    assert [start.bytes_in for start in gateway.starts()] == [len(BODY)]


async def test_an_answer_may_come_before_the_body_is_whole(gateway: SmallGateway) -> None:
    executor = await slow_executor(gateway)
    exchange, call = await begun(gateway, executor)
    call.returns("enough")
    assert (await exchange.answer()).json() == "enough"


async def test_a_function_that_fails_while_it_reads_is_answered_for(gateway: SmallGateway) -> None:
    executor = await slow_executor(gateway)
    exchange, call = await begun(gateway, executor)
    call.fails(FunctionError("ValueError: no PNG"))
    assert (await exchange.answer()).code == "function_error"


async def test_items_may_go_out_while_the_body_comes_in(gateway: SmallGateway) -> None:
    executor = await slow_executor(gateway)
    exchange, call = await begun(gateway, executor)
    call.gives(b"first")
    assert await exchange.piece() == b"first"
    call.takes(6)
    assert await call.whole() == BODY
    call.gave(b"last", items=2)
    assert (await exchange.answer()).body == b"firstlast"


# How it can break off


async def test_a_client_that_leaves_half_way_has_its_call_cancelled(gateway: SmallGateway) -> None:
    executor = await slow_executor(gateway)
    exchange, call = await begun(gateway, executor, whole=False)
    call.takes(10)
    await eventually(lambda: call.body == BODY)
    await exchange.left()
    await eventually(lambda: call.cancelled)
    assert [(end.state, end.code) for end in gateway.ends()] == [("CANCELLED", "cancelled")]
    assert not gateway.recording.in_flight


async def test_a_connection_that_breaks_while_nothing_is_read_cancels_the_call(gateway: SmallGateway) -> None:
    executor = await slow_executor(gateway)
    async with served(gateway.app, gateway.direct) as port:
        client = await Client.connect(port)
        await client.send(post("/call/embed", BODY[: LARGE // 2], "Authorization: Bearer ivan", length=len(BODY)))
        call = await executor.call()
        call.takes(20)
        await eventually(lambda: call.body)
        await client.reset()
        await eventually(lambda: call.cancelled)
    assert [end.state for end in gateway.ends()] == ["CANCELLED"]


async def test_a_cancelled_call_is_answered_and_reads_no_more(gateway: SmallGateway) -> None:
    executor = await slow_executor(gateway)
    exchange, call = await begun(gateway, executor)
    assert gateway.in_flight.cancel(call.header.call_id)
    assert (await exchange.answer()).code == "cancelled"
    await eventually(lambda: call.cancelled == "cancelled")
    assert len(exchange.unsent) == len(PIECES) - 2


async def test_a_body_that_takes_too_long_is_a_timeout_that_says_so(gateway: SmallGateway) -> None:
    executor = await slow_executor(gateway)
    exchange = upload(gateway, headers={"Rayfaas-Timeout": "0.05"})
    call = await executor.call()
    answer = await exchange.answer()
    assert (answer.status, answer.code) == (504, "timeout")
    assert "did not get the whole body" in answer.json()["detail"]
    await eventually(lambda: call.cancelled == "timeout")


async def test_a_body_that_turns_out_too_long_ends_its_call(run_dir: Path) -> None:
    async with SmallGateway(run_dir, Limits(max_body=5 * len(PIECES[0]))) as gateway:
        executor = await slow_executor(gateway)
        exchange = gateway.request("POST", "/call/embed", [*PIECES[:5], *PIECES])
        call = await executor.call()
        call.takes(20)
        answer = await exchange.answer()
        assert (answer.status, answer.code) == (413, "body_too_large")
        assert "--max-body-mb" in answer.json()["detail"]
        await eventually(lambda: call.cancelled)


async def test_one_that_says_that_it_is_too_long_is_refused_unread(run_dir: Path) -> None:
    async with SmallGateway(run_dir, Limits(max_body=2 * LARGE - 1)) as gateway:
        exchange = upload(gateway)
        assert (await exchange.answer()).code == "body_too_large"
        assert len(exchange.unsent) == len(PIECES)
        assert gateway.records() == []


# Executors that go


async def test_a_body_that_waited_for_its_turn_goes_to_another_executor(gateway: SmallGateway) -> None:
    first = await slow_executor(gateway)
    gateway.call(b"1")
    await first.call()
    exchange = upload(gateway)
    second = await gateway.executor()
    second.answers(lambda call: call.returns(len(call.body)))
    await first.die()
    assert (await exchange.answer()).json() == len(BODY)


async def test_a_body_of_which_something_was_sent_fails_with_its_executor(gateway: SmallGateway) -> None:
    executor = await slow_executor(gateway, concurrency=1)
    exchange, _ = await begun(gateway, executor)
    spare = await gateway.executor()
    await executor.die()
    assert (await exchange.answer()).code == "node_lost"
    assert spare.received == []


async def test_calls_of_which_something_was_sent_fail_even_behind_others(gateway: SmallGateway) -> None:
    executor = await slow_executor(gateway, concurrency=2)
    held = [gateway.call(b"1"), upload(gateway)]
    calls = [await executor.call(), await executor.call()]
    calls[1].takes(1)
    await eventually(lambda: calls[1].body)
    gateway_end = next(iter(gateway.dispatcher.pool("nlp/embed:1").executors))
    gateway_end.concurrency = 1
    await executor.die()
    assert [(await each.answer()).code for each in held] == ["node_lost", "node_lost"]


async def test_no_call_is_sent_ahead_to_an_executor_that_is_fed(gateway: SmallGateway) -> None:
    executor = await slow_executor(gateway)
    quick = gateway.call(b"1")
    (await executor.call()).returns(1, run_us=1)
    await quick.answer()
    exchange, call = await begun(gateway, executor)
    waiting = gateway.call(b"2")
    await eventually(lambda: gateway.dispatcher.pool("nlp/embed:1").waiting_count)
    call.returns(1)
    await exchange.answer()
    (await executor.call()).returns(2)
    assert (await waiting.answer()).json() == 2


# Calls whose bodies are held


@pytest.mark.parametrize("header", ["respond-async", "validate-only"])
async def test_a_call_that_is_kept_or_checked_has_a_limit_of_its_own(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    monkeypatch.setattr(invoke, "MAX_BODY", LARGE)
    answer = await upload(gateway, headers={"Prefer": header}).answer()
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert "call it and wait for its answer" in answer.json()["detail"]


async def test_a_large_call_that_is_kept_is_run_with_its_body(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(len(call.body)))
    answer = await upload(gateway, headers={"Idempotency-Key": "one"}).answer()
    assert answer.json() == len(BODY)


async def test_two_large_bodies_hold_up_no_small_calls(gateway: SmallGateway) -> None:
    executor = await slow_executor(gateway, concurrency=10)
    large = [await begun(gateway, executor) for _ in range(2)]
    executor.answers(lambda call: call.returns("small") if call.is_whole else None)
    answers = await asyncio.gather(*(gateway.call(b"1").answer() for _ in range(1_000)))
    assert {answer.body for answer in answers} == {b'"small"'}
    for exchange, call in large:
        call.takes(6)
        assert await call.whole() == BODY
        call.returns("large")
        assert (await exchange.answer()).json() == "large"

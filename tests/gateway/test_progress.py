"""Who listens hears what a parked call waits for, before its result or items; nobody else notices."""

from __future__ import annotations

import json

from rayfaas.errors import FunctionError, NoCapacity
from tests.gateway.asgi import Exchange
from tests.gateway.small import SmallGateway
from tests.gateway.test_streams import events
from tests.waiting import eventually

NDJSON, SSE = "application/x-ndjson", "text/event-stream"
KEY = "nlp/embed:1"


async def parked(gateway: SmallGateway, **headers: str) -> Exchange:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    exchange = gateway.request("POST", "/call/embed", b"1", headers=named)
    await eventually(lambda: gateway.controller.demanded)
    return exchange


async def told(gateway: SmallGateway, event: str, awaits: str = "") -> None:
    gateway.controller.link.notify("progress", key=KEY, event=event, awaits=awaits)
    await eventually(lambda: gateway.link.progress.of(KEY) == ((event, awaits) if event else None))


async def test_each_stage_is_an_event_before_the_result(gateway: SmallGateway) -> None:
    exchange = await parked(gateway, Accept=SSE)
    await told(gateway, "node_starting", "gpu-1: 1 GPU waits for room")
    assert (await exchange.piece()).startswith(b"event: node_starting\ndata: {")
    await told(gateway, "node_running", "waiting for a replica with 1 GPU")
    assert b"node_running" in await exchange.piece()
    executor = await gateway.executor()
    (await executor.call()).returns(7)
    answer = await exchange.answer()
    assert (answer.status, answer.headers["content-type"], answer.headers["rayfaas-cold"]) == (200, SSE, "1")
    first, second, item, done = events(answer)
    assert [first[0], second[0], item, done[0]] == ["node_starting", "node_running", ("", 7), "done"]
    data = first[1]
    assert isinstance(data, dict)
    assert (data["event"], data["awaits"]) == ("node_starting", "gpu-1: 1 GPU waits for room")
    assert (data["call"], data["since_s"] >= 0) == (answer.headers["rayfaas-call-id"], True)


async def test_a_stage_that_was_told_before_is_heard_at_once(gateway: SmallGateway) -> None:
    await told(gateway, "executor", "its process")
    exchange = await parked(gateway, Accept=SSE)
    assert b"event: executor" in await exchange.piece()
    await exchange.left()


async def test_lines_tell_of_it_where_they_are_asked_to(gateway: SmallGateway) -> None:
    asked = await parked(gateway, Accept=NDJSON, Rayfaas_Progress="1")
    silent = gateway.call(Accept=NDJSON)
    plain = gateway.call()
    await eventually(lambda: len(gateway.starts()) == 3)
    await told(gateway, "environment", "its packages")
    assert json.loads(await asked.piece())["progress"]["event"] == "environment"
    executor = await gateway.executor(concurrency=3)
    for _ in range(3):
        (await executor.call()).returns(7)
    answers = [await exchange.answer() for exchange in (asked, silent, plain)]
    assert [len(answers[0].lines()), len(answers[1].lines()), answers[2].json()] == [3, 2, 7]


async def test_an_error_after_that_is_the_last_event(gateway: SmallGateway) -> None:
    exchange = await parked(gateway, Accept=SSE)
    await told(gateway, "node_starting")
    await exchange.piece()
    gateway.dispatcher.refuse_waiting(KEY, NoCapacity("no room"))
    answer = await exchange.answer()
    (_, (name, problem)) = events(answer)
    assert isinstance(problem, dict)
    assert (answer.status, name, problem["code"]) == (200, "error", "no_capacity")
    assert gateway.ends()[0].state == "REJECTED"


async def test_an_exception_after_that_is_the_last_event(gateway: SmallGateway) -> None:
    exchange = await parked(gateway, Accept=SSE)
    await told(gateway, "executor")
    await exchange.piece()
    (await (await gateway.executor()).call()).fails(FunctionError("ValueError: boom"))
    (_, (name, problem)) = events(await exchange.answer())
    assert isinstance(problem, dict)
    assert (name, problem["code"]) == ("error", "function_error")


async def test_an_error_before_any_event_has_its_own_status(gateway: SmallGateway) -> None:
    exchange = await parked(gateway, Accept=SSE)
    gateway.dispatcher.refuse_waiting(KEY, NoCapacity("no room"))
    assert (await exchange.answer()).status == 503


async def test_who_leaves_while_it_waits_cancels_the_call(gateway: SmallGateway) -> None:
    exchange = await parked(gateway, Accept=SSE)
    await told(gateway, "node_starting")
    await exchange.piece()
    await exchange.left()
    assert gateway.ends()[0].state == "CANCELLED"
    assert gateway.dispatcher.pool(KEY).waiting_count == 0


async def test_a_stage_that_is_over_is_forgotten_with_who_told_of_it(gateway: SmallGateway) -> None:
    await told(gateway, "executor")
    await told(gateway, "")
    await told(gateway, "executor")
    gateway.controller.link.abort()
    await eventually(lambda: gateway.link.progress.of(KEY) is None)


async def test_a_call_that_is_not_parked_hears_nothing(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    await told(gateway, "executor")
    exchange = gateway.call(Accept=SSE)
    (await executor.call()).returns(1)
    assert [name for name, _ in events(await exchange.answer())] == ["", "done"]

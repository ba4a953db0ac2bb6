"""Many inputs in one request: a call for each, answers in their order, no more of them at once than is read."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from rayfaas.config import Limits
from rayfaas.errors import FunctionError
from rayfaas.gateway.inputs import AT_ONCE
from rayfaas.wire import JSON, NDJSON
from tests.gateway.asgi import Exchange
from tests.gateway.executor import ReceivedCall
from tests.gateway.small import SmallGateway
from tests.waiting import eventually


def lines(gateway: SmallGateway, *pieces: bytes, **headers: str) -> Exchange:
    named = {"Content-Type": NDJSON} | {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.request("POST", "/call/embed", pieces, "ivan", named)


def doubled(call: ReceivedCall) -> None:
    value = json.loads(call.body)
    if value == "bad":
        call.fails(FunctionError("ValueError: bad", exception="ValueError", message="bad", traceback=""))
    else:
        call.returns(value * 2)


async def test_each_line_is_a_call_and_answers_come_in_their_order(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=4)
    exchange = lines(gateway, b"1\n2\n", b"\n  \n", b"3\n4")
    first, second, third, fourth = [await executor.call() for _ in range(4)]
    for call in (fourth, second, third):
        call.returns(json.loads(call.body) * 10)
    first.returns([{"x": 1}])
    answer = await exchange.answer()
    assert answer.headers["content-type"] == NDJSON
    assert answer.lines() == [
        {"index": 0, "result": [{"x": 1}]},
        {"index": 1, "result": 20},
        {"index": 2, "result": 30},
        {"index": 3, "result": 40},
    ]
    request = answer.headers["rayfaas-call-id"]
    assert {(call.header.parent_id, call.header.root_id) for call in (first, second)} == {(request, request)}
    assert {(call.header.content_type, call.header.accept) for call in (first, second)} == {(JSON, JSON)}
    assert [(start.parent, start.bytes_in) for start in gateway.starts()] == [(request, 1)] * 4
    assert [end.state for end in gateway.ends()] == ["SUCCEEDED"] * 4
    assert not gateway.recording.in_flight


async def test_an_error_is_its_lines_alone(gateway: SmallGateway) -> None:
    (await gateway.executor(concurrency=2)).answers(doubled)
    first, second, third = (await lines(gateway, b'1\n"bad"\n2\n').answer()).lines()
    assert (first, third) == ({"index": 0, "result": 2}, {"index": 2, "result": 4})
    assert (second["index"], second["error"]["code"]) == (1, "function_error")
    assert second["error"]["call"] == gateway.starts()[1].call
    assert [end.state for end in gateway.ends()] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]


async def test_a_generators_items_are_one_result(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = lines(gateway, b"1")
    call = await executor.call()
    call.yields(1, 2)
    call.ends(2)
    assert (await exchange.answer()).lines() == [{"index": 0, "result": [1, 2]}]


async def test_no_lines_are_no_calls(gateway: SmallGateway) -> None:
    answer = await lines(gateway, b"").answer()
    assert (answer.status, answer.body, gateway.starts()) == (200, b"", [])


async def test_a_client_that_does_not_read_is_not_read_from(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=1000)
    executor.answers(doubled)
    exchange = lines(gateway, *(b"%d\n" % n for n in range(500)))
    exchange.reads.clear()
    await eventually(lambda: len(executor.received) >= AT_ONCE)
    await gateway.ask("GET", "/healthz")
    assert len(executor.received) <= AT_ONCE + 2
    exchange.reads.set()
    assert [line["result"] for line in (await exchange.answer()).lines()] == [2 * n for n in range(500)]


async def test_a_slow_call_holds_up_what_is_begun_after_it(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=1000)
    exchange = lines(gateway, *(b"%d\n" % n for n in range(200)))
    slow = await executor.call()
    executor.answers(doubled)
    await eventually(lambda: len(executor.received) >= AT_ONCE)
    await gateway.ask("GET", "/healthz")
    assert len(executor.received) <= AT_ONCE + 2
    slow.returns("late")
    answer = (await exchange.answer()).lines()
    assert (answer[0]["result"], len(answer)) == ("late", 200)


async def test_who_leaves_has_all_calls_cancelled(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=2)
    exchange = lines(gateway, b"1\n2\n3\n4\n")
    calls = [await executor.call() for _ in range(2)]
    await exchange.left()
    await eventually(lambda: all(call.cancelled == "cancelled" for call in calls))
    assert {end.state for end in gateway.ends()} == {"CANCELLED"}
    assert len(gateway.ends()) == len(gateway.starts()) == 4
    assert not gateway.recording.in_flight
    for call in calls:
        call.returns("too late")
    executor.answers(doubled)
    assert (await gateway.call(b"5").answer()).json() == 10


async def test_who_leaves_before_the_body_is_whole_has_all_calls_cancelled(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.request("POST", "/call/embed", [b"1\n2"], headers={"Content-Type": NDJSON}, whole=False)
    await executor.call()
    await exchange.left()
    assert [end.state for end in gateway.ends()] == ["CANCELLED"]


async def test_a_line_that_is_too_long_ends_the_request_with_an_error(run_dir: Any) -> None:
    async with SmallGateway(run_dir, Limits(max_body=20)) as gateway:
        (await gateway.executor()).answers(doubled)
        answer = await lines(gateway, b"1\n", b"x" * 15, b"x" * 15, b"\n2\n").answer()
        first, second = answer.lines()
        assert first == {"index": 0, "result": 2}
        assert (second["index"], second["error"]["code"]) == (1, "body_too_large")


async def test_each_call_has_a_timeout_of_its_own(gateway: SmallGateway) -> None:
    await gateway.executor()
    answer = await lines(gateway, b"1\n2\n", Rayfaas_Timeout="0.05").answer()
    assert [line["error"]["code"] for line in answer.lines()] == ["timeout", "timeout"]
    assert [line["error"]["call"] for line in answer.lines()] == [start.call for start in gateway.starts()]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Idempotency_Key": "k"}, 400),
        ({"Prefer": "respond-async"}, 400),
        ({"Accept": "text/html"}, 406),
    ],
)
async def test_what_can_not_be_is_refused_before_anything_runs(
    gateway: SmallGateway, headers: dict[str, str], status: int
) -> None:
    assert (await lines(gateway, b"1\n", **headers).answer()).status == status
    assert gateway.starts() == []


async def test_a_bad_timeout_is_each_lines_error(gateway: SmallGateway) -> None:
    answer = await lines(gateway, b"1\n2", Rayfaas_Timeout="soon").answer()
    assert [line["error"]["code"] for line in answer.lines()] == ["bad_request"] * 2


async def test_a_thousand_lines_in_one_piece(gateway: SmallGateway) -> None:
    (await gateway.executor(concurrency=8)).answers(doubled)
    answer = await lines(gateway, b"".join(b"%d\n" % n for n in range(1000))).answer()
    assert [line["index"] for line in answer.lines()] == list(range(1000))
    assert len(gateway.ends()) == 1000
    assert len(asyncio.all_tasks()) < 50

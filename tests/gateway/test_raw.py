"""Large results on their way out: in their own type, no faster than the client takes them, cut off where they break."""

from __future__ import annotations

import asyncio

import pytest

from rayfaas.errors import BodyTooLarge, FunctionError
from rayfaas.gateway import outcome
from rayfaas.gateway.pending import CREDIT
from rayfaas.wire import JSON, OCTETS
from tests.gateway.small import SmallGateway
from tests.waiting import eventually


async def test_a_result_in_pieces_comes_as_one_body_with_its_length(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    call.gives(b"[1,", b"2,", content_type=JSON, length=7)
    call.gave(b"3]")
    answer = await exchange.answer()
    assert (answer.status, answer.json()) == (200, [1, 2, 3])
    assert (answer.headers["content-type"], answer.headers["content-length"]) == (JSON, "7")
    assert answer.headers["rayfaas-call-id"] == call.header.call_id
    assert [(end.state, end.bytes_out) for end in gateway.ends()] == [("SUCCEEDED", 7)]


async def test_its_end_is_recorded_before_its_last_byte(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    call.gives(b"one")
    assert await exchange.piece() == b"one"
    assert gateway.ends() == []
    exchange.reads.clear()
    call.gave(b"two", items=2)
    await eventually(lambda: gateway.ends())
    assert gateway.ends()[0].items == 2
    exchange.reads.set()
    assert (await exchange.answer()).body == b"onetwo"


async def test_a_client_that_does_not_read_stops_the_executor(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    exchange.reads.clear()
    call = await executor.call()
    call.gives(*[b"x"] * CREDIT)
    await eventually(lambda: exchange.has_answer)
    assert call.credit == CREDIT
    exchange.reads.set()
    await eventually(lambda: call.credit == 2 * CREDIT)
    call.gave()
    assert (await exchange.answer()).body == b"x" * CREDIT


async def test_a_client_that_leaves_has_its_call_cancelled(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    call.gives(b"one")
    await exchange.piece()
    await exchange.left()
    await eventually(lambda: call.cancelled)
    assert [end.state for end in gateway.ends()] == ["CANCELLED"]


@pytest.mark.parametrize("how", ["fails", "dies", "is late"])
async def test_one_that_breaks_is_cut_off(gateway: SmallGateway, how: str) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(Rayfaas_Timeout="0.1" if how == "is late" else "20")
    call = await executor.call()
    call.gives(b"one", length=100)
    if how == "fails":
        call.fails(FunctionError("ValueError"))
    elif how == "dies":
        await executor.die()
    await asyncio.wait_for(exchange.task, 20)
    with pytest.raises(AssertionError, match="no end"):
        await exchange.answer()
    code = {"fails": "function_error", "dies": "node_lost", "is late": "timeout"}[how]
    assert [end.code for end in gateway.ends()] == [code]


async def test_a_type_that_would_break_out_of_its_header_is_not_passed_on(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    (await executor.call()).gives(b"one", content_type="text/plain\r\nx: y")
    with pytest.raises(ValueError, match="is not a Content-Type"):
        await exchange.task


# Where it is one line of a stream


async def test_in_a_stream_it_is_one_item_and_lines_of_the_log_stand_after_it(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(Accept="application/x-ndjson", Rayfaas_Logs="1")
    call = await executor.call()
    call.gives(b"[1,", b"2,", content_type=JSON, length=7)
    call.prints("late")
    call.gave(b"3]")
    item, log, done = (await exchange.answer()).lines()
    assert (item, log["log"]["text"], done["done"]["single"]) == ({"item": [1, 2, 3]}, "late", True)


async def test_as_an_event_it_is_one_too(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(Accept="text/event-stream")
    call = await executor.call()
    call.gives(b"[1,", content_type=JSON)
    call.gave(b"2]")
    assert (await exchange.answer()).body.startswith(b"data: [1,2]\n\nevent: done\n")


# Where it is kept


async def test_a_kept_result_is_put_together(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(Idempotency_Key="one")
    call = await executor.call()
    call.gives(b"\xff", b"\xfe")
    call.gave(b"\xfd", items=3)
    answer = await exchange.answer()
    assert (answer.headers["content-type"], answer.body) == (OCTETS, b"\xff\xfe\xfd")


async def test_one_that_is_too_large_to_be_kept_ends_its_call(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "MAX_BODY", 5)
    executor = await gateway.executor()
    exchange = gateway.call(Idempotency_Key="one")
    call = await executor.call()
    call.gives(b"abc", b"def")
    answer = await exchange.answer()
    assert (answer.status, answer.code) == (413, BodyTooLarge.code)
    await eventually(lambda: call.cancelled)

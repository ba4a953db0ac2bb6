"""A call has one answer: its first message, then the rest of a stream in order, then one end."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from rayfaas.envelope import CallHeader, LogHeader, ResultHeader
from rayfaas.errors import CallCancelled, CallTimeout
from rayfaas.frames import Kind, Message
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.route import Route
from rayfaas.gateway.snapshot import VersionRoute

ROUTE = Route("nlp/embed:1", "nlp/embed", "nlp", VersionRoute(1, "c", "s", "e", "shape", 0.0, 30.0, 1), "live", 1)


def pending(wants_logs: bool = False, logs: list[bytes] | None = None) -> PendingCall:
    heard = logs if logs is not None else []
    call = PendingCall(
        ROUTE, "call", "root", "parent", "ann", "nlp", "application/json", b"1", 5.0,
        lambda call, message: heard.append(message.body),
    )  # fmt: skip
    call.wants_logs = wants_logs
    return call


def item(body: bytes) -> Message:
    return Message(Kind.ITEM, 1, b"", body)


def log(body: bytes) -> Message:
    return Message(Kind.LOG, 1, msgspec.msgpack.encode(LogHeader(0, "stdout")), body)


def result(call: PendingCall) -> Message:
    call.ended = ResultHeader("", 1, 1, 1, 0, 2)
    return Message(Kind.RESULT, 1, b"", b"")


async def bodies(call: PendingCall, count: int) -> list[Any]:
    return [(await call.next_item()).body for _ in range(count)]


async def test_its_header_tells_the_executor_all_that_it_needs() -> None:
    call = pending()
    header = msgspec.msgpack.decode(call.header(), type=CallHeader)
    assert header == CallHeader("call", "root", "parent", "application/json", "ann", "nlp", call.deadline, 64)
    assert call.deadline == pytest.approx(call.accepted_ns / 1e9 + 5.0)


async def test_items_come_in_the_order_in_which_they_were_heard() -> None:
    call = pending()
    for body in (b"1", b"2", b"3"):
        call.hear(item(body))
    call.hear(result(call))
    assert (await call.answer()).body == b"1"
    assert await bodies(call, 2) == [b"2", b"3"]
    assert (await call.next_item()).kind == Kind.RESULT


async def test_who_waits_for_an_item_is_woken_by_it() -> None:
    call = pending()
    call.hear(item(b"1"))
    waiting = asyncio.ensure_future(call.next_item())
    await asyncio.wait([waiting], timeout=0)
    call.hear(item(b"2"))
    assert (await waiting).body == b"2"


async def test_logs_are_kept_whether_or_not_the_caller_wants_them() -> None:
    kept: list[bytes] = []
    call = pending(logs=kept)
    call.hear(log(b"hello"))
    assert kept == [b"hello"]
    assert not call.first.done()
    wanting = pending(wants_logs=True, logs=kept)
    wanting.hear(log(b"again"))
    assert kept == [b"hello", b"again"]
    assert (await wanting.answer()).body == b"again"


async def test_a_failure_before_the_answer_is_the_answer() -> None:
    call = pending()
    call.fail(CallTimeout("too late"))
    call.fail(CallCancelled("no: this one came second"))
    with pytest.raises(CallTimeout, match="too late"):
        await call.answer()


async def test_a_failure_in_a_stream_comes_after_the_items_before_it() -> None:
    call = pending()
    for body in (b"1", b"2"):
        call.hear(item(body))
    call.fail(CallTimeout())
    await call.answer()
    assert (await call.next_item()).body == b"2"
    assert call.next_ready() is None
    with pytest.raises(CallTimeout):
        await call.next_item()


async def test_a_failure_after_the_end_changes_nothing() -> None:
    call = pending()
    call.hear(item(b"1"))
    call.hear(result(call))
    call.fail(CallCancelled())
    assert (await call.next_item()).kind == Kind.RESULT
    assert not call.items


async def test_a_second_answer_does_not_replace_the_first() -> None:
    call = pending()
    call.hear(Message(Kind.RESULT, 1, b"", b"first"))
    call.hear(Message(Kind.RESULT, 1, b"", b"second"))
    assert (await call.answer()).body == b"first"


async def test_what_is_here_already_needs_no_waiting() -> None:
    call = pending()
    call.hear(item(b"1"))
    assert call.next_ready() is None
    call.hear(item(b"2"))
    ready = call.next_ready()
    assert ready is not None
    assert ready.body == b"2"


async def test_what_it_may_call_with_is_its_own_name_and_deadline() -> None:
    call = pending()
    claims = call.claims()
    assert (claims.call, claims.root, claims.principal, claims.team) == ("call", "root", "ann", "nlp")
    assert claims.deadline == call.deadline

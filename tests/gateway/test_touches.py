"""What an executor tells of artifacts is recorded as its own version's, however long the call has ended; and of
arguments, while it has the call."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rayfaas.envelope import ArgumentsHeader
from rayfaas.frames import Kind
from rayfaas.gateway.touches import MOST_ARGUMENTS
from rayfaas.records import Recorded, Touched
from rayfaas.touches import Touch, TouchedHeader, encode_touches
from tests.gateway.executor import FakeExecutor
from tests.gateway.small import SmallGateway
from tests.waiting import eventually

CALL = "01890a5d-ac96-774b-bcce-b302099a8057"
TOUCH = Touch("write", "s3://b/k", "boto3", "v1", 3, ("a",), False)


def tell(executor: FakeExecutor, call: str | None, *touches: Any) -> None:
    executor.send(Kind.TOUCHED, 0, msgspec.msgpack.encode(TouchedHeader(call, 5)), encode_touches(touches))


async def test_they_are_recorded_with_the_version_that_was_proved(gateway: SmallGateway) -> None:
    executor = await gateway.executor(2)
    tell(executor, CALL, TOUCH)
    tell(executor, None, Touch("read", "file:///model", "open"))
    wrote, began = await eventually(lambda: gateway.touched() if len(gateway.touched()) == 2 else [])
    me = executor.ready_header.executor
    assert wrote == Touched(
        "nlp/embed", 2, me, 5, "write", "s3://b/k", "boto3", CALL, "v1", 3, ("a",), False
    )  # fmt: skip
    assert (began.call, began.uri, began.executor) == (None, "file:///model", me)


async def test_one_that_is_not_understood_is_hung_up_on(gateway: SmallGateway) -> None:
    bad: list[tuple[str | None, Any]] = [
        ("no id", TOUCH),
        (CALL, Touch("write", "", "open")),
        (CALL, Touch("write", "x" * 5000, "open")),
        (CALL, Touch("write", "x", "open", bytes=-1)),
        (CALL, ["erase", "x", "open"]),
    ]
    for call, touch in bad:
        executor = await gateway.executor()
        tell(executor, call, touch)
        await executor.closed
    assert gateway.touched() == []


async def test_before_it_is_ready_an_executor_has_no_calls(gateway: SmallGateway) -> None:
    executor = await gateway.dial(gateway.identity())
    tell(executor, CALL, TOUCH)
    executor.is_ready()
    await executor.drain()
    assert gateway.touched() == []


def tell_arguments(executor: FakeExecutor, number: int, body: bytes) -> None:
    executor.send(Kind.ARGUMENTS, number, msgspec.msgpack.encode(ArgumentsHeader(True, False)), body)


async def test_arguments_are_recorded_of_the_call_that_they_were_sent_for(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    tell_arguments(executor, call.number, b'{"x":1}')
    tell_arguments(executor, call.number + 1, b'{"of": "no call"}')
    call.returns(1)
    await exchange.answer()
    (recorded,) = [record for record in gateway.records() if isinstance(record, Recorded)]
    assert (recorded.call, recorded.arguments, recorded.is_whole) == (call.header.call_id, '{"x":1}', True)


@pytest.mark.parametrize("body", [b"[1]", b"{", b'{"x":"\xff"}', b'{"x":"' + b"y" * MOST_ARGUMENTS + b'"}'])
async def test_one_that_tells_of_what_are_no_arguments_is_hung_up_on(gateway: SmallGateway, body: bytes) -> None:
    executor = await gateway.executor()
    gateway.call()
    call = await executor.call()
    tell_arguments(executor, call.number, body)
    await executor.closed
    assert not [record for record in gateway.records() if isinstance(record, Recorded)]

"""What an executor tells of artifacts is recorded as its own version's, however long the call has ended."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.frames import Kind
from rayfaas.records import Touched
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

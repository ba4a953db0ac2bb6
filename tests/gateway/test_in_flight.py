"""What is under way is cancelled with what came of it, but what was spawned, and is typed to where it is debugged."""

from __future__ import annotations

from tests.gateway.small import SmallGateway
from tests.waiting import eventually


async def test_a_cancelled_call_takes_those_below_it_along(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=4)
    outer = gateway.call(b"outer")
    first = await executor.call()
    inner = gateway.call(b"inner", who=(await first.access()).token)
    second = await executor.call()
    innermost = gateway.call(b"innermost", who=(await second.access()).token)
    third = await executor.call()
    other = gateway.call(b"other")
    fourth = await executor.call()
    assert gateway.in_flight.cancel(first.header.call_id)
    assert [(await each.answer()).code for each in (outer, inner, innermost)] == ["cancelled"] * 3
    await eventually(lambda: [call.cancelled for call in (first, second, third)] == ["cancelled"] * 3)
    fourth.returns("untouched")
    assert (await other.answer()).json() == "untouched"


async def test_there_is_nothing_to_cancel_once_a_call_has_ended(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    answer = await gateway.call().answer()
    assert not gateway.in_flight.cancel(answer.headers["rayfaas-call-id"])
    assert not gateway.in_flight.cancel("never-was")


async def test_what_a_cancelled_call_has_spawned_goes_on(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=3)
    outer = gateway.call(b"outer")
    first = await executor.call()
    token = (await first.access()).token
    accepted = await gateway.call(b"spawned", who=token, Prefer="respond-async").answer()
    second = await executor.call()
    assert gateway.in_flight.cancel(first.header.call_id)
    assert (await outer.answer()).code == "cancelled"
    second.returns("done all the same")
    await eventually(lambda: [end.call for end in gateway.settled()] == [accepted.json()["call"]])
    assert (second.cancelled, gateway.settled()[0].state) == (None, "SUCCEEDED")


async def test_who_waits_when_the_gateway_ends_is_told_so_and_what_was_spawned_is_left_for_the_next(
    gateway: SmallGateway,
) -> None:
    executor = await gateway.executor(concurrency=2)
    await gateway.call(b"spawned", Prefer="respond-async").answer()
    spawned = await executor.call()
    runs = gateway.call(b"runs")
    running = await executor.call()
    waits = gateway.call(b"waits")
    await eventually(lambda: len(gateway.starts()) == 3)
    gateway.in_flight.end_all()
    interrupted, refused = await runs.answer(), await waits.answer()
    assert (interrupted.status, interrupted.code, interrupted.json()["retryable"]) == (502, "interrupted", False)
    assert (refused.status, refused.code, refused.json()["retryable"]) == (503, "unavailable", True)
    await eventually(lambda: running.cancelled == "cancelled")
    assert (spawned.cancelled, gateway.settled()) == (None, [])


async def test_a_line_is_for_who_debugs(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=2)
    plain, debugged = (
        gateway.call(b"plain"),
        gateway.call(b"debugged", who="dora", Accept="application/x-ndjson", Rayfaas_Debug="1"),
    )
    calls = {call.body: call for call in [await executor.call(), await executor.call()]}
    assert not gateway.in_flight.type(calls[b"plain"].header.call_id, "next")
    assert gateway.in_flight.type(calls[b"debugged"].header.call_id, "next")
    await eventually(lambda: calls[b"debugged"].typed == ["next"])
    for call in calls.values():
        call.returns(1)
    assert [(await each.answer()).status for each in (plain, debugged)] == [200, 200]
    assert calls[b"plain"].typed == []

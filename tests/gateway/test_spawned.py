"""A call that was accepted with a 202 or has an idempotency key: kept first, run whatever happens, and once per key."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rayfaas.config import Limits
from rayfaas.errors import (
    BodyTooLarge,
    ExecutorDied,
    FunctionError,
    InvalidArguments,
    NoCapacity,
    RayfaasError,
    to_problem,
)
from rayfaas.gateway import invoke as invoke_module
from rayfaas.gateway import outcome as outcome_module
from rayfaas.gateway import spawned as spawned_module
from rayfaas.names import new_id
from rayfaas.records import Spawned
from tests.gateway.asgi import Answer, Exchange
from tests.gateway.controller import version_route
from tests.gateway.disk import full_disk
from tests.gateway.small import SmallGateway
from tests.gateway.test_invoke import call_token, parent
from tests.waiting import eventually

BOOM = FunctionError("OSError: boom", exception="OSError", message="boom")


def spawn(gateway: SmallGateway, body: bytes = b"1", target: str = "embed", **headers: str) -> Exchange:
    return gateway.call(body, target, Prefer="respond-async", **headers)


async def settled(gateway: SmallGateway, call_id: str) -> Any:
    """What is recorded of its outcome, once it is."""
    return await eventually(lambda: [each for each in gateway.settled() if each.call == call_id])


async def retrying(gateway: SmallGateway, retries: int, retry_on: tuple[str, ...] = ()) -> None:
    """Version 1 is tried again so often, with pauses that nobody notices."""
    version = version_route(1, retries=retries, retry_delay_s=0.001, retry_on=retry_on)
    await gateway.controller.set_function("nlp/embed", [version], {"live": (1, 5)})


def record_of(call_id: str, **others: Any) -> dict[str, Any]:
    """A spawned call as the controller hands it to a gateway."""
    record = Spawned(
        call_id, "root", "embed", "nlp/embed", 1, "otto", "vision", "gateway-0", 5, "application/json",
        base64.b64encode(b'"resumed"').decode(), 30.0, 0, 0.001,
    )  # fmt: skip
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain | others


# Accepted


async def test_a_spawned_call_is_accepted_at_once_and_says_where_to_ask_for_it(gateway: SmallGateway) -> None:
    answer = await spawn(gateway).answer()
    call_id = answer.json()["call"]
    assert answer.status == 202
    assert answer.json()["location"] == answer.headers["location"] == f"/calls/{call_id}"
    assert answer.headers["rayfaas-call-id"] == call_id
    assert answer.headers["preference-applied"] == "respond-async"


async def test_nothing_is_held_of_a_version_whose_spawned_calls_have_ended(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    for value in range(2):
        call_id = (await spawn(gateway).answer()).json()["call"]
        (await executor.call()).returns(value)
        await settled(gateway, call_id)
    assert (gateway.spawned._running, gateway.spawned._waiting) == ({}, {})


async def test_who_prefers_to_wait_has_the_result_where_it_comes_in_time(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(Prefer="wait=100")
    call = await executor.call()
    call.returns("at last")
    answer = await exchange.answer()
    assert (answer.status, answer.json(), answer.headers["preference-applied"]) == (200, "at last", "wait=100")
    assert [each.call for each in gateway.kept()] == [answer.headers["rayfaas-call-id"]]


@pytest.mark.parametrize("prefer", ["wait=0", "respond-async, wait=0", "respond-async;x=1, wait=0; y"])
async def test_who_has_waited_is_told_where_to_ask_and_the_call_goes_on(gateway: SmallGateway, prefer: str) -> None:
    executor = await gateway.executor()
    answer = await gateway.call(Prefer=prefer).answer()
    assert (answer.status, answer.headers["preference-applied"]) == (202, "respond-async, wait=0")
    (await executor.call()).returns("later")
    (end,) = await settled(gateway, answer.json()["call"])
    assert end.state == "SUCCEEDED"


@pytest.mark.parametrize("prefer", ["wait", "wait=", "wait=-1", "wait=1.5", "wait=soon", "wait=1, wait=2"])
async def test_a_wait_that_is_none_is_refused_and_nothing_is_kept(gateway: SmallGateway, prefer: str) -> None:
    answer = await gateway.call(Prefer=prefer).answer()
    assert (answer.status, answer.json()["code"]) == (400, "bad_request")
    assert "write wait=30" in answer.json()["detail"]
    assert gateway.records() == []


async def test_a_spawned_call_keeps_its_encodings(gateway: SmallGateway) -> None:
    await retrying(gateway, 1)
    encodings = {"Content_Type": "application/msgpack", "Accept": "application/msgpack"}
    call_id = (await spawn(gateway, b"\x01", **encodings).answer()).json()["call"]
    executor = await gateway.executor()
    call = await executor.call()
    assert (call.header.content_type, call.header.accept) == ("application/msgpack", "application/msgpack")
    call.fails(BOOM)
    again = await executor.call()
    assert (again.header.content_type, again.header.accept) == ("application/msgpack", "application/msgpack")
    again.returns(1)
    await settled(gateway, call_id)
    (kept,) = gateway.kept()
    assert (kept.content_type, kept.accept) == ("application/msgpack", "application/msgpack")


async def test_a_spawned_call_is_kept_whole_before_it_is_accepted(gateway: SmallGateway) -> None:
    body = bytes(range(256))
    headers = {"Content_Type": "application/json", "Rayfaas_Timeout": "7"}
    exchange = spawn(gateway, body, "nlp/embed@prod", who=call_token(parent()), **headers)
    exchange.reads.clear()
    await eventually(lambda: exchange.has_answer)
    (kept,) = gateway.kept()
    assert base64.b64decode(kept.body) == body
    assert (kept.target, kept.function, kept.version) == ("nlp/embed@prod", "nlp/embed", 2)
    assert (kept.principal, kept.team, kept.parent, kept.root) == ("ann", "nlp", "the-parent", "the-root")
    assert kept.content_type == "application/json"
    assert kept.timeout_s == pytest.approx(7.0)
    exchange.reads.set()
    assert (await exchange.answer()).json()["call"] == kept.call


async def test_a_spawned_call_runs_when_nobody_listens_any_more(gateway: SmallGateway) -> None:
    exchange = spawn(gateway, b'"x"')
    call_id = (await exchange.answer()).json()["call"]
    exchange.leave()
    executor = await gateway.executor()
    call = await executor.call()
    assert (call.body, call.header.call_id, call.header.principal) == (b'"x"', call_id, "ivan")
    call.returns({"y": 1})
    (outcome,) = await settled(gateway, call_id)
    assert (outcome.state, outcome.attempts, outcome.content_type) == ("SUCCEEDED", 1, "application/json")
    assert json.loads(base64.b64decode(outcome.body)) == {"y": 1}
    assert gateway.end_of(call_id).state == "SUCCEEDED"


async def test_a_generator_that_was_spawned_comes_to_the_array_of_its_items(gateway: SmallGateway) -> None:
    call_id = (await spawn(gateway).answer()).json()["call"]
    call = await (await gateway.executor()).call()
    call.yields(*range(100))
    call.prints("between")
    await eventually(lambda: call.credit >= 100)
    call.ends(100)
    (outcome,) = await settled(gateway, call_id)
    assert json.loads(base64.b64decode(outcome.body)) == list(range(100))
    assert [log.text for log in gateway.logs()] == ["between"]


async def test_a_spawned_call_that_can_not_be_kept_is_refused_and_not_run(gateway: SmallGateway) -> None:
    with full_disk():
        answer = await spawn(gateway).answer()
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "unavailable", "1")
    executor = await gateway.executor()
    await executor.drain()
    assert (executor.received, gateway.records()) == ([], [])


async def test_a_body_that_is_too_large_to_keep_is_refused(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoke_module, "MAX_BODY", 10)
    assert (await spawn(gateway, bytes(11)).answer()).code == "body_too_large"
    assert (await spawn(gateway, bytes(10)).answer()).status == 202


@pytest.mark.parametrize("kind", ["result", "items"])
async def test_a_result_that_is_too_large_to_keep_is_an_error(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(outcome_module, "MAX_BODY", 10)
    call_id = (await spawn(gateway).answer()).json()["call"]
    call = await (await gateway.executor()).call()
    if kind == "result":
        call.returns("x" * 20)
    else:
        call.yields("x" * 5, "x" * 5)
    (outcome,) = await settled(gateway, call_id)
    assert (outcome.state, outcome.code) == ("FAILED", BodyTooLarge.code)
    await eventually(lambda: call.cancelled == ("cancelled" if kind == "items" else None))


async def test_more_calls_than_can_be_held_are_refused(gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawned_module, "MAX_HELD", 2)
    assert [(await spawn(gateway).answer()).status for _ in range(3)] == [202, 202, 429]


async def test_only_so_many_of_one_version_run_at_once(gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawned_module, "RUNNING", 3)
    executor = await gateway.executor(concurrency=10)
    calls = [(await spawn(gateway).answer()).json()["call"] for _ in range(8)]
    await eventually(lambda: len(executor.received) == 3)
    assert len(gateway.starts()) == 3
    executor.answers(lambda call: call.returns(1))
    await eventually(lambda: len(gateway.settled()) == 8)
    assert {outcome.call for outcome in gateway.settled()} == set(calls)
    assert [call.header.call_id for call in executor.received] == calls


@pytest.mark.parametrize("value", ["-1", "101", "many", "1.5", "+1", " ", "²", "1e1"])
async def test_a_number_of_retries_that_is_none_is_a_bad_request(gateway: SmallGateway, value: str) -> None:
    answer = await spawn(gateway, Rayfaas_Retries=value).answer()
    assert (answer.status, answer.code) == (400, "bad_request")
    assert gateway.records() == []


async def test_a_call_that_is_refused_takes_no_key(gateway: SmallGateway) -> None:
    refused = await spawn(gateway, Idempotency_Key="k", Rayfaas_Retries="many").answer()
    assert refused.status == 400
    call_id = (await spawn(gateway, Idempotency_Key="k").answer()).json()["call"]
    assert [record.call for record in gateway.kept()] == [call_id]


@pytest.mark.parametrize("who", ["vera", "nobody"])
async def test_who_may_not_call_may_not_spawn_either(gateway: SmallGateway, who: str) -> None:
    answer = await gateway.call(who=who, Prefer="respond-async", Idempotency_Key="k").answer()
    assert answer.status in (401, 403)
    assert gateway.records() == []


# Tried again


async def test_what_fails_is_tried_again_as_often_as_declared(gateway: SmallGateway) -> None:
    await retrying(gateway, 2)
    executor = await gateway.executor()
    executor.answers(lambda call: call.fails(BOOM))
    call_id = (await spawn(gateway).answer()).json()["call"]
    (outcome,) = await settled(gateway, call_id)
    assert (outcome.state, outcome.code, outcome.attempts) == ("FAILED", "function_error", 3)
    assert json.loads(outcome.problem)["exception"] == "OSError"
    first, *others = [call.header for call in executor.received]
    assert (first.call_id, first.parent_id) == (call_id, None)
    assert [header.parent_id for header in others] == [call_id, call_id]
    assert len({header.call_id for header in (first, *others)}) == 3
    assert [end.state for end in gateway.ends()] == ["FAILED"] * 3


async def test_the_first_success_ends_the_tries(gateway: SmallGateway) -> None:
    await retrying(gateway, 5)
    executor = await gateway.executor()
    executor.answers(lambda call: call.fails(BOOM) if len(executor.received) < 3 else call.returns("at last"))
    answer = await gateway.call(Idempotency_Key="k").answer()
    assert (answer.status, answer.json()) == (200, "at last")
    (outcome,) = gateway.settled()
    assert outcome.attempts == 3


async def test_the_caller_may_say_how_often(gateway: SmallGateway) -> None:
    await retrying(gateway, 5)
    executor = await gateway.executor()
    executor.answers(lambda call: call.fails(BOOM))
    call_id = (await spawn(gateway, Rayfaas_Retries="1").answer()).json()["call"]
    (outcome,) = await settled(gateway, call_id)
    assert outcome.attempts == 2


@pytest.mark.parametrize(("retry_on", "attempts"), [(("OSError",), 3), (("ValueError",), 1), ((), 3)])
async def test_only_the_exceptions_that_are_named_are_worth_another_try(
    gateway: SmallGateway, retry_on: tuple[str, ...], attempts: int
) -> None:
    await retrying(gateway, 2, retry_on)
    executor = await gateway.executor()
    executor.answers(lambda call: call.fails(BOOM))
    call_id = (await spawn(gateway).answer()).json()["call"]
    (outcome,) = await settled(gateway, call_id)
    assert outcome.attempts == attempts


@pytest.mark.parametrize(("error", "attempts"), [(InvalidArguments("no"), 1), (ExecutorDied("gone"), 3)])
async def test_arguments_that_do_not_fit_do_not_fit_the_next_time(
    gateway: SmallGateway, error: RayfaasError, attempts: int
) -> None:
    await retrying(gateway, 2, ("OSError",))
    executor = await gateway.executor()
    executor.answers(lambda call: call.fails(error))
    call_id = (await spawn(gateway).answer()).json()["call"]
    (outcome,) = await settled(gateway, call_id)
    assert outcome.attempts == attempts


async def test_what_never_reached_the_function_is_tried_until_it_does(gateway: SmallGateway) -> None:
    await retrying(gateway, 0)
    call_id = (await spawn(gateway).answer()).json()["call"]
    for count in range(1, 4):
        await eventually(lambda count=count: len(gateway.controller.demanded) == count)  # type: ignore[misc]
        gateway.controller.link.notify("refuse", key="nlp/embed:1", problem=to_problem(NoCapacity("no GPU")))
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns("at last"))
    (outcome,) = await settled(gateway, call_id)
    assert (outcome.state, outcome.attempts) == ("SUCCEEDED", 4)


async def test_a_full_queue_does_not_lose_what_was_accepted(run_dir: Path) -> None:
    async with SmallGateway(run_dir, Limits(max_queue=1)) as gateway:
        await retrying(gateway, 0)
        calls = [(await spawn(gateway, str(number).encode()).answer()).json()["call"] for number in range(4)]
        await eventually(lambda: len(gateway.ends()) > 5)
        executor = await gateway.executor()
        executor.answers(lambda call: call.returns(1))
        await eventually(lambda: len(gateway.settled()) == 4)
        assert {outcome.call: outcome.state for outcome in gateway.settled()} == dict.fromkeys(calls, "SUCCEEDED")
        assert sorted(executor.bodies) == [b"0", b"1", b"2", b"3"]


# Idempotency keys


async def keyed(gateway: SmallGateway, key: str, body: bytes = b"1", who: str = "ivan", **headers: str) -> Answer:
    return await gateway.call(body, "nlp/embed", who, Idempotency_Key=key, **headers).answer()


async def test_a_call_with_a_key_is_kept_and_its_caller_waits_for_the_result(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns("done"))
    answer = await keyed(gateway, "k")
    assert (answer.status, answer.json()) == (200, "done")
    (kept,) = gateway.kept()
    assert (kept.idempotency_key, kept.call) == ("k", answer.headers["rayfaas-call-id"])
    assert gateway.starts()[0].idempotency_key == "k"


async def test_a_key_runs_once_and_answers_the_same_again(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(call.body.decode()))
    first, second = await keyed(gateway, "k", b"first"), await keyed(gateway, "k", b"first")
    assert (second.status, second.json()) == (200, "first")
    assert second.headers["rayfaas-call-id"] == first.headers["rayfaas-call-id"]
    assert executor.bodies == [b"first"]


async def test_a_key_that_comes_with_other_arguments_is_refused_while_its_call_runs(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    first = gateway.call(b"1", Idempotency_Key="k")
    call = await executor.call()
    second = await keyed(gateway, "k", b"2")
    assert (second.status, second.code) == (400, "bad_request")
    assert f"other arguments, for call {call.header.call_id}" in second.json()["detail"]
    call.returns("one")
    assert (await first.answer()).json() == "one"
    assert len(executor.received) == 1


async def test_a_key_that_comes_with_other_arguments_is_refused_where_only_the_controller_knows_them(
    gateway: SmallGateway,
) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns("one"))
    call_id = (await keyed(gateway, "k", b"1")).headers["rayfaas-call-id"]
    gateway.controller.kept[call_id] = {"content_type": "application/json", "body": base64.b64encode(b"1").decode()}
    assert (await keyed(gateway, "k", b"2")).code == "bad_request"
    again = await keyed(gateway, "k", b" 1 ")
    assert (again.status, again.json(), again.headers["rayfaas-call-id"]) == (200, "one", call_id)


async def test_a_key_that_failed_fails_the_same_again(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.fails(BOOM))
    answers = [await keyed(gateway, "k"), await keyed(gateway, "k")]
    assert [(answer.status, answer.code) for answer in answers] == [(500, "function_error")] * 2
    assert answers[0].json() == answers[1].json()
    assert len(executor.received) == 1


async def test_who_asks_for_a_rerun_of_what_failed_says_so_with_the_key(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    await gateway.call(Idempotency_Key="k", Rayfaas_Rerun="failed").answer()
    await gateway.call(Idempotency_Key="k").answer()
    assert gateway.controller.reruns == [True, False]


async def test_the_context_of_a_spawned_call_is_kept_with_it(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    call_id = (await spawn(gateway, Rayfaas_Context='{"flow": "f"}').answer()).json()["call"]
    await settled(gateway, call_id)
    (kept,) = gateway.kept()
    assert kept.context == '{"flow": "f"}'
    assert [start.context for start in gateway.starts()] == ['{"flow": "f"}']


async def test_many_at_once_with_one_key_run_once(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=20)
    exchanges = [gateway.call(Idempotency_Key="k") for _ in range(10)]
    call = await executor.call()
    call.returns("once")
    answers = await asyncio.gather(*(exchange.answer() for exchange in exchanges))
    assert {(answer.status, answer.json()) for answer in answers} == {(200, "once")}
    assert len({answer.headers["rayfaas-call-id"] for answer in answers}) == 1
    assert len(executor.received) == 1


async def test_a_key_is_its_teams_own(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(call.header.principal))
    answers = [await keyed(gateway, "k", who=who) for who in ("ivan", "dora", "otto")]
    assert [answer.json() for answer in answers] == ["ivan", "ivan", "otto"]


async def test_a_key_whose_first_caller_went_away_is_answered_to_the_next(gateway: SmallGateway) -> None:
    first = gateway.call(Idempotency_Key="k")
    executor = await gateway.executor()
    call = await executor.call()
    first.leave()
    second = gateway.call(Idempotency_Key="k")
    call.returns("kept")
    assert (await second.answer()).json() == "kept"
    assert call.cancelled is None
    await first.task


async def test_a_key_that_ran_elsewhere_is_answered_from_what_the_controller_has(gateway: SmallGateway) -> None:
    elsewhere = new_id()
    gateway.controller.outcomes[elsewhere] = {"content_type": "application/json", "body": b'"there"', "problem": None}
    await gateway.link.request(
        "reserve", team="nlp", function="nlp/embed", key="k", call_id=elsewhere, gateway="gateway-1"
    )
    answer = await keyed(gateway, "k")
    assert (answer.status, answer.json(), answer.headers["rayfaas-call-id"]) == (200, "there", elsewhere)
    assert gateway.kept() == []


async def test_a_result_too_large_to_remember_is_asked_for_again(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawned_module, "_REMEMBERED_BYTES", 3)
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns("large"))
    first = await keyed(gateway, "k")
    call_id = first.headers["rayfaas-call-id"]
    gateway.controller.outcomes[call_id] = {"content_type": "application/json", "body": b'"large"', "problem": None}
    second = await keyed(gateway, "k")
    assert (first.json(), second.json()) == ("large", "large")
    assert len(executor.received) == 1


async def test_who_waits_longer_than_it_may_is_told_to_ask_again_and_the_call_goes_on(gateway: SmallGateway) -> None:
    await gateway.link.request(
        "reserve", team="nlp", function="nlp/embed", key="k", call_id="the-first", gateway="gateway-1"
    )
    answer = await keyed(gateway, "k", Rayfaas_Timeout="0.05")
    assert (answer.status, answer.code, answer.json()["call"]) == (503, "unavailable", "the-first")
    assert answer.headers["retry-after"] == "1"


async def test_a_key_and_an_answer_at_once_go_together(gateway: SmallGateway) -> None:
    first, second = [await spawn(gateway, Idempotency_Key="k").answer() for _ in range(2)]
    assert (first.status, second.status) == (202, 202)
    assert first.json() == second.json()
    assert len(gateway.kept()) == 1


async def test_without_the_controller_no_key_is_taken_and_nothing_runs(gateway: SmallGateway) -> None:
    await gateway.controller.stop()
    await eventually(lambda: not gateway.link.is_up)
    answer = await keyed(gateway, "k")
    assert (answer.status, answer.code) == (503, "unavailable")
    assert gateway.records() == []


# Cancelled


async def test_a_spawned_call_that_waits_is_cancelled_before_it_runs(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawned_module, "RUNNING", 1)
    executor = await gateway.executor()
    running, waiting = [(await spawn(gateway, body).answer()).json()["call"] for body in (b"running", b"waiting")]
    call = await executor.call()
    assert gateway.calls.cancel_here(waiting)
    (outcome,) = await settled(gateway, waiting)
    assert (outcome.state, outcome.attempts) == ("CANCELLED", 0)
    call.returns(1)
    await settled(gateway, running)
    await executor.drain()
    assert executor.bodies == [b"running"]


async def test_a_spawned_call_that_runs_is_stopped_and_not_tried_again(gateway: SmallGateway) -> None:
    await retrying(gateway, 5)
    executor = await gateway.executor()
    call_id = (await spawn(gateway).answer()).json()["call"]
    call = await executor.call()
    assert gateway.calls.cancel_here(call_id)
    (outcome,) = await settled(gateway, call_id)
    assert (outcome.state, outcome.attempts) == ("CANCELLED", 1)
    await eventually(lambda: call.cancelled == "cancelled")
    assert gateway.end_of(call_id).state == "CANCELLED"


async def test_a_later_try_is_stopped_by_the_id_of_the_call(gateway: SmallGateway) -> None:
    await retrying(gateway, 5)
    executor = await gateway.executor()
    call_id = (await spawn(gateway).answer()).json()["call"]
    (await executor.call()).fails(BOOM)
    second = await executor.call()
    assert second.header.call_id != call_id
    assert gateway.calls.cancel_here(call_id)
    await eventually(lambda: second.cancelled == "cancelled")
    (outcome,) = await settled(gateway, call_id)
    assert (outcome.state, outcome.attempts) == ("CANCELLED", 2)


async def test_a_call_that_waits_for_its_next_try_is_cancelled_at_once(gateway: SmallGateway) -> None:
    version = version_route(1, retries=5, retry_delay_s=3600.0)
    await gateway.controller.set_function("nlp/embed", [version], {"live": (1, 5)})
    executor = await gateway.executor()
    call_id = (await spawn(gateway).answer()).json()["call"]
    (await executor.call()).fails(BOOM)
    await eventually(gateway.ends)
    await eventually(lambda: gateway.spawned.attempt_of(call_id) == call_id)
    assert gateway.calls.cancel_here(call_id)
    (outcome,) = await settled(gateway, call_id)
    assert outcome.state == "CANCELLED"


async def test_a_call_that_was_cancelled_between_two_tries_is_not_tried_again(gateway: SmallGateway) -> None:
    version = version_route(1, retries=1, retry_delay_s=0.05)
    await gateway.controller.set_function("nlp/embed", [version], {"live": (1, 5)})
    executor = await gateway.executor()
    executor.answers(lambda call: call.fails(BOOM))
    cancelled = (await spawn(gateway, b"cancelled").answer()).json()["call"]
    await eventually(lambda: gateway.ends() and gateway.spawned.attempt_of(cancelled) == cancelled)
    assert gateway.calls.cancel_here(cancelled)
    later = (await spawn(gateway, b"later").answer()).json()["call"]
    await settled(gateway, later)  # by now the other would have been tried again too
    assert executor.bodies == [b"cancelled", b"later", b"later"]


# Handed on


async def test_a_call_that_another_gateway_left_is_run_as_it_was_accepted(gateway: SmallGateway) -> None:
    call_id = new_id()
    await gateway.controller.link.request("resume", jobs=[record_of(call_id)])
    call = await (await gateway.executor()).call()
    assert (call.header.call_id, call.header.principal, call.header.team) == (call_id, "otto", "vision")
    assert call.body == b'"resumed"'
    call.returns("done")
    (outcome,) = await settled(gateway, call_id)
    assert outcome.state == "SUCCEEDED"
    assert gateway.kept() == []


async def test_a_call_that_is_handed_over_twice_runs_once(gateway: SmallGateway) -> None:
    call_id = new_id()
    link = gateway.controller.link
    await link.request("resume", jobs=[record_of(call_id), record_of(call_id)])
    await link.request("resume", jobs=[record_of(call_id)])
    executor = await gateway.executor()
    (await executor.call()).returns("done")
    await settled(gateway, call_id)
    await link.request("resume", jobs=[record_of(call_id)])
    await executor.drain()
    assert len(executor.received) == 1


async def test_a_call_of_a_version_that_is_gone_is_settled_as_not_found(gateway: SmallGateway) -> None:
    call_id = new_id()
    await gateway.controller.link.request("resume", jobs=[record_of(call_id, version=9)])
    (outcome,) = await settled(gateway, call_id)
    assert (outcome.state, outcome.code) == ("FAILED", "not_found")


async def test_a_call_that_is_handed_over_before_the_routes_are_known_waits_for_them(gateway: SmallGateway) -> None:
    gateway.link.has_routes.clear()  # as when the gateway has just begun
    call_id = new_id()
    resuming = asyncio.ensure_future(gateway.controller.link.request("resume", jobs=[record_of(call_id, version=9)]))
    await gateway.controller.link.request("held")
    await gateway.controller.set_function("nlp/embed", [version_route(9)], {"live": (9, 6)})
    await resuming
    executor = await gateway.executor(version=9)
    executor.answers(lambda call: call.returns("done"))
    assert (await settled(gateway, call_id))[0].state == "SUCCEEDED"


async def test_a_gateway_says_which_calls_it_holds(gateway: SmallGateway) -> None:
    call_id = (await spawn(gateway).answer()).json()["call"]
    assert await gateway.controller.link.request("held") == [call_id]
    (await (await gateway.executor()).call()).returns(1)
    await settled(gateway, call_id)
    assert await gateway.controller.link.request("held") == []


async def test_an_outcome_that_the_disk_has_no_room_for_is_told_and_kept(gateway: SmallGateway) -> None:
    exchange = gateway.call(Idempotency_Key="k")
    call = await (await gateway.executor()).call()
    with full_disk():
        call.returns("done")
        assert (await exchange.answer()).json() == "done"
    assert gateway.settled() == []
    assert gateway.journal.flush_late()
    assert [outcome.state for outcome in gateway.settled()] == ["SUCCEEDED"]


# Methods of classes


async def model(gateway: SmallGateway, parked: bool = False, live: int = 1) -> None:
    versions = [version_route(n, methods=["a", "b"], swap="replace") for n in (1, 2)]
    await gateway.controller.set_function("nlp/Model", versions, {"live": (live, live)}, parked)


async def test_a_key_is_of_one_method(gateway: SmallGateway) -> None:
    await model(gateway)
    executor = await gateway.executor(function="nlp/Model", concurrency=2)
    executor.answers(lambda call: call.returns(call.header.method))
    answers = [await gateway.call(target=f"Model.{name}", Idempotency_Key="k").answer() for name in "aba"]
    assert [answer.json() for answer in answers] == ["a", "b", "a"]
    assert [record.method for record in gateway.kept()] == ["a", "b"]


async def test_a_call_that_is_resumed_calls_its_method(gateway: SmallGateway) -> None:
    await model(gateway)
    executor = await gateway.executor(function="nlp/Model")
    record = record_of("c-1", target="Model.b", function="nlp/Model", method="b")
    await gateway.controller.link.request("resume", jobs=[record])
    assert (await executor.call()).header.method == "b"


@pytest.mark.parametrize(
    ("target", "version", "alias"),
    [
        ("embed@prod", 2, "prod"),
        ("embed", 1, "live"),
        ("embed", 2, None),
        ("embed:1", 1, None),
        ("embed@gone", 1, None),
    ],
)
async def test_a_call_that_is_resumed_is_recorded_by_its_alias_where_that_leads_there_still(
    gateway: SmallGateway, target: str, version: int, alias: str | None
) -> None:
    executor = await gateway.executor(version)
    call_id = new_id()
    await gateway.controller.link.request("resume", jobs=[record_of(call_id, target=target, version=version)])
    (await executor.call()).returns("done")
    await settled(gateway, call_id)
    (start,) = gateway.starts()
    assert (start.version, start.alias) == (version, alias)


async def test_a_call_that_has_not_begun_when_its_version_is_replaced_is_run_by_the_next(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawned_module, "RUNNING", 1)
    await model(gateway)
    old = await gateway.executor(function="nlp/Model")
    for _ in range(2):
        await spawn(gateway, target="Model.a").answer()
    begun = await old.call()
    await model(gateway, parked=True)
    begun.returns("old")
    await eventually(lambda: len(gateway.settled()) == 1)
    new = await gateway.executor(version=2, function="nlp/Model")
    new.answers(lambda call: call.returns("new"))
    await model(gateway, live=2)
    await eventually(lambda: len(gateway.settled()) == 2)
    assert (len(old.received), len(new.received)) == (1, 1)
    assert [start.version for start in gateway.starts()] == [1, 2]

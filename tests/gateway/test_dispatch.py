"""Which executor gets a call, what a call does while there is none, and what becomes of it when one goes."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.config import Limits
from rayfaas.errors import NoCapacity, to_problem
from rayfaas.gateway.dispatch import AGE_S, Pool
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.route import Route
from rayfaas.gateway.snapshot import VersionRoute
from tests.gateway.asgi import Exchange
from tests.gateway.executor import FakeExecutor
from tests.gateway.small import SmallGateway
from tests.waiting import eventually

KEY = "nlp/embed:1"


async def queue(gateway: SmallGateway, *calls: tuple[bytes, str]) -> list[Exchange]:
    """Calls that wait, in this order: body and caller."""
    waiting = gateway.dispatcher.pool(KEY)
    exchanges = []
    for body, who in calls:
        count = waiting.waiting_count
        exchanges.append(gateway.call(body, "nlp/embed", who))
        await eventually(lambda count=count: waiting.waiting_count > count)  # type: ignore[misc]
    return exchanges


async def quick_executor(gateway: SmallGateway, concurrency: int = 1) -> FakeExecutor:
    """One whose calls are so short that it is sent the next ones ahead."""
    executor = await gateway.executor(concurrency=concurrency)
    exchange = gateway.call()
    (await executor.call()).returns(0, run_us=100)
    await exchange.answer()
    executor.received.clear()
    return executor


async def sent(gateway: SmallGateway, executor: FakeExecutor, *bodies: bytes) -> list[Exchange]:
    """Calls that the executor has, in this order."""
    exchanges = []
    for body in bodies:
        exchanges.append(gateway.call(body))
        await eventually(lambda body=body: body in executor.bodies)  # type: ignore[misc]
    return exchanges


# Which executor


async def test_calls_spread_over_the_executors(gateway: SmallGateway) -> None:
    executors = [await gateway.executor(concurrency=4) for _ in range(3)]
    exchanges = [gateway.call() for _ in range(6)]
    await eventually(lambda: sum(len(executor.received) for executor in executors) == 6)
    assert [len(executor.received) for executor in executors] == [2, 2, 2]
    for exchange in exchanges:
        await exchange.left()


async def test_an_executor_that_other_gateways_keep_busy_is_the_last_choice(gateway: SmallGateway) -> None:
    busy, free = await gateway.executor(concurrency=4), await gateway.executor(concurrency=4)
    first = gateway.call()
    (await busy.call()).returns(0, load=10)
    await first.answer()
    exchanges = [gateway.call() for _ in range(5)]
    await eventually(lambda: len(free.received) + len(busy.received) == 6)
    assert (len(busy.received), len(free.received)) == (2, 4)
    for exchange in exchanges:
        await exchange.left()


async def test_a_call_goes_to_its_own_version_only(gateway: SmallGateway) -> None:
    one, two = await gateway.executor(version=1), await gateway.executor(version=2)
    one.answers(lambda call: call.returns("one"))
    two.answers(lambda call: call.returns("two"))
    answers = [(await gateway.call(target=target).answer()).json() for target in ("embed", "embed@prod", "embed:1")]
    assert answers == ["one", "two", "one"]


async def test_an_executor_has_no_more_calls_than_it_takes(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=2)
    exchanges = [gateway.call(str(number).encode()) for number in range(5)]
    waiting = gateway.dispatcher.pool(KEY)
    await eventually(lambda: waiting.waiting_count == 3 and len(executor.received) == 2)
    for left in (2, 1, 0):
        call = await executor.call()
        call.returns(call.body.decode())
        await eventually(lambda left=left: waiting.waiting_count == left)  # type: ignore[misc]
        assert len(executor.received) <= 5 - left
    executor.answers(lambda call: call.returns(call.body.decode()))
    assert [(await exchange.answer()).json() for exchange in exchanges] == ["0", "1", "2", "3", "4"]


async def test_an_executor_of_short_calls_is_sent_some_ahead_and_one_of_long_calls_is_not(
    gateway: SmallGateway,
) -> None:
    executor = await quick_executor(gateway)
    exchanges = [gateway.call() for _ in range(30)]
    waiting = gateway.dispatcher.pool(KEY)
    await eventually(lambda: len(executor.received) + waiting.waiting_count == 30)
    assert len(executor.received) == 17
    executor.answers(lambda call: call.returns(0, run_us=1_000_000))
    for exchange in exchanges:
        await exchange.answer()
    executor.answers(lambda call: None)
    executor.received.clear()
    last = [gateway.call() for _ in range(3)]
    await eventually(lambda: executor.received and waiting.waiting_count == 2)
    assert len(executor.received) == 1
    for exchange in last:
        await exchange.left()


async def test_each_of_many_calls_gets_its_own_answer(gateway: SmallGateway) -> None:
    executors = [await gateway.executor(concurrency=20) for _ in range(3)]
    exchanges = [gateway.call(str(number).encode()) for number in range(150)]
    order = random.Random(1)
    answered = 0
    while answered < len(exchanges):
        await eventually(lambda: any(executor.received for executor in executors))
        here = [call for executor in executors for call in executor.received]
        order.shuffle(here)
        for executor in executors:
            executor.received.clear()
        for call in here:
            call.returns(int(call.body) * 2, run_us=order.choice([10, 100_000]))
        answered += len(here)
    assert [(await exchange.answer()).json() for exchange in exchanges] == [number * 2 for number in range(150)]


# The queue


async def test_waiting_teams_take_turns(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    first = gateway.call(b"first")
    running = await executor.call()
    calls = [(b"n1", "ivan"), (b"n2", "ivan"), (b"n3", "dora"), (b"v1", "otto"), (b"v2", "otto"), (b"o1", "root")]
    exchanges = await queue(gateway, *calls)
    executor.answers(lambda call: call.returns(0))
    running.returns(0)
    for exchange in [first, *exchanges]:
        await exchange.answer()
    assert executor.bodies == [b"first", b"n1", b"v1", b"o1", b"n2", b"v2", b"n3"]


async def test_a_call_to_a_full_queue_is_refused_with_429_and_when_to_try_again(run_dir: Path) -> None:
    async with SmallGateway(run_dir, Limits(max_queue=2)) as gateway:
        exchanges = await queue(gateway, (b"1", "ivan"), (b"2", "ivan"))
        refused = await gateway.call(b"3").answer()
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "queue_full", "1")
        assert refused.json()["retryable"] is True
        assert gateway.end_of(refused.headers["rayfaas-call-id"]).state == "REJECTED"
        executor = await gateway.executor()
        executor.answers(lambda call: call.returns(0))
        assert [(await exchange.answer()).status for exchange in exchanges] == [200, 200]
        assert executor.bodies == [b"1", b"2"]


async def test_a_full_queue_of_one_version_is_no_other_versions(run_dir: Path) -> None:
    async with SmallGateway(run_dir, Limits(max_queue=1)) as gateway:
        (waiting,) = await queue(gateway, (b"1", "ivan"))
        executor = await gateway.executor(version=2)
        executor.answers(lambda call: call.returns(0))
        assert (await gateway.call(target="embed:2").answer()).status == 200
        assert (await gateway.call(target="embed:1").answer()).status == 429
        await waiting.left()


async def test_who_stops_waiting_frees_a_place_in_the_queue(run_dir: Path) -> None:
    async with SmallGateway(run_dir, Limits(max_queue=1)) as gateway:
        (impatient,) = await queue(gateway, (b"1", "ivan"))
        await impatient.left()
        (patient,) = await queue(gateway, (b"2", "ivan"))
        executor = await gateway.executor()
        executor.answers(lambda call: call.returns(0))
        assert (await patient.answer()).status == 200
        assert executor.bodies == [b"2"]


async def test_calls_wait_for_the_first_executor_and_are_told_that_it_was_cold(gateway: SmallGateway) -> None:
    (waiting,) = await queue(gateway, (b"1", "ivan"))
    await eventually(lambda: gateway.controller.demanded)
    assert gateway.controller.demanded == [KEY]
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(0))
    cold, warm = await waiting.answer(), await gateway.call().answer()
    assert cold.headers["rayfaas-cold"] == "1"
    assert "rayfaas-cold" not in warm.headers
    ends = [gateway.end_of(answer.headers["rayfaas-call-id"]).cold for answer in (cold, warm)]
    assert ends == ["no executor of this version was up", ""]


async def test_the_controller_that_comes_back_is_told_again_what_is_waited_for(gateway: SmallGateway) -> None:
    (waiting,) = await queue(gateway, (b"1", "ivan"))
    await eventually(lambda: gateway.controller.demanded)
    await gateway.controller.stop()
    gateway.controller.demanded.clear()
    await gateway.controller.start()
    await eventually(lambda: gateway.controller.demanded == [KEY])
    await waiting.left()


async def test_when_no_executor_will_come_all_that_wait_hear_why(gateway: SmallGateway) -> None:
    exchanges = await queue(gateway, (b"1", "ivan"), (b"2", "otto"), (b"3", "ivan"))
    problem = to_problem(NoCapacity("There is no node with a GPU."))
    gateway.controller.link.notify("refuse", key=KEY, problem=problem)
    for exchange in exchanges:
        answer = await exchange.answer()
        assert (answer.status, answer.json()["detail"]) == (503, "There is no node with a GPU.")
        assert answer.headers["retry-after"] == "1"
    assert gateway.dispatcher.pool(KEY).waiting_count == 0


async def test_the_controller_hears_of_the_load_and_of_its_end(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    running = gateway.call()
    call = await executor.call()
    exchanges = await queue(gateway, (b"1", "ivan"), (b"2", "ivan"))
    loads = gateway.controller.loads
    await eventually(lambda: loads and loads[-1].get(KEY, [0, 0, 0])[1] == 2)
    in_flight, waiting, longest_s = loads[-1][KEY]
    assert (in_flight, waiting) == (1, 2)
    assert 0 < longest_s < 20
    executor.answers(lambda call: call.returns(0))
    call.returns(0)
    for exchange in [running, *exchanges]:
        await exchange.answer()
    await eventually(lambda: loads[-1] == {})


# Deadlines


async def test_a_call_that_waits_too_long_for_a_busy_executor_never_reaches_one(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    running = gateway.call(b"running")
    await executor.call()
    late = await gateway.call(b"late", Rayfaas_Timeout="0.05").answer()
    assert (late.status, late.code) == (504, "timeout")
    assert "busy" in late.json()["detail"]
    assert gateway.end_of(late.headers["rayfaas-call-id"]).state == "TIMED_OUT"
    executor.received[0].returns(0)
    await running.answer()
    await executor.drain()
    assert executor.bodies == [b"running"]


async def test_a_call_for_which_no_executor_comes_ends_as_no_capacity(gateway: SmallGateway) -> None:
    late = await gateway.call(Rayfaas_Timeout="0.05").answer()
    assert (late.status, late.code, late.json()["retryable"]) == (503, "no_capacity", True)
    assert late.headers["retry-after"] == "1"
    assert gateway.end_of(late.headers["rayfaas-call-id"]).state == "REJECTED"
    executor = await gateway.executor()
    await executor.drain()
    assert executor.received == []


async def test_it_says_what_was_waited_for(gateway: SmallGateway) -> None:
    gateway.link.progress.tell(KEY, "node_starting", "gpu-1: no placement is free")
    late = await gateway.call(target="nlp/embed", Rayfaas_Timeout="0.05").answer()
    assert "It waited for node_starting: gpu-1: no placement is free" in late.json()["detail"]


async def test_a_call_that_runs_too_long_is_stopped_and_its_late_result_dropped(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(Rayfaas_Timeout="0.05")
    call = await executor.call()
    late = await exchange.answer()
    assert (late.status, late.code, late.json()["retryable"]) == (504, "timeout", False)
    await eventually(lambda: call.cancelled == "timeout")
    executor.answers(lambda call: call.returns("next"))
    call.returns("too late")
    assert (await gateway.call().answer()).json() == "next"
    assert gateway.end_of(late.headers["rayfaas-call-id"]).state == "TIMED_OUT"


async def test_an_executor_that_is_stuck_in_a_stopped_call_gets_no_other(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    late = await gateway.call(b"stuck", Rayfaas_Timeout="0.05").answer()
    assert late.code == "timeout"
    assert (await gateway.call(b"next", Rayfaas_Timeout="0.05").answer()).code == "timeout"
    await executor.drain()
    assert executor.bodies == [b"stuck"]


# Executors go


async def test_what_an_executor_had_begun_fails_and_what_it_had_not_goes_elsewhere(gateway: SmallGateway) -> None:
    executor = await quick_executor(gateway)
    begun, *others = await sent(gateway, executor, b"1", b"2", b"3", b"4")
    other = await gateway.executor(concurrency=4)
    other.answers(lambda call: call.returns(call.body.decode()))
    await executor.die()
    failed = await begun.answer()
    assert (failed.status, failed.code, failed.json()["retryable"]) == (502, "node_lost", False)
    assert gateway.end_of(failed.headers["rayfaas-call-id"]).state == "FAILED"
    assert [(await exchange.answer()).json() for exchange in others] == ["2", "3", "4"]


async def test_only_as_many_as_run_at_once_had_begun_whatever_was_answered_before(gateway: SmallGateway) -> None:
    executor = await quick_executor(gateway, concurrency=2)
    one, two, three, four = await sent(gateway, executor, b"1", b"2", b"3", b"4")
    executor.received[1].returns("two", run_us=100)
    assert (await two.answer()).json() == "two"
    other = await gateway.executor()
    other.answers(lambda call: call.returns(call.body.decode()))
    await executor.die()
    assert [(await exchange.answer()).status for exchange in (one, three, four)] == [502, 502, 200]
    assert other.bodies == [b"4"]


async def test_what_had_not_begun_keeps_its_place_before_those_that_came_later(gateway: SmallGateway) -> None:
    executor = await quick_executor(gateway)
    begun, *moved = await sent(gateway, executor, b"1", b"2", b"3")
    await executor.die()
    await begun.answer()
    later = await queue(gateway, (b"4", "ivan"))
    other = await gateway.executor()
    other.answers(lambda call: call.returns(0))
    for exchange in [*moved, *later]:
        assert (await exchange.answer()).status == 200
    assert other.bodies == [b"2", b"3", b"4"]


async def test_the_controller_is_asked_for_another_executor_when_the_last_one_dies(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    running = gateway.call(b"running")
    await executor.call()
    (waiting,) = await queue(gateway, (b"1", "ivan"))
    assert gateway.controller.demanded == []
    await executor.die()
    assert (await running.answer()).code == "node_lost"
    await eventually(lambda: gateway.controller.demanded == [KEY])
    await waiting.left()


async def test_who_lost_a_call_hears_how_its_executor_ended(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    await executor.call()
    name = executor.ready_header.executor
    death = {"how": "was killed by SIGKILL", "output": "the last line", "out_of_memory": True}
    gateway.controller.link.notify("executor_ended", executor=name, death=death)
    await gateway.ask("GET", "/v1/status")  # it is told by now: messages of a link come in order
    await executor.die()
    answer = await exchange.answer()
    assert (answer.status, answer.code, answer.json()["output"]) == (502, "out_of_memory", "the last line")
    assert "SIGKILL" in answer.json()["detail"]


async def test_a_draining_executor_finishes_what_it_has_and_gets_no_more(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=2)
    exchange = gateway.call(b"last")
    call = await executor.call()
    await executor.drain()
    late = gateway.call(b"after", Rayfaas_Timeout="0.05")
    assert (await late.answer()).code == "no_capacity"
    call.returns("finished")
    assert (await exchange.answer()).json() == "finished"
    assert executor.bodies == [b"last"]


async def test_calls_that_wait_for_a_draining_executor_go_to_the_next(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    running = gateway.call(b"running")
    call = await executor.call()
    (waiting,) = await queue(gateway, (b"waiting", "ivan"))
    await executor.drain()
    await eventually(lambda: gateway.controller.demanded == [KEY])
    call.returns(0)
    await running.answer()
    following = await gateway.executor()
    following.answers(lambda call: call.returns("from the next"))
    assert (await waiting.answer()).json() == "from the next"
    assert executor.bodies == [b"running"]


async def test_the_end_of_one_executor_leaves_the_calls_of_others_alone(gateway: SmallGateway) -> None:
    doomed, safe = await gateway.executor(), await gateway.executor()
    exchanges = [gateway.call(), gateway.call()]
    lost, kept = await doomed.call(), await safe.call()
    await doomed.die()
    kept.returns("kept")
    answers = await asyncio.gather(*(exchange.answer() for exchange in exchanges))
    assert sorted(answer.status for answer in answers) == [200, 502]
    assert lost.cancelled is None


# The queue's promise, for any order of events

_VERSION = VersionRoute(1, "c", "s", "e", "shape", 0.0, 30.0, 1)
_ROUTE = Route(KEY, "nlp/embed", "nlp", _VERSION)
_STEPS = st.one_of(
    st.tuples(st.just("append"), st.sampled_from("abc")),
    st.tuples(st.just("next"), st.just("")),
    st.tuples(st.just("remove"), st.sampled_from("abc")),
)


@given(st.lists(_STEPS, max_size=60))
@settings(max_examples=150)
async def test_each_team_is_served_in_order_and_none_twice_while_another_waits(steps: list[tuple[str, str]]) -> None:
    pool, model, turns = Pool(KEY), {team: deque[PendingCall]() for team in "abc"}, list[str]()
    for step, team in steps:
        if step == "append":
            call = PendingCall(_ROUTE, "", "", None, "", team, "", b"", 1.0, lambda call, message: None)
            pool.append(call)
            model[team].append(call)
            turns = turns if team in turns else [*turns, team]
        elif step == "remove" and model[team]:
            pool.remove(model[team].pop())
            turns = turns if model[team] else [each for each in turns if each != team]
        elif step == "next" and turns:
            served, *turns = turns
            assert pool.next() is model[served].popleft()
            turns = [*turns, served] if model[served] else turns
        elif step == "next":
            assert pool.next() is None
        assert pool.waiting_count == sum(map(len, model.values()))


# Priorities


def waiting_call(team: str = "a", waited_s: float = 0.0, priority: int = 0) -> PendingCall:
    """A call that has waited so long."""
    call = PendingCall(_ROUTE, "", "", None, "", team, "", b"", 1.0, lambda call, message: None)
    call.accepted_ns -= int(waited_s * 1e9)
    call.priority = priority
    return call


async def test_the_more_urgent_go_first_and_teams_take_turns_among_equals() -> None:
    pool = Pool(KEY)
    low, first, second, other = waiting_call(priority=-5), waiting_call(), waiting_call(), waiting_call("b")
    high = waiting_call("b", priority=5)
    for call in (low, first, second, other, high):
        pool.append(call)
    assert [pool.next() for _ in range(5)] == [high, first, other, second, low]
    assert (pool.next(), pool.waiting_count) == (None, 0)


async def test_what_has_waited_long_goes_before_what_is_more_urgent() -> None:
    pool = Pool(KEY)
    old, young = waiting_call("b", waited_s=10.5 * AGE_S, priority=-5), waiting_call("c", priority=-5)
    urgent = [waiting_call(priority=5) for _ in range(2)]
    for call in (young, old, *urgent):
        pool.append(call)
    assert [pool.next() for _ in range(4)] == [old, *urgent, young]


async def test_a_call_that_is_given_up_is_taken_from_its_priority() -> None:
    pool = Pool(KEY)
    calls = [waiting_call(priority=priority) for priority in (5, 0)]
    for call in calls:
        pool.append(call)
    pool.remove(calls[0])
    pool.remove(calls[0])
    assert (pool.waiting_count, pool.next()) == (1, calls[1])


async def test_the_header_says_how_urgent_a_call_is(gateway: SmallGateway) -> None:
    exchanges = await queue(gateway, (b"0", "ivan"))
    for body, priority in ((b"1", "low"), (b"2", "7")):
        count = gateway.dispatcher.pool(KEY).waiting_count
        exchanges.append(gateway.call(body, "nlp/embed", Rayfaas_Priority=priority))
        await eventually(lambda count=count: gateway.dispatcher.pool(KEY).waiting_count > count)  # type: ignore[misc]
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    for exchange in exchanges:
        await exchange.answer()
    assert executor.bodies == [b"2", b"0", b"1"]

"""Who may pass for an executor, and that nothing which one sends can harm more than its own calls."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from rayfaas.errors import RayfaasError, Unauthenticated
from rayfaas.frames import Kind
from rayfaas.gateway.executors import executor_key
from rayfaas.handshake import Identity
from tests.gateway.small import SESSIONS, SmallGateway
from tests.waiting import eventually

IDENTITY: Identity = {
    "role": "executor", "cluster": "local", "function": "nlp/embed", "version": 1, "executor": "one",
}  # fmt: skip


# Keys


@pytest.mark.parametrize(
    "change",
    [{"cluster": "other"}, {"role": "gateway"}, {"role": None}, {"cluster": None}, {"cluster": ["local"]}],
)
def test_there_is_no_key_for_who_is_no_executor_of_a_known_cluster(change: Identity) -> None:
    assert executor_key(SESSIONS, IDENTITY | change) is None


def test_each_executor_of_each_version_has_a_key_of_its_own() -> None:
    identities = [
        IDENTITY | {"function": function, "version": version, "executor": executor}
        for function, version, executor in itertools.product(["nlp/embed", "nlp/em"], [1, 11], ["one", "1one"])
    ]
    assert len({executor_key(SESSIONS, identity) for identity in identities}) == 8


async def test_an_executor_proves_its_own_version_only(gateway: SmallGateway) -> None:
    key_of_version_1 = executor_key(SESSIONS, IDENTITY)
    await gateway.dial(IDENTITY, key_of_version_1)
    with pytest.raises(Unauthenticated):
        await gateway.dial(IDENTITY | {"version": 2}, key_of_version_1)
    with pytest.raises(Unauthenticated):
        await gateway.dial(IDENTITY | {"function": "vision/resize"}, key_of_version_1)


async def test_the_key_of_a_whole_cluster_proves_no_executor(gateway: SmallGateway) -> None:
    with pytest.raises(Unauthenticated):
        await gateway.dial(IDENTITY, SESSIONS["local"])


async def test_a_cluster_that_is_no_longer_known_is_refused(gateway: SmallGateway) -> None:
    await gateway.dial(IDENTITY)
    await gateway.controller.set_sessions({})
    with pytest.raises(Unauthenticated):
        await gateway.dial(IDENTITY)


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\xff" * 64], ids=["HTTP", "zeros", "ones"])
async def test_what_speaks_no_frames_is_thrown_out_and_calls_go_on(gateway: SmallGateway, first: bytes) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns("fine"))
    reader, writer = await asyncio.open_unix_connection(str(gateway.executor_socket))
    writer.write(first)
    await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert (await gateway.call().answer()).json() == "fine"


# What they say


async def test_an_executor_is_sent_nothing_before_it_is_ready(gateway: SmallGateway) -> None:
    executor = await gateway.dial(gateway.identity())
    answer = await gateway.call(Rayfaas_Timeout="0.05").answer()
    assert answer.code == "no_capacity"
    await executor.drain()
    assert executor.received == []


async def test_an_executor_that_is_ready_for_another_version_than_it_proved_is_thrown_out(
    gateway: SmallGateway,
) -> None:
    liar = await gateway.dial(gateway.identity(version=1))
    liar.ready_header.version_key = "nlp/embed:2"
    liar.is_ready()
    await asyncio.wait_for(liar.closed, 20)
    assert (await gateway.call(target="embed:2", Rayfaas_Timeout="0.05").answer()).code == "no_capacity"


async def test_an_answer_to_no_call_is_ignored(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=2)
    exchange = gateway.call()
    call = await executor.call()
    number, call.number = call.number, 999
    call.returns("to nobody")
    call.yields("to nobody")
    call.prints("to nobody")
    call.number = number
    call.returns("to somebody")
    assert (await exchange.answer()).json() == "to somebody"


async def test_a_second_answer_to_a_call_is_ignored(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    call.returns("first")
    call.returns("second")
    call.fails(RayfaasError("third"))
    answer = await exchange.answer()
    assert answer.json() == "first"
    assert gateway.end_of(answer.headers["rayfaas-call-id"]).state == "SUCCEEDED"


async def test_messages_of_a_kind_that_is_not_known_are_ignored(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.send(200, 1, b"header", b"body")
    executor.send(Kind.PING, 0)
    executor.answers(lambda call: call.returns("fine"))
    assert (await gateway.call().answer()).json() == "fine"


async def test_large_arguments_and_results_travel_whole_and_hold_up_no_small_ones(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=3)
    executor.answers(lambda call: call.returns(call.body.decode()))
    bodies = [bytes([65 + number]) * (3 << 20) for number in range(2)] + [b"small"]
    answers = await asyncio.gather(*(gateway.call(body).answer() for body in bodies))
    assert [answer.json().encode() for answer in answers] == bodies
    assert executor.bodies[0] == b"small"


# What a call may call others with


async def test_a_call_in_flight_gets_a_token_that_speaks_for_its_caller(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=2)
    parent = gateway.call(who="otto", target="nlp/embed")
    access = await (outer := await executor.call()).access()
    child = gateway.call(who=access.token, target="nlp/embed")
    inner = await executor.call()
    assert (inner.header.principal, inner.header.team) == ("otto", "vision")
    assert inner.header.parent_id == inner.header.root_id == outer.header.call_id
    inner.returns(1)
    outer.returns(2)
    assert (await child.answer()).json() == 1
    assert (await parent.answer()).json() == 2


async def test_a_call_that_has_ended_or_is_anothers_gets_no_token(gateway: SmallGateway) -> None:
    executor, other = await gateway.executor(), await gateway.executor()
    exchange = gateway.call()
    await eventually(lambda: executor.received or other.received)
    if other.received:
        executor, other = other, executor
    call = await executor.call()
    other.send(Kind.ACCESS, call.number)
    call.returns(1)
    await exchange.answer()
    executor.send(Kind.ACCESS, call.number)
    await executor.drain()
    await other.drain()
    assert executor.accesses.empty()
    assert other.accesses.empty()

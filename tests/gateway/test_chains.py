"""A function that calls itself waits for an executor while one may come free or up, and is told at once where not."""

from __future__ import annotations

import pytest

from tests.gateway.asgi import Exchange
from tests.gateway.controller import version_route
from tests.gateway.executor import FakeExecutor, ReceivedCall
from tests.gateway.small import SmallGateway
from tests.gateway.test_spawned import spawn
from tests.waiting import eventually

KEY = "nlp/embed:1"


@pytest.fixture
async def gateway(gateway: SmallGateway) -> SmallGateway:
    """nlp/embed may have two executors."""
    versions = [version_route(1), version_route(2)]
    await gateway.controller.set_function("nlp/embed", versions, {"live": (1, 1), "prod": (2, 1)}, max_replicas=2)
    return gateway


async def running(gateway: SmallGateway, executor: FakeExecutor) -> ReceivedCall:
    gateway.call()
    return await executor.call()


async def inside(gateway: SmallGateway, outer: ReceivedCall, target: str = "embed") -> Exchange:
    """A call that `outer` makes."""
    return gateway.call(target=target, who=(await outer.access()).token)


def waiting(gateway: SmallGateway) -> int:
    return gateway.dispatcher.pool(KEY).waiting_count


async def test_a_call_that_could_never_be_answered_is_refused_at_once(gateway: SmallGateway) -> None:
    first, second = await gateway.executor(), await gateway.executor()
    outer = await running(gateway, first)
    await inside(gateway, outer)
    middle = await second.call()
    refused = await (await inside(gateway, middle)).answer()
    assert (refused.status, refused.code, refused.json()["retryable"]) == (508, "deadlock", False)
    assert "2 executors" in refused.json()["detail"]
    assert [(end.state, end.code) for end in gateway.ends()] == [("REJECTED", "deadlock")]
    middle.returns(1)
    outer.returns(2)
    await eventually(lambda: len(gateway.ends()) == 3)


async def test_while_another_executor_may_come_it_waits(gateway: SmallGateway) -> None:
    outer = await running(gateway, await gateway.executor())
    await inside(gateway, outer)
    await eventually(lambda: waiting(gateway) == 1)
    (await (await gateway.executor()).call()).returns(1)
    await eventually(lambda: len(gateway.ends()) == 1)


async def test_while_another_call_may_end_it_waits(gateway: SmallGateway) -> None:
    first, second = await gateway.executor(), await gateway.executor()
    outer = await running(gateway, first)
    other = await running(gateway, second)
    inner = await inside(gateway, outer)
    await eventually(lambda: waiting(gateway) == 1)
    other.returns(1)
    (await second.call()).returns("in")
    assert (await inner.answer()).json() == "in"


async def test_two_chains_that_wait_for_each_other_are_one(gateway: SmallGateway) -> None:
    first, second = await gateway.executor(), await gateway.executor()
    one, other = await running(gateway, first), await running(gateway, second)
    inner = await inside(gateway, one)
    await eventually(lambda: waiting(gateway) == 1)
    assert (await (await inside(gateway, other)).answer()).code == "deadlock"
    other.returns(1)
    (await second.call()).returns("in")
    assert (await inner.answer()).json() == "in"


async def test_by_way_of_another_function_it_is_one_too(gateway: SmallGateway) -> None:
    first, second = await gateway.executor(), await gateway.executor()
    between = await gateway.executor(version=2)
    outer = await running(gateway, first)
    await inside(gateway, outer, "embed:2")
    middle = await between.call()
    await inside(gateway, middle)
    innermost = await second.call()
    assert (await (await inside(gateway, innermost, "embed:1")).answer()).code == "deadlock"


async def test_nobody_waits_for_what_is_spawned(gateway: SmallGateway) -> None:
    first, second = await gateway.executor(), await gateway.executor()
    outers = [await running(gateway, each) for each in (first, second)]
    for outer in outers:
        accepted = await spawn(gateway, who=(await outer.access()).token).answer()
        assert accepted.status == 202
    await eventually(lambda: waiting(gateway) == 2)
    for outer in outers:
        outer.returns(1)
    for executor in (first, second):
        (await executor.call()).returns(1)
    await eventually(lambda: len(gateway.settled()) == 2)

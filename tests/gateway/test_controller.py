"""The link to the controller: what it says holds at once, and what it said last holds while it is away."""

from __future__ import annotations

import asyncio

import pytest

from rayfaas.errors import NoCapacity, Unavailable, to_problem
from tests.gateway.controller import version_route
from tests.gateway.small import PEOPLE, SmallGateway
from tests.waiting import eventually


async def test_a_deploy_holds_at_every_gateway_when_the_controller_says_so(gateway: SmallGateway) -> None:
    old, new = await gateway.executor(version=1), await gateway.executor(version=2)
    old.answers(lambda call: call.returns("old"))
    new.answers(lambda call: call.returns("new"))
    assert (await gateway.call().answer()).json() == "old"
    await gateway.controller.set_function("nlp/embed", [version_route(1), version_route(2)], {"live": (2, 5)})
    answer = await gateway.call().answer()
    assert (answer.json(), answer.headers["rayfaas-version"]) == ("new", "2")
    assert gateway.starts()[-1].alias_revision == 5


async def test_calls_under_way_finish_in_the_version_in_which_they_began(gateway: SmallGateway) -> None:
    old = await gateway.executor(version=1)
    exchange = gateway.call()
    call = await old.call()
    await gateway.controller.set_function("nlp/embed", [version_route(2)], {"live": (2, 5)})
    call.returns("old")
    assert (await exchange.answer()).json() == "old"


async def test_calls_go_on_while_the_controller_is_away(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns("fine"))
    await gateway.controller.stop()
    await eventually(lambda: not gateway.link.is_up)
    assert (await gateway.call().answer()).json() == "fine"
    late = await gateway.executor(version=2)
    late.answers(lambda call: call.returns("fine too"))
    assert (await gateway.call(target="embed:2").answer()).json() == "fine too"


async def test_what_changed_while_the_controller_was_away_holds_when_it_is_back(gateway: SmallGateway) -> None:
    await gateway.controller.stop()
    await eventually(lambda: not gateway.link.is_up)
    await gateway.controller.set_tokens(*PEOPLE[1:])
    await gateway.controller.start()
    await gateway.controller.is_linked()
    await gateway.controller.table.applied(gateway.controller.table.revision)
    assert (await gateway.ask("GET", "/v1/whoami", who="vera")).status == 401
    assert (await gateway.ask("GET", "/v1/whoami", who="ivan")).status == 200


async def test_a_request_that_is_under_way_when_the_controller_dies_is_answered(gateway: SmallGateway) -> None:
    gateway.controller.answers["status"] = asyncio.Event()
    exchange = gateway.request("GET", "/v1/status")
    await eventually(lambda: gateway.controller.asked)
    await gateway.controller.stop()
    answer = await exchange.answer()
    assert (answer.status, answer.code, answer.json()["retryable"]) == (503, "unavailable", True)


async def test_a_request_that_the_controller_is_slow_to_answer_holds_up_no_other(gateway: SmallGateway) -> None:
    gateway.controller.answers["clusters"] = may_answer = asyncio.Event()
    slow = gateway.request("GET", "/v1/clusters")
    await eventually(lambda: gateway.controller.asked)
    assert (await gateway.ask("GET", "/v1/functions")).status == 200
    may_answer.set()
    assert (await slow.answer()).status == 200


async def test_nothing_can_be_asked_of_a_controller_that_is_away(gateway: SmallGateway) -> None:
    await gateway.controller.stop()
    await eventually(lambda: not gateway.link.is_up)
    with pytest.raises(Unavailable, match="calls go on"):
        await gateway.link.request("status")
    gateway.link.demand("nlp/embed:1")  # it is told again when the controller is back


async def test_news_of_versions_and_executors_that_are_not_known_do_no_harm(gateway: SmallGateway) -> None:
    link = gateway.controller.link
    link.notify("refuse", key="no/such:1", problem=to_problem(NoCapacity()))
    link.notify("executor_ended", executor="never-was", death={"how": "ended"})
    link.notify("cancel", call_id="never-was")
    link.notify("no such method")
    assert await link.request("held") == []
    assert (await gateway.ask("GET", "/v1/status")).status == 200

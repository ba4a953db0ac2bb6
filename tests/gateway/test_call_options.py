"""What few calls ask for: another team, a debugger. Who may, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from rayfaas.wire import NDJSON
from tests.gateway.asgi import Answer
from tests.gateway.small import SmallGateway
from tests.waiting import eventually


async def called(gateway: SmallGateway, who: str, **given: str) -> Answer:
    headers: dict[str, Any] = {**given}
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(call.header.team))
    return await gateway.call(target="nlp/embed", who=who, **headers).answer()


@pytest.mark.parametrize(("who", "team"), [("root", "nlp"), ("root", "ops"), ("otto", "vision"), ("root", "new-team")])
async def test_an_admin_calls_for_any_team_and_others_for_their_own(gateway: SmallGateway, who: str, team: str) -> None:
    assert (await called(gateway, who, Rayfaas_Team=team)).json() == team
    assert [start.team for start in gateway.starts()] == [team]


@pytest.mark.parametrize("who", ["ivan", "dora", "otto"])
async def test_nobody_else_calls_for_another_team(gateway: SmallGateway, who: str) -> None:
    answer = await called(gateway, who, Rayfaas_Team="ops")
    assert (answer.status, answer.code, gateway.starts()) == (403, "forbidden", [])


async def test_a_bare_name_is_that_of_the_team_for_which_it_is_called(gateway: SmallGateway) -> None:
    assert (await gateway.call(who="root", target="embed").answer()).status == 404
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    assert (await gateway.call(who="root", target="embed", Rayfaas_Team="nlp").answer()).json() == 1


@pytest.mark.parametrize(
    "headers",
    [{"Rayfaas_Team": "No Team"}, {"Rayfaas_Priority": "urgent"}, {"Rayfaas_Priority": "11"}, {"Rayfaas_Debug": "1"}],
    ids=str,
)
async def test_what_is_not_valid_is_a_bad_request(gateway: SmallGateway, headers: dict[str, str]) -> None:
    answer = await called(gateway, "ada", **headers)
    assert (answer.status, answer.code, gateway.starts()) == (400, "bad_request", [])


@pytest.mark.parametrize(("who", "status"), [("ivan", 403), ("dina", 403), ("dora", 200), ("root", 200)])
async def test_who_may_deploy_a_function_may_debug_it(gateway: SmallGateway, who: str, status: int) -> None:
    assert (await called(gateway, who, Rayfaas_Debug="1", Accept=NDJSON)).status == status


async def test_a_spawned_call_is_not_debugged(gateway: SmallGateway) -> None:
    answer = await called(gateway, "dora", Rayfaas_Debug="1", Accept=NDJSON, Prefer="respond-async")
    assert (answer.status, gateway.kept()) == (400, [])


async def test_a_call_that_is_debugged_may_take_an_hour(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(who="dora", Rayfaas_Debug="1", Rayfaas_Timeout="2", Accept=NDJSON)
    call = await executor.call()
    (start,) = await eventually(gateway.starts)
    assert call.header.deadline - start.accepted_us / 1e6 == pytest.approx(3600.0, abs=0.01)
    call.returns(1)
    await exchange.answer()

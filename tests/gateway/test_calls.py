"""What one may ask of a call that was made, and what of it one may change."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from rayfaas.errors import FunctionError, NotFound, to_problem
from rayfaas.names import new_id
from tests.gateway.asgi import Answer
from tests.gateway.small import SmallGateway
from tests.gateway.test_invoke import call_token, parent
from tests.waiting import eventually

CALL = "01900000-0000-7000-8000-000000000000"
ENDPOINTS = [
    ("GET", ""), ("DELETE", ""), ("GET", "/result"), ("GET", "/logs"), ("POST", "/replay"), ("GET", "/why-miss"),
]  # fmt: skip


def known(state: str = "SUCCEEDED", call: str = CALL, spawned: bool = True) -> dict[str, Any]:
    return {"call": call, "function": "nlp/embed", "state": state, "spawned": spawned}


async def outcome_asked(gateway: SmallGateway, outcome: dict[str, Any] | None, prefer: str | None = None) -> Answer:
    gateway.controller.answers["call"] = known("RUNNING" if outcome is None else "SUCCEEDED")
    if outcome is not None:
        gateway.controller.outcomes[CALL] = outcome
    return await gateway.ask("GET", f"/calls/{CALL}/result", headers={"Prefer": prefer} if prefer else {})


# Who may


@pytest.mark.parametrize(("method", "below"), ENDPOINTS)
async def test_who_is_not_known_may_ask_nothing(gateway: SmallGateway, method: str, below: str) -> None:
    assert (await gateway.ask(method, f"/calls/{CALL}{below}", who=None)).status == 401
    assert gateway.controller.asked == []


@pytest.mark.parametrize(("method", "below"), [("DELETE", ""), ("POST", "/replay")])
async def test_a_viewer_may_look_and_change_nothing(gateway: SmallGateway, method: str, below: str) -> None:
    gateway.controller.answers["call"] = known("RUNNING")
    assert (await gateway.ask(method, f"/calls/{CALL}{below}", who="vera")).status == 403
    assert gateway.controller.asked == []
    assert (await gateway.ask("GET", f"/calls/{CALL}", who="vera")).json() == known("RUNNING")


@pytest.mark.parametrize(("method", "below"), ENDPOINTS)
async def test_the_controller_decides_what_a_team_may_see(gateway: SmallGateway, method: str, below: str) -> None:
    answer = await gateway.ask(method, f"/calls/{CALL}{below}", who="otto")
    assert (answer.status, answer.code) == (404, "not_found")
    actor = {"principal": "otto", "team": "vision", "role": "invoker"}
    assert gateway.controller.asked == [("call", {"call_id": CALL, "actor": actor})]


@pytest.mark.parametrize(("method", "below"), ENDPOINTS)
async def test_the_controller_is_told_whose_code_asks(gateway: SmallGateway, method: str, below: str) -> None:
    token = call_token(msgspec.structs.replace(parent(), owner="vision"))
    assert (await gateway.ask(method, f"/calls/{CALL}{below}", who=token)).status == 404
    actor = {"principal": "ann", "team": "nlp", "role": "invoker", "code": "vision"}
    assert gateway.controller.asked == [("call", {"call_id": CALL, "actor": actor})]


# Bad requests


@pytest.mark.parametrize("call", ["1", "x' OR 1=1", "..", CALL[:-1], CALL + "0", "é", "None", "%00"])
async def test_what_is_no_calls_id_is_a_bad_request(gateway: SmallGateway, call: str) -> None:
    for method, below in ENDPOINTS:
        answer = await gateway.ask(method, f"/calls/{call}{below}")
        assert (answer.status, answer.code) == (400, "bad_request"), (method, below)
    assert gateway.controller.asked == []


async def test_an_id_is_asked_for_in_one_way_however_it_is_written(gateway: SmallGateway) -> None:
    gateway.controller.answers["call"] = known()
    for written in (CALL.upper(), CALL.replace("-", ""), f"{{{CALL}}}"):
        await gateway.ask("GET", f"/calls/{written}")
        assert gateway.controller.asked_for("call")["call_id"] == CALL


@pytest.mark.parametrize(("method", "below"), ENDPOINTS)
async def test_without_the_controller_one_is_told_to_ask_again(gateway: SmallGateway, method: str, below: str) -> None:
    await gateway.controller.stop()
    await eventually(lambda: not gateway.link.is_up)
    answer = await gateway.ask(method, f"/calls/{CALL}{below}")
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "unavailable", "1")


# Results


async def test_a_result_is_answered_as_the_call_would_have_been(gateway: SmallGateway) -> None:
    answer = await outcome_asked(gateway, {"content_type": "application/json", "body": b"[1]", "problem": None})
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/json", b"[1]")


async def test_a_call_that_failed_is_answered_with_its_problem(gateway: SmallGateway) -> None:
    problem = to_problem(FunctionError("boom", exception="ValueError"))
    answer = await outcome_asked(gateway, {"content_type": "", "body": b"", "problem": problem})
    assert (answer.status, answer.code, answer.json()["exception"]) == (500, "function_error", "ValueError")


async def test_a_call_that_has_not_ended_is_answered_with_where_it_stands(gateway: SmallGateway) -> None:
    answer = await outcome_asked(gateway, None)
    assert (answer.status, answer.headers["retry-after"], answer.json()) == (202, "1", known("RUNNING"))


@pytest.mark.parametrize("prefer", ["wait=0", "await=9", "respond-async"])
async def test_who_does_not_say_how_long_to_wait_does_not_wait(gateway: SmallGateway, prefer: str) -> None:
    assert (await outcome_asked(gateway, None, prefer)).status == 202


@pytest.mark.parametrize("prefer", ["wait=", "wait=-5", "wait=x", "wait=1, wait=2"])
async def test_who_says_badly_how_long_to_wait_is_told(gateway: SmallGateway, prefer: str) -> None:
    answer = await outcome_asked(gateway, None, prefer)
    assert (answer.status, "write wait=30" in answer.json()["detail"]) == (400, True)


async def test_who_waits_is_answered_as_soon_as_the_call_has_ended(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    call_id = (await gateway.call(Prefer="respond-async").answer()).json()["call"]
    call = await executor.call()
    gateway.controller.answers["call"] = known("RUNNING", call_id)
    headers = {"Prefer": "respond-async, wait=" + "9" * 400}
    waiting = gateway.request("GET", f"/calls/{call_id}/result", headers=headers)
    await eventually(lambda: gateway.controller.asked)
    call.returns("at last")
    answer = await waiting.answer()
    assert (answer.status, answer.json()) == (200, "at last")


async def test_the_result_of_a_call_that_somebody_waited_for_is_not_kept(gateway: SmallGateway) -> None:
    gateway.controller.answers["call"] = known(spawned=False)
    answer = await gateway.ask("GET", f"/calls/{CALL}/result")
    assert (answer.status, answer.code) == (404, "not_found")


# Logs


async def test_logs_are_those_of_the_call_that_the_caller_may_see(gateway: SmallGateway) -> None:
    gateway.controller.answers |= {"call": known(), "logs": [{"text": "hello"}]}
    assert (await gateway.ask("GET", f"/calls/{CALL}/logs")).json() == {"logs": [{"text": "hello"}]}
    asked = gateway.controller.asked_for("logs")
    assert (asked["call"], asked["function"], asked["actor"]["team"]) == (CALL, None, "nlp")


# Cancelling


async def test_a_call_that_runs_here_is_cancelled_here(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    gateway.controller.answers["call"] = known("RUNNING", call.header.call_id, spawned=False)
    answer = await gateway.ask("DELETE", f"/calls/{call.header.call_id}")
    assert (answer.status, answer.body) == (204, b"")
    cancelled = await exchange.answer()
    assert (cancelled.status, cancelled.code) == (499, "cancelled")
    await eventually(lambda: call.cancelled == "cancelled")
    assert "cancel_call" not in [name for name, _ in gateway.controller.asked]


async def test_a_call_that_runs_elsewhere_is_cancelled_by_way_of_the_controller(gateway: SmallGateway) -> None:
    gateway.controller.answers["call"] = known("RUNNING")
    assert (await gateway.ask("DELETE", f"/calls/{CALL}")).status == 204
    assert gateway.controller.asked_for("cancel_call") == {"call_id": CALL}


async def test_the_controller_cancels_what_runs_here_for_another_gateway(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    gateway.controller.link.notify("cancel", call_id=new_id())
    gateway.controller.link.notify("cancel", call_id=call.header.call_id)
    assert (await exchange.answer()).code == "cancelled"


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED", "REJECTED", "INTERRUPTED"])
async def test_a_call_that_has_ended_can_not_be_cancelled(gateway: SmallGateway, state: str) -> None:
    gateway.controller.answers["call"] = known(state)
    answer = await gateway.ask("DELETE", f"/calls/{CALL}")
    assert (answer.status, answer.code) == (409, "conflict")
    assert state in answer.json()["detail"]


# Replaying


async def test_a_call_is_run_again_as_a_new_one_of_who_asks(gateway: SmallGateway) -> None:
    gateway.controller.answers |= {"call": known("FAILED"), "replay": {"call": "the-new"}}
    answer = await gateway.ask("POST", f"/calls/{CALL}/replay", who="dora")
    assert (answer.status, answer.headers["location"], answer.json()) == (202, "/calls/the-new", {"call": "the-new"})
    actor = {"principal": "dora", "team": "nlp", "role": "deployer"}
    assert gateway.controller.asked_for("replay") == {"call_id": CALL, "actor": actor}


@pytest.mark.parametrize("state", ["RUNNING", "WAITING"])
async def test_a_call_that_has_not_ended_is_not_run_again(gateway: SmallGateway, state: str) -> None:
    gateway.controller.answers["call"] = known(state)
    assert (await gateway.ask("POST", f"/calls/{CALL}/replay")).code == "conflict"
    assert "replay" not in [name for name, _ in gateway.controller.asked]


async def test_a_call_that_is_run_again_is_counted(gateway: SmallGateway) -> None:
    gateway.controller.answers |= {"call": known("FAILED"), "replay": {"call": "the-new"}}
    table = gateway.controller.table
    await table.applied(await table.set_limits([{"kind": "team", "name": "nlp", "calls_per_s": 0.001}], 1))
    answers = [await gateway.ask("POST", f"/calls/{CALL}/replay", who="dora") for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 429]
    assert (answers[1].code, answers[1].headers["retry-after"]) == ("rate_limited", "1000")
    assert len([name for name, _ in gateway.controller.asked if name == "replay"]) == 1


@pytest.mark.parametrize(("method", "below"), [("GET", "/result"), ("POST", "/replay")])
async def test_what_another_teams_code_asked_inside_a_call_is_not_the_callers(
    gateway: SmallGateway, method: str, below: str
) -> None:
    gateway.controller.answers["call"] = known() | {"is_own": False}
    gateway.controller.outcomes[CALL] = {"content_type": "application/json", "body": b"1", "problem": None}
    answer = await gateway.ask(method, f"/calls/{CALL}{below}")
    assert (answer.status, answer.code) == (403, "forbidden")
    assert [name for name, _ in gateway.controller.asked] == ["call"]
    assert (await gateway.ask("GET", f"/calls/{CALL}")).json() == known()


async def test_what_was_not_kept_can_not_be_run_again(gateway: SmallGateway) -> None:
    gateway.controller.answers |= {"call": known(spawned=False), "replay": NotFound("not kept")}
    answer = await gateway.ask("POST", f"/calls/{CALL}/replay")
    assert (answer.status, answer.json()["detail"]) == (404, "not kept")


# Debugging


async def test_what_is_typed_reaches_the_debugger_of_the_call(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(who="dora", Rayfaas_Debug="1", Accept="application/x-ndjson")
    call = await executor.call()
    assert call.header.debug
    call.says("(Pdb) ", waits=True)
    event = json.loads(await exchange.piece())
    assert event == {"debug": {"call": call.header.call_id, "text": "(Pdb) ", "waits": True}}
    gateway.controller.answers["call"] = known("RUNNING", call.header.call_id)
    typed = await gateway.ask("POST", f"/calls/{call.header.call_id}/debug", b"p x", "dora")
    assert typed.status == 204
    await eventually(lambda: call.typed == ["p x"])
    call.returns(1)
    await exchange.answer()


async def test_a_line_for_a_call_at_another_gateway_goes_by_way_of_the_controller(gateway: SmallGateway) -> None:
    gateway.controller.answers["call"] = known("RUNNING")
    assert (await gateway.ask("POST", f"/calls/{CALL}/debug", b"next", "dora")).status == 204
    assert gateway.controller.asked_for("type") == {"call_id": CALL, "line": "next"}


@pytest.mark.parametrize(
    ("who", "state", "status"), [("ivan", "RUNNING", 403), ("dina", "RUNNING", 403), ("root", "FAILED", 409)]
)
async def test_a_debugger_is_for_those_who_may_deploy_the_function_while_it_runs(
    gateway: SmallGateway, who: str, state: str, status: int
) -> None:
    gateway.controller.answers["call"] = known(state)
    assert (await gateway.ask("POST", f"/calls/{CALL}/debug", b"next", who)).status == status


async def test_a_call_without_a_debugger_takes_no_lines_and_says_none(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(who="dora", Accept="application/x-ndjson")
    call = await executor.call()
    call.says("(Pdb) ", waits=True)
    call.returns(1)
    assert len((await exchange.answer()).lines()) == 2
    assert not gateway.in_flight.type(call.header.call_id, "next")


# The cache


async def test_the_controller_says_why_it_was_no_hit(gateway: SmallGateway) -> None:
    told = {"call": CALL, "part": "arguments", "detail": "It was called with another text.", "nearest": None}
    gateway.controller.answers |= {"call": known("CACHED"), "why_miss": told}
    assert (await gateway.ask("GET", f"/calls/{CALL}/why-miss", who="vera")).json() == told
    assert gateway.controller.asked_for("why_miss")["actor"]["team"] == "nlp"
    assert (await gateway.ask("DELETE", f"/calls/{CALL}")).code == "conflict"  # it has ended

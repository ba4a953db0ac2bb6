"""Aliases over HTTP, calls through what they lead to, as of a moment too, and copies that nobody hears of."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from rayfaas.errors import FunctionError, NotFound
from rayfaas.gateway import shadows as shadows_module
from rayfaas.gateway.outcome import Outcome
from rayfaas.gateway.shadows import is_same
from rayfaas.records import CallEnded, CallStarted, Compared
from tests.gateway.controller import version_route
from tests.gateway.executor import FakeExecutor
from tests.gateway.small import SmallGateway
from tests.waiting import eventually

PROD = "/v1/functions/nlp/embed/aliases/prod"
SPLIT = {"version": 1, "revision": 7, "arms": [[1, 50.0], [2, 50.0]], "sticky": "caller", "shadow": None}
SHADOWED = {"version": 1, "revision": 7, "arms": [[1, 100.0]], "sticky": None, "shadow": [2, 100.0]}


async def lead(gateway: SmallGateway, live: dict[str, Any]) -> None:
    await gateway.controller.set_function("nlp/embed", [version_route(1), version_route(2)], {"live": live})


# The control plane


@pytest.mark.parametrize(
    "body",
    [
        {"version": 2, "message": "it is better"},
        {"split": {"1": 95.0, "2": 5.0}, "sticky": "header:User-Id"},
        {"shadow": {"version": 2, "share": 10.0}},
        {"shadow": None},
    ],
)
async def test_a_move_is_handed_on_as_it_was_said(gateway: SmallGateway, body: dict[str, Any]) -> None:
    gateway.controller.answers["move_alias"] = {"alias": "prod", "revision": 9}
    answer = await gateway.ask("POST", PROD, json.dumps(body).encode(), "dora")
    assert answer.json() == {"alias": "prod", "revision": 9}
    (_, asked) = gateway.controller.asked[-1]
    assert (asked["team"], asked["name"], asked["alias"], asked["actor"]) == ("nlp", "embed", "prod", "dora")
    assert json.loads(json.dumps(asked["move"])) == body


@pytest.mark.parametrize("version", ['"2"', "2.0", "2.5", "[2]", "{}", '""', "0", "-1", "2147483648", "true"])
async def test_an_alias_is_moved_to_the_number_of_a_version_only(gateway: SmallGateway, version: str) -> None:
    body = b'{"version": %s}' % version.encode()
    assert (await gateway.ask("POST", PROD, body, "dora")).code == "bad_request"
    assert gateway.controller.asked == []


@pytest.mark.parametrize("alias", ["1", "a b", "..", "é", "x" * 64, "a@b", "prod\n"])
async def test_an_alias_that_is_none_is_not_moved(gateway: SmallGateway, alias: str) -> None:
    answer = await gateway.ask("POST", f"/v1/functions/nlp/embed/aliases/{alias}", b'{"version": 1}', "dora")
    assert (answer.status, gateway.controller.asked) == (400, [])


@pytest.mark.parametrize("limit", ["0", "-1", "x", "10001", "1" * 5000, "1.5", ""])
async def test_a_history_has_a_limit(gateway: SmallGateway, limit: str) -> None:
    assert (await gateway.ask("GET", f"{PROD}/history?limit={limit}", who="vera")).code == "bad_request"


@pytest.mark.parametrize(
    "plan", [{}, {"version": 2}, {"version": 2, "steps": []}, {"version": 2, "steps": [5, 5]},
             {"version": 2, "steps": [5, 101]}, {"version": 2, "steps": [5], "max_error_rate": 1.5}],
)  # fmt: skip
async def test_a_canary_that_makes_no_sense_is_refused(gateway: SmallGateway, plan: dict[str, Any]) -> None:
    answer = await gateway.ask("POST", f"{PROD}/canary", json.dumps(plan).encode(), "dora")
    assert (answer.code, gateway.controller.asked) == ("bad_request", [])


async def test_why_is_handed_on(gateway: SmallGateway) -> None:
    await gateway.ask("POST", f"{PROD}/rollback", b'{"message": "it is broken"}', "dora")
    assert gateway.controller.asked_for("rollback")["message"] == "it is broken"
    await gateway.ask("DELETE", f"{PROD}/canary?message=friday", who="dora")
    assert gateway.controller.asked_for("abort_canary")["message"] == "friday"
    assert (await gateway.ask("POST", f"{PROD}/rollback", b'{"message": 5}', "dora")).code == "bad_request"


# Splits


async def answer(executor: FakeExecutor, value: object) -> None:
    (await executor.call()).returns(value)


async def test_calls_of_a_split_are_recorded_with_the_version_that_they_got(gateway: SmallGateway) -> None:
    await lead(gateway, SPLIT | {"sticky": None})
    for version in (1, 2):
        await gateway.executor(version, concurrency=100)
    for _ in range(40):
        gateway.call()
    await eventually(lambda: len(_started(gateway)) == 40)
    started = _started(gateway)
    counted = Counter(each.version for each in started)
    assert set(counted) == {1, 2}
    assert {(each.alias, each.alias_revision) for each in started} == {("live", 7)}


def _started(gateway: SmallGateway) -> list[CallStarted]:
    return [record for record in gateway.records() if isinstance(record, CallStarted)]


async def test_a_caller_who_sticks_gets_one_version_by_any_way_of_calling(gateway: SmallGateway) -> None:
    await lead(gateway, SPLIT)
    routed = {gateway.routes.resolve("embed", "nlp", "ivan", {}).key for _ in range(20)}
    assert len(routed) == 1
    assert {gateway.routes.resolve("embed", "nlp", f"caller{n}", {}).key for n in range(40)} == {
        "nlp/embed:1", "nlp/embed:2",
    }  # fmt: skip


async def test_a_method_that_one_arm_lacks_is_answered_by_the_other(gateway: SmallGateway) -> None:
    versions = [version_route(1, methods=["old", "both"]), version_route(2, methods=["both"])]
    await gateway.controller.set_function("nlp/Model", versions, {"live": SPLIT})
    for _ in range(20):
        assert gateway.routes.resolve("Model.old", "nlp").key == "nlp/Model:1"
    with pytest.raises(NotFound, match=r"Call nlp/Model\.old"):
        gateway.routes.resolve("Model.new", "nlp")


# As of a moment


async def test_a_call_as_of_a_moment_gets_what_the_alias_led_to_then(gateway: SmallGateway) -> None:
    gateway.controller.answers["alias_at"] = {"version": 2, "revision": 3}
    executor = await gateway.executor(2)
    for _ in range(2):
        exchange = gateway.call(target="embed@live@2026-11-01T12:00Z")
        await answer(executor, 2)
        assert (await exchange.answer()).body == b"2"
    asked = [parameters for name, parameters in gateway.controller.asked if name == "alias_at"]
    assert asked == [{"team": "nlp", "name": "embed", "alias": "live", "moment": 1793534400.0}]
    assert {(each.target, each.alias, each.alias_revision) for each in _started(gateway)} == {
        ("embed@live@2026-11-01T12:00Z", "live", 3)
    }


async def test_a_moment_of_which_nothing_is_known_is_not_found(gateway: SmallGateway) -> None:
    gateway.controller.answers["alias_at"] = NotFound("nlp/embed had no alias 'live' at that time.")
    assert (await gateway.call(target="embed@2020-01-01").answer()).code == "not_found"
    assert (await gateway.call(target="embed@2020-01-41").answer()).code == "bad_request"


# Shadows


async def test_a_copy_goes_to_the_shadow_and_is_compared_and_never_returned(gateway: SmallGateway) -> None:
    await lead(gateway, SHADOWED)
    live, shadow = await gateway.executor(1), await gateway.executor(2)
    exchange = gateway.call(b'{"a": 1}')
    await answer(live, [1, 2])
    answered = await exchange.answer()
    assert (answered.body, answered.headers["rayfaas-version"]) == (b"[1, 2]", "1")
    copy = await shadow.call()
    assert copy.body == b'{"a": 1}'
    copy.returns([1, 3])
    compared = await eventually(lambda: _compared(gateway))
    first, second = _started(gateway)
    assert compared == [Compared(second.call, first.call, False, "[1, 2]", "[1, 3]")]
    assert (second.version, second.shadow_of, second.alias, second.target) == (2, first.call, None, "nlp/embed:2")
    assert (second.root, second.parent, second.principal) == (first.root, first.parent, first.principal)
    ends = [record for record in gateway.records() if isinstance(record, CallEnded)]
    assert [end.state for end in ends] == ["SUCCEEDED", "SUCCEEDED"]


def _compared(gateway: SmallGateway) -> list[Compared]:
    return [record for record in gateway.records() if isinstance(record, Compared)]


async def test_a_copy_that_fails_is_recorded_and_fails_nothing(gateway: SmallGateway) -> None:
    await lead(gateway, SHADOWED)
    live, shadow = await gateway.executor(1), await gateway.executor(2)
    exchange = gateway.call()
    await answer(live, 1)
    assert (await exchange.answer()).status == 200
    (await shadow.call()).fails(FunctionError("no", exception="builtins.ValueError", message="no"))
    (compared,) = await eventually(lambda: _compared(gateway))
    assert (compared.same, compared.answer) == (False, "1")
    assert compared.shadow_answer is not None
    assert json.loads(compared.shadow_answer)["code"] == "function_error"


async def test_copies_are_left_out_first_when_there_is_much_to_do(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lead(gateway, SHADOWED)
    live, shadow = await gateway.executor(1), await gateway.executor(2)
    pinned = gateway.call(target="embed:2")
    busy = await shadow.call()
    for _ in range(3):
        exchange = gateway.call()
        await answer(live, 1)
        await exchange.answer()
    assert len(_started(gateway)) == 4
    busy.returns(1)
    await pinned.answer()
    monkeypatch.setattr(shadows_module, "MOST_COPIES", 0)
    exchange = gateway.call()
    await answer(live, 1)
    await exchange.answer()
    assert len(_started(gateway)) == 5


async def test_a_share_of_the_calls_is_copied(gateway: SmallGateway) -> None:
    await lead(gateway, SHADOWED | {"shadow": [2, 0.0001]})
    live = await gateway.executor(1)
    for _ in range(20):
        exchange = gateway.call()
        await answer(live, 1)
        await exchange.answer()
    assert len(_started(gateway)) == 20


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Outcome("application/json", b'{"a": 1, "b": 2}'), Outcome("application/json", b'{"b":2,"a":1}'), True),
        (Outcome("application/json", b"1"), Outcome("application/json", b"2"), False),
        (Outcome("application/json", b"{"), Outcome("application/json", b"{"), True),
        (Outcome("application/json", b"{"), Outcome("application/json", b"1"), False),
        (Outcome("application/octet-stream", b"1"), Outcome("application/json", b"1"), False),
        (Outcome("", b"", {"code": "timeout"}), Outcome("", b"", {"code": "timeout"}), True),
        (Outcome("", b"", {"code": "timeout"}), Outcome("", b"", {"code": "function_error"}), False),
        (Outcome("", b"", {"code": "timeout"}), Outcome("application/json", b"1"), False),
    ],
)
def test_what_is_the_same(one: Outcome, other: Outcome, same: bool) -> None:
    assert is_same(one, other) is same

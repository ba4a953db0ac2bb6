"""Limits: what is let through, what a refusal says, and that several gateways share them."""

from __future__ import annotations

from typing import Any

import pytest

from rayfaas.errors import RateLimited
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.quotas import LimitRoute, LimitRoutes, Quotas
from tests.gateway.small import SmallGateway
from tests.gateway.test_dispatch import waiting_call


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def quotas(clock: Clock, *limits: LimitRoute, gateways: int = 1, before: Quotas | None = None) -> Quotas:
    return Quotas(LimitRoutes(list(limits), gateways), before, clock, clock)


def taken(made: Quotas, times: int, team: str = "nlp", calls: dict[str, PendingCall] | None = None) -> int:
    """How many of so many calls are let through."""
    count = 0
    for _ in range(times):
        try:
            made.take("ann", team, "nlp/embed", calls or {})
        except RateLimited:
            continue
        count += 1
    return count


def test_without_limits_there_are_none(clock: Clock) -> None:
    assert not quotas(clock)
    assert not quotas(clock, LimitRoute("team", "nlp", weight=3.0))


@pytest.mark.parametrize("limit", [("team", "nlp"), ("principal", "ann"), ("function", "nlp/embed")])
def test_calls_per_second_are_those_of_its_subject(clock: Clock, limit: tuple[Any, str]) -> None:
    made = quotas(clock, LimitRoute(*limit, calls_per_s=5), LimitRoute("team", "other", calls_per_s=1))
    assert taken(made, 20) == 5
    clock.now += 0.5
    assert taken(made, 20) == 2
    clock.now += 3600
    assert taken(made, 20) == 5


def test_less_than_one_call_per_second(clock: Clock) -> None:
    made = quotas(clock, LimitRoute("team", "nlp", calls_per_s=0.1))
    assert taken(made, 3) == 1
    clock.now += 9
    with pytest.raises(RateLimited) as caught:
        made.take("ann", "nlp", "nlp/embed", {})
    assert 1 <= caught.value.extra["retry_after_s"] <= 2
    clock.now += 1.5
    assert taken(made, 3) == 1


def test_what_one_limit_refuses_counts_against_none(clock: Clock) -> None:
    made = quotas(clock, LimitRoute("team", "nlp", calls_per_s=10), LimitRoute("function", "nlp/embed", calls_per_s=2))
    assert taken(made, 50) == 2
    assert sum(made.take("ann", "nlp", "nlp/other", {}) is not None for _ in range(8)) == 8


def test_several_gateways_let_through_together_what_one_would(clock: Clock) -> None:
    each = [quotas(clock, LimitRoute("team", "nlp", calls_per_s=9), gateways=3) for _ in range(3)]
    assert sum(taken(made, 50) for made in each) == 9


async def test_calls_at_once(clock: Clock) -> None:
    made = quotas(clock, LimitRoute("team", "a", concurrency=2))
    calls = {str(number): waiting_call("a") for number in range(2)}
    assert taken(made, 1, "a", {"0": calls["0"]}) == 1
    with pytest.raises(RateLimited, match="2 calls at once"):
        made.take("ann", "a", "nlp/embed", calls)
    assert taken(made, 1, "b", calls) == 1


def test_gpu_time_that_is_used_up(clock: Clock) -> None:
    made = quotas(clock, LimitRoute("team", "nlp", gpu_s_per_day=60, spent_until=1100.0))
    with pytest.raises(RateLimited, match="Try again in 100 s") as caught:
        made.take("ann", "nlp", "nlp/embed", {})
    assert caught.value.extra["rate_limit_policy"] == '"team:nlp";q=60;w=86400;qu="gpu-seconds"'
    clock.now = 1100.0
    assert taken(made, 1) == 1


def test_another_limits_change_gives_nobody_a_fresh_start(clock: Clock) -> None:
    limit = LimitRoute("team", "nlp", calls_per_s=5)
    first = quotas(clock, limit)
    assert taken(first, 9) == 5
    assert taken(quotas(clock, limit, LimitRoute("team", "b", concurrency=1), before=first), 9) == 0


# At a gateway


async def limit(gateway: SmallGateway, **of: Any) -> None:
    table = gateway.controller.table
    await table.applied(await table.set_limits([{"kind": "team", "name": "nlp", **of}] if of else [], 1))


async def test_an_answer_tells_what_is_left_and_a_refusal_when_to_come_again(gateway: SmallGateway) -> None:
    await limit(gateway, calls_per_s=0.002)
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    first = await gateway.call().answer()
    assert first.headers["ratelimit-policy"] == '"team:nlp";q=1;w=500'
    assert first.headers["ratelimit"] == '"team:nlp";r=0;t=500'
    refused = await gateway.call().answer()
    assert (refused.status, refused.code, refused.json()["retryable"]) == (429, "rate_limited", True)
    seconds = refused.headers["retry-after"]
    assert 400 < int(seconds) <= 500
    assert refused.headers["ratelimit"] == f'"team:nlp";r=0;t={seconds}'
    assert (await gateway.call(target="nlp/embed", who="otto").answer()).status == 200
    assert len(gateway.starts()) == 2


async def test_without_limits_nothing_is_told_and_nothing_looked_up(gateway: SmallGateway) -> None:
    await limit(gateway, calls_per_s=1)
    assert gateway.routes.quotas is not None
    await limit(gateway)
    assert gateway.routes.quotas is None
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    assert "ratelimit" not in (await gateway.call().answer()).headers


async def test_calls_that_run_count_until_they_have_ended(gateway: SmallGateway) -> None:
    await limit(gateway, concurrency=1)
    executor = await gateway.executor(concurrency=2)
    first = gateway.call()
    call = await executor.call()
    assert (await gateway.call().answer()).code == "rate_limited"
    call.returns(1)
    assert (await first.answer()).status == 200
    executor.answers(lambda call: call.returns(1))
    assert (await gateway.call().answer()).status == 200


@pytest.mark.parametrize("headers", [{"Prefer": "respond-async"}, {"Accept": "text/event-stream"}], ids=str)
async def test_no_way_to_call_is_without_limits(gateway: SmallGateway, headers: dict[str, str]) -> None:
    await limit(gateway, gpu_s_per_day=1, spent_until=4e9)
    for path in ("/call/embed", "/app/embed/"):
        assert (await gateway.ask("POST", path, b"1", headers=headers)).code == "rate_limited"


async def test_each_line_of_many_inputs_counts(gateway: SmallGateway) -> None:
    await limit(gateway, calls_per_s=0.5)
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    headers = {"Content-Type": "application/x-ndjson"}
    lines = (await gateway.ask("POST", "/call/embed", b"1\n2\n3\n", headers=headers)).lines()
    assert ["error" in line for line in lines] == [False, True, True]


async def test_a_weight_alone_is_no_limit(gateway: SmallGateway) -> None:
    await limit(gateway, weight=3.0)
    assert (gateway.routes.weights, gateway.routes.quotas) == ({"nlp": 3.0}, None)


@pytest.mark.parametrize(
    ("path", "body"),
    [("cluster/x", "{}"), ("team/No", "{}"), ("function/embed", "{}"), ("team/nlp", '{"calls_per_s": 0}'),
     ("team/nlp", '{"calls_per_s": -1}'), ("team/nlp", '{"concurrency": 1.5}'), ("team/nlp", '{"weight": 0}'),
     ("team/nlp", '{"calls": 5}'), ("principal/" + "x" * 257, "{}"), ("team/nlp", '{"message": 5}')],
)  # fmt: skip
async def test_a_limit_that_is_none_is_not_set(gateway: SmallGateway, path: str, body: str) -> None:
    answer = await gateway.ask("PUT", "/v1/limits/" + path.replace("/", "?name=", 1), body.encode(), "root")
    assert (answer.status, answer.code, gateway.controller.asked) == (400, "bad_request", [])


async def test_a_principals_name_may_be_an_address(gateway: SmallGateway) -> None:
    await gateway.ask("PUT", "/v1/limits/principal?name=ann@example.org/ci", b'{"calls_per_s": 5}', "root")
    asked = gateway.controller.asked_for("set_limit")
    assert (asked["kind"], asked["name"], asked["actor"]) == ("principal", "ann@example.org/ci", "root")

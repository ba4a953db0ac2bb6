"""Schedules as code says them: what is none is told at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rayfaas
from rayfaas.declaration import Declaration
from rayfaas.errors import BadRequest
from rayfaas.schedule import MOST_ARGUMENTS, Cron, Period, Schedule, length_of
from rayfaas.spec import Entry, Publish, Spec

ANY: Any = dict  # what no type checker would let through


def test_a_period_is_the_sum_of_its_parts() -> None:
    assert Period(days=1, hours=2, minutes=3, seconds=4).every_s == 93_784
    assert str(Period(minutes=90)) == "every 90m"
    assert [length_of(seconds) for seconds in (86_400, 7200, 61)] == ["1d", "2h", "61s"]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Period(), "every_s: .*greater than or equal to 60"),
        (lambda: Period(seconds=59), "every_s: .*greater than or equal to 60"),
        (lambda: Period(hours=float("nan")), "every_s"),
        (lambda: Cron("x" * 201), "cron: .*200"),
        (lambda: Cron("* * * * *", **ANY(overlap="queue")), "overlap: .*'skip' or 'allow'"),
        (lambda: Cron("* * * * *", arguments=float("nan")), "arguments: .*JSON"),
        (lambda: Cron("* * * * *", **ANY(arguments={1: object()})), "arguments: "),
        (lambda: Cron("* * * * *", arguments="a" * MOST_ARGUMENTS), "arguments: .*65,536 bytes"),
        (lambda: Cron("* * * * *", start_within_s=1), "start_within_s: "),
    ],
)
def test_what_is_no_schedule_is_told_with_its_place(make: Callable[[], Any], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        make()


def test_arguments_that_are_nested_too_deeply_are_refused() -> None:
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(BadRequest, match="arguments"):
        Cron("* * * * *", arguments=nested)


@pytest.mark.parametrize(
    "fields", [{}, {"cron": "* * * * *", "every_s": 60}, {"every_s": 60, "timezone": "Asia/Tokyo"}]
)
def test_it_is_either_an_expression_or_a_period(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"say when|timezone is for"):
        Schedule(**fields)


def test_a_function_declares_it_and_another_one_is_no_other_version() -> None:
    @rayfaas.function(schedule=rayfaas.Cron("0 8 * * 1-5", timezone="Europe/Berlin", arguments={"n": 1}))
    def nightly(n: int) -> None: ...

    spec = nightly.declaration.spec
    sent = Spec.model_validate_json(spec.model_dump_json()).schedule
    assert sent == Schedule(cron="0 8 * * 1-5", timezone="Europe/Berlin", arguments={"n": 1})
    entry = Entry(module="m", name="f")
    digests = {Publish(bundle="0" * 64, entry=entry, spec=each).content_digest() for each in (spec, Spec())}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("decorator", "schedule", "why"),
    [
        ("function", "0 8 * * *", "schedule is rayfaas.Cron"),
        ("cls", Period(hours=1), "rayfaas schedule Model.train"),
        ("asgi", Period(hours=1), "Have one call the application"),
    ],
)
def test_what_can_not_have_one_says_what_to_do(decorator: str, schedule: Any, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        Declaration.of("f", {"schedule": schedule}, decorator)

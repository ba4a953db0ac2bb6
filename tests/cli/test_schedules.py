"""What is said of schedules is said to the server, and its answer in sentences and tables."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

PATH = "/v1/functions/nlp/embed/schedules"
NIGHTLY: dict[str, Any] = {
    "function": "nlp/embed",
    "team": "nlp",
    "name": "embed",
    "schedule": "nightly",
    "when": "0 8 * * *",
    "cron": "0 8 * * *",
    "timezone": "Europe/Berlin",
    "alias": "prod",
    "principal": "ann",
    "next_at": "2026-11-30T08:00:00+01:00",
    "suspended_by": None,
    "suspended_for": None,
    "last_due_at": None,
    "last_outcome": "CALLED",
    "last_state": "FAILED",
}
SUSPENDED = {
    **NIGHTLY,
    "function": "nlp/other",
    "name": "other",
    "next_at": None,
    "suspended_by": "bob",
    "suspended_for": "the source is down",
    "last_outcome": "SKIPPED",
}
TOLD = {**NIGHTLY, "schedule": "default", "next": ["2026-11-30T08:00:00+01:00", "2026-12-01T08:00:00+01:00"]}


@pytest.fixture
def served(rayfaas: Terminal) -> Terminal:
    table = {
        f"PUT {PATH}/default": TOLD,
        f"POST {PATH}/nightly/suspend": {**SUSPENDED, "function": "nlp/embed"},
        f"POST {PATH}/nightly/resume": {**TOLD, "schedule": "nightly"},
        f"DELETE {PATH}/nightly": None,
        "GET /v1/schedules": {"schedules": [NIGHTLY, SUSPENDED]},
    }
    rayfaas.serve(routes(table))
    return rayfaas


def test_an_expression_is_set_and_the_next_times_are_told(served: Terminal) -> None:
    said = ("--timezone", "Europe/Berlin", "--arguments", '{"n": 1}', "--alias", "prod", "--start-within", "2h")
    told = served("schedule", "nlp/embed", "0 8 * * *", *said)
    assert told.out.splitlines() == [
        "nlp/embed (default) calls itself at 0 8 * * *, next at",
        "  2026-11-30T08:00:00+01:00",
        "  2026-12-01T08:00:00+01:00",
    ]
    sent = served.requests[-1].json()
    assert (sent["cron"], sent["timezone"], sent["alias"]) == ("0 8 * * *", "Europe/Berlin", "prod")
    assert (sent["arguments"], sent["start_within_s"], sent["overlap"]) == ({"n": 1}, 7200.0, "skip")


@pytest.mark.parametrize("times", ["6h", "every 6h"])
def test_a_duration_is_a_period(served: Terminal, times: str) -> None:
    assert served("schedule", "nlp/embed", times, "--json").json == TOLD
    assert served.requests[-1].json()["every_s"] == 21_600.0


def test_the_only_one_of_a_function_need_not_be_named(served: Terminal) -> None:
    assert served("schedule", "nlp/embed", "--suspend", "-m", "down").out == "nlp/embed (nightly) is suspended.\n"
    assert served("schedule", "nlp/embed", "--resume").out.startswith("nlp/embed (nightly) calls itself at 0 8 * * *")
    assert served("schedule", "nlp/embed", "--remove").out == "nlp/embed (nightly) is removed.\n"


def test_they_are_listed_with_what_came_of_the_last_time(served: Terminal) -> None:
    lines = served("schedules").out.splitlines()
    assert lines[0].split("  ")[0] == "FUNCTION"
    assert "2026-11-30T08:00:00+01:00" in lines[1]
    assert "FAILED" in lines[1]
    assert "suspended by bob: the source is down" in lines[2]
    assert "SKIPPED" in lines[2]
    assert len(served("schedules", "other", "--json").json) == 1


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (["schedule", "nlp/embed"], "Say when"),
        (["schedule", "nlp/embed", "6h", "--remove"], "Say when"),
        (["schedule", "nlp/embed", "6h", "--arguments", "{"], "no JSON"),
        (["schedule", "nlp/embed", "59s"], "every_s"),
        (["schedule", "nlp/embed", "6h", "--timezone", "Asia/Tokyo"], "timezone is for cron"),
    ],
)
def test_what_is_no_schedule_is_not_sent(served: Terminal, said: list[str], why: str) -> None:
    code, _, err = served(*said)
    assert code != 0
    assert why in err
    assert served.requests == []

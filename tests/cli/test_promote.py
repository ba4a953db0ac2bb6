"""A promotion at once, and one that is watched until it has ended; Ctrl-C leaves it going and says so."""

from __future__ import annotations

from typing import Any

import pytest

import rayfaas.operations.releases
from rayfaas.cli.promote import Progress
from rayfaas.client import Client
from tests.cli.terminal import Terminal
from tests.scripted_server import Reply, Request, answering, routes

CANARY = "/v1/functions/nlp/embed/aliases/live/canary"
STEP = {"share": 5.0, "outcome": "ON", "reason": "0 of 200 calls failed"}
RUNNING: dict[str, Any] = {
    "alias": "live",
    "plan": {"version": 8},
    "state": "RUNNING",
    "reason": None,
    "steps": [],
    "present": {"share": 5.0, "reason": "1 of 60 s"},
}
PROMOTED = {**RUNNING, "state": "PROMOTED", "reason": "good", "steps": [STEP], "present": None}
RETURNED = {**PROMOTED, "state": "RETURNED", "reason": "3 of 20 calls failed"}
BEGIN = ("promote", "nlp/embed", "8", "--canary", "5,25,100", "--every", "30s", "--max-p99-increase", "20%")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rayfaas.operations.releases, "LOOK_S", 0.0)


def serve(rayfaas: Terminal, *canaries: dict[str, Any]) -> None:
    left = list(canaries)

    async def canary(request: Request, reply: Reply) -> None:
        await answering(left.pop(0))(request, reply)

    moved = {"leads_to": "8"}
    rayfaas.serve(
        routes(
            {
                f"GET {CANARY}": canary,
                f"POST {CANARY}": RUNNING,
                f"DELETE {CANARY}": {**RETURNED, "state": "ABORTED", "reason": "aborted by ada"},
                "POST /v1/functions/nlp/embed/aliases/live": moved,
            }
        )
    )


def test_without_steps_all_calls_go_there_at_once(rayfaas: Terminal) -> None:
    serve(rayfaas)
    assert rayfaas("promote", "nlp/embed", "8", "-m", "faster").out == "nlp/embed@live leads to 8 now.\n"
    assert rayfaas.requests[-1].json() == {"version": 8, "message": "faster"}


def test_a_canary_is_watched_until_it_is_promoted(rayfaas: Terminal) -> None:
    serve(rayfaas, RUNNING, PROMOTED)
    ended = rayfaas(*BEGIN)
    assert ended.code == 0
    assert ended.out == "nlp/embed@live: the canary of version 8 is promoted: good\n"
    assert rayfaas.requests[0].json() == {
        "version": 8, "steps": [5.0, 25.0, 100.0], "every_s": 30.0, "max_error_rate": 0.01, "max_p99_increase": 0.2,
        "min_calls": 100, "limit_s": 3600.0, "message": "",
    }  # fmt: skip


def test_one_that_returns_is_a_failure_to_scripts(rayfaas: Terminal) -> None:
    serve(rayfaas, RETURNED)
    ended = rayfaas(*BEGIN)
    assert (ended.code, "is returned: 3 of 20 calls failed" in ended.out) == (1, True)


def test_it_need_not_be_waited_for_and_can_be_watched_and_aborted_later(rayfaas: Terminal) -> None:
    serve(rayfaas, PROMOTED)
    assert "The canary goes on." in rayfaas(*BEGIN, "--no-wait").out
    assert rayfaas("promote", "nlp/embed", "--follow", "--json").json == PROMOTED
    assert "is aborted: aborted by ada" in rayfaas("promote", "nlp/embed", "--abort").out


def test_interrupted_it_goes_on_and_says_so(rayfaas: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    serve(rayfaas)
    monkeypatch.setattr(Client, "follow_canary", interrupted)
    assert rayfaas(*BEGIN).code == 130
    assert rayfaas.requests[-1].method == "POST"


@pytest.mark.parametrize("typed", [[], ["8", "--abort"], ["8", "--follow"], ["8", "--canary", "5,x"]])
def test_what_makes_no_sense_is_wrong_usage(rayfaas: Terminal, typed: list[str]) -> None:
    serve(rayfaas)
    assert rayfaas("promote", "nlp/embed", *typed).code == 2
    assert rayfaas.requests == []


def test_progress_is_what_is_going_on() -> None:
    assert Progress().tell(RUNNING) == "5 %: 1 of 60 s"
    assert Progress().tell(PROMOTED) == "…"

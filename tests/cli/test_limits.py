"""What is typed is what the server is told, and a limit that is not said is none."""

from __future__ import annotations

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

ROW = {"kind": "team", "name": "ads", "calls_per_s": 100.0, "concurrency": None, "gpu_s_per_day": None, "weight": 1.0}


@pytest.fixture
def served(rayfaas: Terminal) -> Terminal:
    path = "/v1/limits/team"
    rayfaas.serve(routes({f"PUT {path}": ROW, f"DELETE {path}": {}, "GET /v1/limits": {"limits": [ROW]}}))
    return rayfaas


def test_a_limit_is_set(served: Terminal) -> None:
    line = served("limit", "team", "ads", "--calls", "100", "-m", "budget").lines[1]
    assert line[:2] == ["team", "ads"]
    assert served.requests[0].json() == {
        "calls_per_s": 100.0, "concurrency": None, "gpu_s_per_day": None, "weight": 1.0, "message": "budget",
    }  # fmt: skip


def test_limits_are_listed_and_dropped(served: Terminal) -> None:
    assert served("limits", "--json").json == [ROW]
    assert served("limit", "team", "ads", "--none") == (0, "The team ads has no limit.\n", "")


def test_a_look_at_a_limit_does_not_lift_it(served: Terminal) -> None:
    code, _, err = served("limit", "team", "ads")
    assert (code, "--calls" in err) == (2, True)
    assert served("limit", "team", "ads", "--none", "--calls", "5").code == 2
    assert served.requests == []


def test_there_are_three_kinds(served: Terminal) -> None:
    assert served("limit", "cluster", "x").code == 2
    assert served.requests == []

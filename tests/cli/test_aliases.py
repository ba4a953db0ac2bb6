"""Aliases on the command line: moved, split, shadowed, listed and rolled back."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

PROD = "/v1/functions/nlp/embed/aliases/prod"
MOVE: dict[str, Any] = {
    "alias": "prod",
    "revision": 3,
    "version": 7,
    "leads_to": "7=95, 8=5",
    "moved_at": (datetime.now(timezone.utc) - timedelta(hours=1, minutes=5)).isoformat(),
    "moved_by": "ada",
    "reason": "tested",
}
TABLE = {
    f"POST {PROD}": MOVE,
    f"POST {PROD}/rollback": {**MOVE, "leads_to": "7"},
    "GET /v1/functions/nlp/embed/aliases": {"aliases": [MOVE]},
    f"GET {PROD}/history": {"moves": [MOVE, MOVE]},
}


@pytest.fixture(autouse=True)
def served(rayfaas: Terminal) -> None:
    rayfaas.serve(routes(TABLE))


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        (["7", "-m", "tested"], {"version": 7, "message": "tested"}),
        (["--split", "7=95,8=5"], {"split": {"7": 95.0, "8": 5.0}, "message": ""}),
        (["--split", "7=95%, 8=5%", "--sticky", "caller"],
         {"split": {"7": 95.0, "8": 5.0}, "sticky": "caller", "message": ""}),
        (["--shadow", "8"], {"shadow": {"version": 8, "share": 100.0}, "message": ""}),
        (["--shadow", "8=10"], {"shadow": {"version": 8, "share": 10.0}, "message": ""}),
        (["--shadow", "none", "--sticky", "none"], {"shadow": None, "sticky": None, "message": ""}),
    ],
)  # fmt: skip
def test_an_alias_is_moved(rayfaas: Terminal, typed: list[str], sent: dict[str, Any]) -> None:
    ended = rayfaas("alias", "nlp/embed", "prod", *typed)
    assert ended == (0, "nlp/embed@prod leads to 7=95, 8=5 now.\n", "")
    assert rayfaas.requests[-1].json() == sent


@pytest.mark.parametrize(
    "typed",
    [
        [],
        ["-m", "nothing said"],
        ["7", "--split", "7=1,8=1"],
        ["--split", "7"],
        ["--split", "7=x"],
        ["--split", "7=1,7=2"],
        ["--split", ""],
        ["--split", "-7=1"],
        ["--shadow", "x"],
        ["--shadow", "8=x"],
    ],
)
def test_what_makes_no_sense_is_wrong_usage(rayfaas: Terminal, typed: list[str]) -> None:
    assert rayfaas("alias", "nlp/embed", "prod", *typed).code == 2
    assert rayfaas.requests == []


def test_aliases_and_their_moves_are_listed(rayfaas: Terminal) -> None:
    row = ["prod", "3", "7=95,", "8=5", "1", "h", "ago", "ada", "tested"]
    assert rayfaas("aliases", "nlp/embed").lines[1:] == [row]
    assert rayfaas("aliases", "nlp/embed", "--history", "prod", "-n", "5").lines[1:] == [row, row]
    assert rayfaas("aliases", "nlp/embed", "--json").json == [MOVE]


def test_an_alias_is_rolled_back(rayfaas: Terminal) -> None:
    ended = rayfaas("rollback", "nlp/embed", "--alias", "prod", "-m", "it is broken")
    assert ended == (0, "nlp/embed@prod leads to 7 now.\n", "")
    assert rayfaas.requests[-1].json() == {"message": "it is broken"}

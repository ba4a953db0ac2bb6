"""What is deployed is listed for people and for programs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

AN_HOUR_AGO = (datetime.now(timezone.utc) - timedelta(hours=1, minutes=5)).isoformat()
FUNCTION: dict[str, Any] = {
    "team": "nlp",
    "name": "embed",
    "aliases": [{"alias": "live", "version": 2}, {"alias": "prod", "version": 1}],
    "scaling": {"min_replicas": 1, "max_replicas": 8},
    "created_at": AN_HOUR_AGO,
    "created_by": "ada",
}
VERSION: dict[str, Any] = {
    "version": 2,
    "state": "ACTIVE",
    "published_at": AN_HOUR_AGO,
    "published_by": "ada",
    "content_digest": "c0ffee",
    "provenance": {
        "python": "3.11.7",
        "git_commit": "0123456789abcdef",
        "git_dirty": True,
        "message": "[bold]why[/bold]",
    },
    "failure": None,
}
FAILED: dict[str, Any] = {
    **VERSION,
    "version": 1,
    "state": "FAILED",
    "provenance": {},
    "failure": "No module named 'x'\nTraceback …",
}
TABLE = {
    "GET /v1/functions": {"functions": [FUNCTION]},
    "GET /v1/functions/nlp/embed/versions": {"versions": [VERSION, FAILED]},
}


@pytest.fixture(autouse=True)
def served(rayfaas: Terminal) -> None:
    rayfaas.serve(routes(TABLE))


def test_functions_are_listed_with_their_aliases(rayfaas: Terminal) -> None:
    heading, row = rayfaas("functions").lines
    assert heading == ["FUNCTION", "ALIASES", "REPLICAS", "CREATED", "BY"]
    assert " ".join(row) == "nlp/embed live → 2, prod → 1 1 to 8 1 h ago ada"


def test_what_is_deprecated_is_marked(rayfaas: Terminal) -> None:
    old = {**FUNCTION, "deprecated_at": "2026-11-28T10:00:00Z", "sunset_at": "2027-03-01T00:00:00Z", "successor": "a/g"}
    rayfaas.serve(routes({"GET /v1/functions": {"functions": [FUNCTION, old]}}))
    heading, plain, marked = rayfaas("functions").out.splitlines()
    assert heading.split()[-1] == "DEPRECATED"
    assert "2026-11-28" not in plain
    assert marked.rstrip().endswith("2026-11-28 until 2027-03-01, call a/g")


def test_versions_are_listed_with_their_commits_and_what_went_wrong(rayfaas: Terminal) -> None:
    _, newest, failed = (" ".join(line) for line in rayfaas("versions", "nlp/embed").lines)
    assert newest == "2 ACTIVE 1 h ago ada 0123456789+ 3.11.7 c0ffee [bold]why[/bold]"
    assert failed == "1 FAILED 1 h ago ada c0ffee No module named 'x'"


def test_programs_have_all_that_the_server_says(rayfaas: Terminal) -> None:
    assert rayfaas("functions", "--json").json == [FUNCTION]
    assert rayfaas("versions", "nlp/embed", "--json").json == [VERSION, FAILED]


def test_what_is_not_there_is_exit_code_3(rayfaas: Terminal) -> None:
    assert rayfaas("versions", "nlp/nothing").code == 3


@pytest.mark.parametrize("arguments", [["versions", "a/b/c"], ["versions", "nlp/a b"]])
def test_what_is_no_name_is_refused(rayfaas: Terminal, arguments: list[str]) -> None:
    code, out, err = rayfaas(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")


def test_nothing_deployed_is_an_empty_table(rayfaas: Terminal) -> None:
    rayfaas.close()
    rayfaas.serve(routes({"GET /v1/functions": {"functions": []}}))
    assert rayfaas("functions").lines == [["FUNCTION", "ALIASES", "REPLICAS", "CREATED", "BY"]]
    assert rayfaas("functions", "--json").json == []

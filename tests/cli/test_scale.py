"""Scaling and deleting on the command line."""

from __future__ import annotations

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

EMBED = "/v1/functions/nlp/embed"
SCALED = {
    "function": "nlp/embed",
    "scaling": {"min_replicas": 1, "max_replicas": 8, "target_concurrency": 2.0, "scale_down_after_s": 90.0},
    "clusters": ["local"],
}
DELETED = {"function": "nlp/embed", "versions": [3], "detail": "nlp/embed:3 was deleted."}


@pytest.fixture(autouse=True)
def served(rayfaas: Terminal) -> None:
    table = {f"PATCH {EMBED}/scaling": SCALED, f"DELETE {EMBED}": DELETED, f"DELETE {EMBED}/versions/3": DELETED}
    rayfaas.serve(routes(table))


def test_what_is_said_is_sent_and_what_holds_now_is_told(rayfaas: Terminal) -> None:
    ended = rayfaas("scale", "nlp/embed", "--min", "1", "--down-after", "90s", "-m", "busy")
    assert ended == (0, "nlp/embed has 1 to 8 replicas, one for 2 calls, kept 90 s now, in force on local.\n", "")
    assert rayfaas.requests[-1].json() == {"min_replicas": 1, "scale_down_after_s": 90.0, "message": "busy"}


@pytest.mark.parametrize("typed", [[], ["--min", "-1"], ["--max", "0"], ["--target", "x"], ["-m", "why"]])
def test_what_makes_no_sense_is_wrong_usage(rayfaas: Terminal, typed: list[str]) -> None:
    assert rayfaas("scale", "nlp/embed", *typed).code == 2
    assert rayfaas.requests == []


@pytest.mark.parametrize(("what", "path"), [("nlp/embed", EMBED), ("nlp/embed:3", f"{EMBED}/versions/3")])
def test_a_function_or_a_version_is_deleted(rayfaas: Terminal, what: str, path: str) -> None:
    assert rayfaas("delete", what, "--yes", "-m", "old") == (0, "nlp/embed:3 was deleted.\n", "")
    sent = rayfaas.requests[-1]
    assert sent.target.partition("?")[0] == path


def test_a_version_that_is_none_is_not_deleted(rayfaas: Terminal) -> None:
    assert rayfaas("delete", "nlp/embed:new", "--yes").code != 0
    assert rayfaas.requests == []

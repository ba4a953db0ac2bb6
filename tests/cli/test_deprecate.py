"""A function is deprecated, and who called it lately is shown."""

from __future__ import annotations

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

PATH = "/v1/functions/nlp/embed/deprecation"
NONE = {
    "function": "nlp/embed", "deprecated_at": None, "deprecated_by": None, "sunset_at": None, "successor": None,
    "reason": "",
}  # fmt: skip
DEPRECATED = {
    **NONE, "deprecated_at": "2026-11-28T10:00:00+00:00", "deprecated_by": "ann", "successor": "nlp/embed2",
    "sunset_at": "2027-03-01T00:00:00+00:00",
}  # fmt: skip
CALLERS = {
    "columns": [{"name": "team", "type": "VARCHAR"}, {"name": "caller", "type": "VARCHAR"},
                {"name": "calls", "type": "BIGINT"}, {"name": "errors", "type": "BIGINT"}],
    "rows": [["ads", "ann", 3, 0], ["search", "bob", 1, 1]],
    "truncated": False,
}  # fmt: skip


def serve(rayfaas: Terminal, usage: object) -> None:
    rayfaas.serve(routes({f"PUT {PATH}": DEPRECATED, f"DELETE {PATH}": NONE, "GET /v1/usage": usage}))


def test_it_is_deprecated_and_who_called_it_is_shown(rayfaas: Terminal) -> None:
    serve(rayfaas, CALLERS)
    shown = rayfaas("deprecate", "nlp/embed", "--use", "embed2", "--until", "2027-03-01", "-m", "slow")
    assert shown.code == 0
    assert shown.lines == [
        ["nlp/embed", "is", "deprecated,", "until", "2027-03-01.", "Call", "nlp/embed2", "instead."],
        ["Calls", "in", "the", "last", "30", "days:"],
        ["TEAM", "CALLER", "CALLS"],
        ["ads", "ann", "3"],
        ["search", "bob", "1"],
    ]
    assert rayfaas.requests[0].json() == {"successor": "embed2", "sunset_at": "2027-03-01", "message": "slow"}
    as_json = rayfaas("deprecate", "nlp/embed", "--json").json
    assert as_json["callers"] == [
        {"team": "ads", "caller": "ann", "calls": 3}, {"team": "search", "caller": "bob", "calls": 1},
    ]  # fmt: skip


def test_where_nobody_called_it_that_is_said(rayfaas: Terminal) -> None:
    serve(rayfaas, {**CALLERS, "rows": []})
    assert rayfaas("deprecate", "nlp/embed").out.endswith("Nobody that you see called it in the last 30 days.\n")


def test_it_is_taken_back(rayfaas: Terminal) -> None:
    serve(rayfaas, CALLERS)
    assert rayfaas("deprecate", "nlp/embed", "--undo") == (0, "nlp/embed is deprecated no more.\n", "")


@pytest.mark.parametrize("option", ["--use", "--until"])
def test_to_take_it_back_needs_no_more(rayfaas: Terminal, option: str) -> None:
    assert rayfaas("deprecate", "nlp/embed", "--undo", option, "2027-03-01").code == 2

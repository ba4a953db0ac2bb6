"""Each question of docs/questions.md, asked of calls whose answers were worked out by hand."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from rayfaas.errors import BadRequest
from rayfaas.records import CallEnded, CallStarted, State
from rayfaas.registry.database import Database
from rayfaas.registry.query import QueryLimits
from rayfaas.registry.registry import Registry
from rayfaas.registry.usage import BY, Usage
from rayfaas.spec import Provenance, Scaling
from tests.registry.builders import empty, publish, segment, started

SECTIONS = Path("docs/questions.md").read_text().split("\n### ")[1:]
QUESTIONS = {section.partition("\n")[0]: section.partition("```sql\n")[2].partition("```")[0] for section in SECTIONS}
DAY_US = 86_400_000_000
NOTEBOOK = {"notebook": "eda.ipynb", "program": "ipykernel"}
PREFECT = {"prefect": {"flow": "nightly", "flow_run": "r1", "task": "embed"}, "program": "flow.py"}


class Number:
    """Calls get ids by which they can be told apart."""

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> str:
        self.last += 1
        return f"01900000-0000-7000-8000-{self.last:012d}"


def call(
    number: Number, days_ago: float, version: int, team: str, ms: int, context: dict[str, Any], **ends: Any
) -> tuple[CallStarted, CallEnded]:
    """A call of nlp/embed, unless `function` says otherwise; it took `ms`."""
    function, parent = ends.pop("function", "nlp/embed"), ends.pop("parent", None)
    begun = started(
        call=(name := number.next()),
        root=parent or name,
        parent=parent,
        function=function,
        owner=function.partition("/")[0],
        version=version,
        team=team,
        principal=f"{team}-bot",
        target="embed",
        context=json.dumps(context),
        accepted_us=time.time_ns() // 1000 - int(days_ago * DAY_US),
    )
    state: State = "FAILED" if "code" in ends else "SUCCEEDED"
    return begun, CallEnded(call=name, state=state, ended_us=begun.accepted_us + ms * 1000, **ends)


@pytest.fixture(scope="module")
def registry(opened_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """nlp/embed was called 4 times by version 1 long ago, and now 3 times by version 1 and 4 times by version 2."""
    empty(opened_database)
    journal = tmp_path_factory.mktemp("journal")
    registry = Registry(opened_database, journal, QueryLimits())
    for number, commit in enumerate(("aaa", "bbb")):
        content = publish(commit, provenance=Provenance(git_commit=commit, git_dirty=False, message=f"the {commit}"))
        registry.catalog.publish("nlp", "embed", content, "ann", "env")
        registry.catalog.activate("nlp", "embed", number + 1, None, "live", "ann", "deploy", {}, Scaling())
    ids = Number()
    ends = {"queue_us": 1_000, "run_us": 4_000, "gpu_us": 2_000_000}
    calls = [
        call(ids, 0, 2, "search", 10, PREFECT, **ends),
        call(ids, 0, 2, "search", 20, PREFECT, **ends),
        call(ids, 0, 2, "ads", 30, NOTEBOOK, **ends, code="function_error", retryable=False),
        call(ids, 0, 2, "nlp", 40, NOTEBOOK, **ends),
        call(ids, 0, 1, "search", 5, NOTEBOOK, cold="no executor of this version was up", queue_us=60_000, run_us=1),
        call(ids, 0, 1, "search", 5, NOTEBOOK, code="timeout", retryable=True),
        call(ids, 0, 1, "ads", 5, PREFECT),
        *(call(ids, 62, 1, "old", 7, {}) for _ in range(4)),
        call(ids, 0, 1, "search", 50, PREFECT, function="search/rank"),
    ]
    calls.append(call(ids, 0, 2, "search", 1, {}, parent=calls[-1][0].call, code="timeout", retryable=True))
    segment(journal, *(record for each in calls for record in each))
    registry.load_journal()
    return registry


ANSWERS: dict[str, list[list[Any]]] = {
    "How often was my team's service used by other teams this month? Which teams?": [["search", 5, 1], ["ads", 2, 1]],
    "Exactly which code gave this answer?": [["nlp/embed", 2, "bbb", False, "ann", "the bbb", "e111"]],
    "Is the new version worse than the one before?": [[1, 3, 0.333, 5.0, 5.0], [2, 5, 0.4, 20.0, 40.0]],
    "Who still calls an old version?": [
        ["old", "old-bot", "embed", 4, False],
        ["search", "search-bot", "embed", 2, True],
        ["ads", "ads-bot", "embed", 1, True],
    ],
    "What ran outside of any orchestrator?": [
        ["nlp/embed", "old-bot", None, 4],
        ["nlp/embed", "search-bot", "eda.ipynb", 2],
        ["nlp/embed", "ads-bot", "eda.ipynb", 1],
        ["nlp/embed", "nlp-bot", "eda.ipynb", 1],
    ],
    "Which flow called it, in which run, and what did it get?": [
        ["prefect", "nightly", "r1", "embed", "nlp/embed", 1, 1],
        ["prefect", "nightly", "r1", "embed", "nlp/embed", 2, 2],
        ["prefect", "nightly", "r1", "embed", "search/rank", 1, 1],
    ],
    "Who used the GPUs?": [["search", "nlp/embed", 4.0], ["ads", "nlp/embed", 2.0], ["nlp", "nlp/embed", 2.0]],
    "Which functions use which?": [["search/rank", "nlp/embed", 1]],
    "What fails, and how?": [
        ["nlp/embed", "timeout", True, 2, "01900000-0000-7000-8000-000000000013"],
        ["nlp/embed", "function_error", False, 1, "01900000-0000-7000-8000-000000000003"],
    ],
    "What do cold starts cost?": [["nlp/embed", 1, 12, 60.0]],
}


def test_every_question_has_an_answer_that_was_worked_out() -> None:
    assert set(QUESTIONS) == set(ANSWERS)


@pytest.mark.parametrize("question", ANSWERS)
def test_the_answer_is_the_one_worked_out_by_hand(registry: Registry, question: str) -> None:
    found = registry.query(QUESTIONS[question], [], None).rows
    # Rows that tie in the order asked for come in any.
    assert sorted(map(str, found)) == sorted(map(str, ANSWERS[question]))


def usage(registry: Registry, *by: str, team: str | None = None, **asked: Any) -> list[list[Any]]:
    """The groups and their number of calls."""
    found = registry.usage(Usage(by, **{"since_s": 86_400, **asked}), team)
    return [row[: len(by) + 1] for row in found.rows]


def test_usage_is_told_by_team(registry: Registry) -> None:
    assert usage(registry, "team", function="embed") == [["search", 5], ["ads", 2], ["nlp", 1]]
    assert usage(registry, "team", function="nlp/embed", since_s=90 * 86_400)[1] == ["old", 4]
    assert usage(registry, "function", team="ads") == [["nlp/embed", 2]]


def test_a_call_inside_a_call_counts_for_who_began_and_names_who_made_it(registry: Registry) -> None:
    assert usage(registry, "team", "via", function="embed")[0] == ["search", "", 4]
    assert ["search", "search/rank", 1] in usage(registry, "team", "via", function="embed")


def test_usage_tells_errors_times_and_what_was_used(registry: Registry) -> None:
    table = registry.usage(Usage(["version"], 86_400, function="embed"), None)
    (row,) = (dict(zip((name for name, _ in table.columns), row, strict=True)) for row in table.rows if row[0] == 1)
    assert (row["calls"], row["errors"], row["cold_starts"], row["p50_ms"]) == (3, 1, 1, 5.0)
    assert (row["queue_seconds"], row["bytes_in"]) == (0.06, 9)


@pytest.mark.parametrize("by", BY)
def test_calls_can_be_grouped_by_each_of_these(registry: Registry, by: str) -> None:
    assert sum(row[1] for row in usage(registry, by)) == 9


@pytest.mark.parametrize("by", [[], ["colour"], ["team", "1; DROP TABLE calls"]])
def test_and_by_nothing_else(by: list[str]) -> None:
    with pytest.raises(BadRequest, match="There are: function, version"):
        Usage(by, 60).query()


def test_every_column_of_every_view_has_its_meaning(registry: Registry) -> None:
    rows = registry.query('SELECT view, "column", meaning FROM view_columns', [], "nlp").rows
    assert {view for view, *_ in rows} > {"calls", "versions", "aliases", "logs"}
    assert [row for row in rows if not row[2]] == []
    told = re.findall(r"^    \('(\w+)', '", Path("registry/views.sql").read_text(), re.MULTILINE)
    assert set(told) == {column for _, column, _ in rows}
    assert len(told) == len(set(told))

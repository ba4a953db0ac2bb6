"""Aliases on a real server: moves, splits, rollbacks and canaries under load fail no call, and survive kill -9."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.e2e.conftest import Server, eventually
from tests.e2e.test_under_load import Load

Write = Callable[[str, str], Path]


@pytest.fixture
def deployed(server: Server, write: Write, request: pytest.FixtureRequest) -> str:
    """A function of the test's own, with versions 1, 2 and 3, which answer their number. The third is live."""
    name = str(request.node.originalname).removeprefix("test_")[:40]
    for number in (1, 2, 3):
        server.deploy(write(f"{name}.py", f"def {name}() -> int:\n    return {number}\n"), name)
    return name


def test_moves_splits_and_rollbacks_under_load_fail_no_call(server: Server, deployed: str) -> None:
    assert server.rayfaas("alias", deployed, "live", "--split", "1=50,2=50", "-m", "half").returncode == 0
    with Load(server, deployed).running() as load:
        eventually(lambda: len(load.answered) > 200)
        split = Counter(result for _, _, result in list(load.answered.values()))
        for step in (
            ("alias", deployed, "live", "3"),
            ("rollback", deployed),
            ("alias", deployed, "live", "--split", "3=90,1=10"),
            ("rollback", deployed),
            ("rollback", deployed, "-m", "to what was deployed"),
        ):
            said = server.rayfaas(*step)
            assert said.returncode == 0, said.stderr
            moved = time.monotonic()
            eventually(lambda at=moved: any(sent > at for sent, _, _ in list(load.answered.values())))  # type: ignore[misc]
    assert (load.failed, load.refused) == ([], 0)
    assert set(split) == {1, 2}
    assert 0.3 < split[1] / split.total() < 0.7
    late = [result for sent, _, result in load.answered.values() if sent > moved]
    assert set(late) == {3}
    rows = server.sql(
        "SELECT version, arms, reason FROM alias_moves WHERE name = ? ORDER BY revision DESC LIMIT 2", deployed
    )
    assert [(row[0], row[2]) for row in rows] == [(3, "to what was deployed"), (1, "back to revision 6")]


def test_a_call_as_of_a_moment_starts_what_was_live_then(server: Server, deployed: str) -> None:
    (moves,) = server.sql("SELECT list(moved_at ORDER BY revision) FROM alias_moves WHERE name = ?", deployed)
    first, second, _ = (datetime.fromisoformat(each).replace(tzinfo=timezone.utc) for each in moves[0])
    middle = (first + (second - first) / 2).isoformat().replace("+00:00", "Z")
    assert server.call(f"{deployed}@{middle}", None) == 1
    assert server.call(f"{deployed}@live@{middle}", None) == 1
    said = server.rayfaas("call", f"{deployed}@2020-01-01")
    assert (said.returncode, "had no alias 'live'" in said.stderr) == (3, True)


def test_copies_are_compared_in_sql(server: Server, deployed: str) -> None:
    assert server.rayfaas("alias", deployed, "live", "--shadow", "2").returncode == 0
    assert {server.call(deployed, None) for _ in range(5)} == {3}
    question = (
        "SELECT DISTINCT version, shadow_version, same, answer, shadow_answer FROM shadow_calls WHERE function = ?"
    )
    assert eventually(lambda: server.sql(question, f"default/{deployed}")) == [[3, 2, False, "3", "2"]]
    assert server.sql(
        "SELECT DISTINCT version FROM calls WHERE function = ? AND shadow_of IS NULL", f"default/{deployed}"
    ) == [[3]]


def test_a_canary_goes_on_after_kill_9_of_the_controller(server: Server, deployed: str) -> None:
    rules = ("--canary", "20,50", "--every", "2s", "--min-calls", "20", "--no-wait")
    with Load(server, deployed).running() as load:
        assert server.rayfaas("promote", deployed, "2", *rules).returncode == 0
        for process in server.find("rayfaas.server.controller"):
            process.kill()
        eventually(lambda: server.http.post("/v1/sql", json={"sql": "SELECT 1"}).status_code == 200)
        said = server.rayfaas("promote", deployed, "--follow", "--json")
    assert said.returncode == 0, said.stderr
    canary = json.loads(said.stdout)
    assert [(step["share"], step["outcome"]) for step in canary["steps"]] == [(20, "ON"), (50, "PROMOTED")]
    assert load.failed == []
    assert server.call(deployed, None) == 2
    rows = server.sql("SELECT calls, errors, base_calls FROM canary_steps WHERE canary = ?::UUID", canary["canary"])
    assert all(calls >= 20 and errors == 0 and base >= 20 for calls, errors, base in rows)


def test_a_canary_that_fails_returns_with_its_figures(server: Server, write: Write, deployed: str) -> None:
    text = f"def {deployed}() -> int:\n    raise ValueError('not today')\n"
    server.deploy(write(f"{deployed}.py", text), deployed, alias="next")
    with Load(server, deployed).running():
        said = server.rayfaas("promote", deployed, "4", "--canary", "20,100", "--every", "5s", "--min-calls", "20")
    assert said.returncode == 1
    assert "calls failed, more than 0.01 of 20 or more may" in said.stdout
    assert server.call(deployed, None) == 3
    (row,) = server.sql("SELECT state, reason FROM canaries WHERE function = ?", f"default/{deployed}")
    assert row[0] == "RETURNED"
    assert "calls failed" in row[1]

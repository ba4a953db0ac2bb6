"""The registry as one object: a file that is opened by one process, and remembers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rayfaas.errors import Unavailable
from rayfaas.registry import Registry
from rayfaas.registry.query import QueryLimits
from rayfaas.registry.rows import AliasRow
from rayfaas.spec import Scaling
from tests.registry.builders import ended, line, publish, segment, started


def test_all_that_was_written_is_there_after_a_restart(tmp_path: Path, journal: Path) -> None:
    registry = Registry.open(tmp_path / "registry.duckdb", journal)
    registry.catalog.publish("red", "f", publish(), "ann", "e1")
    registry.catalog.activate("red", "f", 1, None, "live", "ann", "deploy", {}, Scaling())
    registry.access.create_token("ann", "red", "admin", "root", None)
    segment(journal, call := started(), line("hello", call=call.call), ended(call))
    registry.load_journal()
    registry.close()
    again = Registry.open(tmp_path / "registry.duckdb", journal)
    assert [route.aliases for route in again.catalog.routes()] == [{"live": AliasRow("live", 1, 1)}]
    assert [token.principal for token in again.access.tokens()] == ["ann"]
    assert [row.text for row in again.logs("red/f", None, "red", 10)] == ["hello"]
    assert again.query("SELECT state FROM calls", [], team="red").rows == [["SUCCEEDED"]]
    again.close()


def test_the_limits_of_queries_are_those_it_was_opened_with(tmp_path: Path, journal: Path) -> None:
    registry = Registry.open(tmp_path / "registry.duckdb", journal, QueryLimits(rows=2))
    answer = registry.query("FROM range(5)", [], team="red")
    registry.close()
    assert (answer.rows, answer.truncated) == ([[0], [1]], True)


def test_a_second_process_is_told_that_it_is_unavailable(tmp_path: Path, journal: Path) -> None:
    registry = Registry.open(tmp_path / "registry.duckdb", journal)
    second = (
        "import sys, pathlib; from rayfaas.registry import Registry; Registry.open(*map(pathlib.Path, sys.argv[1:]))"
    )
    command = [sys.executable, "-c", second, str(tmp_path / "registry.duckdb"), str(journal)]
    refused = subprocess.run(command, capture_output=True, text=True)
    registry.close()
    assert refused.returncode == 1
    assert f"{Unavailable.__name__}: The registry" in refused.stderr


def test_a_closed_registry_answers_nothing(tmp_path: Path, journal: Path) -> None:
    registry = Registry.open(tmp_path / "registry.duckdb", journal)
    registry.close()
    with pytest.raises(Exception, match="closed"):
        registry.query("SELECT 1", [], team=None)

"""The journal that the benchmark loads is one that the registry takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import journal_writer
from benchmarks.journal_writer import write_journal
from benchmarks.registry_load import SQL
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.registry import Registry


def test_every_record_is_loaded_and_every_call_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_writer, "SEGMENT_BYTES", 4096)
    journal = tmp_path / "journal"
    assert write_journal(journal, calls=25) > 4096
    registry = Registry.open(tmp_path / "registry.duckdb", journal)
    assert registry.load_journal().rows == 50
    assert registry.query("SELECT state, count(*) FROM calls GROUP BY ALL", [], team=None).rows == [["SUCCEEDED", 25]]
    registry.close()


def test_made_calls_answer_both_questions(tmp_path: Path) -> None:
    database = Database(tmp_path / "registry.duckdb")
    database.run((SQL / "generate_calls.sql").read_text(), {"count": 1000, "now": now_us()})
    database.close()
    registry = Registry.open(tmp_path / "registry.duckdb", tmp_path / "journal")
    usage = registry.query((SQL / "usage.sql").read_text(), [], team=None).rows
    by_team = registry.query((SQL / "usage_by_team.sql").read_text(), [], team=None).rows
    registry.close()
    assert sum(row[3] for row in usage) == 1000
    assert 300 < sum(row[2] for row in by_team) < 700  # of 60 days

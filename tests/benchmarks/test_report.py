"""Results are kept part by part, and tell nothing of the machine but what it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from benchmarks.comparison import OURS, outcomes, summaries
from benchmarks.plan import Plan
from benchmarks.report import JSON, TABLE, Section, load, markdown_table, samples_table, save
from benchmarks.samples import Samples
from benchmarks.throughput_report import data, notes, table
from tests.benchmarks.measurements import measurement

SECTION = Section("edit", "Edit to live", "2026-01-02", "a machine", "| table |", {"n": 1})


def test_a_part_takes_the_place_of_its_last_run_and_leaves_the_others(tmp_path: Path) -> None:
    save(SECTION, tmp_path)
    save(replace(SECTION, name="cold", title="Cold start"), tmp_path)
    save(replace(SECTION, measured_on="2026-03-04"), tmp_path)
    assert [(each.name, each.measured_on) for each in load(tmp_path)] == [
        ("edit", "2026-03-04"),
        ("cold", "2026-01-02"),
    ]
    text = (tmp_path / TABLE).read_text()
    assert "**Edit to live**\n\n| table |\n\nMeasured on 2026-03-04: a machine.\n" in text
    assert "**Cold start**" in text


def test_without_results_there_are_no_sections(tmp_path: Path) -> None:
    assert load(tmp_path) == []


def test_tables_have_a_row_of_rules() -> None:
    assert markdown_table(["", "ms"], [["a", "1"], ["b", "2"]]).splitlines() == [
        "|  | ms |",
        "| --- | ---: |",
        "| a | 1 |",
        "| b | 2 |",
    ]
    assert samples_table({"rayfaas": Samples.of_seconds([0.02, 0.01])}).endswith("| rayfaas | 15 | 10 | 20 | 2 |")


def test_failed_calls_are_told_of_beside_the_name() -> None:
    found = [measurement(OURS, 0, 8000, 0.25, failed=2), measurement("BentoML", 0, 1000, 1.0)]
    rows = table(summaries(found, [OURS, "BentoML"])).splitlines()[2:]
    assert rows[0] == "| rayfaas (2 failed) | 8,000 | 2.00 | 2.00 | 4,000 | 0.25 | 0.25 | 10 |"
    assert rows[1].startswith("| BentoML | 1,000 |")


def test_the_data_is_json_without_process_numbers(tmp_path: Path) -> None:
    found = [measurement(OURS, 0, 8000, 0.25)]
    kept = data(Plan(), found, summaries(found, [OURS]), outcomes(found))
    save(replace(SECTION, data=kept), tmp_path)
    assert json.loads((tmp_path / JSON).read_text())["edit"]["data"]["summaries"][0]["system"] == OURS
    assert "4711" not in (tmp_path / JSON).read_text()


def test_every_system_is_described_with_its_version() -> None:
    text = notes(Plan())
    for system in Plan().systems:
        assert f"- {system.name}: {system.distribution} {system.version}, {system.configuration}" in text

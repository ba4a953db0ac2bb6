"""What is printed can be read: cells as people write them, times as they say them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rayfaas.cli.output import cell, show_error, show_json, show_rows, show_table, when
from rayfaas.errors import BadRequest, ExecutorDied, FunctionError, ImportFailed, NotFound, OutOfMemory

NOW = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        ("", ""),
        (0, "0"),
        (True, "True"),
        (2.0, "2"),
        (-0.123456, "-0.1235"),
        (1234.5678, "1235"),
        (1234567.8, "1,234,568"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ([1, "é"], '[1, "é"]'),
        ({"a": None}, '{"a": null}'),
    ],
)
def test_a_cell_shows_its_value(value: Any, shown: str) -> None:
    assert cell(value) == shown


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(seconds=0), "0 s ago"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=400), "400 d ago"),
        (timedelta(seconds=-5), "0 s ago"),
    ],
)
def test_a_time_is_told_by_how_long_ago_it_was(ago: timedelta, said: str) -> None:
    assert when((NOW - ago).isoformat(), NOW) == said


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    assert when("2026-01-01T12:00:00+02:00", NOW) == "2 h ago"
    assert when("2026-01-01T10:00:00.763390Z", NOW) == "1 h ago"
    assert when(None) == when("") == ""


def test_markup_in_a_cell_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(["[b]head[/b]"], [["[red]x[/red] [link=http://evil]y[/link]"]])
    assert capsys.readouterr().out.split() == ["[b]head[/b]", "[red]x[/red]", "[link=http://evil]y[/link]"]


def test_what_is_piped_is_not_cut_to_a_terminals_width(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(["a", "b"], [["x" * 400, "y" * 400]])
    assert capsys.readouterr().out.splitlines()[1].split() == ["x" * 400, "y" * 400]


def test_rows_are_shown_by_their_headings_or_whole_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"a": 1, "b": 2}, {"a": 3}]
    show_rows(rows, {"b": "BEE"}, False)
    assert capsys.readouterr().out.split() == ["BEE", "2"]
    show_rows(rows, {"b": "BEE"}, True)
    assert capsys.readouterr().out == '[{"a": 1, "b": 2}, {"a": 3}]\n'


def test_a_traceback_is_shown_for_the_users_own_errors_only(capsys: pytest.CaptureFixture[str]) -> None:
    for error in (FunctionError("no", traceback="T\n"), ImportFailed("no", traceback="T\n")):
        show_error(error)
        assert capsys.readouterr() == ("", "T\nError: no\n")
    show_error(NotFound("no", traceback="T\n"))
    assert capsys.readouterr() == ("", "Error: no\n")


def test_the_last_that_a_process_wrote_is_shown_where_it_died(capsys: pytest.CaptureFixture[str]) -> None:
    for error in (ExecutorDied("no", output="Segmentation fault\n"), OutOfMemory("no", output="Segmentation fault")):
        show_error(error)
        assert capsys.readouterr() == ("", "Segmentation fault\nError: no\n")


def test_faults_are_told_with_their_places(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(BadRequest("no", errors=[{"loc": ["a", 0], "msg": "[x]"}, {"msg": "y"}]))
    assert capsys.readouterr().err == "Error: no\n  a.0: [x]\n  y\n"


def test_a_fault_that_the_error_names_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    faults = [{"loc": ["a"], "msg": "is missing"}, {"loc": [], "msg": "too many"}, {"loc": ["b"], "msg": "is missing"}]
    show_error(BadRequest("They do not fit f(a, b): a: is missing; too many", errors=faults))
    assert capsys.readouterr().err == "Error: They do not fit f(a, b): a: is missing; too many\n  b: is missing\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({(1, 2): 3, 4: "é"}, '{"1,2": 3, "4": "é"}'),
        ([float("nan"), {"a": float("inf")}], '[null, {"a": null}]'),
        ({"at": NOW, "nan": float("nan")}, '{"at": "2026-01-01T12:00:00Z", "nan": null}'),
    ],
)
def test_what_json_has_no_word_for_is_json_all_the_same(
    capsys: pytest.CaptureFixture[str], value: Any, shown: str
) -> None:
    show_json(value)
    assert capsys.readouterr().out == f"{shown}\n"

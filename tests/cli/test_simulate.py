"""What keep-alives cost is a table, JSON, or a picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rayfaas.cli.commands import commands


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    file = tmp_path / "trace.csv"
    file.write_text("time,function,duration\n0,f,10\n100,f,10\n")
    return file


def simulate(*arguments: object) -> Result:
    return CliRunner().invoke(commands, ["cloud", "simulate", *map(str, arguments)])


def test_policies_are_compared(trace: Path) -> None:
    rows = json.loads(simulate(trace, "--wake", "36s", "--usd", "100", "--json").output)
    assert [row["keep_alive"] for row in rows] == ["learned", "0s", "1m", "5m", "15m", "60m"]
    assert {row["keep_alive"]: row["cold"] for row in rows}["0s"] == 2
    assert rows[1]["usd"] == round(92 / 36, 2)


def test_it_is_drawn(trace: Path, tmp_path: Path) -> None:
    ended = simulate(trace, "--plot", tmp_path / "found.png")
    assert "KEEP ALIVE" in ended.output
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")


def test_what_can_not_be_drawn_is_told(trace: Path, tmp_path: Path) -> None:
    ended = simulate(trace, "--plot", tmp_path / "found.docx")
    assert (ended.exit_code, "can't be drawn" in ended.output) == (1, True)


def test_without_matplotlib_it_says_what_to_install(
    trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    monkeypatch.delitem(sys.modules, "rayfaas.cli.simulation_chart", raising=False)
    ended = simulate(trace, "--plot", tmp_path / "found.png")
    assert (ended.exit_code, "pip install 'rayfaas[plot]'" in ended.output) == (1, True)

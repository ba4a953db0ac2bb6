"""What all tests of the command line need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal


@pytest.fixture
def rayfaas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    monkeypatch.setenv("RAYFAAS_HOME", str(tmp_path / "home"))
    for variable in ("RAYFAAS_URL", "RAYFAAS_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    terminal = Terminal(monkeypatch, capsys)
    yield terminal
    terminal.close()

"""Directories of executors go with them, and with the supervisor, however that ends."""

from __future__ import annotations

from pathlib import Path

from rayfaas.cluster.scratch import Scratch


def test_what_a_supervisor_that_was_killed_left_is_removed_and_what_another_uses_is_not(tmp_path: Path) -> None:
    left, other = tmp_path / "left" / "e-1", Scratch(tmp_path)
    left.mkdir(parents=True)
    other.start()
    other.path("e-2").mkdir()
    mine = Scratch(tmp_path)
    mine.start()
    assert not left.parent.exists()
    assert other.path("e-2").exists()
    mine.path("e-3").mkdir()
    mine.remove("e-3")
    mine.remove("e-3")
    assert not mine.path("e-3").exists()
    mine.stop()
    other.stop()
    assert list(tmp_path.iterdir()) == []

"""What nobody took away goes after a day, and not before."""

from __future__ import annotations

import os
from pathlib import Path

from rayfaas.config import DAY_S
from rayfaas.server.outgoing import remove_forgotten


def test_what_is_older_than_a_day_is_removed(tmp_path: Path) -> None:
    (tmp_path / "backup-1" / "tables").mkdir(parents=True)
    for name in ("export-1", "export-2"):
        (tmp_path / name).write_bytes(b"x")
    now_s = (tmp_path / "export-1").stat().st_mtime
    os.utime(tmp_path / "export-2", (now_s, now_s + 1))
    remove_forgotten(tmp_path, now_s + DAY_S + 0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["export-2"]
    remove_forgotten(tmp_path / "nowhere", now_s)


def test_what_goes_while_it_is_looked_at_keeps_no_other_from_going(tmp_path: Path) -> None:
    (tmp_path / "export-1").symlink_to("gone")
    (tmp_path / "export-2").write_bytes(b"x")
    remove_forgotten(tmp_path, (tmp_path / "export-2").stat().st_mtime + DAY_S + 1)
    assert os.listdir(tmp_path) == ["export-1"]

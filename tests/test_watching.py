"""Files are watched by how they look; directories tell of those that come and go."""

from __future__ import annotations

import os
from pathlib import Path

from rayfaas.watching import Watched


def test_what_happens_to_a_file_is_seen_once(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("1")
    watched = Watched()
    watched.watch([file])
    assert not watched.look()
    file.write_text("22")
    assert (watched.look(), watched.look()) == (True, False)
    other = tmp_path / "b"
    other.write_text("22")
    os.replace(other, file)  # as editors save
    assert watched.look()
    file.unlink()
    assert (watched.look(), watched.look()) == (True, False)


def test_a_file_that_appears_beside_it_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("1")
    watched = Watched()
    watched.watch([file])
    (tmp_path / "new.py").write_text("")
    assert watched.look()


def test_others_are_not_watched_any_more_and_a_change_meanwhile_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    first, second = tmp_path / "x" / "a.py", tmp_path / "b.py"
    for file in (first, second):
        file.write_text("1")
    watched = Watched()
    watched.watch([first, second])
    second.write_text("22")
    watched.watch([second])
    assert watched.look()
    first.write_text("22")
    assert not watched.look()

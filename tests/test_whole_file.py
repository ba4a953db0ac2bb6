"""A file is there whole, or as it was."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rayfaas.whole_file import SCRATCH, sweep, write_whole
from tests.server.parts import full_disk


def test_it_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"before")
    write_whole(file, b"after", 0o644, synced=True)
    assert file.read_bytes() == b"after"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_it_is_its_owners_alone_where_nothing_else_is_said(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_a_link_is_replaced_and_what_it_leads_to_is_left(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"theirs")
    link.symlink_to(target)
    write_whole(link, b"ours")
    assert (link.is_symlink(), link.read_bytes(), target.read_bytes()) == (False, b"ours", b"theirs")


def test_what_can_not_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "directory", b"content")
    assert [each.name for each in tmp_path.iterdir()] == ["directory"]


def test_a_wide_umask_does_not_widen_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_whole(tmp_path / "token", b"secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_a_full_disk_leaves_what_was_there_and_no_half_of_what_was_to_come(tmp_path: Path) -> None:
    with full_disk(free=3), pytest.raises(OSError, match="File too large"):
        write_whole(tmp_path / "token", b"secret")
    assert os.listdir(tmp_path) == []
    write_whole(tmp_path / "token", b"first")
    with full_disk(free=3), pytest.raises(OSError, match="File too large"):
        write_whole(tmp_path / "token", b"second")
    assert os.listdir(tmp_path) == ["token"]
    assert (tmp_path / "token").read_bytes() == b"first"


def test_what_was_left_by_a_killed_process_is_swept_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "ab"
    folder.mkdir()
    for name in (f"{SCRATCH}1", "token", f"ab/{SCRATCH}2", "ab/bundle"):
        (tmp_path / name).write_text("x")
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == [folder, tmp_path / "token"]
    assert list(folder.iterdir()) == [folder / "bundle"]

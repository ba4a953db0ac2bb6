"""A backup is made of a running server, and restored where none is."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.terminal import Terminal


@contextmanager
def running(home: Path) -> Iterator[None]:
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_without_a_server_there_is_nothing_to_ask(rayfaas: Terminal, tmp_path: Path) -> None:
    ended = rayfaas("backup", tmp_path / "home.tar")
    assert (ended.code, "A copy of that folder is a backup, too" in ended.err) == (1, True)


def test_a_file_that_exists_is_left_alone(rayfaas: Terminal, tmp_path: Path) -> None:
    (tmp_path / "home.tar").write_text("another backup")
    with running(tmp_path / "home"):
        ended = rayfaas("backup", tmp_path / "home.tar")
    assert (ended.code, "exists already" in ended.err) == (1, True)
    assert (tmp_path / "home.tar").read_text() == "another backup"


def test_a_home_with_a_server_is_not_restored_into(rayfaas: Terminal, tmp_path: Path) -> None:
    (tmp_path / "home.tar").write_text("")
    with running(tmp_path / "home"):
        ended = rayfaas("restore", tmp_path / "home.tar")
    assert (ended.code, "Restore into another RAYFAAS_HOME" in ended.err) == (1, True)


def test_what_is_no_backup_is_told_and_leaves_nothing(rayfaas: Terminal, tmp_path: Path) -> None:
    (tmp_path / "home.tar").write_text("no backup")
    ended = rayfaas("restore", tmp_path / "home.tar")
    assert (ended.code, "is no backup" in ended.err) == (1, True)
    assert list((tmp_path / "home").iterdir()) == []

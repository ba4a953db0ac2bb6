"""Nobody but its owner enters a home, or the directory of its sockets, whoever made them first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rayfaas.config import Home
from rayfaas.errors import Conflict
from rayfaas.private import make_home, make_private


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Home]:
    """A home whose path is too long for sockets: they are in the directory of temporary files."""
    home = Home(tmp_path / ("long" * 20))
    yield home
    if home.run.is_symlink():
        home.run.unlink()
    elif home.run.exists():
        home.run.rmdir()


def test_a_home_is_closed_to_others_though_it_was_made_open(far: Home) -> None:
    far.path.mkdir(mode=0o755)
    make_home(far)
    assert (mode(far.path), mode(far.run)) == (0o700, 0o700)


def test_sockets_beside_the_home_are_closed_to_others_too(far: Home) -> None:
    make_home(far)
    make_home(far)
    assert mode(far.run) == 0o700


def test_a_link_in_place_of_the_directory_of_sockets_is_refused(far: Home, tmp_path: Path) -> None:
    far.run.symlink_to(tmp_path)
    with pytest.raises(Conflict, match="is somebody else's"):
        make_home(far)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory to somebody else")
def test_a_directory_of_somebody_else_is_no_place_for_sockets(far: Home) -> None:
    far.run.mkdir(mode=0o777)
    os.chown(far.run, 12345, -1)
    with pytest.raises(Conflict, match="RAYFAAS_HOME="):
        make_home(far)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory to somebody else")
def test_another_owners_home_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir(mode=0o755)
    os.chown(tmp_path / "volume", 12345, -1)
    make_private(tmp_path / "volume")
    assert mode(tmp_path / "volume") == 0o755

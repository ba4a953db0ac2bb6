"""Directories that nobody but their owner may enter: a home, where its calls and keys are, and its sockets."""

from __future__ import annotations

import os
from pathlib import Path

from rayfaas.config import Home
from rayfaas.errors import Conflict


def make_home(home: Home) -> None:
    """Have a home and its run directory, and close both to others. Raises `Conflict` where the latter is not ours."""
    make_private(home.path)
    make_private(home.run)
    if home.run.parent != home.path:
        _check_is_ours(home.run)  # in a directory where everybody may have made it before us


def make_private(directory: Path) -> None:
    """Make it, or close one that is there; one of another owner is left as it is.

    >>> make_private(Path("/home/ann/.rayfaas"))  # doctest: +SKIP
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = directory.stat()
    if status.st_uid == os.getuid() and status.st_mode & 0o077:
        directory.chmod(0o700)


def _check_is_ours(directory: Path) -> None:
    if directory.is_symlink() or directory.stat().st_uid != os.getuid():
        raise Conflict(
            f"{directory} is somebody else's, and the server's sockets would be in it. Have it removed, or choose a "
            "home with a shorter path, which has room for them: RAYFAAS_HOME=…"
        )

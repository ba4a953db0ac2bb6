"""What is made for somebody to take away, and was not: its maker or its taker was killed."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from rayfaas.config import DAY_S


def remove_forgotten(directory: Path, now_s: float) -> None:
    """Remove what has been there for a day; `now_s` is Unix time."""
    for path in directory.glob("*"):
        with contextlib.suppress(FileNotFoundError):  # somebody takes it away at this moment
            if now_s - path.stat().st_mtime > DAY_S:
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()

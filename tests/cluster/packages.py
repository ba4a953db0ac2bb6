"""Installed packages, as zygotes and executors see them."""

from __future__ import annotations

import itertools
from pathlib import Path

from rayfaas.executor.import_times import HEAVY_MS


class Packages:
    """A folder of packages that is in the path of a replica's processes."""

    def __init__(self, directory: Path) -> None:
        self.folder = directory / "site-packages"
        self.folder.mkdir()
        self._numbers = itertools.count(1)

    def heavy(self, code: str = "") -> str:
        """A new module whose import takes long enough to matter; returns its name."""
        name = f"heavy_{next(self._numbers)}"
        (self.folder / f"{name}.py").write_text(f"import time\ntime.sleep({HEAVY_MS * 2 / 1000})\n{code}\n")
        return name

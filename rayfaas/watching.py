"""Files that are watched for changes, by looking at them: it works on every file system, and costs next to nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

Stamp = tuple[int, int, int] | None


class Watched:
    """Files, and the directories that they are in, for files that come and go."""

    def __init__(self) -> None:
        self._stamps: dict[Path, Stamp] = {}

    def watch(self, files: Iterable[Path]) -> None:
        """These from now on. What was watched before keeps the look of the last `look`."""
        paths = {path for file in files for path in (file, file.parent)}
        self._stamps = {path: self._stamps[path] if path in self._stamps else _stamp(path) for path in paths}

    def look(self) -> bool:
        """Whether something changed since the last look."""
        stamps = {path: _stamp(path) for path in self._stamps}
        changed = stamps != self._stamps
        self._stamps = stamps
        return changed


def _stamp(path: Path) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

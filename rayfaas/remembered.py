"""What this user last knew an alias to lead to, so that a deploy can say from where it was made.

A small file for each alias of each server, below the home directory. Where it can't be kept, nothing is remembered, and
a deploy says nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from rayfaas.whole_file import write_whole


class Remembered:
    """Revisions of aliases, by server and `team/name@alias`.

    >>> Remembered(Path("/nowhere")).revision("http://server", "nlp/embed@live") is None
    True
    """

    def __init__(self, directory: Path, is_blank: bool = False) -> None:
        self._directory, self._is_blank = directory, is_blank

    def blank(self) -> Remembered:
        """It knows nothing of what was, and remembers what comes."""
        return Remembered(self._directory, is_blank=True)

    def revision(self, url: str, target: str) -> int | None:
        if self._is_blank:
            return None
        try:
            return int(self._path(url, target).read_text())
        except (OSError, ValueError):
            return None

    def remember(self, url: str, target: str, revision: int) -> None:
        try:
            for directory in (self._directory.parent, self._directory):  # the home, which is its owner's only
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._path(url, target), str(revision).encode())
        except OSError:
            pass  # a home that can't be written: the next deploy says nothing of it

    def _path(self, url: str, target: str) -> Path:
        return self._directory / hashlib.sha256(f"{url} {target}".encode()).hexdigest()[:32]

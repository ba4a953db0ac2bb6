"""Files that a call opened: which file a path leads to, under which URI, and in which version."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from rayfaas.fingerprints import TICK_NS, Fingerprints
from rayfaas.touches import MOST_COLUMNS, Touch

_HUGGING_FACE = re.compile(r"/(models|datasets|spaces)--([^/]+)/snapshots/([0-9a-f]{7,40})/")


class Period(NamedTuple):
    """When it was seen, in ns of Unix time; `directory` is what relative paths are relative to."""

    begun_ns: int
    ended_ns: int
    directory: str


@dataclass(slots=True)
class TouchedFile:
    """What happened to one file, in the order in which it did. `was` is where it was before the call renamed it."""

    how: str
    is_read: bool = False  # before it was written
    is_written: bool = False
    columns: dict[str, None] = field(default_factory=dict)
    was: str = ""


class TouchedFiles:
    """Looks at files after a call. A function may open a thousand, and the same ones in the next call."""

    def __init__(self, ignored: Iterable[str]) -> None:
        self._ignored, self._fingerprints = tuple(ignored), Fingerprints()

    def touches(self, files: Mapping[str, TouchedFile], period: Period) -> Iterator[Touch]:
        """`files` by their absolute paths."""
        folders: dict[str, str] = {}
        for path, file in files.items():
            commit = _HUGGING_FACE.search(path) if "/snapshots/" in path else None
            if commit is not None:
                yield Touch("write" if file.is_written else "read", _repository(commit), "hf", commit[3])
            else:
                yield from self._of_file(path, file, period, folders)

    def _of_file(self, path: str, file: TouchedFile, period: Period, folders: dict[str, str]) -> Iterator[Touch]:
        try:
            path, status = _found(path, folders)
            if not stat.S_ISREG(status.st_mode) or path.startswith(self._ignored):
                return
            version = self._fingerprints.of(path, status)
        except (OSError, ValueError):  # gone, or never opened: it may not be read
            return
        uri = uri_of(path)
        if file.is_read:
            if file.is_written:  # nobody looked at it before it was
                yield Touch("read", uri, file.how, is_certain=False)
            else:
                is_same = status.st_mtime_ns < period.begun_ns
                yield Touch("read", uri, file.how, version, status.st_size, is_certain=is_same)
        if file.was:
            is_same = status.st_mtime_ns < period.begun_ns
            yield Touch("read", uri_of(os.path.realpath(file.was)), file.how, version, is_certain=is_same)
        if file.is_written:
            is_own = status.st_mtime_ns <= period.ended_ns and status.st_ctime_ns >= period.begun_ns - TICK_NS
            columns = tuple(file.columns)[:MOST_COLUMNS]
            at_us = min(max(status.st_mtime_ns, period.begun_ns), period.ended_ns) // 1000
            yield Touch("write", uri, file.how, version, status.st_size, columns, is_own, at_us)


@lru_cache(4_096)
def uri_of(path: str) -> str:
    """That of an absolute path, as `Path.as_uri` has it.

    >>> uri_of("/data/a b.csv")
    'file:///data/a%20b.csv'
    """
    return f"file://{quote_from_bytes(os.fsencode(path))}"


def _found(path: str, folders: dict[str, str]) -> tuple[str, os.stat_result]:
    """Where it is without symbolic links, and what it is; `folders` remembers where those lead that many are in."""
    folder, _, name = path.rpartition("/")
    if folder not in folders:
        folders[folder] = os.path.realpath(folder or "/").rstrip("/")
    path = f"{folders[folder]}/{name}"
    status = os.lstat(path)
    if not stat.S_ISLNK(status.st_mode):
        return path, status
    path = os.path.realpath(path)
    return path, os.stat(path)


def _repository(match: re.Match[str]) -> str:
    """`hf://org/name` of a model, `hf://datasets/org/name` of a dataset, as huggingface_hub writes them."""
    kind = "" if match[1] == "models" else f"{match[1]}/"
    return f"hf://{kind}{match[2].replace('--', '/')}"

"""What was seen during a call, and which artifacts it comes to: named, filtered, each once."""

from __future__ import annotations

import glob
import itertools
import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from rayfaas.executor.touched_files import Period, TouchedFile, TouchedFiles, uri_of
from rayfaas.fingerprints import ABSENT, TICK_NS, names_in
from rayfaas.touches import MOST_COLUMNS, MOST_URI, MOST_VERSION, Mode, Touch

# What a directory or a pattern stands for, at most.
_MOST_FILES = 1_000
_MACHINE = ("/proc/", "/sys/", "/dev/", "/etc/", "/run/", "/usr/")
# How files are opened to write more into what is there, or, None, perhaps: with `os.open`.
KEEPING = frozenset({"a", "a+", "r+", "ab", "ab+", "a+b", "rb+", "r+b", None})
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/", re.ASCII)


class Opened(NamedTuple):
    """What the audit event of `open` says; `mode` is None where `os.open` was called."""

    path: Any
    mode: Any
    flags: Any


class Kept(NamedTuple):
    """A file that was opened to write more into what is there."""

    path: Any


class Renamed(NamedTuple):
    """A file or folder that has another name now, or one more."""

    source: Any
    target: Any


class Seen(NamedTuple):
    """What a library was given, or what was said: a path, a URI, or several."""

    mode: Mode
    what: Any
    how: str
    version: str | None = None
    columns: tuple[str, ...] = ()


class Listed(NamedTuple):
    """A folder whose names were asked for."""

    path: Any


class Moved(NamedTuple):
    """The code went elsewhere: until then, relative paths were relative to this directory."""

    directory: str


class Asked(NamedTuple):
    """The code asked which call it answers."""


class Unfollowed(NamedTuple):
    """A call of a function of a library of which nobody knows what it opened."""

    function: str


Sighting = Opened | Kept | Renamed | Seen | Listed | Moved | Asked | Unfollowed
Note = Callable[[Seen | Kept], None]


def machine_folders() -> tuple[str, ...]:
    """Where no data is: the system's, Python's own and the installed packages' files."""
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    paths.add(os.path.dirname(os.path.dirname(__file__)))  # our own, which a traceback is written from
    return (*_MACHINE, *sorted(f"{path}/" for path in paths if path))


class Sightings:
    """`ignored` are prefixes of paths that count for nothing: what belongs to the version or the machine."""

    def __init__(self, ignored: Iterable[str]) -> None:
        self._ignored = tuple(ignored)
        self._files = TouchedFiles(self._ignored)

    def touches(self, sightings: Sequence[Sighting], period: Period) -> list[Touch]:
        """Each artifact once for reading and once for writing."""
        files: dict[str, TouchedFile] = {}
        found: dict[tuple[str, str, str | None], Touch] = {}
        for each, then in _placed(sightings, period):
            if isinstance(each, Opened):
                self._opened(each, files, then)
            elif isinstance(each, Kept):
                self._kept(each, files, then)
            elif isinstance(each, Renamed):
                self._renamed(each, files, then)
            elif isinstance(each, Seen):
                for touch in self._seen(each, files, then):
                    found.setdefault((touch.mode, touch.uri, touch.version), touch)
        for touch in self._files.touches(files, period):
            found.setdefault((touch.mode, touch.uri, touch.version), touch)
        return list(found.values())

    def beside_files(self, sightings: Sequence[Sighting], period: Period) -> list[Touch]:
        """What else may have made a difference: folders that were listed, and files that were looked for in vain."""
        found: dict[str, Touch] = {}
        for each, then in _placed(sightings, period):
            touch = None
            if isinstance(each, Listed):
                touch = self._listed(each, then)
            elif isinstance(each, Opened):
                touch = self._absent(each, then)
            if touch is not None:
                found.setdefault(touch.uri, touch)
        return list(found.values())

    # Into files

    def _opened(self, opened: Opened, files: dict[str, TouchedFile], period: Period) -> None:
        path = self._path(opened.path, period)
        if path is not None:
            reads, writes = _modes(opened.mode, opened.flags)
            _note(files, path, "open", reads, writes)

    def _kept(self, kept: Kept, files: dict[str, TouchedFile], period: Period) -> None:
        path = self._path(kept.path, period)
        if path is not None:
            _note(files, path, "open", reads=True, writes=False)

    def _renamed(self, renamed: Renamed, files: dict[str, TouchedFile], period: Period) -> None:
        """What was written under another name first; and what was there before, which was read under that."""
        source, target = self._path(renamed.source, period), self._path(renamed.target, period)
        if source is None or target is None:
            return
        file = files.get(source)
        if file is not None and file.is_written:
            files[target] = _moved(file, files.get(target), file.was)
        elif _may_be_new(target, period):
            for name in _files_at(target):
                old = f"{source}{name.removeprefix(target)}"
                file = files.get(old, TouchedFile("renamed"))
                files[name] = _moved(file, files.get(name), "" if file.is_written else old)

    def _seen(self, seen: Seen, files: dict[str, TouchedFile], period: Period) -> Iterator[Touch]:
        for what in _each(seen.what):
            text = _local(what)
            if text is None or seen.version is not None:
                yield Touch(
                    seen.mode, str(what)[:MOST_URI], seen.how, (seen.version or "")[:MOST_VERSION] or None,
                    columns=seen.columns[:MOST_COLUMNS],
                )  # fmt: skip
                continue
            for name in _expand(text, seen.mode, period):
                path = self._path(name, period)
                if path is not None:
                    is_read = seen.mode == "read"
                    _note(files, path, seen.how, is_read, not is_read, seen.columns)

    def _path(self, given: Any, period: Period) -> str | None:
        """Absolute; None for what is no file of the user's."""
        if isinstance(given, bytes | os.PathLike):
            given = os.fsdecode(given)
        if not isinstance(given, str):
            return None
        path = os.path.normpath(given if given.startswith("/") else os.path.join(period.directory, given))
        if path.startswith(self._ignored) or path.endswith(".pyc") or len(path) > MOST_URI:
            return None
        return path

    def _listed(self, listed: Listed, period: Period) -> Touch | None:
        path = self._path(period.directory if listed.path is None else listed.path, period)
        try:
            if path is None or f"{path}/".startswith(self._ignored) or not os.path.isdir(path):
                return None
            is_certain = os.stat(path).st_mtime_ns < period.begun_ns
            return Touch("read", uri_of(path), "listed", names_in(path), is_certain=is_certain)
        except OSError:
            return None

    def _absent(self, opened: Opened, period: Period) -> Touch | None:
        path = self._path(opened.path, period)
        reads, writes = _modes(opened.mode, opened.flags)
        if path is None or writes or not reads or os.path.lexists(path):
            return None
        return Touch("read", uri_of(path), "open", ABSENT)


def _moved(file: TouchedFile, over: TouchedFile | None, was: str) -> TouchedFile:
    """A file in another place, `over` what was there: that it was read counts still."""
    is_read = over is not None and over.is_read
    return TouchedFile(file.how, is_read, is_written=True, columns=file.columns, was=was)


def _placed(sightings: Sequence[Sighting], period: Period) -> list[tuple[Sighting, Period]]:
    """Each with the directory that relative paths were relative to when it was seen."""
    placed: list[tuple[Sighting, Period]] = []
    for each in reversed(sightings):
        if isinstance(each, Moved):
            period = period._replace(directory=each.directory)
        placed.append((each, period))
    return placed[::-1]


def keeps(opened: tuple[Any, ...]) -> bool:
    """Whether a file is opened to write more into what is there, as the audit event tells; its mode is in `KEEPING`."""
    path, mode, flags = opened
    if mode is None and (flags & os.O_ACCMODE == os.O_RDONLY or flags & (os.O_TRUNC | os.O_EXCL)):
        return False
    try:
        return os.stat(path).st_size > 0
    except (OSError, ValueError, TypeError):
        return False


def _modes(mode: Any, flags: Any) -> tuple[bool, bool]:
    """Whether it only reads, and whether it writes. What `keeps` something reads that too."""
    if isinstance(mode, str):
        reads = "r" in mode and "+" not in mode
    else:
        reads = not isinstance(flags, int) or flags & os.O_ACCMODE == os.O_RDONLY
    return reads, not reads


def _note(
    files: dict[str, TouchedFile], path: str, how: str, reads: bool, writes: bool, columns: tuple[str, ...] = ()
) -> None:
    file = files.get(path)
    if file is None:
        file = files[path] = TouchedFile(how)
    if file.how == "open":
        file.how = how
    file.is_read |= reads and not file.is_written
    file.is_written |= writes
    if columns:
        file.columns.update(dict.fromkeys(columns))


def _each(what: Any) -> Iterator[Any]:
    if isinstance(what, str | os.PathLike):
        yield what
    elif isinstance(what, list | tuple):
        for each in what[:_MOST_FILES]:
            yield from _each(each)


def _local(what: Any) -> str | None:
    """The path of a file of this machine; None for what is elsewhere."""
    text = os.fspath(what)
    if not isinstance(text, str):
        return os.fsdecode(text)
    if text.startswith("file://"):
        path = text.removeprefix("file://").removeprefix("localhost")
        return path if os.path.lexists(path) else unquote(path)  # fsspec takes it as it is, pyarrow and pathlib quote
    return None if _SCHEME.match(text) else text


def _may_be_new(path: str, period: Period) -> bool:
    """Not where it was there before: the event tells of attempts too. What is gone again had one more name since."""
    try:
        return os.lstat(path).st_ctime_ns >= period.begun_ns - TICK_NS
    except OSError:
        return True


def _files_at(path: str) -> list[str]:
    """A file, or those of a folder."""
    return list(itertools.islice(_below(path), _MOST_FILES)) if os.path.isdir(path) else [path]


def _expand(text: str, mode: Mode, period: Period) -> list[str]:
    """The files that a directory or a pattern stands for; of a directory that was written, those that are new."""
    path = os.path.join(period.directory, text)
    if os.path.isdir(path):
        found = (name for name in _below(path) if mode == "read" or _is_new(name, period))
        return list(itertools.islice(found, _MOST_FILES))
    if glob.has_magic(text) and not os.path.exists(path):
        return sorted(glob.glob(path, recursive=True))[:_MOST_FILES]
    return [path]


def _below(path: str) -> Iterator[str]:
    return (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in sorted(names))


def _is_new(name: str, period: Period) -> bool:
    try:
        return os.stat(name).st_mtime_ns >= period.begun_ns - TICK_NS
    except OSError:
        return False

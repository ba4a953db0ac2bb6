"""Files in object stores, each named by its URL: `s3://bucket/prefix/calls/2026-11-28-….parquet`.

fsspec and its libraries speak to the store, with the credentials that each of them finds. A file is there whole or not
at all, and is never changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from pathlib import Path
from typing import Any, TypeVar

import fsspec

T = TypeVar("T")

# A query has 30 s. What hangs longer goes on in its thread until the store's library ends it.
READ_S = 10.0
_AT_ONCE = 16


class ArchiveAway(OSError):
    """What a store did not do, for whoever needed it."""


class Bucket:
    """May be asked from several threads at once. All raise `ArchiveAway`."""

    def __init__(self, read_s: float = READ_S) -> None:
        self._read_s = read_s
        self._readers = ThreadPoolExecutor(_AT_ONCE, "bucket")

    def read(self, url: str, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`. Returns or raises within the time that a read has."""
        reading = self._readers.submit(_asked, url, lambda store, path: store.cat_file(path, start=start, end=end))
        try:
            found = bytes(reading.result(self._read_s))
        except LateError:
            reading.cancel()
            raise ArchiveAway(_said(url, f"no answer within {self._read_s:g} s")) from None
        if len(found) != end - start:
            raise ArchiveAway(_said(url, f"{len(found)} bytes came for {end - start}"))
        return found

    def write(self, url: str, file: Path) -> None:
        """Returns when it is there, whole."""
        _asked(url, lambda store, path: _put(store, path, file))
        size = _asked(url, lambda store, path: store.info(path)["size"])
        if size != file.stat().st_size:
            raise ArchiveAway(_said(url, f"{size} bytes of {file.stat().st_size} are there"))

    def remove(self, url: str) -> None:
        """Nothing where it is not there."""
        _asked(url, lambda store, path: store.rm_file(path) if store.exists(path) else None)


def _put(store: Any, path: str, file: Path) -> None:
    if "file" not in (store.protocol if isinstance(store.protocol, tuple) else (store.protocol,)):
        store.put_file(str(file), path)
        return
    # A folder, of another disk maybe: only there can a file be seen before it is whole.
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = Path(f"{path}.new")
    with file.open("rb") as source, scratch.open("wb") as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
    scratch.rename(path)


def _asked(url: str, ask: Callable[[Any, str], T]) -> T:
    try:
        store, path = fsspec.url_to_fs(url, use_listings_cache=False)
        return ask(store, path)
    except FileNotFoundError:
        raise ArchiveAway(_said(url, "it is not there")) from None
    except Exception as error:  # each store has errors of its own, those of its SDK
        raise ArchiveAway(_said(url, f"{type(error).__name__}: {error}")) from error


def _said(url: str, why: str) -> str:
    why = " ".join(why.split())
    return f"The archive's file {url} can't be had: {why}. Recent calls can be asked for all the same."

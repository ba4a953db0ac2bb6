"""The DuckDB file: opened by one process, written by one thread, read by others through cursors of their own."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from rayfaas.config import ARCHIVE_CACHE_MB
from rayfaas.errors import QueryError
from rayfaas.registry.archive_files import SCHEME, ArchiveFiles, unreadable
from rayfaas.registry.blocks import Blocks
from rayfaas.registry.bucket import Bucket
from rayfaas.registry.ceiling import Ceiling
from rayfaas.registry.deadline import Deadline
from rayfaas.registry.rows import Row
from rayfaas.registry.schema import connect
from rayfaas.registry.stored_views import ARCHIVED, install, literal, read_archive

_log = logging.getLogger("rayfaas.registry")

# Users' queries run in the same instance, so what holds for them holds for all of it: no files but the one that the
# loader stages a journal's records in, those of the archive, and those that are made to be sent; no network, no more
# memory and disk than said here, and no way to change that. `ArchiveFiles` reads what is in an object store.
# What the ends of the archive's files say is kept in memory.
# The log is long before it goes into the file, because each time costs as much as loading some ten thousand calls.
_SETTINGS = """
SET allowed_paths = [{staging}];
SET allowed_directories = [{archive}, {outgoing}, {stored}];
SET parquet_metadata_cache = true;
SET enable_external_access = false;
SET autoinstall_known_extensions = false;
SET autoload_known_extensions = false;
SET TimeZone = 'UTC';
SET memory_limit = '2GB';
SET max_temp_directory_size = '2GB';
SET wal_autocheckpoint = '128MB';
SET lock_configuration = true;
"""


class Database:
    """Each thread has a cursor of its own. Values go in as parameters by name (`$name`), rows come out as dicts.

    `on_broken` is called, by any thread, when nothing but another process can go on with the file."""

    def __init__(
        self, path: Path, cache_bytes: int = ARCHIVE_CACHE_MB * 1_000_000, on_broken: Callable[[], None] | None = None
    ) -> None:
        self._on_broken = on_broken
        self.ceiling = Ceiling()
        self.staging, self.archive = path.with_name("journal.staging"), path.with_name("archive")
        self.outgoing = path.with_name("outgoing")
        self.bucket = Bucket()
        self.files = ArchiveFiles(self.bucket, Blocks(path.with_name("archive.cached"), cache_bytes))
        self._connection = connect(path)
        self._connection.register_filesystem(self.files)
        directories = {"archive": f"{self.archive}/", "outgoing": f"{self.outgoing}/", "stored": SCHEME}
        allowed = {name: literal(directory) for name, directory in directories.items()}
        self._connection.execute(_SETTINGS.format(staging=literal(self.staging), **allowed))
        self._local = threading.local()
        install(self._cursor())
        for kind in ARCHIVED:
            self.read_archive(kind)

    def run(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement; its rows. Raises `Unavailable` where it needs a part of the archive that can't be read."""
        try:
            cursor = self._cursor().execute(statement, _used(statement, parameters or {}))
        except duckdb.Error as error:
            if isinstance(error, duckdb.FatalException):
                self.check_alive()
            raise unreadable(error) or error from None
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, of this thread's statements inside."""
        cursor = self._cursor()
        cursor.execute("BEGIN")
        try:
            yield
        except BaseException:  # whatever it was, it is all or nothing
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """This thread's statements inside, all together, end after so long. Raises `QueryError`."""
        deadline = Deadline(self._cursor(), seconds, self.broken, most_bytes=sys.maxsize)
        deadline.start()
        try:
            yield
        except duckdb.InterruptException:
            raise QueryError(f"The question was ended after {seconds:g} s, which is the limit. Ask for less.") from None
        finally:
            deadline.end()

    def read_archive(self, kind: str) -> None:
        """Have a table be read together with those files of the archive that count now."""
        self.files.know(read_archive(self._cursor(), kind, self.archive))

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same instance; close it after use."""
        return self._connection.cursor()

    def check_alive(self) -> None:
        """An error of DuckDB's own may have ended all of it: then it refuses everything until it is opened anew."""
        try:
            self._connection.cursor().execute("SELECT 1")
        except duckdb.Error as error:
            self.broken(str(error))

    def broken(self, why: str) -> None:
        """This process can't go on with the file; it is in order."""
        _log.critical("the registry has to be opened anew: %s", why)
        if self._on_broken is not None:
            self._on_broken()

    def close(self) -> None:
        self._connection.close()
        self.staging.unlink(missing_ok=True)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._connection.cursor()
        return cursor


def now_us() -> int:
    return time.time_ns() // 1000


def _used(statement: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """DuckDB refuses parameters that a statement does not name."""
    return {name: value for name, value in parameters.items() if f"${name}" in statement}

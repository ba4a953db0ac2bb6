"""The schema of the registry's file: which version it has, and the steps to the one that this program knows.

A step is a file `migrations/NNN_….sql`. All that a file lacks are done in one transaction, and a copy of the file as it
was is kept beside it. A step that was released is never changed: what comes later is another step.
"""

from __future__ import annotations

import os
import shutil
from importlib import resources
from pathlib import Path

import duckdb

from rayfaas.errors import Conflict, Unavailable
from rayfaas.registry.statements import load

_SQL = load("schema_version.sql")


def steps() -> list[str]:
    """The SQL of each step; that of version 1 first.

    >>> "CREATE TABLE" in steps()[0]
    True
    """
    folder = resources.files("rayfaas.registry").joinpath("migrations")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [file.read_text("utf-8") for file in files]


def newest() -> int:
    """The version that this program knows."""
    return len(steps())


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the file, or make it, and bring it to the newest version.

    Raises `Conflict` where it is newer than this program, `Unavailable` where it can't be opened, or where there is no
    room for a copy beside it.
    """
    connection = _open(path)
    version = version_of(connection)
    known = newest()
    if version > known:
        connection.close()
        raise Conflict(
            f"The registry {path} was last used by a newer rayfaas: its schema has version {version}, and this program "
            f"knows {known}. Install that rayfaas again, or restore a backup that was made with this one."
        )
    if _has_tables(connection) and version < known:
        connection.close()  # which also writes all into the one file
        _copy(path, version)
        connection = _open(path)
    migrate(connection, known)
    return connection


def migrate(connection: duckdb.DuckDBPyConnection, until: int) -> None:
    """The steps that are missing, up to that version: all or none."""
    missing = list(enumerate(steps(), 1))[version_of(connection) : until]
    if not missing:
        return
    connection.execute("BEGIN")
    for version, step in missing:
        connection.execute(step)
        if version == 1:
            connection.execute(_SQL["make_versions"])
        connection.execute(_SQL["set_version"], {"version": version})
    connection.execute("COMMIT")


def version_of(connection: duckdb.DuckDBPyConnection) -> int:
    """0: an empty file, or one from before versions were counted."""
    if not _ask(connection, "has_versions"):
        return 0
    return _ask(connection, "version")


def copy_of(path: Path, version: int) -> Path:
    """Where the file is kept as it was in that version."""
    return path.with_name(f"{path.name}.version-{version}")


def _has_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    return _ask(connection, "has_tables") > 0


def _ask(connection: duckdb.DuckDBPyConnection, statement: str) -> int:
    row = connection.execute(_SQL[statement]).fetchone()
    assert row is not None  # an aggregate has one row
    return int(row[0])


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path))
    except duckdb.IOException as error:
        raise Unavailable(f"The registry {path} can't be opened: {error}") from None


def _copy(path: Path, version: int) -> None:
    """Whole or not at all, and on disk before anything is changed."""
    copy = copy_of(path, version)
    scratch = copy.with_suffix(".new")
    try:
        shutil.copyfile(path, scratch)
        with scratch.open("rb") as file:
            os.fsync(file.fileno())
        scratch.rename(copy)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise Unavailable(
            f"The registry {path} has to be changed for this version of rayfaas, and there is no copy of it as it is: "
            f"{error}. Make room on the disk, and start again."
        ) from None

"""The tables of a registry as files, one for each: of one moment, while calls go on; and a registry of them."""

from __future__ import annotations

from pathlib import Path

import duckdb

from rayfaas.errors import BadRequest
from rayfaas.registry.database import Database
from rayfaas.registry.schema import connect, migrate, newest, version_of
from rayfaas.registry.statements import load
from rayfaas.registry.stored_views import literal

_SQL = load("backup.sql")

KEYS = frozenset(("sessions", "join_tokens"))
"""Tables of keys: with these a cluster is let in."""


class Backup:
    """May write from any thread; it delays no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, directory: Path, with_keys: bool) -> int:
        """A Parquet file of each table, all of the same moment. Returns the version of their schema."""
        cursor = self._database.cursor()
        try:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            for table in sorted(_tables(cursor) - (frozenset() if with_keys else KEYS)):
                cursor.execute(_SQL["write"].format(table=table, file=literal(directory / f"{table}.parquet")))
            return version_of(cursor)
        finally:
            cursor.close()

    def files(self) -> list[Path]:
        """Those of the archive that are on this machine: what is in an object store stays there."""
        return [self._database.archive / row["file"] for row in self._database.run(_SQL["files"])]


def read(path: Path, directory: Path, version: int) -> None:
    """Make the registry `path` of the tables in `directory`, which have the schema of that version; then bring it to
    today's. Raises `BadRequest` where it can't be read."""
    if not 0 < version <= newest():
        raise BadRequest(
            f"The backup's schema has version {version}, and this rayfaas knows those from 1 to {newest()}."
        )
    try:
        with duckdb.connect(str(path)) as connection:
            migrate(connection, version)
            _read_tables(connection, directory)
    except duckdb.Error as error:
        raise BadRequest(f"The backup is damaged, or there is no room for it: {error}") from None
    connect(path).close()


def _read_tables(connection: duckdb.DuckDBPyConnection, directory: Path) -> None:
    connection.execute("BEGIN")
    for table in sorted(_tables(connection)):
        file = directory / f"{table}.parquet"
        if file.exists():
            connection.execute(_SQL["empty"].format(table=table))
            connection.execute(_SQL["read"].format(table=table), {"file": str(file)})
    connection.execute("COMMIT")


def _tables(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    return frozenset(str(name) for (name,) in connection.execute(_SQL["tables"]).fetchall())

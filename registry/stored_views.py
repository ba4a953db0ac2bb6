"""The views of the registry's own, made anew at each start; and the macros that read the archive beside its tables,
made anew whenever the archive changes too. To make them opens no file of it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import duckdb

from rayfaas.registry.archive_files import SCHEME
from rayfaas.registry.statements import load

ARCHIVED = ("calls", "logs", "touches")
"""The tables whose old rows are moved to files."""

_SQL = load("archive.sql")
_VIEWS = resources.files("rayfaas.registry").joinpath("stored_views.sql").read_text("utf-8")


def install(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the views."""
    connection.execute(_VIEWS)


def read_archive(connection: duckdb.DuckDBPyConnection, kind: str, directory: Path) -> dict[str, int]:
    """Have the macro of a kind read its partitions. Their files are in `directory`, but for those in object stores:
    these are returned, with their bytes."""
    rows = connection.execute(_SQL["files"], {"kind": kind}).fetchall()
    files = [literal(_schema(connection, kind, directory)), *(literal(place(file, directory)) for file, *_ in rows)]
    younger = ["true", *(f"begun < {until_us}" for _, until_us, _ in rows)]
    text = _SQL[f"{kind}_since"].format(files=", ".join(files), younger=", ".join(younger))
    connection.execute(text)
    return {file: size for file, _, size in rows if _is_url(file)}


def place(file: str, directory: Path) -> str:
    """Where DuckDB finds a file of the archive."""
    return SCHEME + file if _is_url(file) else str(directory / file)


def literal(text: str | Path) -> str:
    """Text in SQL.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + str(text).replace("'", "''") + "'"


def _schema(connection: duckdb.DuckDBPyConnection, kind: str, directory: Path) -> Path:
    """A file that has the columns of the kind, and no row."""
    file = directory / f"{kind}.parquet"
    if not file.exists():
        scratch = file.with_suffix(".new")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection.execute(_SQL["schema"].format(kind=kind, file=literal(scratch)))
        scratch.rename(file)
    return file


def _is_url(file: str) -> bool:
    return "://" in file

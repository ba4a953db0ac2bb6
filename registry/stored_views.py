"""The views of the registry's own, made anew at each start and whenever the archive changes: they read what is in the
tables and what is in the archive's files."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import duckdb

from rayfaas.registry.statements import load

ARCHIVED = ("calls", "logs", "touches")
"""The tables whose old rows are moved to files."""

_SQL = load("archive.sql")
_VIEWS = resources.files("rayfaas.registry").joinpath("stored_views.sql").read_text("utf-8")


def install(connection: duckdb.DuckDBPyConnection, directory: Path) -> None:
    """Make the views, of the partitions that the tables tell of. `directory` is where their files are."""
    text = _VIEWS
    for kind in ARCHIVED:
        rows = connection.execute(_SQL["files"], {"kind": kind}).fetchall()
        text = text.replace(f"{{archived_{kind}}}", _archived(kind, [directory / file for (file,) in rows]))
    connection.execute(text)


def literal(text: str | Path) -> str:
    """Text in SQL.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + str(text).replace("'", "''") + "'"


def _archived(kind: str, files: list[Path]) -> str:
    if not files:
        return _SQL["nothing"].format(kind=kind)
    return _SQL["read"].format(files=", ".join(map(literal, files)))

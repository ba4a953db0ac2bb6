"""The registry as the controller knows it: one file, one object, its parts in files of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rayfaas.registry.access import Access
from rayfaas.registry.catalog import Catalog
from rayfaas.registry.database import Database
from rayfaas.registry.journal import Journal, Loaded
from rayfaas.registry.query import Queries, QueryLimits, QueryResult
from rayfaas.registry.rows import LogRow


class Registry:
    """`catalog` and `access` are written from one thread; `query`, `logs` and reads may come from any.

    >>> registry = Registry.open(Path("registry.duckdb"))  # doctest: +SKIP
    >>> registry.query("SELECT count(*) FROM calls", [], team=None).rows  # doctest: +SKIP
    [[0]]
    """

    def __init__(self, database: Database, limits: QueryLimits) -> None:
        self._database = database
        self.catalog = Catalog(database)
        self.access = Access(database)
        self._journal = Journal(database)
        self._queries = Queries(database, limits)

    @classmethod
    def open(cls, path: Path, limits: QueryLimits | None = None) -> Registry:
        """Raises `Unavailable` where the file can't be opened, or another process has it open."""
        return cls(Database(path), limits or QueryLimits())

    def load_journal(self, directory: Path) -> Loaded:
        return self._journal.load(directory)

    def logs(self, function: str | None, call: str | None, team: str | None, limit: int) -> list[LogRow]:
        return self._journal.logs(function, call, team, limit)

    def query(self, sql: str, parameters: Sequence[Any], team: str | None) -> QueryResult:
        return self._queries.query(sql, parameters, team)

    def close(self) -> None:
        self._database.close()

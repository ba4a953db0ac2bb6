"""Answers to queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rayfaas.operations.asker import list_of, object_of


@dataclass(frozen=True)
class Table:
    """The answer to a query: `types` are SQL's. `truncated` says that the server had more rows than it sends."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool

    @classmethod
    def of(cls, answer: Any) -> Table:
        """As the server sends it."""
        table = object_of(answer)
        columns = list_of(table, "columns")
        return cls(
            tuple(column["name"] for column in columns),
            tuple(column["type"] for column in columns),
            tuple(map(tuple, list_of(table, "rows"))),
            bool(table.get("truncated")),
        )

    def dicts(self) -> list[dict[str, Any]]:
        """Each row by the names of its columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

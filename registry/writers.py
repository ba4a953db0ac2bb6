"""Who wrote an artifact that was read, as far as that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rayfaas.registry.rows import Row


class At(NamedTuple):
    """An artifact that a walk stands at: whose read or write led to it (a call, or None), and when that was."""

    node: str
    artifact: int
    uri: str
    version: str | None
    call: str | None
    at_us: int


Run = Callable[..., list[Row]]


class Writers:
    """`run` runs a statement of lineage.sql."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def of(self, asked: Sequence[At]) -> list[tuple[At, Row]]:
        """Who wrote each. A version that is not known is taken for that of the last write before; and a write of one
        for that which was read after it, where nobody is known to have written just that. Neither is certain."""
        found: list[tuple[At, Row]] = []
        for statement, is_known in (("writers", True), ("last_writers", False)):
            numbered = {number: at for number, at in enumerate(asked) if (at.version is not None) == is_known}
            rows = self._run(statement, **_columns(numbered)) if numbered else []
            found += [(numbered[row["number"]], row) for row in rows]
        return found

    def readers(self, asked: Sequence[At], limit: int) -> list[Row]:
        """Reads of them, each of the last write before it; those that may have been of them are not certain."""
        known = [at for at in asked if at.version is not None]
        rows = self._run("readers", **_columns(dict(enumerate(known))), limit=limit) if known else []
        unknown = sorted({at.uri for at in asked if at.version is None})
        doubtful = [row for row in rows if row["artifact_version"] is None]
        doubtful += self._run("reads_of", uris=unknown, limit=limit) if unknown else []
        return [row for row in rows if row["artifact_version"] is not None] + self._of_them(doubtful, asked)

    def _of_them(self, rows: Sequence[Row], asked: Sequence[At]) -> list[Row]:
        reads = [
            At(str(number), row["artifact"], row["uri"], row["artifact_version"], row["call"], row["at_us"])
            for number, row in enumerate(rows)
        ]
        return [
            {**rows[int(read.node)], "artifact": at.artifact, "is_certain": False}
            for read, writer in self.of(reads)
            for at in asked
            if at.artifact == writer["artifact"] and at.call in (None, writer["call"])
        ]

    def rivals(self, written: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Of calls and the URIs that they wrote those where another call may have written what is there."""
        calls, uris = zip(*written, strict=True) if (written := list(written)) else ((), ())
        return {(row["call"], row["uri"]) for row in self._run("rivals", calls=list(calls), uris=list(uris))}


def _columns(numbered: dict[int, At]) -> dict[str, list[object]]:
    return {
        "numbers": list(numbered),
        "artifacts": [at.artifact for at in numbered.values()],
        "uris": [at.uri for at in numbered.values()],
        "times": [at.at_us for at in numbered.values()],
        "calls": [at.call for at in numbered.values()],
    }

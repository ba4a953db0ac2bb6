"""Names of artifacts, such as `nlp/bert:prod`: which URI, in which version, each leads to, and led to before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row, moment
from rayfaas.registry.statements import load

_SQL = load("artifact_aliases.sql")
_CATALOG = load("catalog.sql")


class ArtifactAliasRow(msgspec.Struct, frozen=True):
    """What a name leads to since its last move. `version` is None where none is known."""

    team: str
    name: str
    alias: str
    revision: int
    uri: str
    version: str | None
    moved_at: datetime
    moved_by: str
    reason: str


class ArtifactAliases:
    """Every move is a row, and in the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(
        self, team: str | None = None, name: str | None = None, alias: str | None = None
    ) -> list[ArtifactAliasRow]:
        """Of a team, a name, an alias, or of all."""
        return [_row(row) for row in self._run("current", team=team, name=name, alias=alias)]

    def move(
        self, team: str, name: str, alias: str, uri: str, version: str | None, actor: str, reason: str
    ) -> ArtifactAliasRow:
        """Without a `version` it is the one that was recorded last, where one was."""
        with self._database.transaction():
            if version is None:
                version = self._run("newest_version", uri=uri, team=team)[0]["artifact_version"]
            to = {"uri": uri, "version": version}
            self._run("move", team=team, name=name, alias=alias, actor=actor, reason=reason, **to)
            detail = msgspec.json.encode({**to, "reason": reason}).decode()
            row = {"now": now_us(), "actor": actor, "action": "artifact moved", "subject": f"{team}/{name}:{alias}"}
            self._database.run(_CATALOG["add_audit"], {**row, "detail": detail})
            return self.current(team, name, alias)[0]

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})


def _row(row: Row) -> ArtifactAliasRow:
    return ArtifactAliasRow(
        row["team"],
        row["name"],
        row["alias"],
        row["revision"],
        row["uri"],
        row["artifact_version"],
        moment(row["moved_us"]),
        row["moved_by"],
        row["reason"],
    )

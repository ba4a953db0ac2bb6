"""The history of deploys: who, when, how it ended, how long each part took; and what it tells of the next one."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.errors import NotFound
from rayfaas.names import new_id
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Caller, DeployTimes, LastMove, Row, VersionRow, moment
from rayfaas.registry.statements import load

_SQL = load("deploys.sql")

# How far back a caller counts.
CALLERS_US = 30 * 86_400 * 1_000_000


class DeployHistory:
    """One row for each deploy, written when it has ended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recover(self) -> None:
        """Rows of the deploys that the last controller did not live to write; before their versions are failed."""
        with self._database.transaction():
            self._run("recover_interrupted")
            self._run("recover_succeeded")

    def add(self, team: str, name: str, *, phases: dict[str, float], **fields: Any) -> None:
        """`fields` are the other columns; `began` is in microseconds."""
        encoded = msgspec.json.encode(phases).decode()
        nothing = {"revision": None, "code": None, "failure": None}
        self._run("add", deploy=new_id(), team=team, name=name, phases=encoded, **{**nothing, **fields})

    def moved_since(self, team: str, name: str, alias: str, revision: int, actor: str) -> LastMove | None:
        """The last move of an alias after `revision` that somebody else than `actor` made."""
        return _move(self._run("move_since", team=team, name=name, alias=alias, revision=revision, actor=actor))

    def alias_move(self, team: str, name: str, alias: str) -> LastMove | None:
        """How the alias came to lead to where it does; None where there is none."""
        return _move(self._run("alias_move", team=team, name=name, alias=alias))

    def version(self, team: str, name: str, version: int) -> VersionRow:
        rows = self._run("version", team=team, name=name, version=version)
        if not rows:
            raise NotFound(f"{team}/{name} has no version {version}. `rayfaas versions {team}/{name}` lists them.")
        return VersionRow.from_row(rows[0])

    def same_content(self, team: str, name: str, content_digest: str, environment_digest: str) -> VersionRow | None:
        """The version that a deploy of this content would find."""
        content = {"content_digest": content_digest, "environment_digest": environment_digest}
        rows = self._run("same_content", team=team, name=name, **content)
        return VersionRow.from_row(rows[0]) if rows else None

    def callers(self, function: str, alias: str) -> list[Caller]:
        """Who called it through the alias in the last 30 days, by method, whoever did most first."""
        return [
            Caller(row["team"], row["principal"], row["method"], row["calls"], moment(row["last_us"]))
            for row in self._run("callers", function=function, alias=alias, since=now_us() - CALLERS_US)
        ]

    def times(self, created: bool, function: str | None = None) -> DeployTimes:
        """Of the last 20 deploys that succeeded, of one function or of all; `created` are those of new versions."""
        (row,) = self._run("times", created=created, function=function)
        return DeployTimes(row["median_s"], row["deploys"])

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})


def _move(rows: list[Row]) -> LastMove | None:
    if not rows:
        return None
    row = rows[0]
    return LastMove(row["version"], row["revision"], row["moved_by"], moment(row["moved_us"]), row["deployed"])

"""Deletions: what can't be called any more. Nothing is forgotten: versions, moves and calls stay to be asked for."""

from __future__ import annotations

from typing import Any

from rayfaas.registry.aliases import Aliases
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import GoneRow, Row, moment
from rayfaas.registry.statements import load

_SQL = load("deletions.sql")


class Deletions:
    """Deploying the same again brings it back, under the numbers that it had."""

    def __init__(self, database: Database, aliases: Aliases) -> None:
        self._database, self._aliases = database, aliases

    def delete(self, team: str, name: str, version: int | None, actor: str, reason: str) -> GoneRow:
        """A version; or the function with all its aliases, where `version` is None. Its canaries are SUPERSEDED,
        its schedules removed."""
        now = now_us()
        gone = GoneRow(team, name, version, moment(now), actor, reason)
        with self._database.transaction():
            what = {"team": team, "name": name, "version": version}
            self._run("delete_versions", **what)
            self._run("add_deletion", **what, actor=actor, reason=reason, now=now)
            if version is None:
                self._run("end_canary_steps", **what, why=str(gone))
                self._run("end_canaries", **what, why=str(gone))
                self._run("remove_schedules", **what)
                self._run("remove_deprecation", **what)
            subject = f"{team}/{name}" + (f":{version}" if version is not None else "")
            self._aliases.audit(actor, "deleted", subject, {"reason": reason})
        return gone

    def gone(self) -> list[GoneRow]:
        """What is deleted now: functions, and versions of those that are there."""
        return [
            GoneRow(
                row["team"],
                row["name"],
                row["version"],
                moment(row["deleted_us"]),
                row["deleted_by"],
                row["reason"],
            )
            for row in self._run("gone")
        ]

    def needs_bundle(self, digest: str) -> bool:
        """Whether a version that is there, or about to be, has its code in this bundle."""
        return bool(self._run("has_bundle", bundle=digest)[0]["versions"])

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})

"""Functions and versions. Versions never change."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.destination import Destination
from rayfaas.environment import Locked
from rayfaas.errors import NotFound
from rayfaas.registry.aliases import Aliases
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.deploys import DeployHistory
from rayfaas.registry.rows import AliasRow, FunctionRow, InterfaceRow, RouteRow, Row, VersionRow, moment
from rayfaas.registry.schedules import Declared, Schedules
from rayfaas.registry.statements import load
from rayfaas.spec import Publish, Scaling

_SQL = load("catalog.sql")


class Catalog:
    """What can be called, and how it came to be so."""

    def __init__(self, database: Database, aliases: Aliases, schedules: Schedules) -> None:
        self._database, self._aliases, self._schedules = database, aliases, schedules
        self.history = DeployHistory(database)
        self.history.recover()
        self._run("fail_pending")  # deploys that the last controller did not finish

    def add_bundle(self, digest: str, size: int, actor: str) -> None:
        with self._database.transaction():
            self._run("add_bundle", digest=digest, bytes=size, actor=actor)
            self._run("add_bundle_sender", digest=digest, actor=actor)

    def may_use_bundle(self, digest: str, principal: str, teams: list[str]) -> bool:
        """Whether the principal has sent it, or one of the teams has a version of it."""
        return bool(self._run("bundle_users", digest=digest, principal=principal, teams=teams))

    def publish(
        self, team: str, name: str, publish: Publish, actor: str, environment: str, locked: Locked | None = None
    ) -> tuple[VersionRow, bool]:
        """The version of this content, and whether it was made now; a new one, or one that failed, is PENDING.

        `environment` is a digest: of `locked`, where the version has an environment of its own.
        """
        content = {"content_digest": publish.content_digest(), "environment_digest": environment}
        with self._database.transaction():
            self._run("add_function", team=team, name=name, scaling=_json(publish.spec.scaling), actor=actor)
            if locked is not None:
                encoded = msgspec.json.encode(locked).decode()
                self._run("add_environment", digest=environment, locked=encoded, actor=actor)
            known = self._run("same_content", team=team, name=name, **content)
            if known:
                self._run("set_pending", team=team, name=name, version=known[0]["version"])
            else:
                self._run(
                    "add_version",
                    team=team,
                    name=name,
                    bundle=publish.bundle,
                    entry=_json(publish.entry),
                    spec=_json(publish.spec),
                    syntax_digest=publish.syntax_digest,
                    provenance=_json(publish.provenance),
                    actor=actor,
                    **content,
                )
            row = self._run("same_content", team=team, name=name, **content)[0]
        return VersionRow.from_row(row), not known

    def activate(
        self,
        team: str,
        name: str,
        version: int,
        interface: dict[str, Any] | None,
        alias: str,
        actor: str,
        reason: str,
        phases: dict[str, float],
        scaling: Scaling,
        declared: Scaling | None = None,
        schedule: Declared | None = None,
    ) -> AliasRow:
        """In one transaction: the version is ACTIVE, and the alias leads to it. `scaling` is in force, `declared` what
        the deploy asked for, if that is another. Without a `schedule` those of the function stay as they are."""
        with self._database.transaction():
            encoded = msgspec.json.encode(interface).decode() if interface is not None else None
            self._run("set_active", team=team, name=name, version=version, interface=encoded)
            self._run("set_scaling", team=team, name=name, scaling=_json(scaling), declared=_json(declared or scaling))
            row = self._aliases.record(team, name, alias, Destination.of(version), actor, reason, phases=phases)
            if schedule is not None:
                self._schedules.declare(team, name, schedule, actor)
            return row

    def scale(self, team: str, name: str, scaling: Scaling, actor: str, reason: str) -> None:
        """Have this scaling in force until a deploy asks for another."""
        encoded = _json(scaling)
        with self._database.transaction():
            self._run("set_scaling", team=team, name=name, scaling=encoded, declared=None)
            self._aliases.audit(
                actor, "scaled", f"{team}/{name}", {**scaling.model_dump(mode="json"), "reason": reason}
            )

    def fail(self, team: str, name: str, version: int, reason: str, actor: str) -> None:
        """The deploy did not succeed; a version that is ACTIVE already stays so."""
        with self._database.transaction():
            self._run("set_failed", team=team, name=name, version=version, failure=reason)
            self._aliases.audit(actor, "deploy failed", f"{team}/{name}:{version}", {"reason": reason})

    def routes(self) -> list[RouteRow]:
        """Every function with all that can be called of it."""
        versions: dict[tuple[str, str], list[VersionRow]] = {}
        environments: dict[str, Locked] = {}
        for row in self._run("active_versions"):
            versions.setdefault((row["team"], row["name"]), []).append(VersionRow.from_row(row, environments))
        aliases = self._aliases.all()
        return [
            RouteRow(
                row["team"],
                row["name"],
                Scaling.model_validate_json(row["scaling"]),
                Scaling.model_validate_json(row["declared"]),
                {a.alias: a for a in aliases.get((row["team"], row["name"]), [])},
                versions[row["team"], row["name"]],
            )
            for row in self._run("functions")
            if (row["team"], row["name"]) in versions
        ]

    def functions(self) -> list[FunctionRow]:
        aliases = self._aliases.all()
        return [_function(row, aliases.get((row["team"], row["name"]), [])) for row in self._run("functions")]

    def function(self, team: str, name: str) -> FunctionRow:
        for row in self.functions():
            if (row.team, row.name) == (team, name):
                return row
        raise NotFound(f"There is no function {team}/{name}. `rayfaas functions` lists those that exist.")

    def versions(self, team: str, name: str) -> list[VersionRow]:
        """Newest first."""
        environments: dict[str, Locked] = {}
        rows = self._run("versions", team=team, name=name)
        return [VersionRow.from_row(row, environments) for row in rows]

    def interfaces(self) -> list[InterfaceRow]:
        """Of every alias."""
        return [
            InterfaceRow(
                row["team"],
                row["name"],
                row["alias"],
                row["version"],
                msgspec.json.decode(row["interface"]),
                row["is_deprecated"],
                row["successor"],
            )
            for row in self._run("interfaces")
            if row["interface"]
        ]

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})


def _function(row: Row, aliases: list[AliasRow]) -> FunctionRow:
    scaling = Scaling.model_validate_json(row["scaling"])
    return FunctionRow(
        row["team"],
        row["name"],
        scaling,
        moment(row["created_us"]),
        row["created_by"],
        aliases,
        moment(row["deprecated_us"]) if row["deprecated_us"] is not None else None,
        moment(row["sunset_us"]) if row["sunset_us"] is not None else None,
        row["successor"],
    )


def _json(model: Any) -> str:
    return str(model.model_dump_json())

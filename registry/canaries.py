"""Canaries: each step with its figures and its reason is a row, written in the transaction that moves the alias."""

from __future__ import annotations

from typing import Any

from rayfaas.canary import CanaryPlan
from rayfaas.destination import Destination
from rayfaas.errors import Conflict
from rayfaas.names import new_id
from rayfaas.registry.aliases import Aliases
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import AliasRow, CanaryRow, Figures, MoveRow, Row, StepRow
from rayfaas.registry.statements import load

_SQL = load("canaries.sql")
_HOUR_US = 3_600_000_000


class Canaries:
    """`aliases` are what they move."""

    def __init__(self, database: Database, aliases: Aliases) -> None:
        self._database, self._aliases = database, aliases

    def begin(self, team: str, name: str, alias: str, plan: CanaryPlan, actor: str) -> tuple[CanaryRow, AliasRow]:
        """The first step. Raises `NotFound`, or `Conflict` where another one runs or there is nothing to compare."""
        with self._database.transaction():
            now = self._aliases.existing(team, name, alias)
            self._check(team, name, alias, plan, now)
            first = now.destination.with_share(plan.version, plan.steps[0])
            why = _why(plan, f"{plan.steps[0]:g} % to version {plan.version}")
            row = self._aliases.record(team, name, alias, first, actor, why, undo=now.revision, is_canary=True)
            self._run(
                "add",
                canary=new_id(),
                team=team,
                name=name,
                alias=alias,
                plan=plan.model_dump_json(),
                base=now.destination.model_dump_json(),
                base_revision=now.revision,
                revision=row.revision,
                actor=actor,
            )
        canary = self.latest(team, name, alias)
        assert canary is not None  # it was added above
        return canary, row

    def advance(self, canary: CanaryRow, reason: str, figures: Figures, base: Figures) -> AliasRow | None:
        """The next step, or the end of the last one: PROMOTED. None where it does not run any more."""
        is_last = canary.step + 1 == len(canary.plan.steps)
        share = 100.0 if is_last else canary.plan.steps[canary.step + 1]
        with self._database.transaction():
            if not self._runs(canary):
                return None
            self._add_step(canary, "PROMOTED" if is_last else "ON", reason, figures, base)
            destination = canary.base.with_share(canary.plan.version, share)
            why = _why(canary.plan, f"{share:g} % to version {canary.plan.version}: {reason}")
            row = self._record(canary, destination, canary.began_by, why)
            if is_last:
                self._close(canary, "PROMOTED", reason, "canary")
            else:
                self._run("advance", canary=canary.canary, step=canary.step + 1, revision=row.revision)
            return row

    def give_up(
        self, canary: CanaryRow, state: str, reason: str, actor: str, figures: Figures, base: Figures
    ) -> AliasRow | None:
        """Return to where the alias led before: RETURNED or ABORTED. None where it does not run any more."""
        with self._database.transaction():
            if not self._runs(canary):
                return None
            self._add_step(canary, state, reason, figures, base)
            row = self._record(canary, canary.base, actor, f"canary of version {canary.plan.version}: {reason}")
            self._close(canary, state, reason, actor)
            return row

    def running(self) -> list[CanaryRow]:
        return [CanaryRow.from_row(row) for row in self._run("running")]

    def latest(self, team: str, name: str, alias: str) -> CanaryRow | None:
        """The newest of an alias, whether it runs or not."""
        rows = self._run("latest", team=team, name=name, alias=alias)
        return CanaryRow.from_row(rows[0]) if rows else None

    def steps(self, canary: CanaryRow) -> list[StepRow]:
        """Those that are over."""
        return [StepRow.from_row(row) for row in self._run("steps", canary=canary.canary)]

    def figures(self, canary: CanaryRow) -> tuple[Figures, Figures]:
        """Of its version's calls in the present step, and of the others' to compare them with: those of this step,
        where they are enough, else all since an hour before it began."""
        others = [arm.version for arm in canary.base.arms if arm.version != canary.plan.version]
        here = self._figures(canary, [canary.plan.version], canary.revision, 0)
        beside = self._figures(canary, others, canary.revision, 0)
        if beside.calls < canary.plan.min_calls:
            beside = self._figures(canary, others, None, int(canary.began_at.timestamp() * 1e6) - _HOUR_US)
        return here, beside

    def _figures(self, canary: CanaryRow, versions: list[int], revision: int | None, since_us: int) -> Figures:
        asked = {"function": canary.function, "alias": canary.alias, "versions": versions}
        row = self._run("figures", **asked, revision=revision, since=since_us)[0]
        return Figures(row["calls"], row["errors"], row["p99_ms"])

    def _check(self, team: str, name: str, alias: str, plan: CanaryPlan, now: MoveRow) -> None:
        running = self.latest(team, name, alias)
        if running is not None and running.state == "RUNNING":
            raise Conflict(
                f"A canary of version {running.plan.version} runs on {team}/{name}@{alias} since "
                f"{running.began_at:%H:%M:%S} UTC, begun by {running.began_by}. `rayfaas promote {team}/{name} "
                f"--alias {alias} --abort` ends it."
            )
        if {arm.version for arm in now.destination.arms} == {plan.version}:
            raise Conflict(f"{team}/{name}@{alias} leads to version {plan.version} already.")

    def _runs(self, canary: CanaryRow) -> bool:
        """Somebody may have moved its alias, or aborted it, since it was read."""
        latest = self.latest(canary.team, canary.name, canary.alias)
        return latest is not None and (latest.canary, latest.state) == (canary.canary, "RUNNING")

    def _record(self, canary: CanaryRow, destination: Destination, actor: str, reason: str) -> AliasRow:
        """A rollback from a canary's move returns to where it began, one from its return to before that."""
        where = (canary.team, canary.name, canary.alias)
        undo = canary.base_revision
        if destination == canary.base:
            undo = self._aliases.revision(*where, undo).undo
        return self._aliases.record(*where, destination, actor, reason, undo=undo, is_canary=True)

    def _add_step(self, canary: CanaryRow, outcome: str, reason: str, figures: Figures, base: Figures) -> None:
        self._run(
            "add_step",
            canary=canary.canary,
            step=canary.step,
            share=canary.share,
            revision=canary.revision,
            began=int(canary.step_at.timestamp() * 1e6),
            outcome=outcome,
            reason=reason,
            calls=figures.calls,
            errors=figures.errors,
            p99_ms=figures.p99_ms,
            base_calls=base.calls,
            base_errors=base.errors,
            base_p99_ms=base.p99_ms,
        )

    def _close(self, canary: CanaryRow, state: str, reason: str, actor: str) -> None:
        self._run("close", canary=canary.canary, state=state, reason=reason)
        subject = f"{canary.function}@{canary.alias}"
        detail = {"version": canary.plan.version, "state": state, "reason": reason}
        self._aliases.audit(actor, "canary ended", subject, detail)

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})


def _why(plan: CanaryPlan, step: str) -> str:
    return f"canary, {step}" + (f" ({plan.message})" if plan.message else "")

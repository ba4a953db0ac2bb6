"""Canaries: looks at the recorded calls of those that run, and has each go on, return, or wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from rayfaas.canary import CanaryPlan
from rayfaas.errors import Conflict, NotFound, RayfaasError
from rayfaas.registry.rows import CanaryRow, Figures
from rayfaas.roles import Roles
from rayfaas.server.answers import plain
from rayfaas.server.journals import Journals
from rayfaas.server.looking import look_every
from rayfaas.server.protections import NO_RIGHTS
from rayfaas.server.releases import Releases
from rayfaas.server.store import Store

_log = logging.getLogger("rayfaas.controller")

LOOK_S = 1.0
ACTOR = "canary"

Now = Callable[[], datetime]


class Verdict(NamedTuple):
    """What to do, ON, BACK or WAIT, and why."""

    outcome: str
    reason: str


def judge(plan: CanaryPlan, lasted_s: float, figures: Figures, base: Figures) -> Verdict:
    """Errors that are too many already return at once; everything else is decided when the step has lasted.

    >>> judge(CanaryPlan(version=8, steps=(5,)), 60.0, Figures(200, 0, 9.0), Figures(900, 0, 8.0))
    Verdict(outcome='ON', reason='0 of 200 calls failed; p99 9.0 ms, of the others 8.0 ms')
    """
    failed = f"{figures.errors} of {figures.calls} calls failed"
    if figures.errors > plan.max_error_rate * max(figures.calls, plan.min_calls):
        return Verdict("BACK", f"{failed}, more than {plan.max_error_rate:.4g} of {plan.min_calls} or more may")
    if lasted_s < plan.every_s:
        return Verdict("WAIT", f"{lasted_s:.0f} of {plan.every_s:g} s")
    if figures.calls < plan.min_calls:
        few = f"{figures.calls} of at least {plan.min_calls} calls"
        if lasted_s < plan.limit_s:
            return Verdict("WAIT", few)
        return Verdict("BACK", f"too few calls to judge by: {few} in {lasted_s:.0f} s")
    return _judge_p99(plan, failed, figures.p99_ms, base.p99_ms)


def _judge_p99(plan: CanaryPlan, failed: str, p99_ms: float | None, base_ms: float | None) -> Verdict:
    if p99_ms is None or base_ms is None:
        return Verdict("ON", f"{failed}; there is nothing to compare the times with")
    times = f"p99 {p99_ms:.1f} ms, of the others {base_ms:.1f} ms"
    if plan.max_p99_increase is not None and p99_ms > base_ms * (1 + plan.max_p99_increase):
        return Verdict("BACK", f"{times}: more than {plan.max_p99_increase:.0%} above")
    return Verdict("ON", f"{failed}; {times}")


class Canaries:
    """`now` is the time. What it needs to go on is in the registry, so that it goes on after any end."""

    def __init__(self, store: Store, journals: Journals, releases: Releases, now: Now) -> None:
        self._store, self._journals, self._releases, self._now = store, journals, releases, now
        self._canaries = store.registry.canaries

    async def resume(self) -> None:
        """Keep what those that run may return to, as before the controller ended."""
        for canary in await self._store.write(self._canaries.running):
            self._releases.keep(canary)

    async def keep_looking(self) -> None:
        await look_every(LOOK_S, self.look, "canaries could not be looked after")

    async def look(self) -> None:
        """Once at each that runs."""
        running = await self._store.write(self._canaries.running)
        if running:
            await self._journals.load()
        await asyncio.gather(*map(self._decide, running))

    async def abort(
        self, team: str, name: str, alias: str, reason: str, actor: str, rights: Roles = NO_RIGHTS
    ) -> dict[str, Any]:
        """Return to where the alias led before. Raises `NotFound`, `Forbidden`, or `Conflict` where none runs."""
        self._releases.check(team, name, alias, actor, rights)
        canary = await self._latest(team, name, alias)
        if canary.state != "RUNNING":
            raise Conflict(f"The last canary of {team}/{name}@{alias} has ended already: {canary.state}.")
        why = f"aborted by {actor}" + (f": {reason}" if reason else "")
        figures, base = await self._figures(canary)
        await self._releases.give_up(canary, "ABORTED", why, actor, figures, base)
        return await self.shown(team, name, alias)

    async def shown(self, team: str, name: str, alias: str) -> dict[str, Any]:
        """The newest of an alias, with its steps, and with the present figures while it runs. Raises `NotFound`."""
        canary = await self._latest(team, name, alias)
        steps = await self._store.query(self._canaries.steps, canary)
        shown: dict[str, Any] = plain(canary) | {"steps": plain(steps), "present": None}
        if canary.state == "RUNNING":
            figures, base = await self._figures(canary)
            verdict = judge(canary.plan, self._lasted_s(canary), figures, base)
            present = {"share": canary.share, "lasted_s": self._lasted_s(canary), "reason": verdict.reason}
            shown["present"] = present | {"figures": plain(figures), "base": plain(base)}
        return shown

    async def _decide(self, canary: CanaryRow) -> None:
        figures, base = await self._store.query(self._canaries.figures, canary)
        verdict = judge(canary.plan, self._lasted_s(canary), figures, base)
        try:
            if verdict.outcome == "ON":
                await self._releases.advance(canary, verdict.reason, figures, base)
            elif verdict.outcome == "BACK":
                await self._releases.give_up(canary, "RETURNED", verdict.reason, ACTOR, figures, base)
        except RayfaasError as error:
            _log.warning("the canary of %s@%s can't move: %s", canary.function, canary.alias, error.detail)

    async def _figures(self, canary: CanaryRow) -> tuple[Figures, Figures]:
        await self._journals.load()
        return await self._store.query(self._canaries.figures, canary)

    async def _latest(self, team: str, name: str, alias: str) -> CanaryRow:
        canary = await self._store.query(self._canaries.latest, team, name, alias)
        if canary is None:
            raise NotFound(f"There was no canary of {team}/{name}@{alias}.")
        return canary

    def _lasted_s(self, canary: CanaryRow) -> float:
        return (self._now() - canary.step_at).total_seconds()

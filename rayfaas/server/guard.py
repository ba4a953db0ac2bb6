"""What stands between a deploy and an alias: nobody else moved it meanwhile, and nobody who calls it is broken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import msgspec

from rayfaas.compatibility import Break, Interface, breaks
from rayfaas.errors import BreakingChange, Conflict
from rayfaas.registry.rows import Caller, LastMove
from rayfaas.server.catalog import Function
from rayfaas.server.deploy import Deploy
from rayfaas.server.store import Store


class Guard:
    """`load` has what was called until now recorded."""

    def __init__(self, store: Store, load: Callable[[], Awaitable[object]]) -> None:
        self._store, self._load = store, load

    async def check_expected(self, deploy: Deploy, function: Function) -> None:
        """Raises `Conflict` where somebody else has moved the alias since the deployer last knew where it leads."""
        expected = deploy.publish.expected
        alias = function.aliases.get(deploy.publish.alias)
        if expected is None or expected == (alias.revision if alias is not None else 0):
            return
        history = self._store.registry.deploys
        where = deploy.team, deploy.name
        move = await self._store.query(history.moved_since, *where, deploy.publish.alias, expected, deploy.actor)
        if move is None:
            return
        version = await self._store.query(history.version, *where, move.version)
        if version.content_digest != deploy.publish.content_digest():
            raise _conflict(deploy, move, version.provenance.git_commit, version.provenance.git_dirty)

    async def interfaces(self, function: Function, alias: str) -> list[Interface]:
        """How each version that the alias leads to is called."""
        leads_to = function.aliases.get(alias)
        arms = leads_to.destination.arms if leads_to is not None else ()
        history, where = self._store.registry.deploys, (function.team, function.name)
        rows = [await self._store.query(history.version, *where, arm.version) for arm in arms]
        return [row.interface for row in rows if row.interface]

    async def check_callers(self, deploy: Deploy, before: list[Interface], after: Interface | None) -> None:
        """Raises `BreakingChange` where others, who called it through the alias in the last 30 days, would be broken.

        Who deploys knows what they change, and need not be kept from it by their own tries.
        """
        if deploy.publish.breaking or not after:
            return
        found = list(dict.fromkeys(each for one in before if one != after for each in breaks(one, after)))
        if not found:
            return
        await self._load()
        everybody = await self._store.query(self._store.registry.deploys.callers, deploy.function, deploy.publish.alias)
        callers = [caller for caller in everybody if caller.principal != deploy.actor]
        called = {caller.method for caller in callers}
        broken = [each for each in found if each.method in called or (each.method is None and called)]
        methods = {each.method for each in broken}
        concerned = [caller for caller in callers if None in methods or caller.method in methods]
        deploy.clock.lap("check_ms")
        if broken:
            raise _breaking(deploy, broken, concerned)


def _conflict(deploy: Deploy, move: LastMove, commit: str | None, dirty: bool | None) -> Conflict:
    target = f"{deploy.function}@{deploy.publish.alias}"
    return Conflict(
        f"{move.by} moved {target} to version {move.version} at {move.at:%Y-%m-%d %H:%M} UTC, after what your deploy "
        f"was made from. `rayfaas source {deploy.function}:{move.version}` shows their code, and `rayfaas pull` has "
        "it. Take in what you want to keep, then deploy with --force.",
        **msgspec.to_builtins(move),
        git_commit=commit,
        git_dirty=dirty,
    )


def _breaking(deploy: Deploy, found: list[Break], callers: list[Caller]) -> BreakingChange:
    who = ", ".join(dict.fromkeys(f"{caller.principal} ({caller.team})" for caller in callers))
    what = "; ".join(f"{each.method}: {each.detail}" if each.method else each.detail for each in found)
    calls = sum(caller.calls for caller in callers)
    return BreakingChange(
        f"This would break who called {deploy.function}@{deploy.publish.alias} in the last 30 days: {what}. They are "
        f"{who}, with {calls:,} calls. Keep what they rely on, or deploy with --breaking.",
        breaks=[asdict(each) for each in found],
        callers=[_told(caller) for caller in callers],
    )


def _told(caller: Caller) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(caller)
    return told

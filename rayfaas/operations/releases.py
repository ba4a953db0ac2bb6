"""Which version a name means: operations on aliases, as a client has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from rayfaas.errors import Unavailable
from rayfaas.names import LIVE, check_alias
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json, given, list_of, object_of

OnProgress = Callable[[Json], None]

LOOK_S = 1.0
# How many looks in a row may find no server.
PATIENCE = 60


class Unchanged:
    """In place of a value: what it is stays."""


UNCHANGED = Unchanged()


class Releases(Asker):
    """Every change is in force on every gateway when it returns, and fails no call.

    Functions are named `team/name`, or `name` of the token's team.
    """

    @operation
    async def aliases(self, name: str) -> list[Json]:
        """Where the aliases of a function lead, since when, by whom, and why."""
        return list_of(await self._get(f"{await self._path_of(name)}/aliases"), "aliases")

    @operation
    async def alias_history(self, name: str, alias: str = LIVE, limit: int = 100) -> list[Json]:
        """All moves of an alias, the newest first."""
        path = f"{await self._alias_path(name, alias)}/history"
        return list_of(await self._transport.get(path, {"limit": limit}), "moves")

    @operation
    async def move_alias(
        self,
        name: str,
        alias: str,
        version: int | None = None,
        *,
        split: Mapping[int, float] | None = None,
        sticky: str | Unchanged | None = UNCHANGED,
        shadow: tuple[int, float] | Unchanged | None = UNCHANGED,
        message: str = "",
    ) -> Json:
        """Have `alias` lead to `version`, or to several versions with weights: `split={7: 95, 8: 5}`.

        `sticky` is "caller" or "header:NAME": calls with the same one go to the same version. `shadow` is a version and
        how many percent of the calls are copied to it. Without `version` and `split` the alias leads where it leads,
        and only `sticky` and `shadow` change; None ends them.
        """
        body: Json = {"message": message}
        if version is not None:
            body["version"] = version
        if split is not None:
            body["split"] = {str(number): weight for number, weight in split.items()}
        if not isinstance(sticky, Unchanged):
            body["sticky"] = sticky
        if not isinstance(shadow, Unchanged):
            body["shadow"] = {"version": shadow[0], "share": shadow[1]} if shadow is not None else None
        return object_of(await self._transport.post(await self._alias_path(name, alias), body))

    @operation
    async def promote(self, name: str, version: int, *, alias: str = LIVE, message: str = "") -> Json:
        """Have `alias` lead to `version` at once; `canary` goes there by steps."""
        body = {"version": version, "message": message}
        return object_of(await self._transport.post(await self._alias_path(name, alias), body))

    @operation
    async def rollback(self, name: str, *, alias: str = LIVE, message: str = "") -> Json:
        """Have `alias` lead where it led before its last change that was not undone, a split included.

        Raises `Conflict` where it led nowhere before.
        """
        path = f"{await self._alias_path(name, alias)}/rollback"
        return object_of(await self._transport.post(path, {"message": message}))

    @operation
    async def start_canary(
        self,
        name: str,
        version: int,
        steps: Sequence[float],
        *,
        alias: str = LIVE,
        every_s: float = 60.0,
        max_error_rate: float = 0.01,
        max_p99_increase: float | None = None,
        min_calls: int = 100,
        limit_s: float = 3600.0,
        message: str = "",
    ) -> Json:
        """Give `version` more of the calls step by step, in percent, as long as its recorded calls are good.

        Rates are fractions: 0.01 is 1 %. Returns when the first step is in force; the server goes on by itself.
        """
        plan = {
            "version": version,
            "steps": list(steps),
            "every_s": every_s,
            "max_error_rate": max_error_rate,
            "max_p99_increase": max_p99_increase,
            "min_calls": min_calls,
            "limit_s": limit_s,
            "message": message,
        }
        return object_of(await self._transport.post(await self._canary_path(name, alias), plan))

    @operation
    async def canary(self, name: str, *, alias: str = LIVE) -> Json:
        """The newest canary of an alias: its plan, the steps that are over, and the figures of the present one."""
        return await self._get(await self._canary_path(name, alias))

    @operation
    async def follow_canary(self, name: str, *, alias: str = LIVE, on_progress: OnProgress | None = None) -> Json:
        """The newest canary when it has ended. `on_progress` is told of it each second until then."""
        path = await self._canary_path(name, alias)
        missed = 0
        while True:
            try:
                canary, missed = await self._get(path), 0
            except Unavailable:
                missed += 1  # a server that is restarted goes on with it
                if missed > PATIENCE:
                    raise
                await asyncio.sleep(LOOK_S)
                continue
            if on_progress is not None:
                on_progress(canary)
            if canary.get("state") != "RUNNING":
                return canary
            await asyncio.sleep(LOOK_S)

    @operation
    async def abort_canary(self, name: str, *, alias: str = LIVE, message: str = "") -> Json:
        """Return to where the alias led before. Raises `Conflict` where no canary runs."""
        path = await self._canary_path(name, alias)
        answer = await self._transport.send("DELETE", path, query=given(message=message or None))
        return object_of(answer.value())

    async def _alias_path(self, name: str, alias: str) -> str:
        return f"{await self._path_of(name)}/aliases/{check_alias(alias)}"

    async def _canary_path(self, name: str, alias: str) -> str:
        return f"{await self._alias_path(name, alias)}/canary"

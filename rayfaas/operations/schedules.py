"""When functions call themselves: operations on schedules, as a client has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rayfaas.errors import BadRequest
from rayfaas.names import LIVE, Target, check_alias, check_name
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json, given, list_of, object_of

if TYPE_CHECKING:
    from rayfaas.schedule import Schedule

DEFAULT = "default"


class Schedules(Asker):
    """A function may have several, each with a name; `code` is the one that its decorator says.

    >>> client.schedule("nlp/embed", rayfaas.Cron("0 8 * * 1-5", timezone="Europe/Berlin"))["next"]  # doctest: +SKIP
    ['2026-11-30T08:00:00+01:00', '2026-12-01T08:00:00+01:00', '2026-12-02T08:00:00+01:00']
    """

    @operation
    async def schedules(self) -> list[Json]:
        """Those of your team's functions, for an admin of all: when, the next time, and what came of the last one."""
        return list_of(await self._get("/v1/schedules"), "schedules")

    @operation
    async def schedule(
        self, target: str, schedule: Schedule, *, name: str = DEFAULT, alias: str = LIVE, message: str = ""
    ) -> Json:
        """Have a function, or a method `Model.train`, call itself from now on through `alias`, in place of its schedule
        of this name. The calls are yours. Returns it with its `next` times.
        """
        parsed = Target.parse(target)
        if parsed.version is not None or parsed.alias is not None:
            raise BadRequest(
                f"{target!r}: say the alias apart; a version is not scheduled, an alias that leads to it is."
            )
        plan = schedule.model_dump(mode="json", exclude_none=True)
        body = {**plan, "alias": check_alias(alias), "message": message, **given(method=parsed.method)}
        function = f"{parsed.team}/{parsed.name}" if parsed.team else parsed.name
        return object_of(await self._transport.put(await self._schedule_path(function, name), body))

    @operation
    async def suspend_schedule(self, function: str, *, name: str = DEFAULT, message: str = "") -> Json:
        """Have its times pass without a call. Raises `Conflict` where it is suspended."""
        path = f"{await self._schedule_path(function, name)}/suspend"
        return object_of(await self._transport.post(path, {"message": message}))

    @operation
    async def resume_schedule(self, function: str, *, name: str = DEFAULT, message: str = "") -> Json:
        """From its next time on, as yours. Raises `Conflict` where it is not suspended."""
        path = f"{await self._schedule_path(function, name)}/resume"
        return object_of(await self._transport.post(path, {"message": message}))

    @operation
    async def remove_schedule(self, function: str, *, name: str = DEFAULT, message: str = "") -> None:
        """Calls that it made go on. What the code says is back with the next deploy."""
        path = await self._schedule_path(function, name)
        await self._transport.send("DELETE", path, query=given(message=message or None))

    async def _schedule_path(self, function: str, name: str) -> str:
        return f"{await self._path_of(function)}/schedules/{check_name(name, 'schedule')}"

"""Schedules, as the controller keeps them: asleep until the next time comes, which then becomes a spawned call.

What is due is in the registry, so that it goes on after any end; here are the times that come next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import msgspec

from rayfaas.compatibility import Interface
from rayfaas.errors import BadRequest, Conflict, NotFound, RayfaasError
from rayfaas.gateway.splits import Split, WeighedRoute
from rayfaas.link import Link, Method
from rayfaas.misfits import check_arguments
from rayfaas.names import LIVE, new_id
from rayfaas.registry.members import MemberRow
from rayfaas.registry.rows import NEVER_US
from rayfaas.registry.schedules import ACTOR, Called, Declared, Due, ScheduleRow, Time
from rayfaas.roles import rank
from rayfaas.schedule import DECLARED, Schedule, Scheduled, length_of
from rayfaas.server.answers import plain
from rayfaas.server.catalog import Catalog, Function, Version
from rayfaas.server.journals import Journals
from rayfaas.server.limits import Limits
from rayfaas.server.store import Store
from rayfaas.server.timetable import Timetable
from rayfaas.spec import Publish, parse
from rayfaas.within import within

_log = logging.getLogger("rayfaas.controller")

# The longest sleep: a clock that was set is noticed after it.
SLEEP_S = 30.0
# After a look that failed, as on a full disk.
RETRY_S = 5.0
# So many times are handled in one transaction.
BATCH = 500
# A clock that is set back by less is only kept right.
_SLEW_US = 1_000_000
SHOWN = 3


@dataclass
class Entry:
    """A schedule with its times, of which it has none while it is suspended."""

    row: ScheduleRow
    times: Timetable | None

    @property
    def next_us(self) -> int:
        """When it is to be looked at."""
        return NEVER_US if self.times is None else self.row.next_us


class Schedules:
    """`methods` are for gateways, which ask on behalf of who may. `hand_out` gives calls that were made to gateways."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        journals: Journals,
        limits: Limits,
        hand_out: Callable[[], Awaitable[None]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._catalog, self._journals, self._limits = store, catalog, journals, limits
        self._hand_out, self._now = hand_out, now
        self._schedules = store.registry.schedules
        self._entries: dict[str, Entry] = {}  # by id
        self._changed = asyncio.Event()
        self._seen_us = 0
        self.methods: dict[str, Method] = {
            "schedules": self._list,
            "set_schedule": self._set,
            "remove_schedule": self._remove,
            "suspend_schedule": self._suspend,
            "resume_schedule": self._resume,
        }

    # Its life

    async def read(self) -> None:
        """What the registry has. Times that are not over are those of this clock: it may have been set back."""
        await self._reload()
        await self._rewind()

    async def keep_looking(self) -> None:
        while True:
            try:
                await self.look()
                pause_s = self.pause_s()
            except Exception:  # noqa: BLE001 a border: one bad look must not end all of them
                _log.exception("schedules could not be looked after")
                pause_s = RETRY_S
            with contextlib.suppress(asyncio.TimeoutError):
                await within(pause_s, self._changed.wait())
            self._changed.clear()

    async def look(self) -> None:
        """Handle each time that has come."""
        now_us = self._now_us()
        if now_us < self._seen_us - _SLEW_US:
            await self._rewind()
        self._seen_us = now_us
        due = [entry for entry in self._entries.values() if entry.next_us <= now_us]
        if not due:
            return
        await self._journals.load()  # what has ended counts as such
        due = await self._rightful(due)
        for first in range(0, len(due), BATCH):
            await self._handle([each for entry in due[first : first + BATCH] for each in self._due(entry, now_us)])
        await self._hand_out()

    def pause_s(self) -> float:
        """Until the next look."""
        next_us = min((entry.next_us for entry in self._entries.values()), default=NEVER_US)
        return min(SLEEP_S, max(0.0, (next_us - self._now_us()) / 1e6))

    async def _rewind(self) -> None:
        """Where the clock shows an earlier time than it did, what comes next may come sooner. What was called before is
        not called again."""
        now_us = self._now_us()
        nexts = await asyncio.to_thread(self._sooner, list(self._entries.values()), now_us)
        if nexts:
            await self._store.write(self._schedules.move, list(nexts), list(nexts.values()))
            await self._reload()

    def _sooner(self, entries: Iterable[Entry], now_us: int) -> dict[tuple[str, int], int]:
        ahead = [(entry.row, entry.times) for entry in entries if entry.next_us > now_us]
        nexts = {(row.id, row.next_us): times.next(now_us) for row, times in ahead if times is not None}
        return {row: next_us for row, next_us in nexts.items() if next_us < row[1]}

    async def _reload(self) -> None:
        rows = await self._store.write(self._schedules.all)
        self._entries = {row.id: await self._entry(row) for row in rows}
        self._changed.set()

    async def _entry(self, row: ScheduleRow) -> Entry:
        if row.suspended_at is not None:
            return Entry(row, None)
        known = self._entries.get(row.id)
        if known is not None and (known.row.plan, known.row.anchor_us) == (row.plan, row.anchor_us) and known.times:
            return Entry(row, known.times)
        try:
            return Entry(row, Timetable(row.plan, row.anchor_us))
        except BadRequest as error:  # its zone is not known on this machine, say
            await self._stop(row, error.detail)
            return Entry(msgspec.structs.replace(row, suspended_at=datetime.now(timezone.utc)), None)

    async def _stop(self, row: ScheduleRow, reason: str) -> None:
        """Suspend it until somebody resumes it, who then sees why."""
        _log.error("schedule %s is suspended: %s", row.called, reason)
        await self._store.write(self._schedules.suspend, row.id, ACTOR, reason)

    # A time that has come

    async def _rightful(self, entries: list[Entry]) -> list[Entry]:
        """Those whose principals may still schedule them; the others are suspended."""
        members = await self._store.write(self._store.registry.members.all)
        may = _deployers(members)
        left = [entry for entry in entries if not may(entry.row.principal, entry.row.team)]
        for entry in left:
            row = entry.row
            await self._stop(row, f"{row.principal} may not deploy the functions of team {row.team} any more")
        if left:
            await self._reload()
        gone = {entry.row.id for entry in left}
        return [entry for entry in entries if entry.row.id not in gone]

    def _due(self, entry: Entry, now_us: int) -> Iterator[Due]:
        """The latest of its times that have come and may still start; those before it are passed over."""
        if entry.times is None:
            return  # it was suspended in this moment
        row, within_us = entry.row, int(entry.row.plan.start_within_s * 1e6)
        upcoming = entry.times.after(max(row.next_us, now_us - within_us) - 1)
        *come, next_us = _until(upcoming, now_us)
        if not come:
            reason = f"no server was there within {length_of(row.plan.start_within_s)} of it"
            yield Due(row, row.next_us, next_us, "MISSED", reason)
            return
        try:
            called = self._called(row)
        except RayfaasError as error:
            yield Due(row, come[-1], next_us, "REFUSED", error.detail)
            return
        passed = "times before it had come, too: this one is for all of them" if come[0] < come[-1] else ""
        yield Due(row, come[-1], next_us, "CALLED", passed, called)

    def _called(self, row: ScheduleRow) -> Called:
        """By the version that its alias leads to now. Raises what there is against it."""
        self._limits.check_gpu_time(row.principal, row.team, row.function)
        version = _version(self._catalog.existing(row.function), row)
        spec = version.spec
        return Called(version.number, spec.timeout_s, spec.retries, spec.retry_delay_s)

    async def _handle(self, dues: list[Due]) -> None:
        times = {made.due.row.id: made for made in await self._store.write(self._schedules.handle, dues)}
        for row in (due.row for due in dues):
            made, entry = times.get(row.id), self._entries.get(row.id)
            if made is not None and made.outcome in ("MISSED", "REFUSED"):
                _log.warning("schedule %s: %s, %s", row.called, made.outcome, made.reason)
            if made is not None and entry is not None and entry.row is row:
                entry.row = _after(row, made)
            else:  # it was changed in this moment
                await self.changed(row.team, row.name)

    # A deploy

    def check(self, publish: Publish) -> None:
        """Before anything is done: raises `BadRequest` for a schedule that has no times."""
        if publish.spec.schedule is not None:
            Timetable(publish.spec.schedule, self._now_us())

    def check_fits(self, publish: Publish, interface: Interface | None) -> None:
        """Before it is live: raises `InvalidArguments` for a schedule by which the function can't be called."""
        if publish.spec.schedule is not None and publish.alias == LIVE:
            check_arguments(interface, None, publish.spec.schedule.arguments)

    def declared(self, function: Function, publish: Publish, actor: str) -> Declared | None:
        """What a deploy is to write of the function's schedule: None where it says nothing of that, since it is not one
        to `live`, or there is nothing to be changed."""
        schedule, called = publish.spec.schedule, (function.team, function.name, DECLARED)
        known = self._find(*called)
        if publish.alias != LIVE or (known is None and schedule is None):
            return None
        if schedule is None:
            return Declared(None)
        if known is not None and (known.plan, known.principal, known.suspended_by) == (schedule, actor, None):
            return None
        return Declared(self._row(known, called, LIVE, None, schedule, actor))

    async def changed(self, team: str, name: str) -> None:
        """Those of one function are not what they were."""
        rows = await self._store.write(self._schedules.of_function, team, name)
        entries = {row.id: await self._entry(row) for row in rows}
        others = {id: each for id, each in self._entries.items() if (each.row.team, each.row.name) != (team, name)}
        self._entries = {**others, **entries}
        self._changed.set()

    # For gateways

    async def _list(self, link: Link, team: str | None) -> list[dict[str, Any]]:
        """With the state of their last calls."""
        await self._journals.load()
        rows = await self._store.query(self._schedules.listed)
        return [self._shown(row) for row in rows if team in (None, row.team)]

    async def _set(
        self, link: Link, team: str, name: str, schedule: str, wanted: dict[str, Any], actor: str
    ) -> dict[str, Any]:
        if schedule == DECLARED:
            raise BadRequest(f"{DECLARED!r} is the schedule that the function's code says. Take another name.")
        body: Scheduled = parse(Scheduled, wanted, "The schedule")
        function = self._catalog.existing(f"{team}/{name}")
        known = self._find(team, name, schedule)
        plan = Schedule(**body.model_dump(include=set(Schedule.model_fields)))
        row = self._row(known, (team, name, schedule), body.alias, body.method, plan, actor)
        version = _version(function, row)  # raises where there is nothing to call
        called = await self._store.query(self._store.registry.deploys.version, team, name, version.number)
        check_arguments(called.interface, row.method, plan.arguments)
        await self._store.write(self._schedules.put, row, actor, body.message)
        await self.changed(team, name)
        return self._told(row.id)

    async def _remove(self, link: Link, team: str, name: str, schedule: str, actor: str, reason: str) -> None:
        row = self._existing(team, name, schedule)
        await self._store.write(self._schedules.remove, row.id, actor, reason)
        await self.changed(team, name)

    async def _suspend(
        self, link: Link, team: str, name: str, schedule: str, actor: str, reason: str
    ) -> dict[str, Any]:
        row = self._existing(team, name, schedule)
        await self._store.write(self._schedules.suspend, row.id, actor, reason)
        await self.changed(team, name)
        return self._told(row.id)

    async def _resume(self, link: Link, team: str, name: str, schedule: str, actor: str, reason: str) -> dict[str, Any]:
        """It is the actor's from now on. Times that have passed meanwhile are not made up for."""
        row = self._existing(team, name, schedule)
        if row.suspended_at is None:
            raise Conflict(f"{row.called} is not suspended.")
        next_us = Timetable(row.plan, row.anchor_us).next(self._now_us())
        await self._store.write(self._schedules.resume, row.id, actor, next_us, reason)
        await self.changed(team, name)
        return self._told(row.id)

    def _told(self, id: str) -> dict[str, Any]:
        """One that was changed, with its next times as clocks in its zone show them. Raises `NotFound`."""
        if id not in self._entries:
            raise NotFound("It was removed meanwhile.")
        entry = self._entries[id]
        nexts = entry.times.shown(self._now_us(), SHOWN) if entry.times is not None else []
        return {**self._shown(entry.row), "next": nexts}

    def _shown(self, row: ScheduleRow) -> dict[str, Any]:
        entry = self._entries.get(row.id)
        times = entry.times if entry is not None else None
        next_at = times.moment(row.next_us).isoformat() if times is not None and row.suspended_at is None else None
        shown: dict[str, Any] = plain(row)
        for internal in ("id", "plan", "anchor_us", "next_us"):
            del shown[internal]
        plan = {name: getattr(row.plan, name) for name in Schedule.model_fields}
        return {**shown, **plan, "function": row.function, "when": str(row.plan), "next_at": next_at}

    def _row(
        self,
        known: ScheduleRow | None,
        called: tuple[str, str, str],
        alias: str,
        method: str | None,
        plan: Schedule,
        actor: str,
    ) -> ScheduleRow:
        """A period that stays as long goes on from where it began. Raises `BadRequest`."""
        now_us = self._now_us()
        goes_on = known is not None and plan.every_s is not None and known.plan.every_s == plan.every_s
        anchor_us = known.anchor_us if known is not None and goes_on else now_us // 1_000_000 * 1_000_000
        next_us = Timetable(plan, anchor_us).next(now_us)
        moment = datetime.now(timezone.utc)
        id = known.id if known is not None else new_id()
        row = ScheduleRow(id, *called, alias, method, plan, anchor_us, next_us, actor, moment)
        return msgspec.structs.replace(row, suspended_at=known.suspended_at) if known is not None else row

    def _existing(self, team: str, name: str, schedule: str) -> ScheduleRow:
        row = self._find(team, name, schedule)
        if row is None:
            raise NotFound(f"{team}/{name} has no schedule {schedule!r}. `rayfaas schedules` lists those that exist.")
        return row

    def _find(self, team: str, name: str, schedule: str) -> ScheduleRow | None:
        wanted = (team, name, schedule)
        rows = (entry.row for entry in self._entries.values())
        return next((row for row in rows if (row.team, row.name, row.schedule) == wanted), None)

    def _now_us(self) -> int:
        return int(self._now() * 1e6)


def _deployers(members: Iterable[MemberRow]) -> Callable[[str, str], bool]:
    """Whether a principal may deploy the functions of a team."""
    roles: dict[str, dict[str, str]] = {}
    for member in members:
        roles.setdefault(member.principal, {})[member.team] = member.role

    def may(principal: str, team: str) -> bool:
        held: Mapping[str, str] = roles.get(principal, {})
        return "admin" in held.values() or rank(held.get(team, "viewer")) >= rank("deployer")

    return may


def _version(function: Function, row: ScheduleRow) -> Version:
    """What its alias leads to now, of several versions one by their weights. Raises `NotFound`."""
    alias = function.aliases.get(row.alias)
    if alias is None:
        known = ", ".join(sorted(function.aliases)) or "none yet"
        raise NotFound(f"{row.function} has no alias {row.alias!r}. Its aliases: {known}.")
    destination = alias.destination
    arms = [WeighedRoute(arm.version, arm.weight, arm.version) for arm in destination.arms]
    number = Split(arms, destination.sticky, row.function, random.random).choose(f"{row.team}/{row.principal}", {})
    version = function.versions[number]
    if row.method not in (version.methods or (None,)):
        methods = ", ".join(f"{row.function}.{method}" for method in version.methods) or "itself"
        raise NotFound(f"{version.key} can't be called so: what it has to be called by is {methods}.")
    return version


def _until(times: Iterator[int], now_us: int) -> list[int]:
    """Those that have come, and the one after them."""
    found = [next(times, NEVER_US)]
    while found[-1] <= now_us:
        found.append(next(times, NEVER_US))
    return found


def _after(row: ScheduleRow, made: Time) -> ScheduleRow:
    row = msgspec.structs.replace(row, next_us=made.due.next_us)
    return row if made.call is None else msgspec.structs.replace(row, last_call=made.call)

"""Schedules: when functions call themselves, and what came of each time.

A time is handled in one transaction: its row, its spawned call and the schedule's next time are there together, or not
at all. So whatever is killed, and whatever the clock does, no time makes two calls.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from rayfaas.errors import Conflict, NotFound
from rayfaas.names import new_id
from rayfaas.registry.alarms import Alarms
from rayfaas.registry.aliases import Aliases
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row, moment
from rayfaas.registry.statements import load
from rayfaas.schedule import DECLARED, Schedule

_SQL = load("schedules.sql")

MOST = 10_000
MOST_OF_FUNCTION = 100
_KEEP_TIMES_US = 90 * 86_400_000_000

ACTOR = "schedule"
"""Who suspends a schedule whose principal may not schedule any more."""


class ScheduleRow(msgspec.Struct, frozen=True):
    """`schedule` is its name, of those of one function. What is suspended has a `suspended_at`."""

    id: str
    team: str
    name: str
    schedule: str
    alias: str
    method: str | None
    plan: Schedule
    anchor_us: int
    next_us: int
    principal: str
    set_at: datetime
    suspended_at: datetime | None = None
    suspended_by: str | None = None
    suspended_for: str | None = None
    last_due_at: datetime | None = None
    last_outcome: str | None = None
    last_reason: str | None = None
    last_call: str | None = None
    last_state: str | None = None

    @classmethod
    def from_row(cls, row: Row) -> ScheduleRow:
        for name in _TIMES:
            at_us = row.pop(f"{name}_us")
            row[f"{name}_at"] = None if at_us is None else moment(at_us)
        return cls(**{**row, "plan": Schedule.model_validate_json(row["plan"])})

    @property
    def function(self) -> str:
        return f"{self.team}/{self.name}"

    @property
    def called(self) -> str:
        """As people tell it from others: `team/name/schedule`."""
        return f"{self.function}/{self.schedule}"


_TIMES = ("set", "suspended", "last_due")


class Called(NamedTuple):
    """How a time is called: the version, and what of it counts for a spawned call."""

    version: int
    timeout_s: float
    retries: int
    retry_delay_s: float


class Due(NamedTuple):
    """A time that has come, of a schedule as it was read; the next is `next_us`. Without a call, `outcome` says why."""

    row: ScheduleRow
    due_us: int
    next_us: int
    outcome: str
    reason: str = ""
    called: Called | None = None


class Time(NamedTuple):
    """What came of a time. Without an `outcome` it was handled before, and nothing came of it now."""

    due: Due
    outcome: str | None
    reason: str | None
    call: str | None


class Declared(NamedTuple):
    """What a deploy says of the function's schedule: None ends it."""

    row: ScheduleRow | None


class Schedules:
    """Every change that somebody makes is in the audit. `alarms` hear of those that end by themselves."""

    def __init__(self, database: Database, aliases: Aliases, alarms: Alarms) -> None:
        self._database, self._aliases, self._alarms = database, aliases, alarms

    def all(self) -> list[ScheduleRow]:
        return [ScheduleRow.from_row(row) for row in self._run("schedules")]

    def of_function(self, team: str, name: str) -> list[ScheduleRow]:
        return [ScheduleRow.from_row(row) for row in self._run("of_function", team=team, name=name)]

    def listed(self) -> list[ScheduleRow]:
        """In order of their names, with the states of their last calls."""
        return [ScheduleRow.from_row(row) for row in self._run("listed")]

    def put(self, row: ScheduleRow, actor: str, reason: str) -> None:
        """In place of the one of its name, even a suspended one. Raises `NotFound`, or `Conflict` for one too many."""
        with self._database.transaction():
            if not self._run("has_function", team=row.team, name=row.name):
                raise NotFound(f"There is no function {row.function}. `rayfaas functions` lists those that exist.")
            self._put(row, actor, reason)
            if row.suspended_at is not None:
                self._run("resume", id=row.id, actor=row.principal, next_us=row.next_us)

    def declare(self, team: str, name: str, declared: Declared, actor: str) -> None:
        """What the code says, inside of the transaction of a deploy. What a person suspended stays so."""
        before = [row for row in self.of_function(team, name) if row.schedule == DECLARED]
        if declared.row is None:
            for row in before:
                self._remove(row.id, actor, "a deploy without it")
            return
        self._put(declared.row, actor, "deploy")
        if before and before[0].suspended_by == ACTOR:
            self._run("resume", id=before[0].id, actor=actor, next_us=declared.row.next_us)

    def remove(self, id: str, actor: str, reason: str) -> None:
        """Raises `NotFound`."""
        with self._database.transaction():
            self._remove(id, actor, reason)

    def suspend(self, id: str, actor: str, reason: str) -> None:
        """Its times are not called until it is resumed. Raises `Conflict` where it is suspended. What nobody asked for
        is an alarm."""
        with self._database.transaction():
            rows = self._run("suspend", id=id, actor=actor, reason=reason)
            if not rows:
                raise Conflict("It is suspended already.")
            self._audit(actor, "schedule suspended", rows[0], {"reason": reason})
            if actor == ACTOR:
                self._alarms.raised(now_us(), "", "", _subject(rows[0]), "schedule suspended", reason)

    def resume(self, id: str, actor: str, next_us: int, reason: str) -> None:
        """From its next time on, as the actor's. Raises `NotFound`."""
        with self._database.transaction():
            rows = self._run("resume", id=id, actor=actor, next_us=next_us)
            if not rows:
                raise NotFound("It was removed meanwhile.")
            self._audit(actor, "schedule resumed", rows[0], {"reason": reason})

    def move(self, rows: Sequence[tuple[str, int]], nexts: Sequence[int]) -> None:
        """Other next times for those of these ids whose next times are what they were."""
        self._run("move", ids=[id for id, _ in rows], before=[at_us for _, at_us in rows], nexts=list(nexts))

    def handle(self, dues: Sequence[Due]) -> list[Time]:
        """Make the calls of times that have come, at most one of a schedule. What was changed since it was read is left
        alone."""
        with self._database.transaction():
            waiting = {row["id"]: row for row in self._run("waiting", ids=[due.row.id for due in dues])}
            dues = [due for due in dues if _is_same(due.row, waiting.get(due.row.id))]
            asked = {"ids": [due.row.id for due in dues], "dues": [due.due_us for due in dues]}
            handled = {(row["id"], row["due_us"]) for row in self._run("handled", **asked)}
            times = [_time(due, bool(waiting[due.row.id]["is_busy"]), handled) for due in dues]
            self._record(times)
        return times

    def _record(self, times: list[Time]) -> None:
        new = [time for time in times if time.outcome is not None]
        if new:
            self._run("add_times", **_columns(new))
        if calls := [time for time in new if time.call is not None]:
            self._run("add_calls", **_call_columns(calls))
        if times:
            self._run("advance", **_columns(times), nexts=[time.due.next_us for time in times])
            self._run("purge", before=now_us() - _KEEP_TIMES_US)

    def _put(self, row: ScheduleRow, actor: str, reason: str) -> None:
        counts = self._run("counts", id=row.id, team=row.team, name=row.name)[0]
        if counts["whole"] >= MOST or counts["of_function"] >= MOST_OF_FUNCTION:
            raise Conflict(
                f"{row.function} has {counts['of_function']} schedules and the server {counts['whole']}: there may be "
                f"{MOST_OF_FUNCTION} and {MOST:,}. Remove one first: rayfaas schedules lists them."
            )
        fields = {name: getattr(row, name) for name in _FIELDS}
        self._run("put", **fields, plan=row.plan.model_dump_json(include=set(Schedule.model_fields)))
        self._audit(actor, "schedule set", fields, {"when": str(row.plan), "alias": row.alias, "reason": reason})

    def _remove(self, id: str, actor: str, reason: str) -> None:
        rows = self._run("remove", id=id)
        if not rows:
            raise NotFound("It was removed already.")
        self._audit(actor, "schedule removed", rows[0], {"reason": reason})

    def _audit(self, actor: str, action: str, row: Row, detail: dict[str, Any]) -> None:
        self._aliases.audit(actor, action, _subject(row), detail)

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})


_FIELDS = ("id", "team", "name", "schedule", "alias", "method", "anchor_us", "next_us", "principal")


def _subject(row: Row) -> str:
    return f"{row['team']}/{row['name']}/{row['schedule']}"


def _is_same(read: ScheduleRow, now: Row | None) -> bool:
    return now is not None and (now["next_us"], moment(now["set_us"])) == (read.next_us, read.set_at)


def _time(due: Due, is_busy: bool, handled: set[tuple[str, int]]) -> Time:
    if (due.row.id, due.due_us) in handled:
        return Time(due, None, None, None)
    if due.called is None:
        return Time(due, due.outcome, due.reason, None)
    if is_busy and due.row.plan.overlap == "skip":
        return Time(due, "SKIPPED", f"call {due.row.last_call} of an earlier time has not ended", None)
    return Time(due, "CALLED", due.reason, new_id())


def _columns(times: Sequence[Time]) -> dict[str, list[Any]]:
    return {
        "ids": [time.due.row.id for time in times],
        "dues": [None if time.outcome is None else time.due.due_us for time in times],
        "outcomes": [time.outcome for time in times],
        "reasons": [time.reason for time in times],
        "calls": [time.call for time in times],
    }


def _call_columns(times: Sequence[Time]) -> dict[str, list[Any]]:
    called = [time.due.called for time in times if time.due.called is not None]
    return {
        "ids": [time.due.row.id for time in times],
        "calls": [time.call for time in times],
        "due_texts": [moment(time.due.due_us).isoformat() for time in times],
        "bodies": [_body(time.due.row.plan) for time in times],
        "versions": [each.version for each in called],
        "timeouts": [each.timeout_s for each in called],
        "retries": [each.retries for each in called],
        "retry_delays": [each.retry_delay_s for each in called],
    }


def _body(plan: Schedule) -> str:
    return base64.b64encode(json.dumps(plan.arguments).encode()).decode()

"""When a schedule's times are. Cron expressions are read by cronsim, which does as Debian's cron does.

Where clocks go forward, a time that does not exist is the first moment after the gap; where they go back, a time that
comes twice is the first of both. Expressions whose minute or hour begins with `*` go by the time that passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from rayfaas.errors import BadRequest
from rayfaas.registry.rows import NEVER_US
from rayfaas.schedule import Schedule

_FIELDS = "minute (0-59), hour (0-23), day of the month (1-31), month (1-12) and day of the week (0-7 or SUN-SAT)"


class Timetable:
    """The times of a schedule, in Unix microseconds. A period is counted from `anchor_us`.

    Raises `BadRequest` where the schedule has none.
    """

    def __init__(self, schedule: Schedule, anchor_us: int) -> None:
        self._schedule, self._anchor_us = schedule, anchor_us
        self._zone = _zone(schedule.timezone)
        if schedule.cron is not None:
            _check(schedule.cron, self._zone, anchor_us)

    def after(self, at_us: int) -> Iterator[int]:
        """Those after a moment, in order, each once.

        >>> list(islice(Timetable(Schedule(every_s=60), 0).after(90_000_000), 2))
        [120000000, 180000000]
        """
        return self._cron(self._schedule.cron, at_us) if self._schedule.cron else self._period(at_us)

    def next(self, at_us: int) -> int:
        """The first of them, `NEVER_US` where it is more than 50 years away."""
        return next(self.after(at_us), NEVER_US)

    def shown(self, at_us: int, most: int) -> list[str]:
        """The first of them as people read them, in the schedule's zone."""
        return [self.moment(us).isoformat(timespec="seconds") for us in islice(self.after(at_us), most)]

    def moment(self, at_us: int) -> datetime:
        """As clocks in the schedule's zone show it."""
        return datetime.fromtimestamp(at_us / 1e6, self._zone)

    def _period(self, at_us: int) -> Iterator[int]:
        every_us = int((self._schedule.every_s or 0) * 1e6)
        number = max(0, (at_us - self._anchor_us) // every_us)
        while True:
            number += 1
            yield self._anchor_us + number * every_us

    def _cron(self, expression: str, at_us: int) -> Iterator[int]:
        # Two times in a gap are one moment, and of one that comes twice the first may be over already.
        for moment in CronSim(expression, datetime.fromtimestamp(at_us / 1e6, self._zone)):
            us = int(moment.timestamp()) * 1_000_000
            if us > at_us:
                at_us = us
                yield us


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # also where the name is a folder, or none at all
        raise BadRequest(
            f"There is no time zone {name!r}. Write UTC, or a name such as Europe/Berlin or America/New_York."
        ) from None


def _check(expression: str, zone: ZoneInfo, at_us: int) -> None:
    if len(expression.split()) != 5:
        raise BadRequest(
            f"{expression!r} is no cron expression: it has {len(expression.split())} fields, not 5: {_FIELDS}."
        )
    try:
        times = CronSim(expression, datetime.fromtimestamp(at_us / 1e6, zone))
    except CronSimError as error:
        what = str(error).removeprefix("Bad ")
        why = f"its {what} is not understood, or never comes"
        raise BadRequest(f"{expression!r} is no cron expression: {why}. In order: {_FIELDS}.") from None
    if next(times, None) is None:
        raise BadRequest(f"{expression!r} matches no day within 50 years.")

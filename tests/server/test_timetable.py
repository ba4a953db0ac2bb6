"""Times are those of Debian's cron, also where clocks are set, and none comes twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.errors import BadRequest
from rayfaas.registry.rows import NEVER_US
from rayfaas.schedule import Cron, Period, Schedule
from rayfaas.server.timetable import Timetable

# Where clocks are set in the north, in the south, at midnight, and never; on Lord Howe, by half an hour, cronsim errs.
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Sydney", "America/Santiago", "Africa/Cairo", "Asia/Kolkata")
MINUTE = timedelta(minutes=1)
DAYS = 4


def us(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def local(zone: str, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def times(schedule: Schedule, after: datetime, most: int) -> list[str]:
    return [text[5:] for text in Timetable(schedule, us(after)).shown(us(after), most)]


@pytest.mark.parametrize(
    ("expression", "day", "expected"),
    [
        # Forward: from 2:00 to 3:00. What is not there comes when the gap is over, and once.
        ("30 2 * * *", "2026-03-29", ["03-29T03:00:00+02:00", "03-30T02:30:00+02:00"]),
        ("0,30 2 * * *", "2026-03-29", ["03-29T03:00:00+02:00", "03-30T02:00:00+02:00"]),
        ("0 3 * * *", "2026-03-29", ["03-29T03:00:00+02:00", "03-30T03:00:00+02:00"]),
        ("0 */2 * * *", "2026-03-29", ["03-29T04:00:00+02:00", "03-29T06:00:00+02:00"]),
        ("30 * * * *", "2026-03-29T01:00", ["03-29T01:30:00+01:00", "03-29T03:30:00+02:00"]),
        # Back: from 3:00 to 2:00. What is there twice comes once; what goes by the hour goes on by the hour.
        ("30 2 * * *", "2026-10-25", ["10-25T02:30:00+02:00", "10-26T02:30:00+01:00"]),
        ("30 * * * *", "2026-10-25T02:00", ["10-25T02:30:00+02:00", "10-25T02:30:00+01:00"]),
    ],
)
def test_where_clocks_are_set_it_is_as_documented(expression: str, day: str, expected: list[str]) -> None:
    schedule, start = Cron(expression, timezone="Europe/Berlin"), local("Europe/Berlin", day)
    if expression == "0 */2 * * *":
        start = local("Europe/Berlin", "2026-03-29T01:00")
    assert times(schedule, start, 2) == expected


def test_days_of_the_week_and_months_have_names() -> None:
    noon = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
    assert times(Cron("0 8 * * MON-FRI"), noon, 2) == ["11-30T08:00:00+00:00", "12-01T08:00:00+00:00"]
    assert times(Cron("0 0 L FEB *"), noon, 1) == ["02-28T00:00:00+00:00"]


def minutes_of(zone: ZoneInfo, start: datetime) -> list[datetime]:
    return [(start + n * MINUTE).astimezone(zone) for n in range(1, DAYS * 1440)]


def by_the_clock(zone: ZoneInfo, start: datetime, minutes: set[int], hours: set[int]) -> Iterable[int]:
    """Each local time of some days; what is in a gap is the first moment after it."""
    first = start.astimezone(zone).replace(hour=0, minute=0, tzinfo=None)
    for n in range(-1440, (DAYS + 1) * 1440):
        wall = first + n * MINUTE
        if wall.minute in minutes and wall.hour in hours:
            moment = wall.replace(tzinfo=zone)
            while moment.astimezone(timezone.utc).astimezone(zone).replace(tzinfo=None) != wall:
                wall += MINUTE
                moment = wall.replace(tzinfo=zone)
            yield us(moment)


def some(most: int) -> st.SearchStrategy[set[int] | None]:
    return st.none() | st.sets(st.integers(0, most), min_size=1, max_size=3)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, datetime, set[int] | None, set[int] | None]:
    """A zone, a moment near one at which clocks are set there if they ever are, minutes and hours; None: all."""
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    hours = [datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(hours=n) for n in range(365 * 24)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    sets = [hours[n] for n in range(1, len(hours)) if offsets[n] != offsets[n - 1]] or hours[:1]
    start = draw(st.sampled_from(sets)) + draw(st.integers(-2000, 200)) * MINUTE
    return zone.key, start, draw(some(59)), draw(some(23))


@settings(max_examples=60)
@given(cases())
def test_times_are_those_that_a_look_at_each_minute_finds(
    case: tuple[str, datetime, set[int] | None, set[int] | None],
) -> None:
    name, start, minutes, hours = case
    zone, until = ZoneInfo(name), us(start + timedelta(days=DAYS - 1))
    if minutes is None or hours is None:  # by the time that passes
        found: Iterable[int] = (
            us(each)
            for each in minutes_of(zone, start)
            if (minutes is None or each.minute in minutes) and (hours is None or each.hour in hours)
        )
    else:
        found = by_the_clock(zone, start, minutes, hours)
    expected = sorted({at for at in found if us(start) < at < until})
    written = [",".join(map(str, sorted(part))) if part is not None else "*" for part in (minutes, hours)]
    timetable = Timetable(Cron(f"{' '.join(written)} * * *", timezone=name), us(start))
    assert list(takewhile(lambda at: at < until, timetable.after(us(start)))) == expected


@given(st.integers(60, 10**6), st.integers(0, 10**15), st.integers(0, 10**15))
def test_a_period_goes_on_from_its_beginning_wherever_one_looks(every_s: int, anchor_us: int, at_us: int) -> None:
    found = list(islice(Timetable(Period(seconds=every_s), anchor_us).after(at_us), 3))
    assert found[0] > at_us
    assert all((each - anchor_us) % (every_s * 1_000_000) == 0 and each > anchor_us for each in found)
    assert found[0] - every_s * 1_000_000 <= max(at_us, anchor_us)
    assert [later - sooner for sooner, later in pairwise(found)] == [every_s * 1_000_000] * 2


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("61 * * * *", "its minute is not understood"),
        ("0 8 * *", "it has 4 fields, not 5: minute"),
        ("0 0 8 * * *", "it has 6 fields"),
        ("", "it has 0 fields"),
        ("@daily", "it has 1 fields"),
        ("0 0 31 2 *", "its day-of-month is not understood, or never comes"),
        ("0 0 * * MON#9", "its day-of-week"),
        ("* * */20 * 1L", "matches no day within 50 years"),
    ],
)
def test_what_is_no_expression_says_what_is_wrong(expression: str, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        Timetable(Cron(expression), 0)


@given(st.lists(st.text("0123456789*/,-#LWMONsun?\0٣ ²", max_size=8), min_size=5, max_size=5).map(" ".join))
def test_any_text_has_times_or_is_refused(expression: str) -> None:
    try:
        found = Timetable(Cron(expression), 0).next(0)
    except BadRequest:
        return
    assert 0 < found < NEVER_US


@pytest.mark.parametrize("name", ["Mars/Base", "", "Europe", "../etc/passwd", "/etc/passwd", "a\0b", "Europe/ ", "é"])
def test_a_zone_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="no time zone"):
        Timetable(Cron("0 8 * * *", timezone=name), 0)

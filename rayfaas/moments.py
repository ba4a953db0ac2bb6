"""Moments as people type them, in UTC where no offset is said."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

# ISO 8601 without the parts that nobody types: weeks, days of the year, commas.
MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
_PARTS = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})(?:T(?P<time>\d{2}:\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,6}))?)?"
    r"(?:Z|(?P<offset>[+-]\d{2}:\d{2}))?)?",
    re.ASCII,
)


def parse_moment(text: str) -> datetime:
    """A day is its first instant. Raises ValueError where it is no moment.

    >>> parse_moment("2026-11-01T12:00+01:00")
    datetime.datetime(2026, 11, 1, 11, 0, tzinfo=datetime.timezone.utc)
    """
    found = _PARTS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no moment")
    local = datetime.strptime(f"{found['day']} {found['time'] or '00:00'}", "%Y-%m-%d %H:%M")
    micros = int((found["fraction"] or "0").ljust(6, "0"))
    local = local.replace(second=int(found["second"] or 0), microsecond=micros)
    try:
        return (local - _offset(found["offset"])).replace(tzinfo=timezone.utc)
    except OverflowError:
        raise ValueError(f"{text!r} is no moment") from None


def format_moment(moment: datetime) -> str:
    """As `parse_moment` takes it.

    >>> format_moment(parse_moment("2026-11-01"))
    '2026-11-01T00:00Z'
    """
    utc = moment.astimezone(timezone.utc).replace(tzinfo=None)
    whole = utc.isoformat(timespec="minutes") if not utc.second and not utc.microsecond else utc.isoformat()
    return f"{whole}Z"


def _offset(text: str | None) -> timedelta:
    if text is None:
        return timedelta(0)
    size = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return -size if text[0] == "-" else size

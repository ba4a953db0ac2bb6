"""Moments are read in the forms that people type, and never guessed."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfaas.moments import format_moment, parse_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-01", datetime(2026, 11, 1)),
        ("2026-11-01T12:05", datetime(2026, 11, 1, 12, 5)),
        ("2026-11-01T12:05Z", datetime(2026, 11, 1, 12, 5)),
        ("2026-11-01T12:05:09.25Z", datetime(2026, 11, 1, 12, 5, 9, 250_000)),
        ("2026-11-01T00:05:09+01:30", datetime(2026, 10, 31, 22, 35, 9)),
        ("2026-11-01T23:00-02:00", datetime(2026, 11, 2, 1)),
    ],
)
def test_a_moment_is_read(text: str, moment: datetime) -> None:
    assert parse_moment(text) == moment.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "2026", "2026-11", "2026-13-01", "2026-02-30", "2026-11-01T", "2026-11-01T24:00",
        "2026-11-01T12:00:60", "2026-11-01 12:00", "2026-11-01T12:00+1", "0001-01-01T00:00+01:00", "２０２６-11-01",
        "2026-11-01T12:00:00.1234567Z", "2026-11-01Z",
    ],
)  # fmt: skip
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no moment|does not match|out of range|must be in|unconverted"):
        parse_moment(text)


@given(st.datetimes(timezones=st.just(timezone.utc)))
def test_a_moment_is_read_as_it_is_written(moment: datetime) -> None:
    assert parse_moment(format_moment(moment)) == moment

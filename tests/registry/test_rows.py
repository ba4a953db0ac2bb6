"""Times of rows are instants in UTC, to the microsecond."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from rayfaas.registry.rows import moment

YEAR_2200_US = 7_258_118_400_000_000


def test_a_moment_is_utc_whatever_zone_the_machine_is_in() -> None:
    assert moment(1_700_000_000_123_456) == datetime(2023, 11, 14, 22, 13, 20, 123456, timezone.utc)
    assert moment(0).utcoffset() == timedelta(0)


@given(us=st.integers(0, YEAR_2200_US))
def test_no_microsecond_is_lost(us: int) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    assert (moment(us) - epoch) // timedelta(microseconds=1) == us

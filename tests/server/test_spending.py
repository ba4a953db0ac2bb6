"""What calls cost is settled when its time is over, and what can't be is left to who asks."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from rayfaas.config import Home
from rayfaas.registry import Registry, spending
from rayfaas.registry.spending import STRETCH_US
from rayfaas.server.spending import Settling
from rayfaas.server.store import Store
from tests.registry.builders import ended, segment, started
from tests.server.parts import Clock, closing_database

BEGAN_US = 1_700_000_400_000_000 // STRETCH_US * STRETCH_US


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """A machine that is up, and two calls on it in the second stretch."""
    registry = Registry.open(home.database, home.journal)
    record = {
        "cluster": "local",
        "group": "g",
        "name": "m",
        "up_since": BEGAN_US / 1e6,
        "usd_per_hour": 6.0,
        "ray": "r",
    }
    registry.machines.save_node("m", "RUNNING", msgspec.json.encode(record).decode())
    calls = [started(accepted_us=BEGAN_US + STRETCH_US), started(accepted_us=BEGAN_US + STRETCH_US)]
    ends = [ended(call, node="r", started_us=call.accepted_us, run_us=STRETCH_US // 2) for call in calls]
    segment(home.journal, *calls, *ends)
    registry.load_journal()
    store = Store(registry)
    yield store
    with closing_database():
        store.close()


async def look(store: Store, minutes: float) -> list[int]:
    """Look so long after the machine came up; the stretches that could be settled still."""
    clock = Clock()
    clock.now = BEGAN_US / 1e6 + minutes * 60
    await Settling(store, clock).look()
    return store.registry.spending.unsettled(BEGAN_US + int(minutes * 60e6))


async def test_it_is_settled_some_minutes_after_its_end(store: Store) -> None:
    assert await look(store, 14) == [BEGAN_US]
    assert await look(store, 16) == []
    assert await look(store, 26) == []


async def test_one_with_too_many_calls_is_left_and_the_next_is_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spending, "MOST_CALLS", 1)
    assert await look(store, 36) == [BEGAN_US + STRETCH_US]
    rows = store.registry.query("SELECT sum(usd) FROM costs WHERE call IS NOT NULL", [], None).rows
    assert rows == [[pytest.approx(0.5)]]

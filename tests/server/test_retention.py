"""Calls and logs are where their age says, and stay there when the disk is full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from rayfaas.config import DAY_S, Home, Retention
from rayfaas.records import Recorded
from rayfaas.registry import Registry
from rayfaas.server.retention import Retaining
from rayfaas.server.store import Store
from tests.registry.builders import ACCEPTED_US, ended, line, segment, started
from tests.server.parts import Clock, closing_database, full_disk

NOW = ACCEPTED_US / 1e6 + 40 * DAY_S


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """A call with a line 40 days ago, and one of now."""
    registry = Registry.open(home.database, home.journal)
    for number, at_us in enumerate((ACCEPTED_US, int(NOW * 1e6))):
        call = started(accepted_us=at_us)
        segment(home.journal, call, line("hello", call=call.call, at_us=at_us), ended(call), number=number)
    registry.load_journal()
    store = Store(registry)
    yield store
    with closing_database():
        store.close()


def clock() -> Clock:
    clock = Clock()
    clock.now = NOW
    return clock


def counted(store: Store, view: str) -> list[list[int]]:
    return store.registry.query(f"SELECT count(*) FROM {view}", [], None).rows


def files(home: Home, kind: str) -> int:
    return len(list((home.archive / kind).glob("*")))


async def test_each_kind_moves_at_its_own_age(home: Home, store: Store) -> None:
    retention = Retention(keep_calls_s=90 * DAY_S, keep_logs_s=30 * DAY_S)
    await Retaining(store, retention, home.outgoing, clock()).look()
    assert (files(home, "calls"), files(home, "logs")) == (0, 1)
    assert counted(store, "calls") == counted(store, "logs") == [[2]]


async def test_each_kind_is_deleted_at_its_own_age(home: Home, store: Store) -> None:
    await Retaining(store, Retention(keep_calls_s=30 * DAY_S), home.outgoing, clock()).look()
    await Retaining(store, Retention(delete_logs_s=35 * DAY_S), home.outgoing, clock()).look()
    assert (counted(store, "calls"), counted(store, "logs")) == ([[2]], [[1]])
    await Retaining(store, Retention(delete_calls_s=35 * DAY_S), home.outgoing, clock()).look()
    assert counted(store, "calls") == [[1]]
    await Retaining(store, Retention(), home.outgoing, clock()).look()
    assert (files(home, "calls"), files(home, "logs")) == (0, 0)


async def test_after_a_full_disk_it_is_tried_again(home: Home, store: Store) -> None:
    retaining = Retaining(store, Retention(keep_calls_s=30 * DAY_S), home.outgoing, clock())
    with full_disk(100), pytest.raises(Exception, match=r"(?i)file too large|could not write"):
        await retaining.look()
    assert counted(store, "calls") == [[2]]
    await retaining.look()
    assert (files(home, "calls"), counted(store, "calls")) == (1, [[2]])


async def test_where_a_store_is_said_all_of_the_archive_moves_there(home: Home, store: Store) -> None:
    here = Retention(keep_calls_s=30 * DAY_S, keep_logs_s=30 * DAY_S)
    await Retaining(store, here, home.outgoing, clock()).look()
    assert (files(home, "calls"), files(home, "logs")) == (1, 1)
    retaining = Retaining(store, replace(here, archive=f"file://{home.path}/nas"), home.outgoing, clock())
    await retaining.look()
    await retaining.look()
    assert (files(home, "calls"), files(home, "logs")) == (0, 0)
    assert counted(store, "calls") == counted(store, "logs") == [[2]]
    assert len(list((home.path / "nas").glob("*/*"))) == 2


async def test_what_is_deleted_goes_from_the_store_when_nobody_reads_it_any_more(home: Home, store: Store) -> None:
    nas = home.path / "nas"
    archive = f"file://{nas}"
    await Retaining(store, Retention(keep_calls_s=30 * DAY_S, archive=archive), home.outgoing, clock()).look()
    assert len(list(nas.glob("calls/*"))) == 1
    retaining = Retaining(store, Retention(delete_calls_s=35 * DAY_S, archive=archive), home.outgoing, clock())
    await retaining.look()
    assert (len(list(nas.glob("calls/*"))), counted(store, "calls")) == (1, [[1]])
    await retaining.look()
    assert list(nas.glob("calls/*")) == []


async def test_while_a_store_is_away_the_rest_is_done(
    home: Home, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    (home.path / "nas").write_text("no folder")
    retention = Retention(keep_calls_s=30 * DAY_S, archive=f"file://{home.path}/nas")
    await Retaining(store, retention, home.outgoing, clock()).look()
    assert "it is tried again" in caplog.text
    assert (files(home, "calls"), counted(store, "calls")) == (1, [[2]])


@pytest.mark.parametrize(
    ("retention", "is_kept"),
    [
        (Retention(keep_arguments_s=41 * DAY_S), True),
        (Retention(), False),
        (Retention(keep_arguments_s=41 * DAY_S, delete_calls_s=39 * DAY_S), False),
    ],
)
async def test_recorded_arguments_are_forgotten_at_their_own_age_and_with_their_calls(
    home: Home, store: Store, retention: Retention, is_kept: bool
) -> None:
    call = started()
    segment(home.journal, call, Recorded(call.call, ACCEPTED_US, "{}"), ended(call), number=2)
    store.registry.load_journal()
    await Retaining(store, retention, home.outgoing, clock()).look()
    assert counted(store, "arguments") == [[int(is_kept)]]

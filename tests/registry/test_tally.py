"""What ended calls came to is counted once, whenever and however they ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfaas.registry.database import Database
from rayfaas.registry.registry import Registry
from rayfaas.registry.tally import BOUNDS_S, KEPT_S, Count, Tally
from tests.registry.builders import ACCEPTED_US, ended, living_segment, segment, settled, spawned, started

F = ("red/f", 1)


def counted(registry: Registry, state: str = "SUCCEEDED") -> Count:
    registry.load_journal()
    return registry.tally.counts()[(*F, state)]


def test_calls_are_counted_with_what_they_took(registry: Registry, journal: Path) -> None:
    quick, slow = started(bytes_in=10), started(bytes_in=20)
    segment(
        journal,
        *(quick, slow),
        ended(quick, ended_us=ACCEPTED_US + 1_000, queue_us=200, cpu_us=400, bytes_out=7),
        ended(slow, ended_us=ACCEPTED_US + 400_000_000, queue_us=30_000, cpu_us=600, gpu_us=9, cold="new", bytes_out=1),
    )
    count = counted(registry)
    assert (count.calls, count.cold, count.cpu_us, count.gpu_us) == (2, 1, 1_000, 9)
    assert (count.bytes_in, count.bytes_out) == (30, 8)
    assert (count.duration.sum_us, count.queue.sum_us) == (400_001_000, 30_200)
    assert [i for i, number in enumerate(count.duration.buckets) if number] == [0, len(BOUNDS_S)]
    assert [i for i, number in enumerate(count.queue.buckets) if number] == [0, BOUNDS_S.index(0.05)]


def test_a_bound_is_in_its_own_bucket(registry: Registry, journal: Path) -> None:
    for bound in BOUNDS_S:
        call = started()
        segment(journal, call, ended(call, ended_us=ACCEPTED_US + round(bound * 1e6)))
    assert counted(registry).duration.buckets == [1] * len(BOUNDS_S) + [0]


def test_one_that_ends_in_a_later_batch_counts_once(registry: Registry, journal: Path) -> None:
    call = started()
    with living_segment(journal, call):
        registry.load_journal()
        assert registry.tally.counts() == {}
        segment(journal, ended(call))
        assert counted(registry).calls == 1
        assert counted(registry).calls == 1


def test_states_and_versions_are_counted_apart_and_copies_not_at_all(registry: Registry, journal: Path) -> None:
    good, bad, other = started(), started(), started(version=2)
    copy = started(shadow_of=good.call)
    records = (good, bad, other, copy, ended(good), ended(bad, state="FAILED"), ended(other), ended(copy))
    segment(journal, *records)
    registry.load_journal()
    numbers = {key: count.calls for key, count in registry.tally.counts().items()}
    assert numbers == {(*F, "SUCCEEDED"): 1, (*F, "FAILED"): 1, ("red/f", 2, "SUCCEEDED"): 1}


def test_the_calls_of_a_dead_gateway_count_as_interrupted(registry: Registry, journal: Path) -> None:
    segment(journal, started())
    assert counted(registry, "INTERRUPTED").calls == 1


def test_a_batch_that_is_not_loaded_is_not_counted(
    registry: Registry, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = started()
    segment(journal, call, ended(call))
    with monkeypatch.context() as broken:
        broken.setattr(registry.tally, "look", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            registry.load_journal()
    assert counted(registry).calls == 1


def test_what_was_not_called_for_a_day_is_let_go(database: Database) -> None:
    now = [0.0]
    tally = Tally(database, lambda: now[0])
    figures = dict.fromkeys(("cold", "cpu_us", "gpu_us", "bytes_in", "bytes_out", "duration_us", "queue_us"), 0)
    row = {"version": 1, "state": "SUCCEEDED", "calls": 1, "duration_bucket": 0, "queue_bucket": 0, **figures}
    tally.add([{**row, "function": "red/f"}, {**row, "function": "red/g"}])
    now[0] = KEPT_S
    tally.add([{**row, "function": "red/g"}])
    now[0] += 1
    assert {function: count.calls for (function, _, _), count in tally.counts().items()} == {"red/g": 2}


def test_spawned_calls_wait_until_they_are_settled(registry: Registry, journal: Path) -> None:
    waiting, done = spawned(), spawned()
    segment(journal, waiting, done, settled(done))
    registry.load_journal()
    assert registry.tally.spawned_waiting() == {"red/f": 1}

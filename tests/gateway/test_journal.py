"""What the journal took is on disk, whole and once, whatever dies or fills up next."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayfaas.errors import Unavailable
from rayfaas.gateway import journal as journal_module
from rayfaas.gateway.journal import Journal
from rayfaas.records import CallEnded, CallStarted, LogLine, Record, Spawned
from tests.gateway import journal_process
from tests.gateway.disk import full_disk
from tests.waiting import eventually

_decode = msgspec.json.Decoder(Record).decode


def started(call: str, target: str = "embed") -> CallStarted:
    return CallStarted(
        call, call, target, "nlp/embed", 1, "c", "s", "e", "shape", "nlp", "ann", "nlp", "gateway-0", 1, 0
    )


def ended(call: str) -> CallEnded:
    return CallEnded(call, "SUCCEEDED", 1)


def spawned(call: str) -> Spawned:
    return Spawned(
        call, call, "embed", "nlp/embed", 1, "ann", "nlp", "gateway-0", 1, "application/json", "MQ==", 30.0, 0, 1.0
    )


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.ndjson"))


def records(directory: Path) -> list[Record]:
    """Every record on disk; fails on a line that is not whole."""
    text = b"".join(path.read_bytes() for path in segments(directory))
    assert text.endswith(b"\n") or not text
    return [_decode(line) for line in text.splitlines()]


def is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


# Whole records


def test_a_record_is_on_disk_when_the_journal_has_taken_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "gateway-0")
    journal.started(started("one"))
    assert records(tmp_path) == [started("one")]
    journal.log(LogLine("one", "nlp/embed", 1, 5, "stdout", "hello"))
    journal.ended(ended("one"))
    assert [type(record) for record in records(tmp_path)] == [CallStarted, LogLine, CallEnded]
    journal.close()


@given(st.lists(st.text(max_size=60), max_size=5))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_one_line_and_comes_back(tmp_path: Path, texts: list[str]) -> None:
    directory = tmp_path / str(len(list(tmp_path.iterdir())))
    journal = Journal(directory, "gateway-0")
    lines = [LogLine("one", "nlp/embed", 1, 5, "stdout", text) for text in texts]
    for line in lines:
        journal.log(line)
    journal.close()
    assert records(directory) == lines


def test_nobody_else_on_the_machine_may_read_it(tmp_path: Path) -> None:
    Journal(tmp_path / "journal", "gateway-0").close()
    (path,) = segments(tmp_path / "journal")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_kill_9_loses_nothing_that_was_written_and_frees_the_lock(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, journal_process.__file__, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(100)]
        assert is_locked(segments(tmp_path)[0])
        process.kill()
        said += [int(line) for line in process.stdout if line.endswith("\n")]
    calls = [record.call for record in records(tmp_path)]
    assert calls[: len(said)] == [f"call{number}" for number in said]
    assert len(calls) - len(said) <= 1  # it may have died between writing and saying so
    assert not is_locked(segments(tmp_path)[0])


# Segments


def test_a_full_segment_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 400)
    journal = Journal(tmp_path, "gateway-0")
    for number in range(30):
        journal.ended(ended(f"call{number:02d}"))
    assert len(segments(tmp_path)) > 3
    assert all(path.stat().st_size < 600 for path in segments(tmp_path))
    assert [record.call for record in records(tmp_path)] == [f"call{number:02d}" for number in range(30)]
    journal.close()


def test_only_the_segment_that_is_written_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 1)
    journal = Journal(tmp_path, "gateway-0")
    for number in range(3):
        journal.ended(ended(f"call{number}"))
        assert [is_locked(path) for path in segments(tmp_path)] == [False] * number + [True]
    journal.close()
    assert not any(is_locked(path) for path in segments(tmp_path))


def test_segments_that_are_done_with_hold_no_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 1)
    journal = Journal(tmp_path, "gateway-0")
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        journal.ended(ended(f"call{number}"))
    assert len(os.listdir("/proc/self/fd")) == before
    journal.close()


def test_each_life_of_a_gateway_has_segments_of_its_own(tmp_path: Path) -> None:
    first, second = Journal(tmp_path, "gateway-0"), Journal(tmp_path, "gateway-0")
    first.ended(ended("first"))
    second.ended(ended("second"))
    assert first.instance != second.instance
    names = {path.name.partition(".")[0]: path for path in segments(tmp_path)}
    assert b"first" in names[first.instance].read_bytes()
    assert b"second" in names[second.instance].read_bytes()
    first.close()
    second.close()


def test_no_segment_is_seen_before_it_is_locked(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "gateway-0")
    assert [path.suffix for path in tmp_path.iterdir()] == [".ndjson"]
    assert is_locked(segments(tmp_path)[0])
    journal.close()


# A full disk


def test_a_call_that_can_not_be_recorded_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "gateway-0")
    with full_disk(), pytest.raises(Unavailable, match=str(tmp_path)):
        journal.started(started("refused"))
    assert records(tmp_path) == []
    journal.started(started("taken"))
    assert records(tmp_path) == [started("taken")]
    journal.close()


def test_a_record_that_fits_in_half_leaves_no_half_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "gateway-0")
    journal.started(started("one"))
    size = segments(tmp_path)[0].stat().st_size
    with full_disk(at_bytes=size + 10), pytest.raises(Unavailable):
        journal.started(started("two"))
    assert segments(tmp_path)[0].stat().st_size == size
    journal.started(started("three"))
    assert records(tmp_path) == [started("one"), started("three")]
    journal.close()


def test_ends_and_output_are_held_until_they_can_be_written_in_their_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "gateway-0")
    line = LogLine("one", "nlp/embed", 1, 5, "stdout", "hello")
    with full_disk():
        journal.log(line)
        journal.ended(ended("one"))
        journal.ended(ended("two"))
        assert not journal.flush_late()
    assert records(tmp_path) == []
    journal.ended(ended("three"))
    assert records(tmp_path) == [line, ended("one"), ended("two"), ended("three")]
    journal.close()


def test_output_beyond_what_is_held_is_dropped_and_ends_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "MOST_LATE_OUTPUT", 10)
    journal = Journal(tmp_path, "gateway-0")
    with full_disk():
        for number in range(100):
            journal.log(LogLine("a", "f", 1, number, "stdout", "abcde", None))
        journal.ended(ended("a"))
    journal.close()
    *output, end = records(tmp_path)
    assert len(output) == 3
    assert end == ended("a")


def test_a_small_record_does_not_overtake_a_large_one_that_is_held(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "gateway-0")
    large = LogLine("one", "nlp/embed", 1, 5, "stdout", "x" * 1000)
    with full_disk(at_bytes=500):
        journal.log(large)
        journal.ended(ended("one"))
    assert records(tmp_path) == []
    assert journal.flush_late()
    assert records(tmp_path) == [large, ended("one")]
    journal.close()


def test_what_is_held_is_written_at_the_latest_when_the_gateway_ends(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "gateway-0")
    with full_disk():
        journal.ended(ended("one"))
    journal.close()
    assert records(tmp_path) == [ended("one")]


# Spawned calls


class Disk:
    """Stands before the real `fdatasync`: `synced` are the calls in the file that was synced, for each time."""

    def __init__(self) -> None:
        self._sync = os.fdatasync
        self.is_fast = threading.Event()  # whether a thread that syncs comes back
        self.is_fast.set()
        self.synced: list[list[str]] = []

    def fdatasync(self, fd: int) -> None:
        text = Path(f"/proc/self/fd/{fd}").read_bytes()
        self._sync(fd)
        self.synced.append([_decode(line).call for line in text.splitlines()])
        if threading.current_thread() is not threading.main_thread():
            self.is_fast.wait(20)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(os, "fdatasync", disk.fdatasync)
    return disk


async def test_a_spawned_call_is_on_disk_before_its_caller_hears_of_it(tmp_path: Path, disk: Disk) -> None:
    journal = Journal(tmp_path, "gateway-0")
    await journal.spawned(spawned("one"))
    assert disk.synced == [["one"]]
    journal.close()


async def test_calls_that_are_spawned_together_share_the_wait_for_the_disk(tmp_path: Path, disk: Disk) -> None:
    journal = Journal(tmp_path, "gateway-0")
    calls = [f"call{number}" for number in range(50)]
    await asyncio.gather(*(journal.spawned(spawned(call)) for call in calls))
    assert len(disk.synced) < 5
    assert sorted(disk.synced[-1]) == sorted(calls)
    journal.close()


async def test_a_spawned_call_waits_for_a_sync_that_began_after_it_was_written(tmp_path: Path, disk: Disk) -> None:
    journal = Journal(tmp_path, "gateway-0")
    first = asyncio.ensure_future(journal.spawned(spawned("first")))
    await asyncio.wait([first], timeout=0)
    await journal.spawned(spawned("second"))
    assert "second" in disk.synced[-1]
    await first
    journal.close()


async def test_a_spawned_call_that_does_not_fit_is_not_accepted(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "gateway-0")
    with full_disk(), pytest.raises(Unavailable, match="not accepted"):
        await journal.spawned(spawned("refused"))
    await journal.spawned(spawned("taken"))
    assert records(tmp_path) == [spawned("taken")]
    journal.close()


async def test_a_disk_that_fails_to_sync_fails_all_that_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    journal = Journal(tmp_path, "gateway-0")
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        both = [journal.spawned(spawned("one")), journal.spawned(spawned("two"))]
        results = await asyncio.gather(*both, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable, Unavailable]
    await journal.spawned(spawned("three"))
    journal.close()


async def test_a_segment_that_fills_while_the_disk_is_slow_is_synced_all_the_same(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, "gateway-0")
    disk.is_fast.clear()
    spawning = [asyncio.ensure_future(journal.spawned(spawned(call))) for call in ("one", "two")]
    await eventually(lambda: disk.synced == [["one", "two"]])
    spawning.append(asyncio.ensure_future(journal.spawned(spawned("three"))))
    await asyncio.wait(spawning, timeout=0)
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 1)
    journal.ended(ended("four"))
    disk.is_fast.set()
    await asyncio.gather(*spawning)
    assert len(segments(tmp_path)) == 2
    assert ["one", "two", "three"] in disk.synced
    journal.close()


async def test_what_a_full_segment_could_not_keep_is_refused_and_the_next_one_goes_on(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    journal = Journal(tmp_path, "gateway-0")
    disk.is_fast.clear()
    spawning = [asyncio.ensure_future(journal.spawned(spawned("synced")))]
    await eventually(lambda: disk.synced == [["synced"]])
    spawning.append(asyncio.ensure_future(journal.spawned(spawned("waiting"))))
    await asyncio.wait(spawning, timeout=0)
    with monkeypatch.context() as broken:
        broken.setattr(journal_module, "SEGMENT_BYTES", 1)
        broken.setattr(os, "fdatasync", fail)
        journal.ended(ended("next"))
    disk.is_fast.set()
    results = await asyncio.gather(*spawning, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable, Unavailable]
    assert records(tmp_path)[-1] == ended("next")
    journal.close()


def test_a_segment_that_can_not_be_named_leaves_no_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Path, target: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="No space"):
        Journal(tmp_path, "gateway-0")
    assert len(os.listdir("/proc/self/fd")) == before

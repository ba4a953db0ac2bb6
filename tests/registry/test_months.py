"""Days of the archive become months: each row is in one place, and views know no difference."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from rayfaas.errors import Unavailable
from rayfaas.registry import archive, months
from rayfaas.registry.archive import DAY_US
from rayfaas.registry.database import Database
from rayfaas.registry.registry import Registry
from tests.registry.test_archive import EVERYTHING, LATER, add_call, in_table, move_all, seen

KINDS = ("calls", "logs", "touches")
# 30 December 2023: of four days from then on two are in the next month.
DAY = 1_703_894_400_000_000


@pytest.fixture
def registry(tmp_path: Path, journal: Path) -> Iterator[Registry]:
    """Calls of the last two days of a month and the first two of the next, in a file of each day."""
    registry = Registry.open(tmp_path / "registry.duckdb", journal)
    fill(registry, journal)
    yield registry
    registry.close()


def fill(registry: Registry, journal: Path) -> list[str]:
    calls = [add_call(journal, DAY + day * DAY_US + number) for day in range(4) for number in range(2)]
    registry.load_journal()
    move_all(registry.archive)
    return calls


def merge_all(registry: Registry, before_us: int = LATER + 365 * DAY_US, deleted_us: int | None = None) -> int:
    """As the server does it. The number of files that were made."""
    files = 0
    for kind in KINDS:
        while (month := registry.months.next(kind, before_us, deleted_us)) is not None:
            assert registry.months.settle(month, registry.months.write(month))
            files += 1
    return files


def test_days_of_a_month_become_one_file_and_views_show_the_same(registry: Registry) -> None:
    before = [seen(registry, query) for query in EVERYTHING]
    assert in_table(registry, "partitions") == 12
    assert merge_all(registry) == 6
    assert in_table(registry, "partitions") == 6
    assert [seen(registry, query) for query in EVERYTHING] == before
    registry.archive.sweep()
    names = sorted(path.name[:8] for path in (registry._database.archive / "calls").iterdir())
    assert names == ["2023-12-", "2024-01-"]
    assert [seen(registry, query) for query in EVERYTHING] == before
    assert merge_all(registry) == 0


def test_a_month_that_is_not_over_stays_in_days(registry: Registry) -> None:
    assert merge_all(registry, DAY + 3 * DAY_US) == 3
    assert merge_all(registry, DAY + 20 * DAY_US) == 0
    assert merge_all(registry, DAY + 33 * DAY_US) == 3


def test_what_comes_late_for_a_month_joins_it(registry: Registry, journal: Path) -> None:
    merge_all(registry)
    add_call(journal, DAY + 7)
    registry.load_journal()
    move_all(registry.archive)
    assert merge_all(registry) == 3
    assert seen(registry, "SELECT count(*), count(DISTINCT call) FROM calls") == [[9, 9]]


def test_large_files_stay_as_they_are(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(months, "MOST_BYTES", 1000)
    assert merge_all(registry) == 0


def test_nothing_is_written_where_the_disk_is_nearly_full(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(months, "LEAST_FREE", 1 << 60)
    assert merge_all(registry) == 0


def test_days_that_are_deleted_go_from_their_month_to_the_day(registry: Registry) -> None:
    merge_all(registry)
    deleted_us = DAY + DAY_US + 5
    assert registry.archive.delete("calls", deleted_us) == 0
    month = registry.months.next("calls", LATER, deleted_us)
    assert month is not None
    assert registry.months.settle(month, registry.months.write(month))
    assert registry.months.next("calls", LATER, deleted_us) is None
    assert seen(registry, "SELECT count(*), min(accepted_at)::DATE::VARCHAR FROM calls") == [[6, "2023-12-31"]]
    assert registry.archive.delete("calls", DAY + 2 * DAY_US) == 1
    assert seen(registry, "SELECT count(*) FROM calls") == [[4]]


def test_a_file_of_a_month_that_was_deleted_meanwhile_does_not_count(registry: Registry) -> None:
    month = registry.months.next("calls", LATER, None)
    assert month is not None
    partition = registry.months.write(month)
    registry.archive.delete("calls", DAY + DAY_US)
    assert not registry.months.settle(month, partition)
    assert not (registry._database.archive / partition.file).exists()
    assert seen(registry, "SELECT count(*) FROM calls") == [[6]]


def test_days_in_a_store_become_a_month_here_which_goes_there(registry: Registry) -> None:
    before = [seen(registry, query) for query in EVERYTHING]
    root = "memory://months"
    ship_all(registry, root)
    registry.archive.sweep()
    assert merge_all(registry) == 6
    assert len(registry.shipping.leftovers()) == 12
    assert [seen(registry, query) for query in EVERYTHING] == before
    ship_all(registry, root)
    for url in registry.shipping.leftovers():
        registry.shipping.remove(url)
        registry.shipping.forget(url)
    registry.archive.sweep()
    assert [seen(registry, query) for query in EVERYTHING] == before
    store, path = fsspec.url_to_fs(root)
    assert len(store.find(path)) == 6
    store.rm(path, recursive=True)


def test_while_the_store_is_away_days_stay_days(registry: Registry, tmp_path: Path) -> None:
    ship_all(registry, f"file://{tmp_path}/nas")
    registry.archive.sweep()
    for path in (tmp_path / "archive.cached").iterdir():
        path.unlink()
    (tmp_path / "nas").rename(tmp_path / "away")
    with pytest.raises(Unavailable):
        merge_all(registry)
    assert not list((registry._database.archive / "calls").iterdir())
    (tmp_path / "away").rename(tmp_path / "nas")
    assert merge_all(registry) == 6


def ship_all(registry: Registry, root: str) -> None:
    while (shipment := registry.shipping.announce(root)) is not None:
        registry.shipping.send(shipment)
        assert registry.shipping.settle(shipment)


# Ends the process before the line with that number, of months.py or archive.py, is run for the first time.
KILLED = """
import os, signal, sys
from pathlib import Path
from rayfaas.registry import archive, months
from rayfaas.registry.registry import Registry
from tests.registry.test_months import merge_all
registry = Registry.open(Path(sys.argv[1]), Path(sys.argv[2]))
file, at = sys.argv[3].split(":")
def trace(frame, event, argument):
    if os.path.basename(frame.f_code.co_filename) != file:
        return None
    if event == "line" and frame.f_lineno == int(at):
        os.kill(os.getpid(), signal.SIGKILL)
    return trace
sys.settrace(trace)
merge_all(registry)
"""


def lines_of(source: object, *texts: str) -> list[str]:
    """file:number of each line that holds one of the texts."""
    path = Path(str(getattr(source, "__file__", "")))
    numbered = enumerate(path.read_text().splitlines(), 1)
    return [f"{path.name}:{number}" for number, line in numbered if any(text in line for text in texts)]


def steps() -> list[str]:
    saved = ("size = _on_disk(", "scratch.rename(path)", "_sync_directory(path.parent)", "return Saved(")
    noted = ("self._database.read_archive(partition.kind)", "self.note(partition)")
    swapped = ('self._run("leave"', 'self._run("drop"', "self._archive.note(", "return True", "with self._database.tr")
    return [*lines_of(archive, *saved, *noted[:1]), *lines_of(months, *swapped)]


@pytest.mark.parametrize("step", steps())
def test_killed_at_any_step_each_row_is_there_once(tmp_path: Path, journal: Path, step: str) -> None:
    path = tmp_path / "registry.duckdb"
    with_calls = Registry.open(path, journal)
    calls = sorted(fill(with_calls, journal))
    with_calls.close()
    died = subprocess.run([sys.executable, "-c", KILLED, str(path), str(journal), step])
    assert died.returncode == -signal.SIGKILL
    for _ in range(2):
        again = Registry.open(path, journal)
        assert [row[0] for row in seen(again, "SELECT call FROM calls ORDER BY 1")] == calls
        assert seen(again, "SELECT count(*), count(DISTINCT call) FROM logs") == [[8, 8]]
        again.archive.sweep()
        merge_all(again)
        again.archive.sweep()
        assert len(list(again._database.archive.glob("*/*"))) == in_table(again, "partitions") == 6
        again.close()


def test_the_database_alone_reads_months_too(registry: Registry, tmp_path: Path) -> None:
    merge_all(registry)
    registry.close()
    database = Database(tmp_path / "registry.duckdb")
    assert database.run("SELECT count(*) AS n FROM store.calls_since(0)") == [{"n": 8}]
    database.close()

"""Old rows move to files, each is in one place exactly, and the views know no difference."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rayfaas.names import format_uuid7
from rayfaas.records import Touched
from rayfaas.registry.archive import DAY_US, Archive
from rayfaas.registry.database import Database
from rayfaas.registry.lineage import Question
from rayfaas.registry.registry import Registry
from tests.registry.builders import ACCEPTED_US, ended, line, segment, started
from tests.server.parts import full_disk

DAY = ACCEPTED_US // DAY_US * DAY_US
LATER = DAY + 100 * DAY_US
_numbers = itertools.count()


@pytest.fixture
def registry(tmp_path: Path, journal: Path) -> Iterator[Registry]:
    """Calls of three days, two on each, with a line and a touch of each call."""
    registry = Registry.open(tmp_path / "registry.duckdb", journal)
    for day in range(3):
        for number in range(2):
            add_call(journal, DAY + day * DAY_US + number)
    registry.load_journal()
    yield registry
    registry.close()


def add_call(journal: Path, at_us: int, **changes: Any) -> str:
    call = started(call=format_uuid7(at_us // 1000, next(_numbers)), accepted_us=at_us, **changes)
    uri = f"file:///{at_us}"
    wrote = Touched(call.function, 1, "e", at_us, "write", uri, "open", call.call, artifact_version="v", columns=("a",))
    segment(
        journal,
        call,
        line(f"at {at_us}", call=call.call, at_us=at_us, function=call.function),
        wrote,
        ended(call),
        number=next(_numbers),
    )
    return call.call


def move_all(archive: Archive, before_us: int = LATER) -> int:
    """As the server does it. The number of files."""
    files = 0
    for kind in ("calls", "logs", "touches"):
        while (day := archive.day_to_move(kind, before_us)) is not None:
            files += archive.settle(archive.write(kind, day))
    return files


def in_table(registry: Registry, table: str) -> int:
    return int(registry._database.run(f"SELECT count(*) AS n FROM store.{table}")[0]["n"])


def seen(registry: Registry, query: str, team: str | None = None) -> list[list[Any]]:
    return registry.query(query, [], team).rows


EVERYTHING = (
    "SELECT * FROM calls ORDER BY call",
    "SELECT * FROM logs ORDER BY logged_at",
    "SELECT * FROM lineage ORDER BY touched_at",
    "SELECT * FROM artifacts ORDER BY uri",
)


def test_views_show_the_same_before_and_after(registry: Registry) -> None:
    before = [seen(registry, query) for query in EVERYTHING]
    assert move_all(registry.archive) == 9
    assert [in_table(registry, table) for table in ("calls", "logs", "touches")] == [0, 0, 0]
    assert [seen(registry, query) for query in EVERYTHING] == before
    assert [len(rows) for rows in before] == [6, 6, 6, 6]


def test_a_team_sees_of_the_archive_what_it_saw_before(registry: Registry, journal: Path) -> None:
    add_call(journal, DAY, team="blue", owner="blue", function="blue/g")
    registry.load_journal()
    move_all(registry.archive)
    assert seen(registry, "SELECT DISTINCT function FROM calls", "red") == [["red/f"]]
    assert seen(registry, "SELECT DISTINCT function FROM logs", "blue") == [["blue/g"]]
    assert seen(registry, "SELECT count(*) FROM calls", "green") == [[0]]


def test_only_days_that_are_over_by_then_are_moved(registry: Registry) -> None:
    assert move_all(registry.archive, DAY + 2 * DAY_US + DAY_US // 2) == 6
    assert in_table(registry, "calls") == 2
    assert registry.archive.day_to_move("calls", DAY + 3 * DAY_US - 1) is None
    assert registry.archive.day_to_move("calls", DAY + 3 * DAY_US) == DAY + 2 * DAY_US


def test_it_is_there_after_a_restart_also_in_another_place(registry: Registry, tmp_path: Path, journal: Path) -> None:
    before = [seen(registry, query) for query in EVERYTHING]
    move_all(registry.archive)
    registry.close()
    moved = tmp_path / "it's elsewhere"
    moved.mkdir()
    for name in ("registry.duckdb", "archive"):
        (tmp_path / name).rename(moved / name)
    again = Registry.open(moved / "registry.duckdb", journal)
    assert [seen(again, query) for query in EVERYTHING] == before
    again.close()


def test_what_comes_for_a_day_that_was_moved_is_moved_too(registry: Registry, journal: Path) -> None:
    move_all(registry.archive)
    late = add_call(journal, DAY + 5)
    registry.load_journal()
    assert seen(registry, f"SELECT count(*) FROM calls WHERE call = '{late}'") == [[1]]
    assert move_all(registry.archive) == 3
    assert seen(registry, "SELECT count(*), count(DISTINCT call) FROM calls") == [[7, 7]]


def test_a_file_does_not_count_where_rows_came_while_it_was_written(registry: Registry, journal: Path) -> None:
    partition = registry.archive.write("calls", DAY)
    add_call(journal, DAY + 5)
    registry.load_journal()
    assert not registry.archive.settle(partition)
    assert in_table(registry, "calls") == 7
    assert not list((registry._database.archive / "calls").iterdir())
    assert move_all(registry.archive) == 9
    assert seen(registry, "SELECT count(*), count(DISTINCT call) FROM calls") == [[7, 7]]


def test_lines_go_on_counting_and_old_ones_can_be_asked_for(registry: Registry, journal: Path) -> None:
    before = registry.lines(None, None, None, None, 10)
    move_all(registry.archive)
    assert registry.lines(None, None, None, None, 10) == before
    assert registry.logs("red/f", None, "red", 10) == [row for _, row in before.lines]
    add_call(journal, LATER)
    registry.load_journal()
    new = registry.lines(None, None, None, before.after, 10)
    assert [(number, row.text) for number, row in new.lines] == [(before.after + 1, f"at {LATER}")]


def test_a_call_is_found_by_its_id_and_lineage_goes_through_the_archive(registry: Registry) -> None:
    call = str(seen(registry, "SELECT max(call) FROM calls")[0][0])
    graph = registry.lineage(Question(of=call, team="red", direction="downstream"), None)
    move_all(registry.archive)
    assert (registry.spawned.call(call, None) or {})["state"] == "SUCCEEDED"
    assert registry.lineage(Question(of=call, team="red", direction="downstream"), None) == graph
    artifact = registry.lineage(Question(of=f"file:///{DAY}", team="red"), None)
    assert [edge.kind for edge in artifact.edges] == ["wrote"]


def test_files_of_an_older_schema_are_read_with_columns_that_came_later(registry: Registry) -> None:
    move_all(registry.archive, DAY + 2 * DAY_US)
    registry._database.run("ALTER TABLE store.calls ADD COLUMN mood VARCHAR DEFAULT 'new'")
    move_all(registry.archive)
    rows = registry._database.run("SELECT mood, count(*) AS n FROM store.calls_since(0) GROUP BY ALL ORDER BY ALL")
    assert rows == [{"mood": "new", "n": 2}, {"mood": None, "n": 4}]


def test_what_is_too_old_is_deleted_and_its_file_at_the_next_sweep(registry: Registry) -> None:
    move_all(registry.archive, DAY + DAY_US)
    files = list((registry._database.archive / "calls").iterdir())
    assert registry.archive.delete("calls", DAY + DAY_US) == 1
    assert seen(registry, "SELECT count(*) FROM calls") == [[4]]
    assert files[0].exists()
    registry.archive.sweep()
    assert not files[0].exists()
    assert registry.archive.delete("calls", DAY + 2 * DAY_US) == 0  # from the table
    assert seen(registry, "SELECT count(*) FROM calls") == [[2]]
    assert seen(registry, "SELECT count(*) FROM logs") == [[6]]


def test_a_file_with_anything_younger_stays_whole(registry: Registry) -> None:
    move_all(registry.archive)
    assert registry.archive.delete("calls", DAY + DAY_US - 1) == 0
    assert seen(registry, "SELECT count(*) FROM calls") == [[6]]


def test_a_full_disk_leaves_all_where_it_is(registry: Registry) -> None:
    with full_disk(100), pytest.raises((OSError, duckdb.Error)):
        registry.archive.write("calls", DAY)
    assert not list((registry._database.archive / "calls").iterdir())
    assert seen(registry, "SELECT count(*) FROM calls") == [[6]]
    assert move_all(registry.archive) == 9


def test_users_can_not_name_the_archives_files(registry: Registry) -> None:
    move_all(registry.archive)
    file = next((registry._database.archive / "calls").iterdir())
    for query in (f"SELECT * FROM '{file}'", f"SELECT * FROM read_parquet('{file}')", "SELECT * FROM partitions"):
        with pytest.raises(Exception, match=r"There is no table|not for queries of users"):
            registry.query(query, [], None)


# Ends the process before a line of archive.py that holds a text is run, the time that is said.
KILLED = """
import linecache, os, signal, sys
from pathlib import Path
from rayfaas.registry import archive
from rayfaas.registry.registry import Registry
from tests.registry.test_archive import move_all
registry = Registry.open(Path(sys.argv[1]), Path(sys.argv[2]))
text, left = sys.argv[3], int(sys.argv[4])
def trace(frame, event, argument):
    global left
    if frame.f_code.co_filename != archive.__file__:
        return None
    if event == "line" and text in linecache.getline(archive.__file__, frame.f_lineno):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return trace
sys.settrace(trace)
move_all(registry.archive)
"""


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("size = _on_disk(", 1),  # the file is written
        ("_sync_directory(path.parent)", 1),  # it has its name
        ("with self._database.transaction", 1),
        ('self._run("move"', 1),  # it is noted
        ("self._database.read_archive", 1),  # its rows are deleted
        ("return True", 1),
        ("with self._database.transaction", 3),  # all of it is committed, and the next file written
    ],
)
def test_killed_at_any_step_each_row_is_there_once(tmp_path: Path, journal: Path, text: str, time: int) -> None:
    path = tmp_path / "registry.duckdb"
    registry = Registry.open(path, journal)
    calls = sorted(add_call(journal, DAY + day * DAY_US) for day in range(2))
    registry.load_journal()
    registry.close()
    died = subprocess.run([sys.executable, "-c", KILLED, str(path), str(journal), text, str(time)])
    assert died.returncode == -signal.SIGKILL
    for _ in range(2):
        again = Registry.open(path, journal)
        assert [row[0] for row in seen(again, "SELECT call FROM calls ORDER BY 1")] == calls
        assert seen(again, "SELECT count(*), count(DISTINCT call) FROM logs") == [[2, 2]]
        assert seen(again, "SELECT count(*), count(DISTINCT call) FROM lineage") == [[2, 2]]
        again.archive.sweep()
        move_all(again.archive)
        noted = again._database.run("SELECT count(*) AS n FROM store.partitions")[0]["n"]
        assert len(list(again._database.archive.glob("*/*"))) == noted == 6
        again.close()


def test_the_database_alone_shows_the_archive_too(registry: Registry, tmp_path: Path) -> None:
    move_all(registry.archive)
    registry.close()
    database = Database(tmp_path / "registry.duckdb")
    assert database.run("SELECT count(*) AS n FROM store.calls_since(0)") == [{"n": 6}]
    database.close()

"""A query that nothing ends, or that takes the memory of the machine, does not stay."""

from __future__ import annotations

import resource
import time
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from rayfaas.errors import Unavailable
from rayfaas.registry.database import Database
from rayfaas.registry.deadline import Deadline, resident

# Marks that are put in order one by one, in one step of the query: seconds.
ENDLESS = "SELECT nfc_normalize(string_agg(chr(789) || chr(769), '')) IS NULL FROM range(30000)"
# The first step that can be interrupted takes longer than any test.
SLEEP = "SELECT sleep_ms(600000)"


def test_a_query_is_interrupted_when_its_time_is_over() -> None:
    cursor = duckdb.connect()
    reasons: list[str] = []
    deadline = Deadline(cursor, 0.01, reasons.append)
    deadline.start()
    with pytest.raises(duckdb.InterruptException):
        cursor.execute(SLEEP)
    deadline.end()
    assert (reasons, deadline.took_memory) == ([], False)


def test_one_that_goes_on_is_given_up() -> None:
    cursor = duckdb.connect()
    reasons: list[str] = []
    deadline = Deadline(cursor, 0.01, reasons.append, grace_s=0.01)
    deadline.start()
    with suppress(duckdb.InterruptException):
        cursor.execute(ENDLESS).fetchone()
    deadline.join()
    assert reasons == ["it goes on 0.01 s after it was interrupted"]


def test_one_is_interrupted_when_the_process_has_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = duckdb.connect()
    monkeypatch.setattr("rayfaas.registry.deadline.MORE_BYTES", 0)
    deadline = Deadline(cursor, 600, print, most_bytes=1)
    deadline.start()
    with pytest.raises((duckdb.InterruptException, duckdb.OutOfMemoryException)):
        cursor.execute("SELECT list(x) FROM range(1000000000) t(x)")
    deadline.end()
    assert deadline.took_memory


def test_the_process_is_given_up_before_the_machine_has_no_memory() -> None:
    cursor = duckdb.connect()
    reasons: list[str] = []
    deadline = Deadline(cursor, 600, reasons.append, last_bytes=1)
    deadline.start()
    deadline.join()
    assert len(reasons) == 1
    assert reasons[0].endswith("MiB of memory")


def test_memory_that_is_not_told_of_is_none(tmp_path: Path) -> None:
    assert resident(tmp_path / "none") == 0
    assert resident() > 1 << 20


def test_a_database_that_refuses_everything_is_told_of(tmp_path: Path) -> None:
    told: list[float] = []
    database = Database(tmp_path / "registry.duckdb", on_broken=lambda: told.append(time.time()))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 30), hard))
    try:
        with pytest.raises(duckdb.Error):  # for the sample of which there is no memory
            database.cursor().execute("SELECT reservoir_quantile(x, 0.5, 2000000000) FROM range(3) t(x)")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    with pytest.raises(duckdb.FatalException):
        database.run("SELECT 1")
    assert len(told) == 1
    database.close()


def test_where_there_is_no_memory_for_its_thread_the_query_can_be_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", none_left)
    with pytest.raises(Unavailable, match="Ask again in a moment"):
        Deadline(duckdb.connect(), 1, print).start()

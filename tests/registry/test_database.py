"""One file, one process, whole transactions, and no way out of the instance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from rayfaas.errors import QueryError, Unavailable
from rayfaas.registry.database import Database

COUNT = "SELECT count(*) AS n FROM store.bundles"
ADD = "INSERT INTO store.bundles VALUES ($digest, 1, 1, 'ann')"


def count(database: Database) -> int:
    return int(database.run(COUNT)[0]["n"])


def test_a_file_that_another_process_has_open_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "registry.duckdb"
    hold = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('up', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"up\n"
        with pytest.raises(Unavailable, match="can't be opened"):
            Database(path)
        other.kill()
    Database(path).close()


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000], ids=["empty", "garbage"])
def test_a_file_that_is_no_database_is_unavailable_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "registry.duckdb"
    path.write_bytes(content)
    with pytest.raises(Unavailable):
        Database(path)
    assert path.read_bytes() == content


def test_a_file_that_was_cut_off_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "registry.duckdb"
    Database(path).close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(Unavailable):
        Database(path)


def test_a_directory_that_does_not_exist_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        Database(tmp_path / "nowhere" / "registry.duckdb")


def test_what_was_committed_outlives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "registry.duckdb"
    script = f"""
import os, signal, sys
from pathlib import Path
from rayfaas.registry.database import Database
database = Database(Path(sys.argv[1]))
database.run({ADD!r}, {{"digest": "kept"}})
with database.transaction():
    database.run({ADD!r}, {{"digest": "lost"}})
    os.kill(os.getpid(), signal.SIGKILL)
"""
    died = subprocess.run([sys.executable, "-c", script, str(path)])
    assert died.returncode == -signal.SIGKILL
    database = Database(path)
    assert database.run("SELECT digest FROM store.bundles") == [{"digest": "kept"}]
    database.close()


def test_a_transaction_that_raises_changes_nothing(database: Database) -> None:
    def fail() -> None:
        with database.transaction():
            database.run(ADD, {"digest": "a"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert count(database) == 0


def test_a_statement_that_fails_takes_the_whole_transaction_with_it(database: Database) -> None:
    def add_twice() -> None:
        with database.transaction():
            database.run(ADD, {"digest": "a"})
            database.run(ADD, {"digest": "a"})

    with pytest.raises(duckdb.ConstraintException):
        add_twice()
    assert count(database) == 0
    with database.transaction():
        database.run(ADD, {"digest": "b"})
    assert count(database) == 1


def test_no_other_thread_sees_half_a_transaction(database: Database) -> None:
    seen: list[int] = []

    def look() -> None:
        thread = threading.Thread(target=lambda: seen.append(count(database)))
        thread.start()
        thread.join()

    with database.transaction():
        database.run(ADD, {"digest": "a"})
        look()
    look()
    assert seen == [0, 1]


def test_parameters_that_a_statement_does_not_name_are_left_out(database: Database) -> None:
    assert database.run("SELECT $a AS a", {"a": 1, "b": 2}) == [{"a": 1}]
    assert database.run("SELECT 1 AS one", {"now": 5}) == [{"one": 1}]


@pytest.mark.parametrize("value", ["it's", "$a", "a\0b", "'; DROP TABLE store.bundles; --", b"\x00\xff'", None, 2**62])
def test_values_go_in_as_they_are(database: Database, value: object) -> None:
    assert database.run("SELECT $a AS a", {"a": value}) == [{"a": value}]


def test_its_path_may_hold_a_quote(tmp_path: Path) -> None:
    directory = tmp_path / "it's; --"
    directory.mkdir()
    database = Database(directory / "registry.duckdb")
    database.staging.write_text('{"a": 1}\n')
    assert database.run("SELECT a FROM read_json($file, columns = {a: 'INTEGER'})", {"file": str(database.staging)})
    database.close()


def test_opening_it_again_keeps_what_is_in_it(tmp_path: Path) -> None:
    for number in range(3):
        database = Database(tmp_path / "registry.duckdb")
        assert count(database) == number
        database.run(ADD, {"digest": str(number)})
        database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET allowed_paths = ['/etc/passwd']",
        "SET allowed_directories = ['/']",
        "SET memory_limit = '1TB'",
        "SET threads = 64",
        "RESET enable_external_access",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '{tmp}/x.csv'",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '{tmp}/out.csv'",
        "COPY store.bundles FROM '/etc/passwd'",
        "ATTACH '{tmp}/other.duckdb'",
        "EXPORT DATABASE '{tmp}/export'",
        "INSTALL httpfs",
        "LOAD '{tmp}/evil.duckdb_extension'",
    ],
)
def test_the_instance_can_not_open_files_nor_change_its_settings(
    tmp_path: Path, database: Database, statement: str
) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n")
    before = set(os.listdir(tmp_path))
    with pytest.raises(duckdb.Error):
        database.run(statement.format(tmp=tmp_path))
    assert set(os.listdir(tmp_path)) == before


def test_the_staging_file_goes_with_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "registry.duckdb")
    database.staging.write_bytes(b"secrets of calls\n")
    database.close()
    assert not database.staging.exists()


def test_statements_that_take_too_long_are_ended_and_the_thread_can_go_on(database: Database) -> None:
    with pytest.raises(QueryError, match=r"ended after 0\.05 s, which is the limit"), database.within(0.05):
        database.run("SELECT sleep_ms(600000)")
    with database.within(30):
        assert count(database) == 0

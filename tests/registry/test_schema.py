"""A file of any earlier schema becomes one of today's with all that is in it, or stays what it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rayfaas.errors import Conflict, Unavailable
from rayfaas.registry import schema
from rayfaas.registry.database import Database
from rayfaas.registry.schema import connect, copy_of, migrate, newest, steps, version_of
from tests.server.parts import full_disk

SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))
Rows = list[tuple[Any, ...]]

RELEASED = [
    "b78ef3",
    "d84981",
    "88ffe4",
    "04ba99",
    "d1b507",
    "c96f20",
    "c6e568",
    "40d5db",
    "aee27a",
    "2dbaa6",
    "f1fbc4",
    "223fa8",
    "bb9784",
]
"""The beginnings of the SHA-256 of the steps that files out there were made with."""

_VALUES = {
    "VARCHAR": "'{table}-{row}'",
    "JSON": "'{{\"row\": {row}}}'",
    "UUID": "'00000000-0000-7000-8000-00000000000{row}'",
    "BLOB": "'sealed-{row}'::BLOB",
    "VARCHAR[]": "['a', '{row}']",
    "BOOLEAN": "true",
}


@pytest.fixture(params=SCHEMAS, ids=lambda path: path.stem)
def old_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file of that schema with two rows in each table."""
    path = tmp_path / "registry.duckdb"
    with duckdb.connect(str(path)) as old:
        old.execute(request.param.read_text())
        for table in tables(old):
            for row in (1, 2):
                values = [_VALUES.get(kind, "{row}").format(table=table, row=row) for _, kind in columns(old, table)]
                old.execute(f"INSERT INTO store.{table} VALUES ({', '.join(values)})")
    return path


@pytest.fixture
def today(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(tmp_path / "today.duckdb") as connection:
        yield connection


def tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    query = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store' ORDER BY ALL"
    return [name for (name,) in connection.execute(query).fetchall()]


def columns(connection: duckdb.DuckDBPyConnection, table: str) -> Rows:
    query = "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'store' AND table_name = ?"
    return connection.execute(query, [table]).fetchall()


def rows(connection: duckdb.DuckDBPyConnection, table: str, names: list[str]) -> Rows:
    chosen = ", ".join(f'"{name}"' for name in names)
    return connection.execute(f"SELECT {chosen} FROM store.{table} ORDER BY ALL").fetchall()


def content(path: Path) -> dict[str, Rows]:
    """All rows, by table, in columns that the file has."""
    with duckdb.connect(str(path)) as old:
        return {table: rows(old, table, [name for name, _ in columns(old, table)]) for table in tables(old)}


def test_nothing_that_was_in_it_is_lost_or_changed(old_file: Path) -> None:
    with duckdb.connect(str(old_file)) as old:
        named = {table: [name for name, _ in columns(old, table)] for table in tables(old)}
    before = content(old_file)
    Database(old_file).close()
    with duckdb.connect(str(old_file)) as new:
        assert {table: rows(new, table, names) for table, names in named.items()} == before


def test_it_has_the_tables_and_columns_of_a_new_one(old_file: Path, today: duckdb.DuckDBPyConnection) -> None:
    with connect(old_file) as migrated:
        assert tables(migrated) == tables(today)
        for table in tables(today):
            assert sorted(columns(migrated, table)) == sorted(columns(today, table)), table


def test_a_copy_as_it_was_is_kept_once(old_file: Path) -> None:
    before = content(old_file)
    Database(old_file).close()
    copy = copy_of(old_file, 0)
    assert content(copy) == before
    copy.unlink()
    Database(old_file).close()
    assert not copy.exists()


def test_a_new_file_leaves_no_copy(tmp_path: Path) -> None:
    Database(tmp_path / "registry.duckdb").close()
    assert [path.name for path in tmp_path.glob("registry.*")] == ["registry.duckdb"]


def test_lines_of_logs_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "registry.duckdb"
    with duckdb.connect(str(path)) as old:
        old.execute(SCHEMAS[-1].read_text())
        names = {name for name, _ in columns(old, "logs")}
        values = {"call": "uuid()", "function": "'red/f'", "version": "1", "at_us": "1", "stream": "'stdout'"}
        values |= {"text": "'line ' || i", "level": "NULL"}
        chosen = ", ".join(f"{value} AS {name}" for name, value in values.items() if name in names)
        old.execute(f"INSERT INTO store.logs BY NAME SELECT {chosen} FROM range(5000) r(i)")
    with connect(path) as new:
        query = "SELECT count(*) FROM store.logs WHERE text = 'line ' || number"
        assert new.execute(query).fetchall() == [(5000,)]
        assert new.execute("SELECT next FROM store.log_numbers").fetchall() == [(5000,)]


def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "registry.duckdb"
    with connect(path) as newer:
        newer.execute("INSERT INTO store.schema_versions VALUES (?, now())", [newest() + 1])
    before = path.read_bytes()
    with pytest.raises(Conflict, match=rf"newer rayfaas: its schema has version {newest() + 1}.*restore a backup"):
        Database(path)
    assert path.read_bytes() == before


def test_without_room_for_a_copy_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "registry.duckdb"
    with duckdb.connect(str(path)) as old:
        old.execute(SCHEMAS[0].read_text())
    before = path.read_bytes()
    with full_disk(len(before) // 2), pytest.raises(Unavailable, match=r"no copy of it as it is.*Make room"):
        Database(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["registry.duckdb"]
    Database(path).close()


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "registry.duckdb"
    good = steps()
    with duckdb.connect(str(path)) as old:
        migrate(old, 1)
    monkeypatch.setattr(schema, "steps", lambda: [*good[:1], "CREATE TABLE store.half (a INTEGER); SELECT nonsense"])
    with pytest.raises(duckdb.Error):
        Database(path)
    with duckdb.connect(str(path)) as same:
        assert version_of(same) == 1
        assert "half" not in tables(same)


def test_steps_that_were_released_are_never_changed() -> None:
    """Files have gone through them. What comes later is another step: the next number in registry/migrations/."""
    found = [hashlib.sha256(step.encode()).hexdigest()[:6] for step in steps()]
    assert found == RELEASED

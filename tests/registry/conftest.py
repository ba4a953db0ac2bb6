"""A registry for each test. The DuckDB file is a real one; it is opened once, and emptied before each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rayfaas.registry.database import Database
from rayfaas.registry.query import QueryLimits
from rayfaas.registry.registry import Registry
from tests.registry.builders import empty


@pytest.fixture(scope="session")
def opened_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(tmp_path_factory.mktemp("registry") / "registry.duckdb")
    yield database
    database.close()


@pytest.fixture
def database(opened_database: Database) -> Database:
    empty(opened_database)
    return opened_database


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    directory = tmp_path / "journal"
    directory.mkdir()
    return directory


@pytest.fixture
def registry(database: Database, journal: Path) -> Registry:
    return Registry(database, journal, QueryLimits())

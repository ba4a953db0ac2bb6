"""A home directory with a path that is short enough for sockets, and an empty registry for it.

The registry's file is a real one; it is opened once, and emptied before each test.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rayfaas.config import Home
from rayfaas.registry import Registry
from rayfaas.registry.database import Database
from rayfaas.registry.query import QueryLimits
from rayfaas.server.parent import prepare
from rayfaas.server.store import Store
from tests.registry.builders import empty
from tests.server.parts import closing_database


class KeptOpen(Registry):
    """Its file stays open for the next test."""

    def close(self) -> None:
        pass


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty one, with a path that is short enough for a home: one with a longer path has its sockets elsewhere."""
    directory = Path(tempfile.mkdtemp(prefix="rf-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def home(directory: Path) -> Home:
    home = Home(directory)
    prepare(home)
    return home


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(tmp_path_factory.mktemp("registry") / "registry.duckdb")
    yield database
    database.close()


@pytest.fixture
def registry(home: Home, database: Database) -> Registry:
    empty(database)
    return KeptOpen(database, home.journal, QueryLimits())


@pytest.fixture
def store(registry: Registry) -> Iterator[Store]:
    store = Store(registry)
    yield store
    with closing_database():
        store.close()

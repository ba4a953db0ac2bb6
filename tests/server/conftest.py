"""A home directory with a path that is short enough for sockets, and a registry in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rayfaas.config import Home
from rayfaas.registry import Registry
from rayfaas.server.parent import prepare
from rayfaas.server.store import Store
from tests.server.parts import closing_database


@pytest.fixture
def home() -> Iterator[Home]:
    directory = Path(tempfile.mkdtemp(prefix="rf-"))
    home = Home(directory)
    prepare(home)
    yield home
    shutil.rmtree(directory)


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    store = Store(Registry.open(home.database, home.journal))
    yield store
    with closing_database():
        store.close()

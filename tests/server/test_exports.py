"""A gateway of another machine reads an export in pieces; with the last of them it is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rayfaas.errors import BadRequest, NotFound
from rayfaas.registry.database import Database
from rayfaas.server.exports import Exports
from rayfaas.server.journals import Journals
from rayfaas.server.store import Store
from tests.server.parts import Peer

ADMIN = {"principal": "root", "team": "default", "role": "admin"}


class Asked:
    def __init__(self, store: Store, directory: Path) -> None:
        self.directory = directory
        self._exports = Exports(store, Journals(store), directory)

    async def __call__(self, method: str, **parameters: Any) -> Any:
        answering: Any = self._exports.methods[method](Peer().link, **parameters)
        return await answering


@pytest.fixture
def ask(store: Store, database: Database) -> Asked:
    return Asked(store, database.outgoing)


async def test_it_is_read_in_pieces_and_then_gone(ask: Asked) -> None:
    made = await ask("export", view="functions", day=None, actor=ADMIN)
    (file,) = ask.directory.iterdir()
    content, pieces = file.read_bytes(), list[bytes]()
    while file.exists():
        pieces.append(await ask("read_export", file=made["file"], offset=100 * len(pieces), limit=100))
    assert b"".join(pieces) == content
    assert len(pieces) > 1
    with pytest.raises(NotFound, match="any more"):
        await ask("read_export", file=made["file"], offset=0, limit=100)


@pytest.mark.parametrize(
    ("file", "limit"),
    [("home.key", 10), ("../home.key", 10), ("export-x.parquet", 10), (f"export-{'0' * 36}.parquet", 0)],
)
async def test_no_other_file_of_the_home_is_read(ask: Asked, file: str, limit: int) -> None:
    with pytest.raises(BadRequest):
        await ask("read_export", file=file, offset=0, limit=limit)


async def test_a_day_that_is_none_is_refused(ask: Asked) -> None:
    with pytest.raises(BadRequest, match="day is written"):
        await ask("export", view="calls", day="yesterday", actor=ADMIN)

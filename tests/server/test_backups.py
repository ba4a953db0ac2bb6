"""A home that is made of a backup is the home that it was made of; no keys are in it but those that were asked for."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from rayfaas.config import Home
from rayfaas.errors import BadRequest, Conflict
from rayfaas.link import Link
from rayfaas.registry import Registry
from rayfaas.registry.schema import newest
from rayfaas.server.backups import Backups
from rayfaas.server.bundles import BundleStore
from rayfaas.server.journals import Journals
from rayfaas.server.restoring import restore
from rayfaas.server.store import Store
from rayfaas.spec import Scaling
from tests.registry.builders import ACCEPTED_US, ended, line, publish, segment, spawned, started
from tests.server.parts import closing_database

LINK = cast(Link, None)
ARCHIVE = b"PK of some code"
DIGEST = hashlib.sha256(ARCHIVE).hexdigest()
DAY_US = 86_400_000_000


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """A function with two versions, calls of two days of which one is archived, one that runs, one that waits."""
    registry = Registry.open(home.database, home.journal)
    BundleStore(home.bundles).put(DIGEST, ARCHIVE)
    for content in ("a", "b"):
        row, _ = registry.catalog.publish("red", "f", publish(content), "ann", "e1")
        registry.catalog.activate("red", "f", row.version, None, "live", "ann", "deploy", {}, Scaling())
    registry.access.create_token("ann", "red", "admin", "root", None)
    registry.access.use_join_token(registry.access.create_join_token("lab", "root")[0])
    registry.access.create_join_token("other", "root")
    registry.secrets.set("red", "api", b"sealed", ["KEY"], "ann")
    calls = [started(accepted_us=ACCEPTED_US + day * DAY_US) for day in range(2)]
    records = [record for call in calls for record in (call, line("hello", call=call.call), ended(call))]
    segment(home.journal, *records, started(), spawned())
    registry.load_journal()
    registry.archive.settle(registry.archive.write("calls", ACCEPTED_US // DAY_US * DAY_US))
    store = Store(registry)
    yield store
    with closing_database():
        store.close()


async def backed_up(home: Home, store: Store, file: Path, with_keys: bool = False) -> Path:
    made = await Backups(home, store, Journals(store)).backup(LINK, with_keys, "ann")
    with tarfile.open(file, "w") as archive:
        archive.add(made["directory"], ".")
    return file


def tables(path: Path) -> dict[str, list[Any]]:
    """All rows, by table."""
    with duckdb.connect(str(path)) as connection:
        names = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store' AND table_name <> 'schema_versions'"
        found = [name for (name,) in connection.execute(names).fetchall()]
        return {name: connection.execute(f"FROM store.{name} ORDER BY ALL").fetchall() for name in found}


async def test_what_is_restored_is_what_was_there(home: Home, store: Store, directory: Path) -> None:
    file = await backed_up(home, store, directory / "backup.tar", with_keys=True)
    query = "SELECT * FROM calls ORDER BY call"
    before = store.registry.query(query, [], None).rows
    restored = Home(directory / "other")
    made_at = restore(restored, file)
    assert made_at.utcoffset() is not None
    registry = Registry.open(restored.database, restored.journal)
    assert registry.query(query, [], None).rows == before
    assert [route.aliases["live"].version for route in registry.catalog.routes()] == [2]
    assert registry.access.tokens() == store.registry.access.tokens()
    assert registry.access.sessions() == store.registry.access.sessions()
    registry.close()
    assert BundleStore(restored.bundles).get(DIGEST) == ARCHIVE
    for name in ("owner", "secrets.key"):
        assert (restored.path / name).read_bytes() == (home.path / name).read_bytes()
    found = sorted(path.name for path in restored.path.iterdir())
    assert found == ["archive", "bundles", "owner", "registry.duckdb", "secrets.key"]


async def test_every_row_of_every_table_comes_back(home: Home, store: Store, directory: Path) -> None:
    file = await backed_up(home, store, directory / "backup.tar", with_keys=True)
    audit = store.registry._database.run("SELECT count(*) AS n FROM store.audit WHERE action = 'backup made'")
    restore(restored := Home(directory / "other"), file)
    store.registry._database.close()
    was, is_now = tables(home.database), tables(restored.database)
    assert audit == [{"n": 1}]
    assert {name: rows for name, rows in was.items() if name != "audit"} == {
        name: rows for name, rows in is_now.items() if name != "audit"
    }
    assert {name for name, rows in was.items() if rows} >= {"calls", "spawned", "secrets", "partitions"}


async def test_what_is_in_an_object_store_stays_there_and_is_read_by_what_is_restored(
    home: Home, store: Store, directory: Path
) -> None:
    shipment = store.registry.shipping.announce(f"file://{directory}/nas")
    assert shipment is not None
    store.registry.shipping.send(shipment)
    assert store.registry.shipping.settle(shipment)
    before = store.registry.query("SELECT * FROM calls ORDER BY call", [], None).rows
    file = await backed_up(home, store, directory / "backup.tar")
    with tarfile.open(file) as archive:
        assert not [name for name in archive.getnames() if "archive" in name]
    restore(restored := Home(directory / "other"), file)
    registry = Registry.open(restored.database, restored.journal)
    assert registry.query("SELECT * FROM calls ORDER BY call", [], None).rows == before
    registry.close()


async def test_without_keys_nothing_in_it_opens_anything(home: Home, store: Store, directory: Path) -> None:
    file = await backed_up(home, store, directory / "backup.tar")
    with tarfile.open(file) as archive:
        names = archive.getnames()
    assert not [name for name in names if "key" in name or "sessions" in name or "join_tokens" in name]
    assert "./owner" in names
    restore(restored := Home(directory / "other"), file)
    registry = Registry.open(restored.database, restored.journal)
    assert registry.access.sessions() == {}
    registry.close()
    assert not restored.secrets_key_file.exists()


async def test_a_home_that_has_a_registry_is_left_alone(home: Home, store: Store, directory: Path) -> None:
    file = await backed_up(home, store, directory / "backup.tar")
    with pytest.raises(Conflict, match="has a registry already"):
        restore(home, file)


@pytest.mark.parametrize("change", [{"schema": newest() + 1}, {"format": 2}, {"schema": -1}, {"schema": "x"}])
async def test_what_this_program_can_not_read_leaves_no_home(
    home: Home, store: Store, directory: Path, change: dict[str, Any]
) -> None:
    made = Path((await Backups(home, store, Journals(store)).backup(LINK, False, "ann"))["directory"])
    told = json.loads((made / "backup.json").read_text())
    (made / "backup.json").write_text(json.dumps(told | change))
    with tarfile.open(file := directory / "backup.tar", "w") as archive:
        archive.add(made, ".")
    with pytest.raises(BadRequest, match=r"backup"):
        restore(restored := Home(directory / "other"), file)
    assert list(restored.path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no archive" * 1000])
def test_what_is_no_backup_is_told(directory: Path, content: bytes) -> None:
    (directory / "file").write_bytes(content)
    with pytest.raises(BadRequest, match="is no backup"):
        restore(Home(directory / "other"), directory / "file")


def test_a_backup_can_not_write_outside_of_the_home(directory: Path) -> None:
    (directory / "evil").write_text("evil")
    with tarfile.open(file := directory / "backup.tar", "w") as archive:
        archive.add(directory / "evil", "../../evil-outside")
    with pytest.raises(BadRequest, match="is no backup"):
        restore(Home(directory / "a" / "other"), file)
    assert not (directory / "evil-outside").exists()


async def test_a_file_that_was_cut_leaves_no_home(home: Home, store: Store, directory: Path) -> None:
    file = await backed_up(home, store, directory / "backup.tar")
    content = file.read_bytes()
    for share in (3, 5, 9):
        file.write_bytes(content[: len(content) * share // 10])
        with pytest.raises(BadRequest):
            restore(restored := Home(directory / "other"), file)
        assert list(restored.path.iterdir()) == []

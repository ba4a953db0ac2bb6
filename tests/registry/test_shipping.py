"""The archive in an object store: each row is in one place, and recent calls are found while the store is away."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from rayfaas.errors import QueryError, Unavailable
from rayfaas.names import format_uuid7
from rayfaas.registry.archive import DAY_US
from rayfaas.registry.bucket import ArchiveAway, Bucket
from rayfaas.registry.database import now_us
from rayfaas.registry.lineage import Question
from rayfaas.registry.registry import Registry
from rayfaas.registry.usage import Usage
from tests.registry.buckets import S3, moto, silent_server
from tests.registry.builders import ended, line, segment, started
from tests.registry.test_archive import DAY, EVERYTHING, LATER, add_call, in_table, move_all, registry, seen

__all__ = ["registry"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with moto() as address:
        yield address


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, address: str) -> Iterator[None]:
    """As botocore finds them."""
    names = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**names, "AWS_ENDPOINT_URL": address}.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture
def s3(address: str) -> S3:
    return S3(address)


@pytest.fixture
def bucket(s3: S3, tmp_path: Path) -> str:
    return s3.make(tmp_path.name.replace("_", "-").lower()[-40:].strip("-"))


def ship_all(registry: Registry, root: str) -> int:
    """As the server does it. The number of files."""
    files = 0
    while (shipment := registry.shipping.announce(root)) is not None:
        registry.shipping.send(shipment)
        files += registry.shipping.settle(shipment)
    return files


def add_large_call(journal: Path) -> str:
    """One whose files are larger than the ends of files that are kept on this disk."""
    large = random.Random(1).randbytes(100_000).hex()
    call = started(call=format_uuid7(DAY // 1000, 1 << 60), accepted_us=DAY, context=large)
    segment(journal, call, line(large, call=call.call, at_us=DAY), ended(call), number=1 << 19)
    return call.call


def local_files(registry: Registry) -> list[Path]:
    return list(registry._database.archive.glob("*/*"))


def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens where the store was."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_views_show_the_same_from_a_store(registry: Registry, s3: S3, bucket: str) -> None:
    before = [seen(registry, query) for query in EVERYTHING]
    move_all(registry.archive)
    assert ship_all(registry, f"s3://{bucket}/a/b") == 9
    registry.archive.sweep()
    assert local_files(registry) == []
    assert len(s3.objects(bucket)) == 9
    assert all(key.startswith("a/b/") for key in s3.objects(bucket))
    assert [seen(registry, query) for query in EVERYTHING] == before
    assert seen(registry, "SELECT count(*) FROM calls", "green") == [[0]]


def test_it_is_read_after_a_restart_and_where_nothing_was_kept_on_this_disk(
    registry: Registry, bucket: str, tmp_path: Path, journal: Path
) -> None:
    before = [seen(registry, query) for query in EVERYTHING]
    move_all(registry.archive)
    ship_all(registry, f"s3://{bucket}")
    registry.archive.sweep()
    registry.close()
    for path in (tmp_path / "archive.cached").iterdir():
        path.unlink()
    again = Registry.open(tmp_path / "registry.duckdb", journal)
    assert [seen(again, query) for query in EVERYTHING] == before
    again.close()


@pytest.mark.parametrize("root", ["memory://a", "file://{}/nas"])
def test_other_stores_are_read_and_emptied_too(registry: Registry, tmp_path: Path, root: str) -> None:
    root = root.format(tmp_path)
    before = [seen(registry, query) for query in EVERYTHING]
    move_all(registry.archive)
    assert ship_all(registry, root) == 9
    registry.archive.sweep()
    assert [seen(registry, query) for query in EVERYTHING] == before
    store, path = fsspec.url_to_fs(root)
    assert len(store.find(path)) == 9
    registry.archive.delete("calls", LATER)
    assert len(registry.shipping.leftovers()) == 3
    remove_leftovers(registry)
    assert len(store.find(path)) == 6
    store.rm(path, recursive=True)


def remove_leftovers(registry: Registry) -> None:
    for url in registry.shipping.leftovers():
        registry.shipping.remove(url)
        registry.shipping.forget(url)
    assert registry.shipping.leftovers() == []


def test_only_what_was_put_there_is_ever_removed(registry: Registry, s3: S3, bucket: str) -> None:
    s3.put(bucket, "calls/of-somebody-else.parquet", b"theirs")
    move_all(registry.archive)
    ship_all(registry, f"s3://{bucket}")
    for kind in ("calls", "logs", "touches"):
        registry.archive.delete(kind, LATER)
    registry.archive.sweep()
    remove_leftovers(registry)
    assert s3.objects(bucket) == ["calls/of-somebody-else.parquet"]


def test_recent_calls_are_found_while_the_store_is_away(
    registry: Registry, bucket: str, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, recent = add_large_call(journal), add_call(journal, LATER)
    registry.load_journal()
    move_all(registry.archive, DAY + 2 * DAY_US)
    ship_all(registry, f"s3://{bucket}")
    registry.archive.sweep()
    away(monkeypatch)
    since_s = (now_us() - DAY - 2 * DAY_US) / 1e6 + 60
    usage = registry.usage(Usage(["team"], since_s, until_s=0), None)
    assert [row[:2] for row in usage.rows] == [["red", 3]]
    assert (registry.spawned.call(recent, None) or {})["state"] == "SUCCEEDED"
    assert [row.text for row in registry.logs(None, recent, None, 10)] == [f"at {LATER}"]
    assert len(registry.logs("red/f", None, None, 2)) == 2
    assert registry.lineage(Question(of=recent, team="red"), None).nodes
    for ask in (
        lambda: registry.query("SELECT max(context), max(target) FROM calls", [], None),
        lambda: registry.spawned.call(old, None),
        lambda: registry.logs(None, old, None, 10),
    ):
        with pytest.raises(Unavailable, match=r"archive's file s3://.*Recent calls can be asked for"):
            ask()


def test_a_registry_opens_while_the_store_is_away_and_nothing_is_kept_on_this_disk(
    registry: Registry, bucket: str, tmp_path: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_all(registry.archive)
    recent = add_call(journal, LATER)
    registry.load_journal()
    ship_all(registry, f"s3://{bucket}")
    registry.close()
    for path in (tmp_path / "archive.cached").iterdir():
        path.unlink()
    away(monkeypatch)
    again = Registry.open(tmp_path / "registry.duckdb", journal)
    assert (again.spawned.call(recent, None) or {})["state"] == "SUCCEEDED"
    again.close()


def test_while_the_store_is_away_nothing_moves_and_then_all_does(
    registry: Registry, s3: S3, bucket: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [seen(registry, query) for query in EVERYTHING]
    move_all(registry.archive)
    away(monkeypatch)
    with pytest.raises(ArchiveAway):
        ship_all(registry, f"s3://{bucket}")
    registry.archive.sweep()
    assert [seen(registry, query) for query in EVERYTHING] == before
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    assert ship_all(registry, f"s3://{bucket}") == 9
    assert registry.shipping.leftovers() == []
    assert [seen(registry, query) for query in EVERYTHING] == before


def test_a_file_that_somebody_removed_is_told(registry: Registry, s3: S3, bucket: str, journal: Path) -> None:
    add_large_call(journal)
    registry.load_journal()
    move_all(registry.archive)
    ship_all(registry, f"s3://{bucket}")
    for key in s3.objects(bucket):
        s3.remove(bucket, key)
    with pytest.raises(Unavailable, match="it is not there"):
        seen(registry, "SELECT max(target) FROM calls")


def test_a_store_that_hangs_is_waited_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_server() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(ArchiveAway, match=r"no answer within 0\.2 s"):
            Bucket(read_s=0.2).read("s3://bucket/file", 0, 10)


def test_a_file_that_was_deleted_while_it_was_sent_is_a_leftover(registry: Registry, bucket: str) -> None:
    move_all(registry.archive)
    shipment = registry.shipping.announce(f"s3://{bucket}")
    assert shipment is not None
    registry.shipping.send(shipment)
    registry.archive.delete(shipment.kind, LATER)
    assert not registry.shipping.settle(shipment)
    assert registry.shipping.leftovers() == [shipment.url]


@pytest.mark.parametrize("team", ["red", None])
def test_users_can_not_name_what_is_in_a_store(registry: Registry, bucket: str, team: str | None) -> None:
    move_all(registry.archive)
    ship_all(registry, f"s3://{bucket}")
    url = registry._database.run("SELECT file FROM store.partitions LIMIT 1")[0]["file"]
    for query in (
        f"SELECT * FROM 'archive://{url}'",
        f'SELECT * FROM "archive://{url}"',
        f"SELECT * FROM read_parquet('archive://{url}')",
        f"SELECT * FROM read_blob('archive://{url}')",
        f"SELECT * FROM read_text('ARCHIVE://{url}')",
        f"SELECT * FROM parquet_metadata('archive://{url}')",
        "SELECT * FROM glob('archive://**')",
        f"SELECT * FROM '{url}'",
        "SELECT * FROM calls_since(0)",
        "SELECT * FROM store.calls_since(0)",
        "SELECT * FROM leftovers",
        "SELECT * FROM store.partitions",
        f"COPY (SELECT 1) TO 'archive://{url}'",
        "ATTACH 'archive://x.db'",
    ):
        with pytest.raises(QueryError):
            registry.query(query, [], team)


def test_behind_the_views_nothing_but_noted_files_can_be_read_and_none_be_written(
    registry: Registry, bucket: str, s3: S3
) -> None:
    s3.put(bucket, "secret.csv", b"a,b")
    for statement in (
        f"FROM read_csv('archive://s3://{bucket}/secret.csv')",
        "FROM read_text('archive://file:///etc/passwd')",
        f"FROM read_csv('s3://{bucket}/secret.csv')",
        f"COPY (SELECT 1) TO 'archive://s3://{bucket}/x.parquet'",
    ):
        with pytest.raises(Exception, match=r"no such file|disabled by configuration|read only"):
            registry._database.run(statement)
    assert s3.objects(bucket) == ["secret.csv"]


# Ends the process before a line of shipping.py that holds a text is run.
KILLED = """
import linecache, os, signal, sys
from pathlib import Path
from rayfaas.registry import shipping
from rayfaas.registry.database import now_us
from rayfaas.registry.lineage import Question
from rayfaas.registry.registry import Registry
from tests.registry.builders import ended, line, segment, started
from tests.registry.test_archive import move_all
from tests.registry.test_shipping import ship_all
registry = Registry.open(Path(sys.argv[1]), Path(sys.argv[2]))
move_all(registry.archive)
def trace(frame, event, argument):
    if frame.f_code.co_filename != shipping.__file__:
        return None
    if event == "line" and sys.argv[3] in linecache.getline(shipping.__file__, frame.f_lineno):
        os.kill(os.getpid(), signal.SIGKILL)
    return trace
sys.settrace(trace)
ship_all(registry, sys.argv[4])
"""


@pytest.mark.parametrize(
    "text",
    [
        'self._run("note"',
        "self._bucket.write(",  # it is noted
        "with self._database.transaction",  # it is sent
        'self._run("forget"',  # it counts
        "self._database.read_archive",
        "return True",
    ],
)
def test_killed_at_any_step_each_row_is_there_once(
    tmp_path: Path, journal: Path, s3: S3, bucket: str, text: str
) -> None:
    path, root = tmp_path / "registry.duckdb", f"s3://{bucket}/x"
    with_calls = Registry.open(path, journal)
    calls = sorted(add_call(journal, DAY + day * DAY_US) for day in range(2))
    with_calls.load_journal()
    with_calls.close()
    command = [sys.executable, "-c", KILLED, str(path), str(journal), text, root]
    assert subprocess.run(command, env=os.environ).returncode == -signal.SIGKILL
    for _ in range(2):
        again = Registry.open(path, journal)
        assert [row[0] for row in seen(again, "SELECT call FROM calls ORDER BY 1")] == calls
        assert seen(again, "SELECT count(*), count(DISTINCT call) FROM logs") == [[2, 2]]
        assert seen(again, "SELECT count(*), count(DISTINCT call) FROM lineage") == [[2, 2]]
        ship_all(again, root)
        again.archive.sweep()
        assert in_table(again, "partitions") == len(s3.objects(bucket)) == 6
        assert (again.shipping.leftovers(), local_files(again)) == ([], [])
        again.close()

"""A bundle on a node is whole, is what its digest says, and has written nothing outside of its own folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from rayfaas.cluster.bundles import MOST_BYTES, BundleCache, unpack
from rayfaas.errors import DeployError, Unavailable
from tests.executor.replica import archive_of

ARCHIVE = archive_of({"app.py": "def f(): pass", "data/a.txt": "data"})
DIGEST = hashlib.sha256(ARCHIVE).hexdigest()


class Store:
    """Where bundles are fetched from. While `open` is not set, fetches wait."""

    def __init__(self, archive: bytes = ARCHIVE) -> None:
        self.archive = archive
        self.fetched: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def fetch(self, digest: str) -> bytes:
        self.fetched.append(digest)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return self.archive


def entries(directory: Path) -> list[str]:
    """All that is below a directory."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


async def test_a_bundle_is_unpacked_under_its_digest_and_fetched_once(tmp_path: Path) -> None:
    store = Store()
    cache = BundleCache(tmp_path / "cache", store.fetch)
    paths = [await cache.path(DIGEST) for _ in range(3)]
    assert set(paths) == {tmp_path / "cache" / DIGEST}
    assert entries(paths[0]) == ["app.py", "data", "data/a.txt"]
    assert (paths[0] / "data" / "a.txt").read_text() == "data"
    assert store.fetched == [DIGEST]


async def test_many_who_want_it_at_once_share_one_fetch(tmp_path: Path) -> None:
    store = Store()
    store.open.clear()
    cache = BundleCache(tmp_path, store.fetch)
    waiting = [asyncio.ensure_future(cache.path(DIGEST)) for _ in range(5)]
    await asyncio.sleep(0)
    store.open.set()
    assert await asyncio.gather(*waiting) == [tmp_path / DIGEST] * 5
    assert store.fetched == [DIGEST]


async def test_one_who_gives_up_does_not_take_it_from_the_others(tmp_path: Path) -> None:
    store = Store()
    store.open.clear()
    cache = BundleCache(tmp_path, store.fetch)
    first, second = asyncio.ensure_future(cache.path(DIGEST)), asyncio.ensure_future(cache.path(DIGEST))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    store.open.set()
    assert await second == tmp_path / DIGEST
    assert first.cancelled()


async def test_a_bundle_that_arrives_damaged_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    for archive in (ARCHIVE[:-1], ARCHIVE + b"\0", b"", ARCHIVE.replace(b"data", b"dada")):
        with pytest.raises(DeployError, match="damaged"):
            await BundleCache(tmp_path, Store(archive).fetch).path(DIGEST)
        assert entries(tmp_path) == []


async def test_an_archive_that_can_not_be_read_is_the_deployers_fault(tmp_path: Path) -> None:
    locked = bytearray(ARCHIVE)
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        locked[locked.index(mark) + flags] |= 1  # it says that it is encrypted
    archive = bytes(locked)
    with pytest.raises(DeployError, match="no ZIP archive, or a damaged one"):
        await BundleCache(tmp_path, Store(archive).fetch).path(hashlib.sha256(archive).hexdigest())
    assert entries(tmp_path) == []


async def test_what_keeps_a_bundle_from_the_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("what is no folder")
    with pytest.raises(DeployError, match=r"can't be unpacked in .*: File exists"):
        await BundleCache(tmp_path / "cache", Store().fetch).path(DIGEST)


async def test_a_small_archive_of_very_much_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb:
        for number in range(MOST_BYTES >> 24):
            bomb.writestr(f"{number}.txt", bytes(1 << 24))
        bomb.writestr("one more", b"x")
    with pytest.raises(DeployError, match="unpacks to more than 256 MiB"):
        unpack(buffer.getvalue(), tmp_path / "bundle")
    assert entries(tmp_path) == []


async def test_a_fetch_that_fails_can_be_tried_again(tmp_path: Path) -> None:
    store = Store()
    cache = BundleCache(tmp_path, store.fetch)
    store.error = Unavailable("not now")
    with pytest.raises(Unavailable):
        await cache.path(DIGEST)
    store.error = None
    assert await cache.path(DIGEST) == tmp_path / DIGEST


async def test_caches_that_share_a_directory_do_not_disturb_each_other(tmp_path: Path) -> None:
    caches = [BundleCache(tmp_path, Store().fetch) for _ in range(6)]
    paths = await asyncio.gather(*(cache.path(DIGEST) for cache in caches))
    assert set(paths) == {tmp_path / DIGEST}
    assert entries(tmp_path) == [DIGEST, f"{DIGEST}/app.py", f"{DIGEST}/data", f"{DIGEST}/data/a.txt"]


async def test_what_a_killed_supervisor_had_half_unpacked_is_no_bundle(tmp_path: Path) -> None:
    half = tmp_path / ".unpacking-killed"
    half.mkdir()
    (half / "app.py").write_text("def f(")
    path = await BundleCache(tmp_path, Store().fetch).path(DIGEST)
    assert (path / "app.py").read_text() == "def f(): pass"


@pytest.mark.parametrize(
    "name",
    [
        "../escaped.py",
        "../../escaped.py",
        "package/../../escaped.py",
        "package/..",
        "..",
        "/tmp/rf-escaped.py",
        "//tmp/rf-escaped.py",
        "..\\escaped.py",
        "package\\escaped.py",
        "C:\\escaped.py",
    ],
)
def test_a_name_that_leaves_the_bundle_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    target = tmp_path / "cache" / "bundle"
    with pytest.raises(DeployError, match="a path that leaves it"):
        unpack(archive_of({"app.py": "", name: "escaped"}), target)
    assert entries(tmp_path) == ["cache"]
    assert not Path("/tmp/rf-escaped.py").exists()


def test_names_that_only_look_so_are_fine(tmp_path: Path) -> None:
    unpack(archive_of({"..a/b..py": "1", "...": "2", ".hidden": "3", "a b/ü.txt": "4"}), tmp_path / "b")
    assert entries(tmp_path / "b") == sorted(["...", "..a", "..a/b..py", ".hidden", "a b", "a b/ü.txt"])


def test_a_link_in_a_bundle_is_a_file_with_its_text(tmp_path: Path) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    unpack(buffer.getvalue(), tmp_path / "b")
    assert not (tmp_path / "b" / "link").is_symlink()
    assert (tmp_path / "b" / "link").read_text() == "/etc/passwd"


def test_a_bundle_that_can_not_be_written_appears_not_at_all(tmp_path: Path) -> None:
    conflicting = archive_of({"app.py": "", "a": "a file", "a/b": "and a folder"})
    with pytest.raises(OSError, match="a"):
        unpack(conflicting, tmp_path / "b")
    assert entries(tmp_path) == []


def test_a_bundle_that_is_there_already_stays_as_it_is(tmp_path: Path) -> None:
    unpack(archive_of({"app.py": "first"}), tmp_path / "b")
    unpack(archive_of({"app.py": "second"}), tmp_path / "b")
    assert (tmp_path / "b" / "app.py").read_text() == "first"
    assert os.listdir(tmp_path) == ["b"]

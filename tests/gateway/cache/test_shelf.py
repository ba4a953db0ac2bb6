"""Results on disk: whole or not at all, and never more than there is room for."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from rayfaas.gateway.cache.shelf import Entry, Shelf


def key(number: int) -> str:
    return f"{number:064x}"[::-1]


def entry(body: bytes = b"1") -> Entry:
    return Entry("call", 3, 1_700_000_000_000_000, "application/json", (("file:///a", "sha256:1"),), body)


def test_what_was_put_is_there_for_every_gateway(tmp_path: Path) -> None:
    Shelf(tmp_path, 1 << 20).put(key(1), entry())
    other = Shelf(tmp_path, 1 << 20)
    assert other.get(key(1)) == entry()
    assert other.get(key(2)) is None
    other.put(key(1), entry(b"2"))
    assert other.get(key(1)) == entry(b"2")


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    Shelf(tmp_path, 1 << 20).put(key(1), entry())
    (path,) = tmp_path.glob("*/*")
    assert path.stat().st_mode & 0o077 == path.parent.stat().st_mode & 0o077 == 0


def test_what_is_damaged_is_not_there(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 1 << 20)
    shelf.put(key(1), entry(b"x" * 100))
    (path,) = tmp_path.glob("*/*")
    whole = path.read_bytes()
    for damaged in (b"", whole[:10], whole[:-1], whole[:-1] + b"y", bytes(len(whole))):
        path.write_bytes(damaged)
        assert shelf.get(key(1)) is None


def test_what_another_version_of_the_software_wrote_is_not_there(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 1 << 20)
    shelf.put(key(1), entry())
    (path,) = tmp_path.glob("*/*")
    content = msgspec.msgpack.encode(["call", {"of": "another form"}])
    path.write_bytes(hashlib.sha256(content).digest() + content)
    assert shelf.get(key(1)) is None


def test_what_was_not_asked_for_longest_goes_first(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 10_000)
    for number in range(8):
        shelf.put(key(number), entry(b"x" * 1000))
        os.utime(tmp_path / key(number)[:2] / key(number), (number, number))
    assert shelf.get(key(0)) is not None  # asked for just now
    for number in range(8, 11):
        shelf.put(key(number), entry(b"x" * 1000))
    there = [number for number in range(11) if shelf.get(key(number)) is not None]
    assert 0 in there
    assert 10 in there
    assert 1 not in there
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 10_000


def test_what_a_process_that_was_killed_had_begun_is_swept(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 1 << 20)
    shelf.put(key(1), entry())
    begun = tmp_path / key(1)[:2] / ".new-1"
    begun.write_bytes(b"half")
    shelf.sweep()
    assert begun.exists()  # it may be another gateway's, which goes on
    os.utime(begun, (1, 1))
    shelf.sweep()
    assert not begun.exists()
    assert shelf.get(key(1)) is not None

"""Parts of files on this disk: found again if whole, the oldest forgotten where there is no room, ends kept."""

from __future__ import annotations

import os
from pathlib import Path

from rayfaas.registry.blocks import Blocks
from tests.server.parts import full_disk


def test_a_part_is_found_again_also_after_a_restart(tmp_path: Path) -> None:
    Blocks(tmp_path / "kept", 100).put("s3://a/b", "0", b"some")
    blocks = Blocks(tmp_path / "kept", 100)
    assert blocks.get("s3://a/b", "0") == b"some"
    assert blocks.get("s3://a/b", "1") is None
    assert blocks.get("s3://a/c", "0") is None


def test_what_was_used_last_is_kept_and_ends_always(tmp_path: Path) -> None:
    blocks = Blocks(tmp_path, 100)
    blocks.put("a", "end", b"." * 500)
    for number in range(3):
        blocks.put("a", str(number), b"." * 26)
    for age, path in enumerate(sorted(tmp_path.iterdir(), reverse=True)):
        os.utime(path, (1000 - age, 1000 - age))
    assert blocks.get("a", "0") is not None
    blocks.put("a", "3", b"." * 26)
    assert [blocks.get("a", part) is not None for part in ("end", "0", "1", "3")] == [True, True, False, True]


def test_what_is_damaged_is_not_given(tmp_path: Path) -> None:
    blocks = Blocks(tmp_path, 100)
    blocks.put("a", "0", b"some")
    (path,) = tmp_path.iterdir()
    for damaged in (b"", path.read_bytes()[:-1], path.read_bytes()[:-1] + b"x"):
        path.write_bytes(damaged)
        assert blocks.get("a", "0") is None


def test_where_the_disk_is_full_nothing_is_kept(tmp_path: Path) -> None:
    blocks = Blocks(tmp_path, 1 << 20)
    with full_disk(100):
        blocks.put("a", "0", b"." * 10_000)
    assert list(tmp_path.iterdir()) == []


def test_of_a_file_that_is_gone_all_is_forgotten(tmp_path: Path) -> None:
    blocks = Blocks(tmp_path, 100)
    for url in ("a", "b"):
        blocks.put(url, "end", b"e")
        blocks.put(url, "0", b"0")
    blocks.forget("a")
    assert [blocks.get(url, "0") for url in ("a", "b")] == [None, b"0"]
    assert len(list(tmp_path.iterdir())) == 2

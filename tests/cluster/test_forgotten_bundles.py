"""Bundles that no code runs from any more go from a node's cache."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from rayfaas.cluster.bundles import BundleCache


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("m.py", "def f(): ...\n")
    return buffer.getvalue()


async def test_it_goes_and_is_fetched_again_when_it_is_needed(tmp_path: Path) -> None:
    fetched: list[str] = []

    async def fetch(digest: str) -> bytes:
        fetched.append(digest)
        return archive()

    cache, digest = BundleCache(tmp_path, fetch), hashlib.sha256(archive()).hexdigest()
    await cache.path(digest)
    await asyncio.gather(*(asyncio.to_thread(cache.forget, digest) for _ in range(3)))
    assert os.listdir(tmp_path) == []
    assert (await cache.path(digest) / "m.py").is_file()
    assert fetched == [digest, digest]


@pytest.mark.parametrize("folder", [".", "of a node that has had no bundle yet"])
def test_one_that_is_not_there_is_forgotten_already(tmp_path: Path, folder: str) -> None:
    BundleCache(tmp_path / folder, lambda _: asyncio.sleep(0, b"")).forget("0" * 64)
    assert list(tmp_path.iterdir()) == []

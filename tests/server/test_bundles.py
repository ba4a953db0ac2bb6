"""A bundle is what its digest says, whole, or it is not there."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rayfaas.errors import BadRequest, NotFound, Unavailable
from rayfaas.server.bundles import BundleStore
from tests.server.parts import full_disk


def digest_of(archive: bytes) -> str:
    return hashlib.sha256(archive).hexdigest()


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "archive", [b"", b"\0", b"zip\r\n\x1a", os.urandom(3 << 20)], ids=["empty", "nul", "text", "3 MB"]
)
def test_what_was_put_is_what_comes_back(tmp_path: Path, archive: bytes) -> None:
    digest = digest_of(archive)
    store = BundleStore(tmp_path / "bundles")
    assert not store.has(digest)
    store.put(digest, archive)
    assert store.has(digest)
    assert BundleStore(tmp_path / "bundles").get(digest) == archive


@pytest.mark.parametrize("digest", [digest_of(b"other"), digest_of(b"zip").upper(), "", "..", "../../x", "/etc/passwd"])
def test_an_archive_that_is_not_what_its_digest_says_is_refused_and_leaves_nothing(tmp_path: Path, digest: str) -> None:
    with pytest.raises(BadRequest, match="SHA-256"):
        BundleStore(tmp_path / "bundles").put(digest, b"zip")
    assert files(tmp_path) == []


def test_a_bundle_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    assert not store.has("a" * 64)
    with pytest.raises(NotFound) as refused:
        store.get("a" * 64)
    assert refused.value.extra == {"bundle": "a" * 64}


def test_a_bundle_may_be_put_again_and_by_many_at_once(tmp_path: Path) -> None:
    archive = os.urandom(1 << 18)
    store = BundleStore(tmp_path)
    threads = [threading.Thread(target=store.put, args=[digest_of(archive), archive]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get(digest_of(archive)) == archive
    assert len(files(tmp_path)) == 1


def test_a_full_disk_leaves_no_half_of_it(tmp_path: Path) -> None:
    archive = os.urandom(10_000)
    store = BundleStore(tmp_path)
    with full_disk(free=5_000), pytest.raises(Unavailable, match="File too large"):
        store.put(digest_of(archive), archive)
    assert not store.has(digest_of(archive))
    assert files(tmp_path) == []
    store.put(digest_of(archive), archive)
    assert store.get(digest_of(archive)) == archive


def test_a_server_that_is_killed_while_it_writes_one_has_none(tmp_path: Path) -> None:
    script = """
import hashlib, os, signal, sys
from pathlib import Path
from rayfaas.server.bundles import BundleStore
os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)
BundleStore(Path(sys.argv[1])).put(hashlib.sha256(b"zip").hexdigest(), b"zip")
"""
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)]).returncode == -signal.SIGKILL
    store = BundleStore(tmp_path)
    assert not store.has(digest_of(b"zip"))
    store.put(digest_of(b"zip"), b"zip")
    assert store.get(digest_of(b"zip")) == b"zip"

"""Bundles on a node: fetched once, checked against their digest, unpacked beside each other."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from rayfaas.errors import DeployError

# All files together: as much as a bundle has that is not compressed. What is sent small could be very large.
MOST_BYTES = 256 << 20

Fetch = Callable[[str], Awaitable[bytes]]


class BundleCache:
    """Unpacked bundles below `directory`, which several supervisors of one node may share."""

    def __init__(self, directory: Path, fetch: Fetch) -> None:
        self.directory, self._fetch = directory, fetch
        self._under_way: dict[str, asyncio.Task[Path]] = {}

    async def path(self, digest: str) -> Path:
        """Where the bundle lies unpacked. Raises `DeployError` if it can't be had or is not what its digest says."""
        path = self.directory / digest
        if path.is_dir():
            return path
        task = self._under_way.get(digest)
        if task is None:
            task = self._under_way[digest] = asyncio.get_running_loop().create_task(self._get(digest, path))
            task.add_done_callback(lambda _: self._under_way.pop(digest, None))
        return await asyncio.shield(task)

    def forget(self, digest: str) -> None:
        """No code runs from it any more. It goes at once; supervisors of one node may all be asked."""
        if not (self.directory / digest).exists():
            return
        scratch = Path(tempfile.mkdtemp(prefix=".going-", dir=self.directory))
        with contextlib.suppress(FileNotFoundError):
            os.rename(self.directory / digest, scratch / digest)
        shutil.rmtree(scratch, ignore_errors=True)

    async def _get(self, digest: str, path: Path) -> Path:
        archive = await self._fetch(digest)
        try:
            await asyncio.to_thread(_unpack_checked, archive, digest, path)
        except OSError as error:  # the disk is full, say
            raise DeployError(f"The bundle can't be unpacked in {path.parent}: {error.strerror}.") from error
        return path


def unpack(archive: bytes, path: Path) -> None:
    """Unpack into `path`, which appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=path.parent))
    try:
        try:
            with zipfile.ZipFile(io.BytesIO(archive)) as bundle:
                _check_names(bundle)
                _check_size(bundle)
                bundle.extractall(scratch)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise DeployError(f"the bundle is no ZIP archive, or a damaged one: {error}") from None
        try:
            os.rename(scratch, path)
        except OSError:
            if not path.is_dir():  # another supervisor of this node was faster, which is as good
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _unpack_checked(archive: bytes, digest: str, path: Path) -> None:
    if hashlib.sha256(archive).hexdigest() != digest:
        raise DeployError(f"bundle {digest[:12]} arrived damaged")
    unpack(archive, path)


def _check_names(bundle: zipfile.ZipFile) -> None:
    for name in bundle.namelist():
        if name.startswith("/") or ".." in name.split("/") or "\\" in name:
            raise DeployError(f"the bundle holds {name!r}, a path that leaves it")


def _check_size(bundle: zipfile.ZipFile) -> None:
    """By what the archive says: no more of an entry is unpacked."""
    if sum(info.file_size for info in bundle.infolist()) > MOST_BYTES:
        raise DeployError(f"the bundle unpacks to more than {MOST_BYTES >> 20} MiB")

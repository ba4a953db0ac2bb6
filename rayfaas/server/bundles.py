"""Bundles of the home server: files named by their SHA-256."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rayfaas.errors import BadRequest, NotFound, Unavailable
from rayfaas.whole_file import write_whole


class BundleStore:
    """Archives below `directory`. What `put` has returned for survives a crash of the machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def has(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def put(self, digest: str, archive: bytes) -> None:
        """Raises `BadRequest` where the archive is not what its digest says, `Unavailable` where it can't be kept."""
        if hashlib.sha256(archive).hexdigest() != digest:
            raise BadRequest("The bundle's SHA-256 is not the one in its address; was it cut off on the way?")
        try:
            path = self._path(digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, archive, synced=True)
        except OSError as error:
            raise Unavailable(
                f"The server can't keep the bundle: {error.strerror}. Nothing is changed; make room where its bundles "
                "are, then deploy again."
            ) from None

    def get(self, digest: str) -> bytes:
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"Bundle {digest[:12]} is not on this server.", bundle=digest) from None

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest

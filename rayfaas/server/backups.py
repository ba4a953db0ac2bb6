"""Backups: a folder with all that a home needs to begin again, made while calls go on.

backup.json               which schema the tables have, and when it was made
tables/<name>.parquet     the registry's tables
archive/…, bundles/…      files that are never changed, as links
owner                     the id of the installation
secrets.key, …            keys, where they were asked for
"""

from __future__ import annotations

import asyncio
import os
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from rayfaas.config import Home
from rayfaas.link import Link, Method
from rayfaas.names import new_id
from rayfaas.server.journals import Journals
from rayfaas.server.store import Store

MANIFEST = "backup.json"
TABLES = "tables"
FORMAT = 1


class Manifest(msgspec.Struct, frozen=True):
    """What a backup tells of itself."""

    format: int
    schema: int
    made_at: datetime
    with_keys: bool


def key_files(home: Home) -> list[Path]:
    """What opens secrets, and by which other machines know this home."""
    return [home.secrets_key_file, home.certificate_file]


class Backups:
    """`methods` are for whoever has the home's key: its owner."""

    def __init__(self, home: Home, store: Store, journals: Journals) -> None:
        self._home, self._store, self._journals = home, store, journals
        self.methods: dict[str, Method] = {"backup": self.backup}

    async def backup(self, link: Link, with_keys: bool, actor: str) -> dict[str, Any]:
        """Who asked packs the folder, and removes it."""
        await self._journals.load()
        directory = self._home.outgoing / f"backup-{new_id()}"
        try:
            await asyncio.to_thread(directory.joinpath(TABLES).mkdir, 0o700, True)
            await self._store.query(self._write, directory, with_keys)
        except BaseException:  # a cancel too: half a backup is nobody's
            await asyncio.to_thread(shutil.rmtree, directory, True)
            raise
        what = "registry and keys" if with_keys else "registry"
        await self._store.write(self._store.registry.access.note, actor, "backup made", what)
        return {"directory": str(directory)}

    def _write(self, directory: Path, with_keys: bool) -> None:
        backup = self._store.registry.backup
        version = backup.write(directory / TABLES, with_keys)
        for file in backup.files():
            _link(file, directory / "archive" / file.relative_to(self._home.archive))
        for file in self._home.bundles.glob("??/" + "?" * 64):
            _link(file, directory / "bundles" / file.relative_to(self._home.bundles))
        for file in [self._home.owner_file, *(key_files(self._home) if with_keys else [])]:
            if file.exists():
                _link(file, directory / file.name)
        manifest = Manifest(FORMAT, version, datetime.now(timezone.utc), with_keys)
        (directory / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def _link(file: Path, link: Path) -> None:
    link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.link(file, link)

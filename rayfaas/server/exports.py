"""Exports, as gateways ask for them: made as files of the home, which those on other machines read over their link."""

from __future__ import annotations

import asyncio
import re
from datetime import date
from pathlib import Path
from typing import Any

from rayfaas.errors import BadRequest, NotFound
from rayfaas.link import Link, Method
from rayfaas.server.answers import sees
from rayfaas.server.journals import Journals
from rayfaas.server.store import Store

_NAME = re.compile(r"export-[0-9a-f-]{36}\.parquet", re.ASCII)
_MOST_AT_ONCE = 4 << 20


class Exports:
    """`methods` are for gateways. Files are in `directory`; one that nobody takes away is removed after a day."""

    def __init__(self, store: Store, journals: Journals, directory: Path) -> None:
        self._store, self._journals, self._directory = store, journals, directory
        self.methods: dict[str, Method] = {"export": self.export, "read_export": self.read}

    async def export(self, link: Link, view: str, day: str | None, actor: dict[str, str]) -> dict[str, Any]:
        await self._journals.load()
        asked = view, _day(day), sees(actor)
        made = await self._store.export(actor["team"], self._store.registry.exports.export, *asked)
        return {"file": str(made.file), "rows": made.rows}

    async def read(self, link: Link, file: str, offset: int, limit: int) -> bytes:
        """So many bytes of it, fewer at its end: then it is gone. Raises `NotFound`."""
        if not _NAME.fullmatch(name := Path(file).name) or not 0 < limit <= _MOST_AT_ONCE:
            raise BadRequest(f"{file!r} is no export, or {limit} bytes of it can't be read at once.")
        return await asyncio.to_thread(_read, self._directory / name, offset, limit)


def _read(path: Path, offset: int, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            piece = file.read(limit)
    except FileNotFoundError:
        raise NotFound(f"There is no export {path.name} any more.") from None
    if len(piece) < limit:
        path.unlink(missing_ok=True)
    return piece


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"day is written 2026-11-27, not {text!r}.") from None

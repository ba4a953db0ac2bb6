"""Exports over HTTP: a Parquet file that the controller made, sent as it is read; it is gone from the disk by then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.rights import actor_of, allow_in_person
from rayfaas.gateway.routes import Routes
from rayfaas.wire import PARQUET

_CHUNK = 1 << 20


class Exports:
    """What the asker's team sees, and no more."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        return [Route("/v1/export/{view}", self.export)]

    async def export(self, request: Request) -> Response:
        """A view whole; of calls, logs and lineage `?day=2026-11-27`. `Rayfaas-Rows` says how many."""
        principal = allow_in_person(self._routes, request)
        asked = {"view": str(request.path_params["view"]), "day": request.query_params.get("day")}
        made = await self._controller.request("export", **asked, actor=actor_of(principal))
        if self._controller.is_elsewhere:
            chunks = self._fetched(made["file"])
        else:
            chunks = _chunks(await asyncio.to_thread(_taken, Path(made["file"])))
        return StreamingResponse(chunks, media_type=PARQUET, headers={"rayfaas-rows": str(made["rows"])})

    async def _fetched(self, file: str) -> AsyncIterator[bytes]:
        """Over the link; the controller has no such file any more when it has given the last of it."""
        offset, is_whole = 0, False
        while not is_whole:
            asked = {"file": file, "offset": offset, "limit": _CHUNK}
            chunk: bytes = await self._controller.request("read_export", **asked)
            offset, is_whole = offset + len(chunk), len(chunk) < _CHUNK
            yield chunk


def _taken(path: Path) -> BinaryIO:
    """The open file, which has no name any more: it is gone when it is closed, whatever happens."""
    file = path.open("rb")
    path.unlink()
    return file


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk

"""The journal of a gateway whose controller is on another machine: the controller copies it, over the link.

Segments stay here until the controller says that it has them on its disk. Those that an earlier life of this gateway
left, however it ended, are copied like the present ones.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from rayfaas.errors import BadRequest
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.journal import Journal
from rayfaas.within import within

# How long a gateway that ends waits for the controller to copy its last records; its next life offers them again.
COPY_S = 10.0


class Segments:
    """Answers the controller's `journal_segments`, `read_journal` and `forget_journal`."""

    def __init__(self, journal: Journal, controller: ControllerLink) -> None:
        self._journal = journal
        self._forgot = asyncio.Event()
        controller.methods |= {
            "journal_segments": self._segments,
            "read_journal": self._read,
            "forget_journal": self._forget,
        }

    async def wait_copied(self, timeout_s: float = COPY_S) -> None:
        """Returns when the journal, which is closed, is with the controller, or the time is over."""
        try:
            await within(timeout_s, self._wait_forgotten())
        except asyncio.TimeoutError:
            pass

    async def _wait_forgotten(self) -> None:
        while self._paths():
            self._forgot.clear()
            await self._forgot.wait()

    # From the controller

    async def _segments(self, link: object) -> list[tuple[str, int, bool]]:
        """Name, size in bytes, and whether that is all of it; the oldest first."""
        return [(path.name, path.stat().st_size, path.name != self._journal.segment) for path in self._paths()]

    async def _read(self, link: object, segment: str, offset: int, limit: int) -> bytes:
        # On the loop, as all writing is: no half record is seen that a full disk has taken and gives back.
        for path in self._paths():
            if path.name == segment:
                with path.open("rb") as file:
                    file.seek(offset)
                    return file.read(limit)
        raise BadRequest(f"There is no segment {segment!r} here.")

    async def _forget(self, link: object, segments: list[str]) -> None:
        for path in self._paths():
            if path.name in segments and path.name != self._journal.segment:
                path.unlink()
        self._forgot.set()

    def _paths(self) -> list[Path]:
        return sorted(self._journal.directory.glob("*.ndjson"))

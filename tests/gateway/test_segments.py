"""What a gateway elsewhere tells its controller of its journal, and when it lets go of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rayfaas.errors import BadRequest
from rayfaas.gateway.call_access import CallAccess
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.deaths import Deaths
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.segments import Segments
from tests.registry.builders import lines, started


class Kept:
    """A journal with one record, and the segments of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.controller = ControllerLink(Routes(CallAccess(b"key", "")), Deaths())
        self.journal = Journal(directory, "edge")
        self.segments = Segments(self.journal, self.controller)
        self.record = started()
        self.journal.started(self.record)

    async def ask(self, method: str, **parameters: Any) -> Any:
        return await self.controller.methods[method](None, **parameters)  # type: ignore[misc]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "journal")


async def test_what_is_written_is_told_and_read(kept: Kept) -> None:
    written = lines(kept.record)
    name = kept.journal.segment
    assert await kept.ask("journal_segments") == [(name, len(written), False)]
    assert await kept.ask("read_journal", segment=name, offset=2, limit=5) == written[2:7]
    assert await kept.ask("read_journal", segment=name, offset=len(written), limit=5) == b""
    for wrong in ("../journal/" + name, "other.ndjson", ""):
        with pytest.raises(BadRequest):
            await kept.ask("read_journal", segment=wrong, offset=0, limit=5)


async def test_what_is_written_to_is_never_deleted(kept: Kept) -> None:
    await kept.ask("forget_journal", segments=[kept.journal.segment])
    assert [path.name for path in kept.directory.iterdir()] == [kept.journal.segment]


async def test_who_ends_waits_until_the_controller_has_all(kept: Kept) -> None:
    name = kept.journal.segment
    kept.journal.close()
    waiting = asyncio.ensure_future(kept.segments.wait_copied(20))
    assert [told[2] for told in await kept.ask("journal_segments")] == [True]
    assert not waiting.done()
    await kept.ask("forget_journal", segments=["another", name])
    await waiting
    assert list(kept.directory.iterdir()) == []


async def test_who_ends_waits_for_no_controller_that_does_not_come(kept: Kept) -> None:
    kept.journal.close()
    await kept.segments.wait_copied(0.01)
    assert len(list(kept.directory.iterdir())) == 1

"""When a load has returned, all that was recorded before it was asked for is in the registry."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from rayfaas.config import Home
from rayfaas.registry import Registry
from rayfaas.registry.journal import Loaded
from rayfaas.server import journals as server_journals
from rayfaas.server.journals import Journals
from rayfaas.server.store import Store
from tests.registry.builders import line, segment
from tests.waiting import eventually


class SlowRegistry:
    """A pass lasts until the test ends it; it finds what was recorded when it began."""

    def __init__(self) -> None:
        self.recorded = 0
        self.found: list[int] = []
        self.may_end = threading.Semaphore(0)
        self.began = threading.Semaphore(0)
        self.error: Exception | None = None

    def load_journal(self) -> Loaded:
        found = self.recorded
        self.began.release()
        assert self.may_end.acquire(timeout=20)
        if self.error is not None:
            raise self.error
        self.found.append(found)
        return Loaded(found)

    def close(self) -> None:
        pass


@pytest.fixture
def slow() -> SlowRegistry:
    return SlowRegistry()


@pytest.fixture
def journals(slow: SlowRegistry) -> Iterator[Journals]:
    store = Store(cast(Registry, slow))
    yield Journals(store)
    store.close()


async def begun(slow: SlowRegistry) -> None:
    assert await asyncio.to_thread(slow.began.acquire, timeout=20)


async def test_what_was_recorded_before_is_loaded_when_it_returns(home: Home, store: Store) -> None:
    journals = Journals(store)
    for number in range(3):
        segment(home.journal, line(str(number)), number=number)
        assert await journals.load() == 1
        assert len(store.registry.logs(None, None, None, 9)) == number + 1
    assert await journals.load() == 0


async def test_who_comes_during_a_pass_waits_for_the_next_one(slow: SlowRegistry, journals: Journals) -> None:
    first = asyncio.ensure_future(journals.load())
    await begun(slow)
    slow.recorded = 7
    second = asyncio.ensure_future(journals.load())
    slow.may_end.release()
    assert await first == 0
    assert not second.done()
    slow.may_end.release()
    assert await second == 7


async def test_all_who_come_during_a_pass_share_the_next_one(slow: SlowRegistry, journals: Journals) -> None:
    first = asyncio.ensure_future(journals.load())
    await begun(slow)
    others = [asyncio.ensure_future(journals.load()) for _ in range(20)]
    slow.may_end.release(2)
    await asyncio.gather(first, *others)
    assert len(slow.found) == 2


async def test_who_gives_up_does_not_take_the_pass_from_the_others(slow: SlowRegistry, journals: Journals) -> None:
    slow.recorded = 3
    gives_up = asyncio.ensure_future(journals.load())
    waits = asyncio.ensure_future(journals.load())
    await begun(slow)
    gives_up.cancel()
    slow.may_end.release()
    assert await waits == 3


async def test_a_pass_that_fails_is_followed_by_one_that_does_not(
    slow: SlowRegistry, journals: Journals, caplog: pytest.LogCaptureFixture
) -> None:
    slow.error = OSError("no space left on device")
    slow.may_end.release(2)
    assert await journals.load() == 0
    assert "no space left on device" in caplog.text
    slow.error, slow.recorded = None, 5
    assert await journals.load() == 5


async def test_the_journal_is_loaded_again_and_again(
    slow: SlowRegistry, journals: Journals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_journals, "LOAD_S", 0.001)
    slow.may_end.release(3)
    keeping = asyncio.ensure_future(journals.keep_loading())
    await eventually(lambda: len(slow.found) == 3)
    keeping.cancel()
    slow.may_end.release()
    await asyncio.wait([keeping])


async def test_a_pass_that_found_many_is_followed_by_the_next_at_once(
    slow: SlowRegistry, journals: Journals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_journals, "LOAD_S", 3600.0)
    slow.recorded = 1_000_000
    slow.may_end.release(3)
    keeping = asyncio.ensure_future(journals.keep_loading())
    await eventually(lambda: len(slow.found) == 3)
    keeping.cancel()
    slow.may_end.release()
    await asyncio.wait([keeping])

"""Whatever one team asks, the next one's question is answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from rayfaas.errors import NotFound, QueueFull, Unavailable
from rayfaas.server.askers import MOST_OF_A_TEAM, Askers


@pytest.fixture
def may_end() -> Iterator[threading.Event]:
    """Long queries go on until it is set."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def askers() -> Iterator[Askers]:
    askers = Askers("query", threads=4, share=2)
    yield askers
    askers.close()


def flood(askers: Askers, team: str, may_end: threading.Event) -> list[asyncio.Future[bool]]:
    """As many long ones as a team may ask."""
    return [asyncio.ensure_future(askers.ask(team, may_end.wait)) for _ in range(MOST_OF_A_TEAM)]


async def test_a_team_that_floods_leaves_others_their_share(askers: Askers, may_end: threading.Event) -> None:
    flooding = flood(askers, "red", may_end)
    await asyncio.sleep(0)
    for _ in range(20):
        assert await askers.ask("blue", lambda: "answer") == "answer"
    assert not any(each.done() for each in flooding)
    may_end.set()
    assert all(await asyncio.gather(*flooding))


async def test_a_team_has_no_more_than_its_share_at_once(askers: Askers, may_end: threading.Event) -> None:
    begun = threading.Semaphore(0)

    def run() -> bool:
        begun.release()
        return may_end.wait()

    asking = [asyncio.ensure_future(askers.ask("red", run)) for _ in range(MOST_OF_A_TEAM)]
    for _ in range(2):
        await asyncio.to_thread(begun.acquire)
    await askers.ask("blue", lambda: None)
    assert not begun.acquire(blocking=False)
    may_end.set()
    assert all(await asyncio.gather(*asking))


async def test_where_all_threads_are_taken_the_team_that_has_none_is_next(
    askers: Askers, may_end: threading.Event
) -> None:
    """And not after all that the others asked before."""
    done: list[str] = []
    flooding = [*flood(askers, "red", may_end), *flood(askers, "blue", may_end)]
    for each in flooding:
        each.add_done_callback(lambda _: done.append("flood"))
    await asyncio.sleep(0)
    asking = asyncio.ensure_future(askers.ask("green", lambda: None))
    asking.add_done_callback(lambda _: done.append("green"))
    await asyncio.sleep(0)
    may_end.set()
    await asyncio.gather(*flooding, asking)
    assert done.index("green") < 2 * MOST_OF_A_TEAM - 4


async def test_more_than_a_team_may_ask_is_refused_with_what_to_do(askers: Askers, may_end: threading.Event) -> None:
    flooding = flood(askers, "red", may_end)
    await asyncio.sleep(0)
    with pytest.raises(QueueFull, match=r"8 queries of team red .* Ask again when") as refused:
        await askers.ask("red", lambda: None)
    assert refused.value.extra["retry_after_s"] > 0
    may_end.set()
    await asyncio.gather(*flooding)
    assert await askers.ask("red", lambda: "answer") == "answer"


async def test_one_whose_turn_does_not_come_is_told_so_and_is_not_run(may_end: threading.Event) -> None:
    askers = Askers("query", threads=1, share=1, wait_s=0.01)
    held = asyncio.ensure_future(askers.ask("red", may_end.wait))
    await asyncio.sleep(0)
    run: list[str] = []
    with pytest.raises(Unavailable, match="Ask again in a moment") as refused:
        await askers.ask("blue", lambda: run.append("blue"))
    assert refused.value.extra["retry_after_s"] > 0
    may_end.set()
    await held
    assert await askers.ask("blue", lambda: "answer") == "answer"
    assert run == []
    askers.close()


async def test_who_gives_up_frees_no_thread_before_the_query_ends(askers: Askers, may_end: threading.Event) -> None:
    flooding = flood(askers, "red", may_end)
    await asyncio.sleep(0)
    while not any(each.done() for each in flooding):
        for each in flooding:
            each.cancel()
        await asyncio.sleep(0)
    more = [asyncio.ensure_future(askers.ask("red", lambda: "red")) for _ in range(2)]
    assert await askers.ask("blue", lambda: "blue") == "blue"
    assert not any(each.done() for each in more)
    may_end.set()
    assert await asyncio.gather(*more) == ["red", "red"]


async def test_what_a_query_raises_arrives(askers: Askers) -> None:
    def fail() -> None:
        raise NotFound("no such thing")

    with pytest.raises(NotFound, match="no such thing"):
        await askers.ask("red", fail)

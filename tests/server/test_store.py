"""Writes are one after the other, questions beside them, and none of both on the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from rayfaas.errors import NotFound, QueueFull
from rayfaas.registry import Registry
from rayfaas.server.store import MOST_ASKED, MOST_OF_A_TEAM, Store


class ClosableOnly:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def closable() -> ClosableOnly:
    return ClosableOnly()


@pytest.fixture
def store(closable: ClosableOnly) -> Iterator[Store]:
    store = Store(cast(Registry, closable))
    yield store
    if not closable.closed:
        store.close()


async def test_writes_are_done_in_order_one_at_a_time(store: Store) -> None:
    done: list[int] = []
    may_end = threading.Event()
    first = asyncio.ensure_future(store.write(may_end.wait, 20))
    others = [asyncio.ensure_future(store.write(done.append, number)) for number in range(20)]
    for _ in range(20):
        await store.query(lambda: None)
    assert done == []
    may_end.set()
    await asyncio.gather(first, *others)
    assert done == list(range(20))


async def test_a_question_is_answered_while_a_write_takes_long(store: Store) -> None:
    may_end = threading.Event()
    writing = asyncio.ensure_future(store.write(may_end.wait, 20))
    assert await store.query(lambda: "answer") == "answer"
    assert not writing.done()
    may_end.set()
    assert await writing


async def test_nothing_of_it_runs_on_the_event_loop(store: Store) -> None:
    here = threading.get_ident()
    assert await store.write(threading.get_ident) != here
    assert await store.query(threading.get_ident) != here


async def test_what_a_method_raises_arrives_and_the_next_write_is_done(store: Store) -> None:
    def fail() -> None:
        raise NotFound("no such thing")

    for run in (store.write, store.query):
        with pytest.raises(NotFound, match="no such thing"):
            await run(fail)
    assert await store.write(int, "7") == 7


async def test_arguments_by_name_are_handed_on(store: Store) -> None:
    assert await store.write(int, "ff", base=16) == 255
    assert await store.query(int, "ff", base=16) == 255


async def test_who_gives_up_on_a_write_leaves_the_others_in_order(store: Store) -> None:
    may_end = threading.Event()
    first = asyncio.ensure_future(store.write(may_end.wait, 20))
    second = asyncio.ensure_future(store.write(int, "2"))
    await asyncio.sleep(0)
    first.cancel()
    may_end.set()
    assert await second == 2


async def test_closing_ends_what_is_written_and_then_the_registry(store: Store, closable: ClosableOnly) -> None:
    closed: list[bool] = []
    writing = asyncio.ensure_future(store.write(lambda: closed.append(closable.closed)))
    await asyncio.sleep(0)
    store.close()
    await writing
    assert (closed, closable.closed) == ([False], True)


async def test_long_queries_of_users_hold_up_no_other_question(store: Store) -> None:
    may_end = threading.Event()
    asking = [asyncio.ensure_future(store.ask("nlp", may_end.wait, 20)) for _ in range(MOST_OF_A_TEAM)]
    await asyncio.sleep(0)
    assert await store.query(lambda: "answer") == "answer"
    with pytest.raises(QueueFull, match="8 queries of team nlp"):
        await store.ask("nlp", lambda: None)
    may_end.set()
    await asyncio.gather(*asking)
    assert await store.ask("nlp", lambda: "answer") == "answer"


async def test_a_team_that_asks_much_leaves_others_room_until_all_is_taken(store: Store) -> None:
    may_end = threading.Event()
    teams = [f"team-{number % 4}" for number in range(MOST_ASKED)]
    asking = [asyncio.ensure_future(store.ask(team, may_end.wait, 20)) for team in teams]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull, match="32 in all"):
        await store.ask("another", lambda: None)
    may_end.set()
    assert all(await asyncio.gather(*asking))

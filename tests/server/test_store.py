"""Writes are one after the other, questions beside them, and none of both on the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from rayfaas.errors import NotFound
from rayfaas.registry import Registry
from rayfaas.server.askers import MOST_OF_A_TEAM
from rayfaas.server.store import Store


class ClosableOnly:
    def __init__(self) -> None:
        self.closed = False

    def within(self, _: float, method: Callable[..., Any], *args: Any) -> Any:
        return method(*args)

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


async def test_long_questions_of_users_hold_up_no_other_kind(store: Store) -> None:
    may_end = threading.Event()
    asking = [asyncio.ensure_future(store.ask(team, may_end.wait, 20)) for team in "abcd" * 2]
    exporting = [asyncio.ensure_future(store.export(team, may_end.wait, 20)) for team in "ab"]
    await asyncio.sleep(0)
    assert await store.query(lambda: "answer") == "answer"
    assert await store.read("a", lambda: "answer") == "answer"
    assert await store.look("a", lambda: "answer") == "answer"
    may_end.set()
    assert all(await asyncio.gather(*asking, *exporting))


async def test_what_is_looked_at_again_and_again_waits_and_is_not_refused(store: Store) -> None:
    looks = [store.look("nlp", lambda: "answer") for _ in range(3 * MOST_OF_A_TEAM)]
    assert set(await asyncio.gather(*looks)) == {"answer"}

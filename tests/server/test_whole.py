"""What has to be done whole is done to its end, whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rayfaas.errors import NotFound
from rayfaas.server.whole import answered_whole, whole
from tests.server.parts import Peer, settle


async def test_what_is_done_whole_goes_on_when_nobody_waits_for_it_any_more() -> None:
    may_go_on, done = asyncio.Event(), list[str]()

    async def work() -> str:
        await may_go_on.wait()
        done.append("to its end")
        return "done"

    waiting = asyncio.ensure_future(whole(work()))
    await settle()
    waiting.cancel()
    await settle()
    assert not waiting.done()
    may_go_on.set()
    await asyncio.wait([waiting])
    assert (waiting.cancelled(), done) == (True, ["to its end"])
    assert await whole(work()) == "done"


async def test_a_method_that_is_answered_whole_answers_and_raises_as_it_does_itself() -> None:
    async def named(link: object, name: str) -> str:
        if not name:
            raise NotFound("There is none.")
        return f"it is {name}"

    method: Any = answered_whole(named)
    assert await method(Peer().link, name="embed") == "it is embed"
    with pytest.raises(NotFound):
        await method(Peer().link, name="")


def test_a_stream_is_left_as_it_is() -> None:
    async def events(link: object) -> AsyncIterator[int]:
        yield 1

    assert answered_whole(events) is events

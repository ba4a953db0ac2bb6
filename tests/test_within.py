"""Waiting for no longer than so long: for the answer, for the end of what is late, and never through a cancel."""

from __future__ import annotations

import asyncio

import pytest

from rayfaas.within import within


async def test_what_answers_in_time_is_answered_with() -> None:
    for seconds in (5.0, None):
        assert await within(seconds, asyncio.sleep(0, "here")) == "here"


async def test_an_error_comes_through() -> None:
    async def fail() -> None:
        raise LookupError("nothing")

    with pytest.raises(LookupError, match="nothing"):
        await within(5.0, fail())


async def test_what_is_late_has_ended_when_it_is_told() -> None:
    ended = asyncio.Event()

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    with pytest.raises(asyncio.TimeoutError):
        await within(0.0, linger())
    assert ended.is_set()


async def test_what_answers_while_it_is_cancelled_is_answered_with() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "at last"
        return ""

    assert await within(0.0, stubborn()) == "at last"


async def test_a_cancel_in_the_moment_of_the_answer_holds() -> None:
    answer = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(within(5.0, answer))
    await asyncio.sleep(0)
    answer.set_result("here")
    await asyncio.sleep(0)  # the answer is there, and who waits for it has not gone on yet
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_cancel_ends_what_was_waited_for() -> None:
    never = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(within(None, never))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert never.cancelled()

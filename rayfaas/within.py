"""Waiting for something, and no longer than so long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float | None, awaitable: Awaitable[T]) -> T:
    """What it comes to, or `asyncio.TimeoutError`; either way it has ended. None: however long it takes. Not for what
    has to be given back, as a lock: it is lost where the cancel comes in that moment.

    As `asyncio.wait_for`, which before Python 3.12 forgets a cancel that comes in the moment of the answer: a task that
    was told to end then goes on for ever.

    >>> asyncio.run(within(1.0, asyncio.sleep(0, "here")))
    'here'
    """
    task = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait((task,), timeout=seconds)
    except asyncio.CancelledError:
        await _end(task)
        raise
    if not task.done():
        await _end(task)
        if task.cancelled():
            raise asyncio.TimeoutError
    return task.result()


async def _end(task: asyncio.Future[T]) -> None:
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()  # nobody else asks for it

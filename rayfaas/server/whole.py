"""Work that is done to its end, though whoever waits for it goes: half of it would be in the registry alone."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any, TypeVar

from rayfaas.link import Link, Method

T = TypeVar("T")


async def whole(work: Coroutine[Any, Any, T]) -> T:
    """What it returns. It is done to its end, though who waits for it may be cancelled; that is told only then."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def answered_whole(method: Method) -> Method:
    """The method, done whole where its link breaks meanwhile: what is written by then comes into force, too.

    A stream ends with who listens to it; what of it has to be whole it says itself.
    """
    if inspect.isasyncgenfunction(method):
        return method

    async def answer(link: Link, **parameters: Any) -> Any:
        answering: Any = method(link, **parameters)
        return await whole(answering)

    return answer

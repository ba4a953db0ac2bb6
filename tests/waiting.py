"""Waiting for what happens elsewhere, with a deadline and no guess at how long it takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(question: Callable[[], T], timeout_s: float = 20.0) -> T:
    """The first answer that is true."""
    deadline = time.monotonic() + timeout_s
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s")
        await asyncio.sleep(0.002)
    return answer


async def close(server: asyncio.Server) -> None:
    """Let nobody else in. Who was accepted in this turn of the loop gets a connection first: asyncio loses the socket
    of one whose server is closed before that."""
    for listening in server.sockets:
        asyncio.get_running_loop().remove_reader(listening)
    await asyncio.sleep(0)
    server.close()


def wait_until(question: Callable[[], object], timeout_s: float = 20.0) -> None:
    """The same where there is no event loop."""
    deadline = time.monotonic() + timeout_s
    while not question():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s")
        time.sleep(0.002)

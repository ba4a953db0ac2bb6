"""Threads for what users ask: the teams share them, so that none holds them all, however much it asks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rayfaas.background import Background
from rayfaas.errors import QueueFull, Unavailable
from rayfaas.shares import Shares
from rayfaas.within import within

T = TypeVar("T")

# Of one team that are not answered.
MOST_OF_A_TEAM = 8
# How long one waits for its turn.
WAIT_S = 60.0
_RETRY_S = 5


class Askers:
    """`threads` in all, of which a team has `share` at most. What a team asks beyond that waits for its own; teams
    whose turn it is get the threads in the order in which they came.

    >>> asyncio.run(Askers("query", threads=4, share=2).ask("nlp", lambda: "answer"))
    'answer'
    """

    def __init__(
        self, name: str, threads: int, share: int, wait_s: float = WAIT_S, most: int | None = MOST_OF_A_TEAM
    ) -> None:
        self._threads, self._wait_s, self._most = ThreadPoolExecutor(threads, name), wait_s, most
        self._shares = Shares(threads, share)
        self._asked: Counter[str] = Counter()  # by team
        self._background = Background()

    async def ask(self, team: str, run: Callable[[], T]) -> T:
        """Raises `QueueFull` where the team has too many under way, `Unavailable` where its turn does not come."""
        if self._most is not None and self._asked[team] >= self._most:
            raise QueueFull(
                f"{self._most} queries of team {team} are under way, the most that a team may have. "
                "Ask again when one of them is answered.",
                retry_after_s=_RETRY_S,
            )
        self._asked[team] += 1
        begun = asyncio.Event()
        asking = self._background.run(self._take_turn(team, begun, run))
        try:
            await within(self._wait_s, begun.wait())
        except asyncio.TimeoutError:
            raise Unavailable(
                f"Other queries, of your team or of others, have run for {self._wait_s:g} s, so this one was not "
                "begun. Ask again in a moment.",
                retry_after_s=_RETRY_S,
            ) from None
        finally:
            if not begun.is_set():
                asking.cancel()
        return await asyncio.shield(asking)  # who gives up frees no thread: the query goes on until its end

    async def _take_turn(self, team: str, begun: asyncio.Event, run: Callable[[], T]) -> T:
        try:
            async with self._shares.place(team):
                begun.set()
                return await asyncio.get_running_loop().run_in_executor(self._threads, run)
        finally:
            self._asked[team] -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

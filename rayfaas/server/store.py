"""The registry, for an asyncio process: every write on one thread, queries on others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from rayfaas.errors import QueueFull
from rayfaas.registry import Registry

T = TypeVar("T")

# Questions of ours at the same time, and queries of users, which may be long ones: those hold up no others. So many of
# them may be asked and not answered, of one team and of all.
QUERIES = 4
USERS_QUERIES = 4
MOST_OF_A_TEAM = 8
MOST_ASKED = 32


class Store:
    """Runs a `Registry`'s methods off the event loop."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._writer = ThreadPoolExecutor(1, "registry")
        self._readers = ThreadPoolExecutor(QUERIES, "query")
        self._users = ThreadPoolExecutor(USERS_QUERIES, "query-user")
        self._asked: Counter[str] = Counter()  # by team

    async def write(self, method: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """In order, one after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, lambda: method(*args, **kwargs))

    def write_from_thread(self, method: Callable[..., T], *args: Any) -> T:
        """The same for a thread that is not the event loop's; returns when it is written."""
        return self._writer.submit(lambda: method(*args)).result()

    async def query(self, method: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Beside the writer; a long one delays no deploy and no loading."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: method(*args, **kwargs))

    async def ask(self, team: str, method: Callable[..., T], *args: Any) -> T:
        """A query of a user of `team`. Raises `QueueFull` where too many are asked already."""
        if self._asked[team] >= MOST_OF_A_TEAM or self._asked.total() >= MOST_ASKED:
            raise QueueFull(
                f"{self._asked[team]} queries of team {team} are asked already, {self._asked.total()} in all. "
                "Ask again when they are answered."
            )
        self._asked[team] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._users, lambda: method(*args))
        finally:
            self._asked[team] -= 1

    def close(self) -> None:
        self._users.shutdown(wait=False, cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._writer.submit(self.registry.close).result()
        self._writer.shutdown()

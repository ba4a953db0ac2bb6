"""The registry, for an asyncio process: every write on one thread, queries on others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from rayfaas.registry import Registry
from rayfaas.server.askers import Askers

T = TypeVar("T")

# Questions of ours at the same time; and of users SQL, other reads that may be long ones, looks at a call or at lines,
# and exports: none of these holds up another. Of each a team has its share at most.
QUERIES = 4
USERS_QUERIES = 4
MOST_AT_ONCE = 2
READ_S = 30.0
_EXPORTS = 2
# An export may run so long.
_EXPORT_WAIT_S = 600.0


class Store:
    """Runs a `Registry`'s methods off the event loop."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._writer = ThreadPoolExecutor(1, "registry")
        self._readers = ThreadPoolExecutor(QUERIES, "query")
        self._queries = Askers("query-user", USERS_QUERIES, MOST_AT_ONCE)
        self._reads = Askers("read-user", USERS_QUERIES, MOST_AT_ONCE)
        self._looks = Askers("look-user", USERS_QUERIES, MOST_AT_ONCE, most=None)
        self._exports = Askers("export-user", _EXPORTS, 1, _EXPORT_WAIT_S)

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
        """SQL of a user of `team`. Raises `QueueFull` and `Unavailable`."""
        return await self._queries.ask(team, partial(method, *args))

    async def read(self, team: str, method: Callable[..., T], *args: Any) -> T:
        """What else a user of `team` asks that may take long, as a walk through the lineage: for `READ_S` at most.
        Raises the same, and `QueryError` then."""
        return await self._reads.ask(team, partial(self.registry.within, READ_S, method, *args))

    async def look(self, team: str, method: Callable[..., T], *args: Any) -> T:
        """What is asked again and again, by many at a time, as the state of a call; raises `Unavailable` and
        `QueryError`."""
        return await self._looks.ask(team, partial(self.registry.within, READ_S, method, *args))

    async def export(self, team: str, method: Callable[..., T], *args: Any) -> T:
        """What may take minutes; raises the same."""
        return await self._exports.ask(team, partial(method, *args))

    def close(self) -> None:
        for askers in (self._queries, self._reads, self._looks, self._exports):
            askers.close()
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._writer.submit(self.registry.close).result()
        self._writer.shutdown()

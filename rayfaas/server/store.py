"""The registry, for an asyncio process: every write on one thread, queries on others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from rayfaas.registry import Registry

T = TypeVar("T")

# Users' queries at the same time; each may use all of DuckDB's threads.
QUERIES = 4


class Store:
    """Runs a `Registry`'s methods off the event loop."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._writer = ThreadPoolExecutor(1, "registry")
        self._readers = ThreadPoolExecutor(QUERIES, "query")

    async def write(self, method: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """In order, one after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, lambda: method(*args, **kwargs))

    async def query(self, method: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Beside the writer; a long one delays no deploy and no loading."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: method(*args, **kwargs))

    def close(self) -> None:
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._writer.submit(self.registry.close).result()
        self._writer.shutdown()

"""One replica for all tests of executors: starting its zygote costs more than all that they do."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.executor.replica import Replica


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_replica() -> AsyncIterator[Replica]:
    directory = Path(tempfile.mkdtemp(prefix="rf-"))  # short: it holds a socket
    replica = Replica(directory)
    try:
        await replica.start()
        yield replica
        await replica.stop()
    finally:
        shutil.rmtree(directory)


@pytest_asyncio.fixture(loop_scope="session")
async def replica(shared_replica: Replica) -> AsyncIterator[Replica]:
    """The replica, without executors of other tests."""
    yield shared_replica
    await shared_replica.clear()

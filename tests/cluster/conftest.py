"""A replica for the tests that leave its zygote alone, and packages that its processes can import."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster.packages import Packages
from tests.executor.replica import Replica


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """Short, because it holds sockets."""
    path = Path(tempfile.mkdtemp(prefix="rf-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def packages(directory: Path) -> Packages:
    return Packages(directory)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_replica(directory: Path, packages: Packages) -> AsyncIterator[Replica]:
    environ = {
        "PYTHONPATH": str(packages.folder),
        "RAYFAAS_TOKEN": "secret",
        "RAY_ADDRESS": "here",
        "AWS_SECRET_ACCESS_KEY": "the operator's",
        "LANG": "C.UTF-8",
    }
    replica = Replica(directory, environ)
    await replica.start()
    yield replica
    await replica.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def replica(shared_replica: Replica) -> AsyncIterator[Replica]:
    """The replica, without executors of other tests."""
    yield shared_replica
    await shared_replica.clear()

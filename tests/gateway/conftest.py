"""A gateway for each test, in a directory whose path is short enough for sockets."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.gateway.small import SmallGateway


@pytest.fixture
def run_dir() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="rf-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
async def gateway(run_dir: Path) -> AsyncIterator[SmallGateway]:
    async with SmallGateway(run_dir) as gateway:
        yield gateway

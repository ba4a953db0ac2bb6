"""A call that nobody waits for and that does not stop ends with its process, and takes no other call with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.executor.replica import Replica
from tests.waiting import eventually

THREADS = """
    import pathlib, time
    def f(path):
        print("began")
        while True:
            try:
                time.sleep(0.001)
                if path and pathlib.Path(path).exists():
                    return "done"
            except BaseException:
                pass
"""
LOOP = """
    import asyncio, pathlib
    async def f(path):
        print("began")
        while True:
            try:
                await asyncio.sleep(0.001)
                if path and pathlib.Path(path).exists():
                    return "done"
            except asyncio.CancelledError:
                pass
"""
BLOCKED_LOOP = """
    import asyncio, time
    async def f(blocks):
        print("began")
        while blocks:
            try:
                time.sleep(0.001)
            except BaseException:
                pass
        await asyncio.Event().wait()
"""


@pytest.mark.parametrize("source", [THREADS, LOOP], ids=["threads", "loop"])
async def test_others_of_its_process_end_first_and_no_more_come(replica: Replica, tmp_path: Path, source: str) -> None:
    version = await replica.deploy(source, concurrency=2)
    stuck, other = version.call(""), version.call(str(tmp_path / "go"))
    await stuck.until("began")
    await other.until("began")
    stuck.cancel()
    await eventually(lambda: version.executor.has_drained)
    (tmp_path / "go").touch()
    assert await other.value() == "done"
    await stuck.died()
    assert "a call that nobody waits for does not stop" in (await replica.death_of(version)).output


async def test_it_ends_at_once_where_others_could_not_end_either(replica: Replica) -> None:
    version = await replica.deploy(BLOCKED_LOOP, concurrency=2)
    waiting = version.call(False)
    await waiting.until("began")
    stuck = version.call(True)
    await stuck.until("began")
    stuck.cancel()
    await waiting.died()
    assert not version.executor.has_drained


async def test_it_ends_at_once_where_it_is_alone(replica: Replica) -> None:
    version = await replica.deploy(THREADS, concurrency=2)
    stuck = version.call("")
    await stuck.until("began")
    stuck.cancel()
    await stuck.died()
    assert not version.executor.has_drained


async def test_it_does_not_wait_for_those_that_are_behind_it(replica: Replica) -> None:
    version = await replica.deploy(THREADS)
    stuck = version.call("")
    await stuck.until("began")
    behind = version.call("")
    stuck.cancel()
    await behind.died()
    assert behind.output() == ""  # it had not begun, so its gateway gives it to another executor
    assert not version.executor.has_drained

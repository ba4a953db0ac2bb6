"""A zygote process tells its supervisor of every end exactly once, whoever ends first."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from rayfaas.cluster.surroundings import user_environment
from rayfaas.cluster.zygotes import Zygote, kill_group
from rayfaas.errors import Unavailable
from rayfaas.orders import Order
from tests.cluster.packages import Packages
from tests.processes import are_gone
from tests.waiting import eventually


class Nursery:
    """A zygote and its children; `exits` is what was told of their ends."""

    def __init__(self, bundle: Path) -> None:
        self.exits: list[tuple[str, int]] = []
        self._bundle = bundle
        self._channels: list[socket.socket] = []

    async def fork(self, zygote: Zygote, name: str) -> int:
        """An executor, once it has a pid."""
        b = str(self._bundle)
        order = Order(name, "t/f", 1, b, "module", "app", "f", 1, [], b"key", "c", "n", "r", "h", f"{b}-{name}")
        ours, theirs = socket.socketpair()
        self._channels.append(ours)
        with theirs:
            zygote.fork(order, theirs.fileno(), theirs.fileno())
        pid = await eventually(lambda: zygote.pid_of(name))
        assert pid is not None
        await eventually(lambda: os.getpgid(pid) == pid)  # it has left the zygote's process group
        return pid

    def close(self) -> None:
        for channel in self._channels:
            channel.close()


@asynccontextmanager
async def a_zygote(tmp_path: Path, packages: Packages) -> AsyncIterator[tuple[Zygote, Nursery]]:
    (tmp_path / "app.py").write_text("def f(): pass")
    nursery = Nursery(tmp_path)
    environ = {**os.environ, "PYTHONPATH": str(packages.folder)}
    zygote = await Zygote.start(sys.executable, environ, lambda name, status: nursery.exits.append((name, status)))
    try:
        yield zygote, nursery
    finally:
        nursery.close()
        zygote.retire()
        await asyncio.wait_for(zygote.ended.wait(), 20)


async def test_a_zygote_that_is_killed_takes_its_children_and_each_is_told_of_once(
    tmp_path: Path, packages: Packages
) -> None:
    async with a_zygote(tmp_path, packages) as (zygote, nursery):
        pids = [await nursery.fork(zygote, name) for name in ("one", "two")]
        children = [psutil.Process(pid) for pid in pids]
        assert zygote.pid is not None
        os.kill(zygote.pid, signal.SIGKILL)
        await asyncio.wait_for(zygote.ended.wait(), 20)
        assert sorted(nursery.exits) == [("one", 9), ("two", 9)]
        assert not zygote.is_up
        await eventually(lambda: are_gone(children))
        with pytest.raises(Unavailable):
            await nursery.fork(zygote, "three")
        with pytest.raises(Unavailable):
            await zygote.grow([])
        assert len(nursery.exits) == 2


async def test_a_retired_zygote_stays_for_its_children_and_ends_with_the_last(
    tmp_path: Path, packages: Packages
) -> None:
    async with a_zygote(tmp_path, packages) as (zygote, nursery):
        pids = [await nursery.fork(zygote, name) for name in ("one", "two")]
        assert zygote.pid is not None
        process = psutil.Process(zygote.pid)
        zygote.retire()
        assert not zygote.is_up
        kill_group(pids[0])
        await eventually(lambda: nursery.exits == [("one", 9)])
        assert not zygote.ended.is_set()
        kill_group(pids[1])
        await asyncio.wait_for(zygote.ended.wait(), 20)
        assert nursery.exits == [("one", 9), ("two", 9)]
        await eventually(lambda: not process.is_running())


async def test_generations_grow_from_each_other_and_the_first_outlives_them(tmp_path: Path, packages: Packages) -> None:
    async with a_zygote(tmp_path, packages) as (zygote, nursery):
        name = packages.heavy()
        second, report = await zygote.grow([name, "no_such_module"])
        assert list(report.refused) == ["no_such_module"]
        assert report.took_ms > 0
        third, _ = await second.grow([])
        assert [z.depth for z in (zygote, second, third)] == [0, 1, 2]
        assert len({z.pid for z in (zygote, second, third)}) == 3
        childless, _ = await third.grow([])
        childless.retire()
        await asyncio.wait_for(childless.ended.wait(), 20)
        await nursery.fork(third, "one")
        for generation in (zygote, second, third):
            generation.retire()
        nursery.close()
        for generation in (third, second, zygote):
            await asyncio.wait_for(generation.ended.wait(), 20)
        assert [name for name, _ in nursery.exits].count("one") == 1


async def test_a_generation_that_could_not_be_asked_for_keeps_nobody_from_ending(
    tmp_path: Path, packages: Packages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

    async with a_zygote(tmp_path, packages) as (zygote, _):
        with monkeypatch.context() as broken:
            broken.setattr(socket, "send_fds", full)
            with pytest.raises(Unavailable, match="No buffer space"):
                await zygote.grow([])
        assert zygote.is_up
        zygote.retire()
        await asyncio.wait_for(zygote.ended.wait(), 20)


def test_executors_inherit_nothing_that_is_rays_or_ours() -> None:
    environ = {
        "PATH": "/bin",
        "HOME": "/root",
        "RAY_ADDRESS": "x",
        "RAYFAAS_TOKEN": "t",
        "SERVE_X": "y",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    assert user_environment(environ) == {"PATH": "/bin", "HOME": "/root"}


def test_killing_a_group_that_is_gone_does_nothing() -> None:
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os._exit(0)
    os.waitpid(pid, 0)
    kill_group(pid)

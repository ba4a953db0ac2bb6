"""The guard of a node, with a controller that a test plays and a program that stands in for Ray's."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from rayfaas.cluster.guard import OVER, Guard, Times, seat_of
from rayfaas.cluster.notices import AwsNotices
from rayfaas.cluster.seat import Seat
from rayfaas.errors import Unauthenticated, Unavailable
from rayfaas.handshake import ServerSide
from rayfaas.join_token import JoinToken
from rayfaas.link import Link, Service
from tests.cluster.test_notices import ACTION, TOKEN, Metadata
from tests.network import door
from tests.waiting import eventually

RAY = """#!/bin/sh
echo "$@" > "$TOLD"
echo "$RAY_AUTH_TOKEN" >> "$TOLD"
[ ! -e "$TOLD.end" ] || exit 7
exec sleep 600
"""
TIMES = Times(beat_s=0.01, silent_s=600, notice_s=0.01, again_s=0.01)
RESOURCES = {"cpus": 2.0, "gpus": 1.0, "memory_mb": 0, "resources": "{}"}
HEAD = {"RAY_ADDRESS": "192.0.2.10:6379", "RAY_AUTH_TOKEN": "ray's own"}


class Controller:
    """Lets one machine in, and answers it as `answers` say. `asked` are the methods and what came with them."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "enter": {"key": b"node"},
            "node_up": {"name": "gpu-1", "ray": HEAD, "expires_at": None},
            "beat": {"missed": False},
        }
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.used = False
        self.links: list[Link] = []
        self.service = Service({name: self._method(name) for name in ("enter", "node_up", "beat", "taken_back")})

    def link(self) -> Link:
        self.links.append(Link(ServerSide(self._key), self.service))
        return self.links[-1]

    async def close(self) -> None:
        opened = [link for link in self.links if link.peer is not None]
        for link in opened:
            link.abort()
        await asyncio.gather(*(link.closed for link in opened))

    def times(self, method: str) -> int:
        return len([name for name, _ in self.asked if name == method])

    def _key(self, identity: dict[str, Any]) -> bytes | None:
        if identity.get("name") != "a1":
            return None
        return {"newcomer": b"" if self.used else b"secret", "node": b"node"}.get(str(identity["role"])) or None

    def _method(self, name: str) -> Any:
        async def answer(link: Link, **parameters: Any) -> Any:
            self.asked.append((name, parameters))
            self.used = self.used or name == "enter"
            answer = self.answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return answer


class Bench:
    """A controller that listens, and a directory of the machine."""

    def __init__(self, controller: Controller, address: str, directory: Path) -> None:
        self.controller, self.address, self.directory = controller, address, directory
        self.seat = Seat("a1", address, b"node")
        self.token = JoinToken(address, "a1", b"secret")
        self.told = directory / "told"

    def guarding(self, times: Times = TIMES, metadata: str = "") -> asyncio.Task[str]:
        notices = AwsNotices(metadata) if metadata else None
        return asyncio.ensure_future(Guard(self.seat, RESOURCES, notices, times).run())


@pytest_asyncio.fixture(loop_scope="session")
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    ray = python.with_name("ray")
    ray.write_text(RAY)
    ray.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    controller = Controller()
    async with door(tmp_path, controller.link) as (_, address):
        yield Bench(controller, str(address), tmp_path)
        await controller.close()


async def ended(task: asyncio.Task[str]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_starts_ray_with_what_the_controller_tells(bench: Bench) -> None:
    task = bench.guarding()
    await eventually(lambda: bench.told.exists() and bench.told.read_text().count("\n") == 2)
    arguments, token = bench.told.read_text().splitlines()
    assert "--address 192.0.2.10:6379" in arguments
    assert "--labels rayfaas-attempt=a1,rayfaas-gpu=yes,rayfaas-away=yes" in arguments
    assert "--num-cpus 2 --num-gpus 1" in arguments
    assert "--node-name gpu-1" in arguments
    assert token == "ray's own"
    await ended(task)


async def test_it_comes_again_when_ray_there_has_ended_until_it_is_not_wanted(bench: Bench) -> None:
    (bench.directory / "told.end").touch()
    task = bench.guarding()
    await eventually(lambda: bench.controller.times("node_up") > 2)
    bench.controller.answers["node_up"] = None
    assert await task == "Ray ended with code 7"


async def test_it_comes_again_when_its_cluster_has_lost_it(bench: Bench) -> None:
    task = bench.guarding()
    await eventually(bench.told.exists)
    bench.controller.answers["beat"] = {"missed": True}
    await eventually(lambda: bench.controller.times("node_up") > 1)
    bench.controller.answers["node_up"] = None
    assert await task == "the cluster has lost it"


async def test_one_that_is_not_wanted_starts_nothing(bench: Bench) -> None:
    bench.controller.answers["node_up"] = None
    assert await bench.guarding() == "it is not wanted"
    assert not bench.told.exists()


async def test_it_waits_for_a_cluster_that_is_away(bench: Bench) -> None:
    up = bench.controller.answers["node_up"]
    bench.controller.answers["node_up"] = Unavailable("away")
    task = bench.guarding()
    await eventually(lambda: bench.controller.times("node_up") > 2)
    assert not bench.told.exists()
    bench.controller.answers["node_up"] = up
    await eventually(bench.told.exists)
    await ended(task)


async def test_the_machine_ends_when_it_is_older_than_it_may_be(bench: Bench) -> None:
    bench.controller.answers["node_up"] = {"name": "gpu-1", "ray": HEAD, "expires_at": time.time() - 1}
    assert await bench.guarding() == "it is older than it may be"


async def test_the_machine_ends_when_the_keeper_is_silent(bench: Bench) -> None:
    bench.controller.answers["beat"] = Unavailable("the keeper does not look after its machines")
    assert "was silent" in await bench.guarding(Times(beat_s=0.01, silent_s=1.0, notice_s=0.01, again_s=0.01))
    assert bench.controller.times("beat") > 1


async def test_a_keeper_that_is_heard_keeps_it(bench: Bench) -> None:
    task = bench.guarding(Times(beat_s=0.01, silent_s=5.0, notice_s=0.01, again_s=0.01))
    await eventually(lambda: bench.controller.times("beat") > 20)
    assert not task.done()
    await ended(task)


async def test_a_notice_is_handed_on_once_also_where_nobody_takes_it_at_first(bench: Bench) -> None:
    metadata = Metadata()
    metadata.answers |= {TOKEN: (200, "t"), ACTION: (500, "")}
    bench.controller.answers["taken_back"] = Unavailable("busy")
    task = bench.guarding(metadata=metadata.url)
    await eventually(lambda: len(metadata.asked) > 3)
    assert bench.controller.times("taken_back") == 0
    metadata.answers[ACTION] = (200, '{"action": "terminate", "time": "12:02"}')
    await eventually(lambda: bench.controller.times("taken_back") > 1)
    del bench.controller.answers["taken_back"]
    told = bench.controller.times("taken_back")
    beats = bench.controller.times("beat")
    await eventually(lambda: bench.controller.times("beat") > beats + 20)
    assert bench.controller.times("taken_back") <= told + 1
    assert ("taken_back", {"notice": "terminate at 12:02"}) in bench.controller.asked
    await ended(task)
    metadata.close()


async def test_a_machine_comes_in_once_and_keeps_its_seat(bench: Bench) -> None:
    seat = await seat_of(bench.directory, "a1", str(bench.token), TIMES)
    assert seat == bench.seat
    assert (bench.directory / "seat").stat().st_mode & 0o777 == 0o600
    assert await seat_of(bench.directory, "a1", "", TIMES) == seat
    assert bench.controller.times("enter") == 1
    (bench.directory / "seat").unlink()
    with pytest.raises(Unauthenticated):
        await seat_of(bench.directory, "a1", str(bench.token), TIMES)


async def test_the_seat_of_an_earlier_launch_is_none(bench: Bench) -> None:
    Seat("another", bench.address, b"x").write(bench.directory)
    assert (await seat_of(bench.directory, "a1", str(bench.token), TIMES)).attempt == "a1"


async def test_a_controller_that_nobody_reaches_is_given_up(tmp_path: Path) -> None:
    nowhere = JoinToken("tls:127.0.0.1:1:ab", "a1", b"s")
    with pytest.raises(Unavailable, match="can't be reached"):
        await seat_of(tmp_path, "a1", str(nowhere), Times(silent_s=0.0))


def test_as_a_program_it_says_by_its_exit_code_that_the_machine_is_to_end(tmp_path: Path) -> None:
    process = run(tmp_path, "no token")
    _, said = process.communicate(timeout=60)
    assert "it was not let in: This is no join token" in said
    assert process.returncode == OVER


def test_as_a_program_it_stops_when_it_is_told_to_and_there_is_one(tmp_path: Path) -> None:
    nowhere = str(JoinToken("tls:127.0.0.1:1:ab", "a1", b"s"))
    process = run(tmp_path, nowhere)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "can't be reached yet" in line
    second = run(tmp_path, nowhere)
    assert "a node already" in second.communicate(timeout=60)[1]
    assert second.returncode == 0
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert nowhere not in line + said


def run(directory: Path, join: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rayfaas.cluster.guard", "--directory", str(directory), "--attempt", "a1"]
    return subprocess.Popen(
        command, env={**os.environ, "RAYFAAS_JOIN": join}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

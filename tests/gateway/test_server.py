"""A gateway's process: what it needs before it serves, how it ends, and what is left when it is killed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from rayfaas.config import Home, Limits, local_url
from rayfaas.connection import dial
from rayfaas.entrance import Entrance
from rayfaas.envelope import ReadyHeader
from rayfaas.errors import Unauthenticated
from rayfaas.gateway.config import GatewayConfig
from rayfaas.gateway.executors import executor_key
from rayfaas.gateway.keys import Keys
from rayfaas.gateway.server import listening_socket
from rayfaas.records import CallEnded, CallStarted, Record
from rayfaas.server_options import ServerOptions
from tests.gateway.controller import FakeController, version_route
from tests.gateway.executor import FakeExecutor
from tests.gateway.small import HOME_KEY, PEOPLE, SESSIONS
from tests.gateway.sockets import Client, post
from tests.waiting import eventually

KEYS = Keys.of_home(HOME_KEY)
CONFIG = GatewayConfig(
    "g", "127.0.0.1", 8700, Path("/run/g.sock"), "unix:/run/c.sock", Path("/j"), KEYS, Limits(), Path("/c")
)
CALL = post("/call/embed", b"1", "Authorization: Bearer ivan")

_decode = msgspec.json.Decoder(Record).decode


class Server:
    """Gateway processes of one home, and their controller."""

    def __init__(self, directory: Path) -> None:
        self.home = Home(directory)
        self.home.run.mkdir()
        self.home.key_file.write_bytes(HOME_KEY)
        with closing(listening_socket("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.controller = FakeController(self.home.controller_socket, HOME_KEY)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._executors: list[FakeExecutor] = []

    def start(self, slot: int = 0) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "rayfaas.server.gateway", "--home", str(self.home.path), "--slot", str(slot)]
        options = ServerOptions(port=self.port)
        process = subprocess.Popen([*command, "--options", str(options)], stderr=subprocess.PIPE)
        self._processes.append(process)
        return process

    async def is_up(self) -> None:
        await eventually(self.listens)

    async def connect(self) -> Client:
        return await Client.connect(self.port)

    async def executor(self, slot: int = 0) -> FakeExecutor:
        address = f"unix:{self.home.gateway_socket(slot)}"
        executor = await asyncio.wait_for(keep_dialling(address, lambda: self._executor(slot)), 20)
        executor.is_ready()
        self._executors.append(executor)
        return executor

    async def is_refused(self, slot: int) -> None:
        """The gateway's loop runs, and it knows no cluster yet."""
        path = self.home.gateway_socket(slot)
        await eventually(path.exists)
        with pytest.raises((Unauthenticated, ConnectionRefusedError)):
            await dial(f"unix:{path}", lambda: self._executor(slot))

    async def ended(self, process: subprocess.Popen[bytes]) -> None:
        await eventually(lambda: process.poll() is not None)

    def records(self) -> list[Record]:
        lines = [line for path in self.home.journal.iterdir() for line in path.read_bytes().splitlines()]
        return [_decode(line) for line in lines]

    async def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()
        for executor in self._executors:
            executor.abort()
            await executor.closed
        await self.controller.stop()

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _executor(self, slot: int) -> FakeExecutor:
        name = f"executor-of-{slot}"
        identity = {
            "role": "executor", "cluster": "local", "function": "nlp/embed", "version": 1, "executor": name,
        }  # fmt: skip
        ready = ReadyHeader("nlp/embed:1", name, 1, 4711, "replica", "node", "local", "hardware")
        return FakeExecutor(identity, executor_key(SESSIONS, identity) or b"", ready)


async def keep_dialling(address: str, protocol: Callable[[], FakeExecutor]) -> FakeExecutor:
    """Until the gateway is there and knows the cluster, as executors do."""
    while True:
        try:
            executor: FakeExecutor = await dial(address, protocol)
        except (OSError, Unauthenticated):
            await asyncio.sleep(0.01)
        else:
            return executor


@asynccontextmanager
async def server(directory: Path) -> AsyncIterator[Server]:
    made = Server(directory)
    await made.controller.set_function("nlp/embed", [version_route(1)], {"live": (1, 1)})
    await made.controller.set_tokens(*PEOPLE)
    await made.controller.set_sessions(SESSIONS)
    await made.controller.start()
    try:
        yield made
    finally:
        await made.stop()


def test_gateways_share_their_port() -> None:
    with closing(listening_socket("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with closing(listening_socket("127.0.0.1", port)) as second:
            assert second.getsockname() == first.getsockname()


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:8700"), ("::", "http://127.0.0.1:8700"), ("::1", "http://[::1]:8700"),
     ("10.0.0.7", "http://10.0.0.7:8700")],
)  # fmt: skip
def test_executors_reach_the_gateways_wherever_they_listen(host: str, url: str) -> None:
    assert replace(CONFIG, host=host).url == url


@pytest.mark.parametrize(
    ("host", "said", "url"),
    [("127.0.0.1", "", "http://127.0.0.1:8700"), ("::1", "", "http://[::1]:8700"),
     ("0.0.0.0", "", "http://192.0.2.7:8700"), ("faas.lan", "", "http://192.0.2.7:8700"),
     ("0.0.0.0", "https://faas.example", "https://faas.example")],
)  # fmt: skip
def test_executors_of_other_machines_are_told_the_clusters_address_or_what_was_said(
    host: str, said: str, url: str
) -> None:
    entrance = Entrance("192.0.2.7", 8702, "0.0.0.0", Path("certificate.pem"))
    config = replace(CONFIG, host=host, entrance=entrance, public_url=said)
    assert config.network_url == url
    assert config.url == local_url(host, 8700)


def test_what_executors_dial_and_whose_machine_it_is_follow_from_addresses() -> None:
    assert (CONFIG.executor_address, CONFIG.network_address, CONFIG.is_elsewhere) == ("unix:/run/g.sock", "", False)
    assert replace(CONFIG, controller="tls:192.0.2.1:8701:ab").is_elsewhere


async def test_sigterm_lets_calls_finish_and_takes_no_others(run_dir: Path) -> None:
    async with server(run_dir) as home:
        process = home.start()
        executor = await home.executor()
        await home.is_up()
        client = await home.connect()
        await client.send(CALL)
        call = await executor.call()
        process.send_signal(signal.SIGTERM)
        await eventually(lambda: not home.listens())
        call.returns("finished")
        assert (await client.answer()).json() == "finished"
        await home.ended(process)
        await client.close()
        start, end = home.records()
        assert isinstance(start, CallStarted)
        assert isinstance(end, CallEnded)
        assert (end.call, end.state) == (start.call, "SUCCEEDED")


async def test_kill_9_leaves_the_start_of_what_ran_and_a_free_lock(run_dir: Path) -> None:
    async with server(run_dir) as home:
        process = home.start()
        executor = await home.executor()
        await home.is_up()
        client = await home.connect()
        await client.send(CALL)
        call = await executor.call()
        process.kill()
        await home.ended(process)
        await client.reset()
        await asyncio.wait_for(executor.closed, 20)
        (start,) = home.records()
        assert isinstance(start, CallStarted)
        assert start.call == call.header.call_id
        with next(home.home.journal.iterdir()).open("rb") as segment:
            fcntl.flock(segment, fcntl.LOCK_SH | fcntl.LOCK_NB)


async def test_a_gateway_takes_the_place_of_one_that_was_killed(run_dir: Path) -> None:
    async with server(run_dir) as home:
        path = home.home.gateway_socket(0)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
        home.start()
        await home.is_up()
        executor = await home.executor()
        executor.answers(lambda call: call.returns("here"))
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        client = await home.connect()
        await client.send(CALL)
        assert (await client.answer()).json() == "here"
        await client.close()
        (peer,) = (link.peer or {} for link in home.controller.links)
        assert (peer["name"], peer["executor_address"]) == ("gateway-0", f"unix:{path}")


async def test_nothing_is_answered_before_the_routes_are_known(run_dir: Path) -> None:
    async with server(run_dir) as home:
        await home.controller.stop()
        home.start()
        for _ in range(5):
            await home.is_refused(slot=0)
        assert not home.listens()
        await home.controller.start()
        await home.is_up()
        client = await home.connect()
        await client.send(b"GET /readyz HTTP/1.1\r\nHost: gateway\r\n\r\n")
        assert (await client.answer()).status == 200
        await client.close()


async def test_two_gateways_answer_at_one_port(run_dir: Path) -> None:
    async with server(run_dir) as home:
        home.start(0)
        home.start(1)
        executors = [await home.executor(slot) for slot in (0, 1)]
        for executor in executors:
            executor.answers(lambda call: call.returns(1))
        await eventually(lambda: len(home.controller.links) == 2)
        await home.is_up()
        for _ in range(200):
            client = await home.connect()
            await client.send(CALL)
            assert (await client.answer()).status == 200
            await client.close()
            if all(executor.received for executor in executors):
                return
        pytest.fail("one gateway got all connections")

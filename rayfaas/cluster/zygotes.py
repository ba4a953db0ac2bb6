"""A zygote process, seen from its supervisor: asked to fork executors, ended with the last of its children.

The first is started with subprocess (never forked from a Ray worker), the others grow from it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Callable, Mapping
from typing import IO

from rayfaas.errors import BadRequest, Unavailable
from rayfaas.names import new_id
from rayfaas.orders import MAX_PACKET, Exited, Fork, Forked, Grow, Order, Preloaded, decode_from_zygote, encode_packet
from rayfaas.within import within

START_S = 120.0

OnExit = Callable[[str, int], None]


class Zygote:
    """One generation: what it has loaded it keeps to its end.

    `on_exit(executor, status)` is called once for every executor that ends, also when the zygote itself dies.
    """

    def __init__(self, connection: socket.socket, on_exit: OnExit, parent: Zygote | None = None) -> None:
        self._socket: socket.socket | None = connection
        self._on_exit, self.parent = on_exit, parent
        self._process: subprocess.Popen[bytes] | None = None
        self._pids: dict[str, int | None] = {}
        self._doomed: set[str] = set()
        self._started: asyncio.Future[Preloaded] = asyncio.get_running_loop().create_future()
        self._retired = False
        self.name = new_id()
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.ended = asyncio.Event()
        connection.setblocking(False)
        asyncio.get_running_loop().add_reader(connection, self._readable)

    @classmethod
    async def start(cls, python: str, environ: Mapping[str, str], on_exit: OnExit) -> Zygote:
        """A first generation of this interpreter, with nothing loaded. It has these environment variables and no more.

        Raises `Unavailable` if it does not come up.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        zygote = cls(ours, on_exit)
        with theirs:
            zygote._process = _start_process(python, theirs.fileno(), environ)
        await zygote._wait_until_started()
        return zygote

    async def grow(self, modules: list[str]) -> tuple[Zygote, Preloaded]:
        """The next generation, which has what this one has, and `modules`. Raises `Unavailable` if it does not come
        up."""
        if self._socket is None:
            raise Unavailable("the zygote is gone")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        zygote = Zygote(ours, self._on_exit, parent=self)
        with theirs, _memory_file(modules) as file:
            self._send(zygote.name, encode_packet(Grow(zygote.name)), [theirs.fileno(), file.fileno()])
        return zygote, await zygote._wait_until_started()

    @property
    def pid(self) -> int | None:
        if self._process is not None:
            return self._process.pid
        return self.parent.pid_of(self.name) if self.parent is not None else None

    @property
    def is_up(self) -> bool:
        return self._socket is not None and not self._retired

    def fork(self, order: Order, control_fd: int, output_fd: int, secrets: Mapping[str, str] | None = None) -> None:
        """Have an executor forked; `on_exit` tells of its end, whatever that is. `secrets` only that process reads."""
        if self._socket is None:
            raise Unavailable("the zygote is gone")
        packet = encode_packet(Fork(order))
        if len(packet) > MAX_PACKET:
            raise BadRequest(
                f"The order to run {order.version_key} has {len(packet):,} bytes, the limit is {MAX_PACKET:,}: its env "
                "holds too much. Put large values in a file and name that in include=."
            )
        with _memory_file(dict(secrets or {})) as file:
            self._send(order.executor, packet, [control_fd, output_fd, *([file.fileno()] if secrets else [])])

    def kill(self, executor: str) -> None:
        """End it and what it has started, also where its process is not known yet."""
        pid = self._pids.get(executor)
        if pid is not None:
            kill_group(pid)
        elif executor in self._pids:
            self._doomed.add(executor)

    def pid_of(self, executor: str) -> int | None:
        return self._pids.get(executor)

    def retire(self) -> None:
        """Fork no more, and end when the last child has."""
        self._retired = True
        if not self._pids:
            self._close()

    def _send(self, child: str, packet: bytes, fds: list[int]) -> None:
        """The order for a child, which counts as one from now on; not where it can't be sent."""
        assert self._socket is not None
        self._pids[child] = None
        try:
            socket.send_fds(self._socket, [packet], fds)
        except OSError as error:
            del self._pids[child]
            raise Unavailable(f"the zygote can't be reached: {error}") from error

    async def _wait_until_started(self) -> Preloaded:
        try:
            return await within(START_S, asyncio.shield(self._started))
        except (asyncio.TimeoutError, asyncio.CancelledError) as error:
            if self.parent is not None:
                self.parent.kill(self.name)
            elif self._process is not None:
                kill_group(self._process.pid)
            self._close()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise Unavailable(f"the zygote was not up after {START_S:.0f} s") from None

    def _readable(self) -> None:
        assert self._socket is not None
        while True:
            try:
                packet = self._socket.recv(MAX_PACKET)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                return self._gone()
            self._hear(packet)
            if self._socket is None:
                return

    def _hear(self, packet: bytes) -> None:
        message = decode_from_zygote(packet)
        if isinstance(message, Preloaded):
            if not self._started.done():
                self._started.set_result(message)
        elif isinstance(message, Forked):
            self._pids[message.child] = message.pid
            if message.child in self._doomed:
                kill_group(message.pid)
        elif isinstance(message, Exited):
            self._pids.pop(message.child, None)
            self._doomed.discard(message.child)
            self._on_exit(message.child, message.status)
            if self._retired and not self._pids:
                self._close()

    def _gone(self) -> None:
        self._close()
        if not self._started.done():
            self._started.set_exception(Unavailable("the zygote ended while it started; see the replica's log"))
            self._started.exception()
        # The kernel killed its children with it, but not what they had started.
        for child, pid in list(self._pids.items()):
            if pid is not None:
                kill_group(pid)
            self._on_exit(child, 9)
        self._pids.clear()

    def _close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._process is not None:
            asyncio.get_running_loop().run_in_executor(None, self._process.wait)
        self.ended.set()


def _start_process(python: str, fd: int, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [python, "-m", "rayfaas.executor.zygote", str(fd)],
        stdin=subprocess.DEVNULL,
        pass_fds=[fd],
        env=dict(environ),
        cwd="/",
        start_new_session=True,
    )


def _memory_file(value: dict[str, str] | list[str]) -> IO[bytes]:
    """A file without a name, in memory, that holds the value as JSON."""
    file = os.fdopen(os.memfd_create("order", os.MFD_CLOEXEC), "w+b", 0)
    file.write(json.dumps(value).encode())
    file.seek(0)
    return file


def kill_group(pid: int) -> None:
    """A process with all that it started. One that was forked just now leads no group yet."""
    for kill in (os.killpg, os.kill):
        try:
            return kill(pid, 9)
        except ProcessLookupError:
            pass  # it ended by itself

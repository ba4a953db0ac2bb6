"""A zygote process, seen from its supervisor: started with subprocess (never forked from a Ray worker), asked to fork
executors, and ended with the last of them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping

from rayfaas.errors import Unavailable
from rayfaas.orders import MAX_PACKET, Exited, Fork, Forked, Order, Preloaded, decode_from_zygote, encode_packet

_log = logging.getLogger("rayfaas.supervisor")

START_S = 120.0

# What an executor inherits of the worker's environment. Ray's own variables, tokens and paths of the home server are
# not user code's business.
_DROPPED = ("RAY_", "RAYFAAS_", "SERVE_", "PYTHONBREAKPOINT", "PYTHONUNBUFFERED")

OnExit = Callable[[str, int], None]


def user_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environ.items() if not k.startswith(_DROPPED)}


class Zygote:
    """One generation: what it preloaded it keeps to its end.

    `on_exit(executor, status)` is called once for every executor that ends, also when the zygote itself dies.
    """

    def __init__(self, on_exit: OnExit) -> None:
        self._on_exit = on_exit
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pids: dict[str, int | None] = {}
        self._started: asyncio.Future[Preloaded] = asyncio.get_running_loop().create_future()
        self._retired = False
        self.preloaded = Preloaded([], {}, 0.0)
        self.ended = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_up(self) -> bool:
        return self._socket is not None and not self._retired

    async def start(self, modules: list[str], environ: Mapping[str, str]) -> Preloaded:
        """Returns when it is ready to fork. Raises `Unavailable` if it does not come up."""
        self._process, self._socket = _start_process(modules, environ)
        asyncio.get_running_loop().add_reader(self._socket, self._readable)
        try:
            self.preloaded = await asyncio.wait_for(asyncio.shield(self._started), START_S)
        except asyncio.TimeoutError:
            self._process.kill()
            raise Unavailable(f"the zygote was not up after {START_S:.0f} s") from None
        return self.preloaded

    def fork(self, order: Order, control_fd: int, output_fd: int) -> None:
        """Have an executor forked; `on_exit` tells of its end, whatever that is."""
        if self._socket is None:
            raise Unavailable("the zygote is gone")
        self._pids[order.executor] = None
        try:
            socket.send_fds(self._socket, [encode_packet(Fork(order))], [control_fd, output_fd])
        except OSError as error:
            del self._pids[order.executor]
            raise Unavailable(f"the zygote can't be reached: {error}") from error

    def pid_of(self, executor: str) -> int | None:
        return self._pids.get(executor)

    def retire(self) -> None:
        """Fork no more, and end when the last executor has."""
        self._retired = True
        if not self._pids:
            self._close()

    def kill(self) -> None:
        """End it and all its executors now."""
        if self._process is not None:
            self._process.kill()

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
            self._pids[message.executor] = message.pid
        elif isinstance(message, Exited):
            self._pids.pop(message.executor, None)
            self._on_exit(message.executor, message.status)
            if self._retired and not self._pids:
                self._close()

    def _gone(self) -> None:
        self._close()
        if not self._started.done():
            self._started.set_exception(Unavailable("the zygote ended while it started; see the replica's log"))
            self._started.exception()
        # The kernel killed the executors with it, but not what they had started.
        for executor, pid in list(self._pids.items()):
            if pid is not None:
                kill_group(pid)
            self._on_exit(executor, 9)
        self._pids.clear()

    def _close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._process is not None:
            asyncio.get_running_loop().run_in_executor(None, self._process.wait)
        self.ended.set()


def _start_process(modules: list[str], environ: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "rayfaas.executor.zygote", str(theirs.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
            env=user_environment(environ),
            cwd="/",
            start_new_session=True,
        )
    assert process.stdin is not None
    with process.stdin as stdin:
        stdin.write(json.dumps(modules).encode())
    return process, ours


def kill_group(pid: int) -> None:
    try:
        os.killpg(pid, 9)
    except ProcessLookupError:
        pass  # it ended by itself

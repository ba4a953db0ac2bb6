"""The zygote: a process with one thread and the heavy imports done, from which executors are forked.

    python -m rayfaas.executor.zygote FD        FD: its end of the packet socket to the supervisor

Asked to grow, it forks another zygote, which loads more modules: what was loaded is shared, not loaded again.

When the supervisor's end closes, it kills the process group of every child and ends. When it dies itself, the kernel
kills its children (PR_SET_PDEATHSIG), so that none is ever an orphan.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from typing import NoReturn

import rayfaas.spec  # noqa: F401 what decorators load, before the fork
from rayfaas.executor import executor, forks
from rayfaas.executor.channel import Channel
from rayfaas.executor.import_times import HEAVY_MS
from rayfaas.orders import MAX_PACKET, Exited, Fork, Forked, Grow, Order, Preloaded, decode_to_zygote, encode_packet

_PR_SET_PDEATHSIG = 1
_TRIAL_S = 20.0
_END_S = 5.0
_LONGEST_NAME = 15  # of a process, in Linux
_libc = ctypes.CDLL(None, use_errno=True)


class Zygote:
    """Forks executors and larger zygotes on demand, and says how each ended."""

    def __init__(self, supervisor: socket.socket) -> None:
        self._supervisor = supervisor
        self._children: dict[int, str] = {}
        self._zygotes: set[int] = set()
        self._ending = False
        self._wakeup_in, self._wakeup_out = os.pipe()
        for fd in (self._wakeup_in, self._wakeup_out):
            os.set_blocking(fd, False)

    def serve(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        signal.set_wakeup_fd(self._wakeup_out, warn_on_full_buffer=False)
        while not self._ending:
            readable, _, _ = select.select([self._supervisor.fileno(), self._wakeup_in], [], [])
            if self._wakeup_in in readable:
                os.read(self._wakeup_in, 4096)
                self._reap()
            if self._supervisor.fileno() in readable and not self._receive():
                break
        self._kill_all()

    def _end(self, *_: object) -> None:
        self._ending = True

    def _receive(self) -> bool:
        try:
            packet, fds, _, _ = socket.recv_fds(self._supervisor, MAX_PACKET, 3)
        except ConnectionResetError:  # it ended and had not heard all that we said
            return False
        if not packet:
            return False
        for fd in fds:
            os.set_inheritable(fd, False)  # what users' code starts has no business with them
        self._fork(decode_to_zygote(packet), fds)
        for fd in fds:
            os.close(fd)
        return True

    def _fork(self, message: Fork | Grow, fds: list[int]) -> None:
        child = message.order.executor if isinstance(message, Fork) else message.zygote
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # there is no memory, or no process, left: those that run go on
            if isinstance(message, Fork):
                os.write(fds[1], f"rayfaas: it could not be forked: {error.strerror}\n".encode())
            return self._tell(encode_packet(Exited(child, os.EX_OSERR << 8)))
        if pid == 0:
            if isinstance(message, Fork):
                self._become_executor(message.order, *fds, parent=parent)
            self._become_zygote(fds[0], fds[1], parent)
        self._children[pid] = child
        if not isinstance(message, Fork):
            self._zygotes.add(pid)
        self._tell(encode_packet(Forked(child, pid)))

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            name = self._children.pop(pid, None)
            self._zygotes.discard(pid)
            if name is not None:
                _kill_group(pid)  # what the user's code started and left running
                self._tell(encode_packet(Exited(name, status)))

    def _tell(self, packet: bytes) -> None:
        try:
            self._supervisor.send(packet)
        except OSError:
            pass  # the supervisor is gone; the closed socket ends the loop

    def _kill_all(self) -> None:
        """Executors at once; later zygotes are asked to do the same first, for they know theirs."""
        for pid in self._children.keys() - self._zygotes:
            _kill_group(pid)
        for pid in self._zygotes:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _END_S
        while self._zygotes and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.002)
        for pid in self._zygotes:
            _kill_group(pid)

    def _become_executor(
        self, order: Order, control_fd: int, output_fd: int, secrets_fd: int | None = None, *, parent: int
    ) -> NoReturn:
        """In the child: turn into the executor; never returns."""
        code = 1
        try:
            self._leave(parent)
            _name_process(order)
            os.dup2(output_fd, 1)
            os.dup2(output_fd, 2)
            os.close(output_fd)
            control = Channel(socket.socket(fileno=control_fd))
            try:
                executor.run(order, control, _read_secrets(secrets_fd))
                code = 0
            except BaseException as error:  # SystemExit of user code too: the supervisor is told what it was
                executor.report_failure(control, error)
                raise
        finally:
            forks.end(code)

    def _become_zygote(self, supervisor_fd: int, modules_fd: int, parent: int) -> NoReturn:
        """In the child: turn into the next generation; never returns."""
        code = 1
        try:
            self._leave(parent)
            with os.fdopen(modules_fd) as file:
                modules = json.load(file)
            live(socket.socket(fileno=supervisor_fd), modules)
            code = 0
        finally:
            forks.end(code)

    def _leave(self, parent: int) -> None:
        """In the child: be a session of its own that ends with its parent, and forget what is the parent's."""
        os.setsid()
        die_with_parent(signal.SIGKILL, parent)
        signal.set_wakeup_fd(-1)
        for sig in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(sig, signal.SIG_DFL)
        for fd in (self._supervisor.fileno(), self._wakeup_in, self._wakeup_out):
            os.close(fd)


def live(supervisor: socket.socket, modules: list[str]) -> None:
    """A zygote's life: load the modules, say so, serve until the supervisor is gone."""
    report = preload(modules)
    # Objects that live now are left alone by the collector, so that forked processes go on sharing their pages.
    gc.collect()
    gc.freeze()
    supervisor.send(encode_packet(report))
    if report.unfit is None:
        Zygote(supervisor).serve()


def die_with_parent(sig: int, parent: int) -> None:
    """Have the kernel send `sig` to this process when the thread that forked it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, sig, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), sig)  # it ended before the line above


def preload(modules: list[str]) -> Preloaded:
    """Import them here; then fork once to see that they survive it."""
    started = time.perf_counter()
    refused, cost_ms = {}, {}
    for name in modules:
        began = time.perf_counter()
        try:
            importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001 a module that raises at import is left to the executor
            refused[name] = f"{type(error).__name__}: {error}"
            continue
        if (took_ms := (time.perf_counter() - began) * 1000) >= HEAVY_MS:
            cost_ms[name] = round(took_ms, 1)
    unfit = _trial_fork() if len(refused) < len(modules) else None
    return Preloaded(refused, round((time.perf_counter() - started) * 1000, 1), unfit, cost_ms)


def _trial_fork() -> str | None:
    """Why a fork of this process does not work, or None. Threads that the modules started are gone in the child."""
    pid = os.fork()
    if pid == 0:
        thread = threading.Thread(target=gc.collect)
        thread.start()
        thread.join()
        os._exit(0)
    deadline = time.monotonic() + _TRIAL_S
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return None if status == 0 else f"a forked process ended with status {status}"
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "a forked process hung"


def _name_process(order: Order) -> None:
    """So that `top` and `ps -o comm` tell whose process it is, which has the zygote's command line: `embed:3`."""
    version = f":{order.version}"
    name = order.function.rpartition("/")[2][: _LONGEST_NAME - len(version)] + version
    with contextlib.suppress(OSError), open("/proc/self/comm", "wb", buffering=0) as file:
        file.write(name.encode())


def _read_secrets(fd: int | None) -> dict[str, str]:
    if fd is None:
        return {}
    with os.fdopen(fd) as file:
        secrets: dict[str, str] = json.load(file)
    return secrets


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nobody is left in it


def main() -> None:
    sys.path[:] = [p for p in sys.path if p not in ("", os.getcwd())]  # -m puts the working directory first
    supervisor = socket.socket(fileno=int(sys.argv[1]))
    supervisor.set_inheritable(False)
    live(supervisor, [])


if __name__ == "__main__":
    main()

"""The zygote: a process with one thread and the heavy imports done, from which executors are forked.

    python -m rayfaas.executor.zygote FD        FD: its end of the packet socket to the supervisor
                                                stdin: a JSON list of modules to preload

When the supervisor's end closes, it kills the process group of every executor and ends. When it dies itself, the kernel
kills its executors (PR_SET_PDEATHSIG), so that none is ever an orphan.
"""

from __future__ import annotations

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

from rayfaas.executor import executor
from rayfaas.executor.channel import Channel
from rayfaas.orders import MAX_PACKET, Exited, Forked, Order, Preloaded, decode_fork, encode_packet

_PR_SET_PDEATHSIG = 1
_TRIAL_S = 20.0
_libc = ctypes.CDLL(None, use_errno=True)


class Zygote:
    """Forks executors on demand and says how each ended."""

    def __init__(self, supervisor: socket.socket) -> None:
        self._supervisor = supervisor
        self._executors: dict[int, str] = {}
        self._wakeup_in, self._wakeup_out = os.pipe()
        for fd in (self._wakeup_in, self._wakeup_out):
            os.set_blocking(fd, False)

    def serve(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup_out, warn_on_full_buffer=False)
        while True:
            readable, _, _ = select.select([self._supervisor.fileno(), self._wakeup_in], [], [])
            if self._wakeup_in in readable:
                os.read(self._wakeup_in, 4096)
                self._reap()
            if self._supervisor.fileno() in readable and not self._receive():
                break
        self._kill_all()

    def _receive(self) -> bool:
        packet, fds, _, _ = socket.recv_fds(self._supervisor, MAX_PACKET, 2)
        if not packet:
            return False
        order = decode_fork(packet).order
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(order, fds[0], fds[1], parent)
        self._executors[pid] = order.executor
        for fd in fds:
            os.close(fd)
        self._tell(encode_packet(Forked(order.executor, pid)))
        return True

    def _reap(self) -> None:
        while self._executors:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            name = self._executors.pop(pid, None)
            if name is not None:
                _kill_group(pid)  # what the user's code started and left running
                self._tell(encode_packet(Exited(name, status)))

    def _tell(self, packet: bytes) -> None:
        try:
            self._supervisor.send(packet)
        except OSError:
            pass  # the supervisor is gone; the closed socket ends the loop

    def _kill_all(self) -> None:
        for pid in self._executors:
            _kill_group(pid)

    def _become(self, order: Order, control_fd: int, output_fd: int, parent: int) -> NoReturn:
        """In the child: turn into the executor; never returns."""
        code = 1
        try:
            os.setsid()
            die_with_parent(signal.SIGKILL, parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for fd in (self._supervisor.fileno(), self._wakeup_in, self._wakeup_out):
                os.close(fd)
            os.dup2(output_fd, 1)
            os.dup2(output_fd, 2)
            os.close(output_fd)
            gc.enable()
            control = Channel(socket.socket(fileno=control_fd))
            try:
                executor.run(order, control)
                code = 0
            except BaseException as error:
                executor.report_failure(control, error)
                raise
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)


def die_with_parent(sig: int, parent: int) -> None:
    """Have the kernel send `sig` to this process when the thread that forked it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, sig, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), sig)  # it ended before the line above


def preload(modules: list[str]) -> Preloaded:
    """Import them here; then fork once to see that they survive it."""
    started = time.perf_counter()
    loaded, refused = [], {}
    for name in modules:
        try:
            importlib.import_module(name)
            loaded.append(name)
        except BaseException as error:  # noqa: BLE001 a module that raises at import is left to the executor
            refused[name] = f"{type(error).__name__}: {error}"
    if loaded and (reason := _trial_fork()):
        refused.update(dict.fromkeys(loaded, reason))
        loaded = []
    return Preloaded(loaded, refused, round((time.perf_counter() - started) * 1000, 1))


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


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nobody is left in it


def main() -> None:
    sys.path[:] = [p for p in sys.path if p not in ("", os.getcwd())]  # -m puts the working directory first
    supervisor = socket.socket(fileno=int(sys.argv[1]))
    modules = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    report = preload(modules)
    # Objects that live now are left alone by the collector, so that forked processes go on sharing their pages.
    gc.collect()
    gc.freeze()
    supervisor.send(encode_packet(report))
    if report.refused and not report.modules and modules:
        return  # what was loaded does not survive a fork: this generation is of no use
    Zygote(supervisor).serve()


if __name__ == "__main__":
    main()

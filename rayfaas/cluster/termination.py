"""SIGTERM, heard in a process whose main thread is Ray's.

Python lets that thread alone set handlers, and Ray's own ends the process in an instant. `faulthandler` sets one from
any thread (https://docs.python.org/3/library/faulthandler.html#faulthandler.register): it writes to a pipe, read here.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal

_READ = 64 << 10


class Termination:
    """From `watch` on SIGTERM does no more than to set `told`; `obey` ends the process as if nobody had watched."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self._pipe_in = self._pipe_out = -1

    def watch(self) -> None:
        self._pipe_in, self._pipe_out = os.pipe()
        for fd in (self._pipe_in, self._pipe_out):
            os.set_blocking(fd, False)
        asyncio.get_running_loop().add_reader(self._pipe_in, self._hear)
        faulthandler.register(signal.SIGTERM, file=self._pipe_out, all_threads=False)

    def obey(self) -> None:
        faulthandler.unregister(signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    def _hear(self) -> None:
        os.read(self._pipe_in, _READ)
        self.told.set()

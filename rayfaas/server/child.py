"""A process of the home server that its parent keeps running, and that ends with it."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import click

_log = logging.getLogger("rayfaas.parent")

STOP_S = 40.0
_PR_SET_PDEATHSIG = 1
_RESTART_S = (0.05, 0.2, 1.0, 5.0)
# One that lived so long starts its count of restarts anew.
_STEADY_S = 30.0


@dataclass
class Child:
    """One process that is kept running."""

    name: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    not_before: float = 0.0

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_terminate_with_parent,  # the parent has one thread
            )
        self.started_at = time.monotonic()

    def keep(self) -> bool:
        """Start it if it is not running and its pause is over; whether that changed anything. Raises `ClickException`
        where it said that it can't work with this home."""
        if self.process is not None and self.process.poll() is None:
            return False
        now = time.monotonic()
        if self.process is not None:
            self._take_end(self.process, now)
        if now < self.not_before:
            return False
        try:
            self.start()
        except OSError as error:  # there is no memory for a process now, say
            self.failures += 1
            self._pause(now, f"can't be started: {error}")
            return False
        return True

    def stop(self, timeout_s: float = STOP_S) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _log.error("%s did not end within %.0f s and is killed", self.name, timeout_s)
            self.process.kill()
            self.process.wait()

    def _take_end(self, process: subprocess.Popen[bytes], now: float) -> None:
        code, self.process = process.returncode, None
        if code == os.EX_CONFIG:
            raise click.ClickException(f"{self.name} can't start: {_last_line(self.log)}")
        self.failures = 0 if now - self.started_at > _STEADY_S else self.failures + 1
        self._pause(now, f"ended with code {code}")

    def _pause(self, now: float, why: str) -> None:
        pause_s = _RESTART_S[min(self.failures, len(_RESTART_S) - 1)]
        self.not_before = now + pause_s
        _log.error("%s %s; it is started again in %.2f s", self.name, why, pause_s)


def _last_line(log: Path) -> str:
    return log.read_text(errors="replace").rstrip().rpartition("\n")[2]


def _terminate_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

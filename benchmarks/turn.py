"""One system's turn: a scratch directory, and every process that was started for it, wherever it went.

Processes are known by a mark in their environment, which children inherit however they daemonize, and by descent, for
those that overwrite their environment with a title (https://pypi.org/project/setproctitle/). At the end of a turn none
of them is left.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import psutil

from benchmarks.errors import BenchmarkError

MARK = "RAYFAAS_BENCHMARK_TURN"
ROOT = Path(__file__).parent.parent

# What a shell may have set for the systems under test; each turn sets its own.
_FOREIGN = ("RAY_", "RAYFAAS_", "BENTOML_", "FUNCTION_", "PYTHON", "WORKERS", "THREADS", "PORT", "HOST", "UVICORN_")
_GRACE_S = 3.0
_KILL_S = 20.0


class Turn:
    """Use as a context manager.

    >>> with Turn({"PATH": "/usr/bin:/bin"}) as turn:
    ...     turn.run("echo", "hello")
    'hello\\n'
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._mark = uuid.uuid4().hex
        self._roots: list[subprocess.Popen[str]] = []
        # In /tmp by name: Ray puts UNIX sockets below, whose paths hold 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="rfb-", dir="/tmp"))
        self._environ = {name: value for name, value in environ.items() if not name.startswith(_FOREIGN)}
        self._environ |= {MARK: self._mark, "PYTHONUNBUFFERED": "1"}

    def __enter__(self) -> Turn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ask_to_end()
        self._kill_all()
        shutil.rmtree(self.directory, ignore_errors=True)

    def spawn(
        self, *command: str | Path | int, env: Mapping[str, str] | None = None, interactive: bool = False
    ) -> subprocess.Popen[str]:
        """Start a process that stays; what it says goes to `log`. With `interactive` its stdin and stdout are pipes."""
        with self.log.open("a") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                env=self._environ | dict(env or {}),
                cwd=self.directory,
                stdin=subprocess.PIPE if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE if interactive else log,
                stderr=log,
                text=True,
                bufsize=1,
                start_new_session=True,
            )
        self._roots.append(process)
        return process

    def run(self, *command: str | Path | int, env: Mapping[str, str] | None = None, timeout_s: float = 120.0) -> str:
        """Run a command to its end and return what it printed; an exit code other than 0 is a BenchmarkError."""
        done = subprocess.run(
            [str(part) for part in command],
            env=self._environ | dict(env or {}),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if done.returncode != 0:
            raise BenchmarkError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def processes(self) -> list[psutil.Process]:
        """Every living process of this turn."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            if process.pid not in found and self._is_marked(process):
                found |= {relative.pid: relative for relative in _with_descendants(process)}
        return list(found.values())

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def log_tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == self._mark
        except (psutil.Error, OSError):
            return False

    def _ask_to_end(self) -> None:
        for root in self._roots:
            root.terminate()
        deadline = time.monotonic() + _GRACE_S
        for root in self._roots:
            try:
                root.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue

    def _kill_all(self) -> None:
        # Several looks: a supervisor may have started another child between the look and its own death.
        deadline = time.monotonic() + _KILL_S
        while left := self.processes():
            if time.monotonic() > deadline:
                raise BenchmarkError(f"these processes can't be ended: {[process.pid for process in left]}")
            for process in left:
                _kill(process)
            psutil.wait_procs(left, timeout=1.0)
        for root in self._roots:
            root.wait()
            for pipe in (root.stdin, root.stdout):
                if pipe is not None:
                    pipe.close()


def _with_descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        family = [process, *process.children(recursive=True)]
        return [member for member in family if member.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return

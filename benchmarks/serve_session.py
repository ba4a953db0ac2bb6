"""Ray Serve under command, for what is measured of it beside calls: redeploys, and waking from zero."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.endpoint import Endpoint
from benchmarks.errors import BenchmarkError
from benchmarks.systems.serve_default import QUIET
from benchmarks.systems.system import APPS, free_port
from benchmarks.turn import Turn

_MARK = "ANSWER "


class ServeSession:
    """apps/serve_session.py in a turn, with a copy of the code that may be edited. `kind`: STEADY or SCALING."""

    def __init__(self, turn: Turn, kind: str) -> None:
        port = free_port()
        program = Path(shutil.copy(APPS / "serve_session.py", turn.directory))
        self.code = Path(shutil.copy(APPS / "predict_serve.py", turn.directory))
        self.endpoint = Endpoint(f"http://127.0.0.1:{port}/")
        self._turn = turn
        self._process: subprocess.Popen[str] = turn.spawn(
            *(sys.executable, program, port, turn.directory / "ray", kind), env=QUIET, interactive=True
        )

    def run(self) -> None:
        """Have Serve run the code as it is on disk; returns when Serve says that it is live."""
        self._ask("run")

    def replicas(self) -> int:
        return int(self._ask("replicas"))

    def _ask(self, command: str) -> str:
        assert self._process.stdin is not None  # it is interactive
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith(_MARK):
                return line.removeprefix(_MARK).strip()
        raise BenchmarkError(f"Ray Serve's driver ended:\n{self._turn.log_tail()}")

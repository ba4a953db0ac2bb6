"""A node of the home's own cluster, on the same machine: what a boot script of the provider `local` runs.

    python -m rayfaas.cluster.worker --home DIR --attempt ID --cpus N --gpus N

It has as many GPUs as it is told, whether there are any. It ends when Ray there ends, or with SIGTERM.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from rayfaas.cluster.local import HEAD_UP_S, ray_environment, terminate_with_parent
from rayfaas.cluster.ray_node import RayNode
from rayfaas.config import Home

# How long Ray's processes have to end; what runs on the node is gone by then.
END_S = 10.0


class RayWorker:
    """`ray start --block`, joined to the home's head, in this process's session."""

    def __init__(self, home: Home, node: RayNode) -> None:
        self._home, self._node = home, node
        self._log = home.logs / f"worker-{node.attempt}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Returns when it has ended; its exit code."""
        with one_at_a_time(self._home.run / "worker.lock"):
            with self._log.open("wb") as output:
                self._process = subprocess.Popen(
                    self._node.command(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=ray_environment(self._home.ray_token_file.read_text()),
                    preexec_fn=terminate_with_parent,  # this process has one thread
                )
            deadline = time.monotonic() + HEAD_UP_S
            while b"Ray runtime started" not in self._log.read_bytes() and self._process.poll() is None:
                if time.monotonic() > deadline:
                    self.stop()
                time.sleep(0.1)
        return self._process.wait()

    def stop(self) -> None:
        """SIGTERM lets Ray end its processes itself; what is left of the session is killed, this process, too. Not for
        a signal's handler: while `run` is interrupted in its wait for Ray's end, nobody else hears of that."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
        self._log.unlink(missing_ok=True)
        if os.getpid() == os.getpgrp():
            os.killpg(os.getpgrp(), signal.SIGKILL)
        sys.exit(0)


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Two that start at the same moment on one machine take each other's ports."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@click.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.option("--attempt", required=True)
@click.option("--cpus", type=float, default=1.0)
@click.option("--gpus", type=float, default=0.0)
@click.option("--memory-mb", type=int, default=0)
@click.option("--resources", default="{}", help="Others, as JSON.")
def main(home: Path, attempt: str, cpus: float, gpus: float, memory_mb: int, resources: str) -> None:
    address = json.loads(Home(home).cluster_file.read_text())["address"]
    worker = RayWorker(Home(home), RayNode(address, attempt, cpus, gpus, memory_mb, resources))
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _end)
    try:
        sys.exit(worker.run())
    except _Told:
        worker.stop()


class _Told(BaseException):
    """It is to end."""


def _end(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise _Told


if __name__ == "__main__":
    main()

"""A node on the home's own machine: it ends when Ray there ends, and Ray with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rayfaas.cluster.worker import END_S, one_at_a_time
from rayfaas.config import Home
from tests.processes import is_gone
from tests.waiting import wait_until

# What stands in for `ray`: it says when it was told to end, and leaves something behind.
RAY = """#!/bin/sh
trap 'echo "ended in order" > "{told}"; exit 0' TERM
sleep 3600 &
echo "Ray runtime started."
wait
"""
STARTS = """
import sys
from rayfaas.cluster.worker import main

sys.executable = sys.argv.pop(1)
main()
"""


@pytest.fixture
def home() -> Iterator[Home]:
    directory = Path(tempfile.mkdtemp(prefix="rf-"))
    home = Home(directory)
    for folder in (home.run, home.logs, directory / "bin"):
        folder.mkdir()
    home.ray_token_file.write_text("token")
    home.write_cluster("local", "192.0.2.10:6379", None)
    ray = directory / "bin" / "ray"
    ray.write_text(RAY.format(told=directory / "told"))
    ray.chmod(0o755)
    yield home
    shutil.rmtree(directory)


@pytest.fixture
def worker(home: Home) -> Iterator[psutil.Popen]:
    python = home.path / "bin" / "python"
    command = [sys.executable, "-c", STARTS, str(python), "--home", str(home.path), "--attempt", "a1"]
    with psutil.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as worker:
        log = home.logs / "worker-a1.log"
        wait_until(lambda: log.exists() and "Ray runtime started" in log.read_text())
        with one_at_a_time(home.run / "worker.lock"):
            pass  # it waits for Ray's end now
        yield worker
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_goes_as_soon_as_ray_has_and_leaves_nothing(
    home: Home, worker: psutil.Popen, number: signal.Signals
) -> None:
    family = worker.children(recursive=True)
    assert len(family) == 2
    worker.send_signal(number)
    assert worker.wait(END_S - 1) == -signal.SIGKILL  # by itself, with all of its session
    assert (home.path / "told").read_text() == "ended in order\n"
    wait_until(lambda: all(is_gone(each) for each in family))
    assert not (home.logs / "worker-a1.log").exists()


def test_it_ends_when_ray_does(worker: psutil.Popen) -> None:
    (ray,) = worker.children()
    ray.terminate()
    assert worker.wait(END_S) == 0

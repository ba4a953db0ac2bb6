"""Children are kept running with growing pauses, and end with the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import psutil
import pytest

from rayfaas.server.child import Child


@pytest.fixture
def children(tmp_path: Path) -> Iterator[list[Child]]:
    """Those in it are killed after the test."""
    made: list[Child] = []
    yield made
    for child in made:
        if child.process is not None:
            child.process.kill()
            child.process.wait()


def shell(children: list[Child], tmp_path: Path, script: str) -> Child:
    child = Child("child", ["/bin/sh", "-c", script], tmp_path / "child.log")
    children.append(child)
    return child


def until(question: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for_end(child: Child) -> None:
    assert child.process is not None
    child.process.wait(20)


def test_a_child_that_runs_is_left_alone(children: list[Child], tmp_path: Path) -> None:
    child = shell(children, tmp_path, "exec sleep 600")
    assert child.keep()
    first = child.process
    assert not child.keep()
    assert child.process is first


def test_a_child_that_ended_is_started_again_when_its_pause_is_over(children: list[Child], tmp_path: Path) -> None:
    child = shell(children, tmp_path, "exit 3")
    child.keep()
    wait_for_end(child)
    child.started_at = time.monotonic() + 1  # its pause is not over in the next second
    assert not child.keep()
    assert not child.keep()
    assert child.process is None
    child.not_before = 0.0
    assert child.keep()
    assert child.process is not None


def test_a_child_that_can_not_work_with_this_home_is_not_tried_again(children: list[Child], tmp_path: Path) -> None:
    child = shell(children, tmp_path, f"echo begins; echo the registry is newer; exit {os.EX_CONFIG}")
    child.keep()
    wait_for_end(child)
    with pytest.raises(click.ClickException, match=r"can't start: the registry is newer$"):
        child.keep()


def test_the_pauses_grow_up_to_a_limit(children: list[Child], tmp_path: Path) -> None:
    child = shell(children, tmp_path, "exit 3")
    for pause_s in (0.2, 1.0, 5.0, 5.0):
        child.not_before = 0.0
        child.keep()
        wait_for_end(child)
        before = time.monotonic()
        child.keep()
        assert before + pause_s <= child.not_before <= time.monotonic() + pause_s


def test_a_child_that_can_not_be_started_now_is_tried_again_after_growing_pauses(tmp_path: Path) -> None:
    child = Child("child", [str(tmp_path / "no such program")], tmp_path / "child.log")
    for pause_s in (0.2, 1.0, 5.0):
        child.not_before, before = 0.0, time.monotonic()
        assert not child.keep()
        assert child.process is None
        assert before + pause_s <= child.not_before <= time.monotonic() + pause_s


def test_a_child_that_had_lived_long_is_started_again_after_the_shortest_pause(
    children: list[Child], tmp_path: Path
) -> None:
    child = shell(children, tmp_path, "exit 3")
    child.failures = 3
    child.keep()
    wait_for_end(child)
    child.started_at -= 31
    child.keep()
    assert child.failures == 0
    assert child.not_before <= time.monotonic() + 0.05


def test_all_that_a_child_says_is_added_to_its_log(children: list[Child], tmp_path: Path) -> None:
    child = shell(children, tmp_path, "echo out; echo err >&2; read line || echo no input")
    for _ in range(2):
        child.start()
        wait_for_end(child)
    assert child.log.read_text() == "out\nerr\nno input\n" * 2


def test_stopping_asks_first(children: list[Child], tmp_path: Path) -> None:
    child = shell(children, tmp_path, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done")
    child.start()
    until(child.log.read_text)
    child.stop(20)
    assert child.log.read_text() == "up\nbye\n"


def test_a_child_that_will_not_end_is_killed(children: list[Child], tmp_path: Path) -> None:
    child = shell(children, tmp_path, "trap '' TERM; echo up; while :; do sleep 0.01; done")
    child.start()
    until(child.log.read_text)
    child.stop(0.05)
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


def test_a_child_that_never_started_or_has_ended_can_be_stopped(children: list[Child], tmp_path: Path) -> None:
    child = shell(children, tmp_path, "exit 0")
    child.stop()
    child.start()
    wait_for_end(child)
    child.stop()
    child.stop()


def test_children_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from rayfaas.server.child import Child
child = Child("child", ["/bin/sleep", "600"], Path(sys.argv[1]))
child.start()
print(child.process.pid, flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", script, str(tmp_path / "child.log")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    until(lambda: is_gone(child))

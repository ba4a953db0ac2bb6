"""Children are kept running with growing pauses and end with the parent; secrets are whole and their owner's only."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import psutil
import pytest

from rayfaas.config import Home
from rayfaas.server.parent import Child, Parent, ServerOptions, prepare, write_secret
from tests.server.parts import full_disk


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


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


# Children


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
from rayfaas.server.parent import Child
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


# The home


def test_a_new_home_is_its_owners_only(home: Home) -> None:
    for directory in (home.path, home.run, home.bundles, home.journal, home.logs, home.cache):
        assert mode(directory) == 0o700
    for secret in (home.key_file, home.ray_token_file):
        assert mode(secret) == 0o600
    assert len(home.key_file.read_bytes()) == 32
    assert len(home.ray_token_file.read_bytes()) >= 32


def test_a_wide_umask_does_not_widen_it(directory: Path) -> None:
    before = os.umask(0)
    try:
        prepare(Home(directory / "h"))
        write_secret(directory / "token", b"secret")
    finally:
        os.umask(before)
    assert mode(directory / "h") == 0o700
    assert mode(directory / "h" / "home.key") == mode(directory / "token") == 0o600


def test_preparing_a_home_again_keeps_its_keys(home: Home) -> None:
    keys = home.key_file.read_bytes(), home.ray_token_file.read_bytes()
    prepare(home)
    assert (home.key_file.read_bytes(), home.ray_token_file.read_bytes()) == keys


def test_no_two_homes_have_the_same_key(directory: Path) -> None:
    for name in ("a", "b"):
        prepare(Home(directory / name))
    assert Home(directory / "a").key_file.read_bytes() != Home(directory / "b").key_file.read_bytes()


def test_a_secret_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    for secret in (b"first and longer", b"second"):
        write_secret(tmp_path / "token", secret)
    assert (tmp_path / "token").read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["token"]


def test_a_full_disk_leaves_the_last_secret_as_it_was(tmp_path: Path) -> None:
    write_secret(tmp_path / "token", b"first")
    with full_disk(free=3), pytest.raises(OSError, match="File too large"):
        write_secret(tmp_path / "token", b"second")
    assert (tmp_path / "token").read_bytes() == b"first"
    write_secret(tmp_path / "token", b"second")
    assert (tmp_path / "token").read_bytes() == b"second"


def test_a_full_disk_leaves_no_half_of_the_first_secret(tmp_path: Path) -> None:
    with full_disk(free=3), pytest.raises(OSError, match="File too large"):
        write_secret(tmp_path / "token", b"secret")
    assert not (tmp_path / "token").exists()


def test_what_a_killed_server_left_half_written_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "token.new").write_bytes(b"half")
    (tmp_path / "token.new").chmod(0o666)
    write_secret(tmp_path / "token", b"secret")
    assert (tmp_path / "token").read_bytes() == b"secret"
    assert mode(tmp_path / "token") == 0o600


def test_a_link_laid_where_the_secret_is_written_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"untouched")
    (tmp_path / "token.new").symlink_to(tmp_path / "victim")
    write_secret(tmp_path / "token", b"secret")
    assert (tmp_path / "victim").read_bytes() == b"untouched"
    assert not (tmp_path / "token").is_symlink()


def test_a_second_server_of_a_home_is_refused_and_disturbs_nothing_of_the_first(home: Home) -> None:
    home.server_file.write_text("{}")
    hold = (
        "import fcntl, sys; f = open(sys.argv[1], 'a+'); fcntl.flock(f, 1); print('up', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(home.lock_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"up\n"
        with pytest.raises(click.ClickException, match=r"running in .* already"):
            Parent(home, ServerOptions("127.0.0.1", 0, 1)).run()
        first.kill()
    assert home.server_file.read_text() == "{}"
    assert os.listdir(home.logs) == []


@pytest.mark.parametrize(
    ("host", "url"), [("0.0.0.0", "http://127.0.0.1:80"), ("::1", "http://[::1]:80"), ("lab", "http://lab:80")]
)
def test_the_servers_url_is_one_that_this_machine_reaches(host: str, url: str) -> None:
    assert ServerOptions(host, 80, 1).url == url

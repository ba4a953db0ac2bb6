"""A home has one server, and is its owner's only, with keys of its own."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest

from rayfaas.config import Home
from rayfaas.server.child import Child
from rayfaas.server.parent import Parent, prepare
from rayfaas.server_options import ServerOptions
from tests.waiting import wait_until


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


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
    finally:
        os.umask(before)
    assert mode(directory / "h") == 0o700
    assert mode(directory / "h" / "home.key") == 0o600


def test_preparing_a_home_again_keeps_its_keys(home: Home) -> None:
    keys = home.key_file.read_bytes(), home.ray_token_file.read_bytes()
    prepare(home)
    assert (home.key_file.read_bytes(), home.ray_token_file.read_bytes()) == keys


def test_no_two_homes_have_the_same_key(directory: Path) -> None:
    for name in ("a", "b"):
        prepare(Home(directory / name))
    assert Home(directory / "a").key_file.read_bytes() != Home(directory / "b").key_file.read_bytes()


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


def test_the_sockets_of_a_home_with_a_long_path_go_with_the_server(tmp_path: Path) -> None:
    home = Home(tmp_path / ("long" * 20))
    parent = Parent(home, ServerOptions("127.0.0.1", 0, 1))
    prepare(home)
    assert home.run.parent != home.path
    parent.stop()
    parent.run()
    assert not home.run.exists()


def test_its_processes_go_on_though_it_can_not_write_down_that_they_run(home: Home, tmp_path: Path) -> None:
    home.token_file.write_text("made before")
    home.server_file.mkdir()
    parent = Parent(home, ServerOptions("127.0.0.1", 0, 0))
    controller, cluster = (Child(name, ["/bin/sleep", "600"], tmp_path / name) for name in ("controller", "cluster"))
    parent._controller, parent._cluster = controller, cluster
    keeping = threading.Thread(target=parent._keep_until_stopped)
    keeping.start()
    wait_until(lambda: cluster.process)
    home.server_file.rmdir()
    wait_until(home.server_file.is_file)
    told = json.loads(home.server_file.read_text())["processes"]
    processes = [each.process for each in (controller, cluster) if each.process is not None]
    assert [each["pid"] for each in told[1:]] == [each.pid for each in processes]
    assert [each.poll() for each in processes] == [None, None]
    parent.stop()
    keeping.join(20)
    parent._stop_children()


@pytest.mark.parametrize(
    ("host", "url"), [("0.0.0.0", "http://127.0.0.1:80"), ("::1", "http://[::1]:80"), ("lab", "http://lab:80")]
)
def test_the_servers_url_is_one_that_this_machine_reaches(host: str, url: str) -> None:
    assert ServerOptions(host, 80, 1).url == url

"""`rayfaas up` and `down`: one server for each home, ended whole where it does not come up."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rayfaas.cli.server import is_running, server_url
from rayfaas.config import Home
from rayfaas.server_options import ServerOptions
from tests.cli.terminal import Terminal
from tests.scripted_server import ScriptedServer, answering, eventually

STAND_IN = Path(__file__).parent / "stand_in.py"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.path.mkdir()
    return home


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def alive(pid: int) -> bool:
    """Whether it runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(home: Home, tmp_path: Path) -> Iterator[Start]:
    """Runs a command with a Python that starts the stand-in as the server, which is ended after the test."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    python.chmod(0o755)
    program = f"import sys; sys.executable = {str(python)!r}; from rayfaas.cli import main; main()"

    def run(*arguments: object, **how: Any) -> subprocess.Popen[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("RAYFAAS_")}
        return subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environ, "RAYFAAS_HOME": str(home.path), "STAND_IN": json.dumps(how)},
        )

    yield run
    if (home.path / "pid").exists() and alive(pid := int((home.path / "pid").read_text())):
        os.kill(pid, signal.SIGKILL)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def options_of(home: Home) -> ServerOptions:
    """What the server was started with."""
    where, path, how, options = json.loads((home.path / "arguments.json").read_text())
    assert (where, path, how) == ("--home", str(home.path), "--options")
    return ServerOptions.parse(options)


def test_a_server_comes_up_tells_where_it_is_and_goes_down(home: Home, start: Start) -> None:
    with ScriptedServer(answering({"replicas": [{}]})) as server:
        port = free_port()
        code, out, err = ended(start("up", "--port", port, "--cpus", 1.5, "--ray-address", "", url=server.url))
        assert (code, err) == (0, "")
        assert out.splitlines()[:2] == [f"rayfaas is up at {server.url}", "The admin token is rf_admin"]
        assert str(home.token_file) in out
        assert f"export RAYFAAS_HOME={home.path}\n" in out
        assert server.requests[0].headers["authorization"] == "Bearer rf_admin"
        assert is_running(home)
        assert server_url(home) == server.url
    pid = int((home.path / "pid").read_text())
    assert options_of(home) == ServerOptions(port=port, cpus=1.5)
    assert os.getsid(pid) == pid  # Ctrl-C in the shell that it was started from does not reach it
    assert ended(start("down")) == (0, f"rayfaas is down: the server of {home.path} has ended.\n", "")
    eventually(lambda: not alive(pid))
    assert not is_running(home)


def test_a_server_that_ends_while_it_starts_shows_the_end_of_its_log(home: Home, start: Start) -> None:
    home.logs.mkdir(mode=0o700)
    (home.logs / "parent.log").write_text("ended in an earlier life\n")
    code, out, err = ended(start("up", "--port", free_port(), failure="no disk left"))
    assert (code, out) == (1, "")
    assert "earlier life" not in err
    assert "The server ended while it started:" in err
    assert "line 39\nno disk left" in err
    assert "line 3\n" not in err
    for directory in (home.path, home.logs):
        assert directory.stat().st_mode & 0o777 == 0o700


def test_a_new_home_is_its_owners_only(home: Home, start: Start) -> None:
    home.path.rmdir()
    assert ended(start("up", "--port", free_port(), failure="no disk left"))[0] == 1
    assert home.path.stat().st_mode & 0o777 == 0o700


def test_a_home_without_room_is_told_before_anything_starts(
    rayfaas: Terminal, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage(home.path)._replace(free=4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    code, out, err = rayfaas("up", "--port", free_port())
    assert (code, out) == (1, "")
    assert f"Error: There is no space left for {home.path}" in err


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_home_that_is_no_folder_is_told_and_not_a_traceback(
    rayfaas: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RAYFAAS_HOME", str(tmp_path / "file"))
    code, out, err = rayfaas(command)
    assert (code, out) == (1, "")
    assert err.startswith("Error: [Errno 20] Not a directory")


def test_ctrl_c_while_it_starts_ends_what_was_started(home: Home, start: Start) -> None:
    process = start("up", "--port", free_port())
    eventually(lambda: is_running(home))
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process)
    assert (code, out, err) == (130, "", "\n")
    assert not alive(int((home.path / "pid").read_text()))


def test_a_server_is_waited_for_until_it_has_a_cluster(home: Home, start: Start) -> None:
    replicas: list[dict[str, Any]] = []
    with ScriptedServer(lambda request, reply: reply.json({"replicas": replicas})) as server:
        process = start("up", "--port", free_port(), url=server.url)
        eventually(lambda: len(server.requests) >= 3)
        assert process.poll() is None
        replicas.append({})
        assert ended(process)[0] == 0


def test_a_server_that_is_starting_is_stopped_when_it_has_told_of_itself(rayfaas: Terminal, home: Home) -> None:
    source = f"""if True:
        import fcntl, os, time
        lock = open({str(home.lock_file)!r}, "w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        print("starting", flush=True)
        time.sleep(0.2)
        with open({str(home.server_file)!r}, "w") as file:
            file.write('{{"pid": %d}}' % os.getpid())
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert rayfaas("down") == (0, f"rayfaas is down: the server of {home.path} has ended.\n", "")
        assert process.wait() == -signal.SIGTERM


def test_a_second_server_in_one_home_is_refused(rayfaas: Terminal, home: Home) -> None:
    home.server_file.write_text('{"url": "http://127.0.0.1:1234", "pid": 1}')
    with home.lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, out, err = rayfaas("up")
    assert (code, out) == (1, "")
    assert f"A server is running in {home.path}, at http://127.0.0.1:1234. End it with `rayfaas down`." in err


def test_a_server_that_has_not_told_its_address_yet_is_running_all_the_same(rayfaas: Terminal, home: Home) -> None:
    with home.lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, err = rayfaas("up")
    assert code == 1
    assert "at an address that it has not told yet" in err


def test_files_that_a_killed_server_left_are_no_server(home: Home) -> None:
    home.lock_file.touch()
    home.server_file.write_text('{"url": "http://127.0.0.1:1234", "pid": 1}')
    assert not is_running(home)


def test_looking_for_a_server_does_not_keep_others_from_starting_one(home: Home) -> None:
    home.lock_file.touch()
    assert not is_running(home)
    with home.lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert is_running(home)
        assert is_running(home)


def test_a_port_of_somebody_else_is_told_before_anything_is_started(rayfaas: Terminal, home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, _, err = rayfaas("up", "--port", port)
    assert code == 1
    assert f"127.0.0.1:{port} is in use. Choose another: rayfaas up --port …" in err
    assert list(home.path.iterdir()) == []


def test_an_address_that_is_not_this_machines_is_told(rayfaas: Terminal) -> None:
    code, _, err = rayfaas("up", "--host", "192.0.2.1")
    assert code == 1
    assert "192.0.2.1:8700 can't be used" in err


@pytest.mark.parametrize("lacking", [["ray"], ["duckdb", "uvicorn"]])
def test_a_python_without_the_servers_packages_is_told_what_to_install(
    rayfaas: Terminal, monkeypatch: pytest.MonkeyPatch, lacking: list[str]
) -> None:
    for name in lacking:
        monkeypatch.setitem(sys.modules, name, None)
    code, _, err = rayfaas("up")
    assert code == 1
    assert f"The server needs {', '.join(lacking)}, which this Python lacks: pip install 'rayfaas[server]'" in err


def test_nothing_to_stop_is_no_error(rayfaas: Terminal, home: Home) -> None:
    assert rayfaas("down") == (0, f"No server is running in {home.path}.\n", "")


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_a_port_that_is_none_is_wrong_usage(rayfaas: Terminal, home: Home, port: str) -> None:
    ended = rayfaas("up", "--port", port)
    assert (ended.code, "--port" in ended.err) == (2, True)
    assert not home.lock_file.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--head-address", "here"), "HOST:PORT"),
        (("--head-address", "192.0.2.10:6379", "--ray-address", "h:1"), "--ray-address has one already"),
        (("--head-address", "203.0.113.77:6379"), "203.0.113.77:6379 can't be used"),
    ],
)
def test_an_address_of_the_head_that_can_not_be_is_told(rayfaas: Terminal, options: tuple[str, ...], told: str) -> None:
    ended = rayfaas("up", "--port", free_port(), *options)
    assert ended.code != 0
    assert told in ended.err

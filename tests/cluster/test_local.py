"""The local Ray head: started on free ports of this machine, with a token, and ended with all that it started."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rayfaas.cluster import local
from rayfaas.cluster.local import HEAD_UP_S, HeadOptions, RayHead, free_ports, ray_environment
from rayfaas.errors import Unavailable
from tests.processes import are_gone, is_gone
from tests.waiting import wait_until

# What stands in for `ray`, beside what stands in for `python`.
STARTS = """#!/bin/sh
echo "$@" > "$RF_TOLD"
echo "$RAY_AUTH_MODE $RAY_AUTH_TOKEN $RAY_ADDRESS" >> "$RF_TOLD"
sleep 3600 &
echo "Ray runtime started."
wait
"""
FAILS = "#!/bin/sh\necho 'the port is taken'\nexit 1\n"
# Its GCS is killed, and it does not notice.
LOSES = f"""#!{sys.executable}
import os, shutil, subprocess, time
store = os.path.join(os.path.dirname(os.environ["RF_TOLD"]), "gcs_server")
os.symlink(shutil.which("sleep"), store)
subprocess.Popen([store, "3600"]).kill()
time.sleep(3600)
"""
# It is killed and noticed, and looked for all the same.
LOOKS_FOR_IT = LOSES.replace('"3600"]).kill()', '"1"]).wait()')
# Ends its store when it is told to end, and goes on itself.
LINGERS = f"""#!{sys.executable}
import os, shutil, signal, subprocess, time
store = os.path.join(os.path.dirname(os.environ["RF_TOLD"]), "gcs_server")
os.symlink(shutil.which("sleep"), store)
running = subprocess.Popen([store, "3600"])
signal.signal(signal.SIGTERM, lambda *_: running.kill())
print("Ray runtime started.", flush=True)
while True:
    time.sleep(3600)
"""
LASTS = '#!/bin/sh\necho "Ray runtime started."\nexec sleep 3600\n'

HOLDER = """
import asyncio
import sys
from pathlib import Path
from rayfaas.cluster.local import HEAD_UP_S, HeadOptions, RayHead

sys.executable = sys.argv[1]
head = RayHead(Path(sys.argv[2]), HeadOptions(), "token")
asyncio.run(head.start())
print("up", flush=True)
sys.stdin.read()
"""


class Bench:
    """A directory where a head can be started that is a script."""

    def __init__(self, directory: Path) -> None:
        self.python, self.head, self.told = directory / "bin" / "python", directory / "head", directory / "told"
        self.python.parent.mkdir()

    def install(self, script: str) -> None:
        ray = self.python.with_name("ray")
        ray.write_text(script)
        ray.chmod(ray.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    directory = Path(tempfile.mkdtemp(prefix="rf-"))
    bench = Bench(directory)
    monkeypatch.setattr(sys, "executable", str(bench.python))
    monkeypatch.setenv("RF_TOLD", str(bench.told))
    yield bench
    shutil.rmtree(directory)


async def test_a_head_is_up_when_start_returns_and_stop_ends_all_of_it(bench: Bench) -> None:
    bench.install(STARTS)
    head = RayHead(bench.head, HeadOptions(), "token")
    before = set(psutil.Process().children())
    await head.start()
    assert head.poll() is None
    (process,) = set(psutil.Process().children()) - before
    family = [process, *process.children(recursive=True)]
    assert len(family) == 2
    assert os.getsid(process.pid) == process.pid
    head.stop()
    assert head.poll() is not None
    wait_until(lambda: are_gone(family))
    assert not bench.head.exists()


async def test_a_head_keeps_to_this_machine_and_asks_for_its_token(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "another:6379")
    bench.install(STARTS)
    head = RayHead(bench.head, HeadOptions(cpus=2.5, gpus=1), "secret")
    await head.start()
    head.stop()
    command, environment = bench.told.read_text().splitlines()
    options = command.split()
    assert options[:3] == ["start", "--head", "--block"]
    for name, value in {"--node-ip-address": "127.0.0.1", "--dashboard-host": "127.0.0.1", "--num-cpus": "2.5"}.items():
        assert options[options.index(name) + 1] == value
    assert options[options.index("--num-gpus") + 1] == "1"
    assert options[options.index("--dashboard-port") + 1] == str(head.dashboard_port)
    assert head.address == f"127.0.0.1:{options[options.index('--port') + 1]}"
    assert environment == "token secret "


async def test_ray_counts_what_nobody_said(bench: Bench) -> None:
    bench.install(STARTS)
    head = RayHead(bench.head, HeadOptions(), "secret")
    await head.start()
    head.stop()
    assert "--num-" not in bench.told.read_text()


async def test_a_head_that_does_not_start_says_why_and_leaves_nothing(bench: Bench) -> None:
    bench.install(FAILS)
    head = RayHead(bench.head, HeadOptions(), "token")
    with pytest.raises(Unavailable, match="the port is taken"):
        await head.start()
    assert head.poll() == 1
    assert not bench.head.exists()


@pytest.mark.parametrize("script", [LOSES, LOOKS_FOR_IT], ids=["it does not notice", "it waits for another"])
async def test_a_head_whose_store_is_killed_while_it_starts_is_given_up_at_once(bench: Bench, script: str) -> None:
    bench.install(script)
    head = RayHead(bench.head, HeadOptions(), "token")
    with pytest.raises(Unavailable, match="did not start"):
        await asyncio.wait_for(head.start(), HEAD_UP_S / 2)
    assert head.poll() == -signal.SIGKILL
    assert not bench.head.exists()


async def test_what_is_left_when_node_and_store_have_ended_is_not_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "STOP_S", 3600.0)
    bench.install(LINGERS)
    head = RayHead(bench.head, HeadOptions(), "token")
    await head.start()
    head.stop()
    assert head.poll() == -signal.SIGKILL


async def test_what_a_head_left_behind_is_cleared_before_the_next(bench: Bench) -> None:
    bench.install(STARTS)
    (bench.head / "session_old").mkdir(parents=True)
    head = RayHead(bench.head, HeadOptions(), "token")
    await head.start()
    assert not (bench.head / "session_old").exists()
    head.stop()


async def test_stopping_what_was_never_started_or_is_stopped_does_nothing(bench: Bench) -> None:
    bench.install(LASTS)
    head = RayHead(bench.head, HeadOptions(), "token")
    head.stop()
    await head.start()
    assert head.poll() is None
    head.stop()
    ended = head.poll()
    assert ended is not None
    head.stop()
    assert head.poll() == ended


def test_a_head_ends_with_the_process_that_holds_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.install(LASTS)
    monkeypatch.undo()
    command = [sys.executable, "-c", HOLDER, str(bench.python), str(bench.head)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        (head,) = psutil.Process(holder.pid).children()
        holder.kill()
    wait_until(lambda: is_gone(head))


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", port))


def test_rays_environment_leads_to_no_other_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "another:6379")
    monkeypatch.setenv("RAY_TMPDIR", "/elsewhere")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "an old one")
    monkeypatch.setenv("COLOUR", "red")
    environ = ray_environment("new")
    assert not {"RAY_ADDRESS", "RAY_TMPDIR", "PYTHONDONTWRITEBYTECODE"} & set(environ)
    assert (environ["RAY_AUTH_MODE"], environ["RAY_AUTH_TOKEN"], environ["COLOUR"]) == ("token", "new", "red")
    assert environ["RAY_enable_metrics_collection"] == "0"
    assert environ["RAY_prestart_worker_first_driver"] == "0"
    monkeypatch.setenv("RAY_enable_metrics_collection", "1")
    assert ray_environment("new")["RAY_enable_metrics_collection"] == "1"
    assert ray_environment("")["RAY_AUTH_TOKEN"] == "an old one"
    assert "RAY_AUTH_MODE" not in ray_environment("")


async def test_a_head_for_other_machines_is_at_the_address_that_they_are_told(bench: Bench) -> None:
    bench.install(STARTS)
    (port,) = free_ports(1)
    head = RayHead(bench.head, HeadOptions(host="192.0.2.10", port=port), "token")
    await head.start()
    assert head.address == f"192.0.2.10:{port}"
    assert f"--node-ip-address 192.0.2.10 --port {port}" in bench.told.read_text()
    head.stop()

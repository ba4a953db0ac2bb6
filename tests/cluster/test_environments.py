"""An environment is built once, whoever asks, appears whole or not at all, and stays while it is used."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from rayfaas.cluster.environments import Environments, Held
from rayfaas.environment import Locked, Wanted
from rayfaas.errors import EnvironmentFailed
from tests.waiting import eventually

ROOT = Path(__file__).parent.parent.parent

# Holds an environment with a slow setup command; says what it heard and how it got it.
BUILDER = """
import asyncio, os, sys
from pathlib import Path
from rayfaas.cluster.environments import Environments
from rayfaas.environment import Locked

async def main():
    environments = Environments(Path(sys.argv[1]), os.environ)
    held = await environments.hold(Locked("w", "3.11", (), (sys.argv[2],)), lambda line: print(line, flush=True))
    print(held.state, flush=True)

asyncio.run(main())
"""


def silent(line: str) -> None:
    """Progress that nobody looks at."""


def environments(path: Path, limit_bytes: int = 1 << 40, environ: Mapping[str, str] | None = None) -> Environments:
    return Environments(path / "environments", {**os.environ, **(environ or {})}, limit_bytes)


def ask(held: Held, program: str) -> str:
    """What a program of the environment's Python prints."""
    command = [str(held.python), "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout.strip()


def builder(path: Path, command: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", BUILDER, str(path / "environments"), command]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def locked(*setup: str) -> Locked:
    return Locked("w", "3.11", (), setup)


async def test_two_versions_of_one_package_lie_side_by_side(tmp_path: Path) -> None:
    here = environments(tmp_path)
    answers = []
    for pin in ("iniconfig==1.1.1", "iniconfig==2.0.0"):
        lock = await here.resolve(Wanted((pin,)), silent)
        assert pin in lock.packages
        held = await here.hold(lock, silent)
        assert held.state == "built"
        answers.append(ask(held, "from importlib.metadata import version; print(version('iniconfig'))"))
        held.release()
    assert answers == ["1.1.1", "2.0.0"]


async def test_an_environment_has_what_an_executor_needs_and_nothing_of_the_servers(tmp_path: Path) -> None:
    here = environments(tmp_path)
    held = await here.hold(await here.resolve(Wanted((), python="3.11"), silent), silent)
    assert ask(held, "import rayfaas, rayfaas.executor.executor; print('up')") == "up"
    program = "import importlib.util as u; print([n for n in ('ray', 'duckdb', 'pandas', 'uvicorn') if u.find_spec(n)])"
    assert ask(held, program) == "[]"
    held.release()


async def test_what_is_there_is_a_hit(tmp_path: Path) -> None:
    here = environments(tmp_path)
    held = [await here.hold(locked("echo once >> ../runs"), silent) for _ in range(3)]
    assert [each.state for each in held] == ["built", "hit", "hit"]
    runs = tmp_path / "environments" / "runs"
    assert await asyncio.to_thread(runs.read_text) == "once\n"
    for each in held:
        each.release()


async def test_of_a_home_that_was_moved_it_is_built_anew(tmp_path: Path) -> None:
    (await environments(tmp_path / "old").hold(locked(), silent)).release()
    (tmp_path / "old").rename(tmp_path / "new")
    there = environments(tmp_path / "new")
    held = await there.hold(locked(), silent)
    assert held.state == "built"
    assert ask(held, "import rayfaas; print(1)") == "1"
    held.release()
    again = await there.hold(locked(), silent)
    assert again.state == "hit"
    again.release()


async def test_where_its_python_is_gone_it_is_built_anew(tmp_path: Path) -> None:
    here = environments(tmp_path)
    held = await here.hold(locked(), silent)
    held.release()
    held.python.unlink()
    held = await here.hold(locked(), silent)
    assert (held.state, ask(held, "print(1)")) == ("built", "1")
    held.release()


async def test_after_an_upgrade_it_finds_the_servers_rayfaas_of_now(tmp_path: Path) -> None:
    here = environments(tmp_path)
    (await here.hold(locked(), silent)).release()
    code = tmp_path / "environments" / ".rayfaas" / "rayfaas"
    now = code.readlink()
    code.unlink()
    code.symlink_to("/opt/before/rayfaas")
    held = await here.hold(locked(), silent)
    assert (held.state, code.readlink()) == ("hit", now)
    held.release()


async def test_who_asks_at_once_waits_for_one_build(tmp_path: Path) -> None:
    here = environments(tmp_path)
    held = await asyncio.gather(*(here.hold(locked("echo once >> ../runs"), silent) for _ in range(4)))
    assert sorted(each.state for each in held) == ["built", "hit", "hit", "hit"]
    for each in held:
        each.release()


def test_two_processes_build_it_once(tmp_path: Path) -> None:
    first, second = (builder(tmp_path, "echo once >> ../runs") for _ in range(2))
    words = sorted(process.communicate(timeout=60)[0].split()[-1] for process in (first, second))
    assert words == ["built", "hit"]
    assert (tmp_path / "environments" / "runs").read_text() == "once\n"


async def test_a_builder_that_is_killed_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    command = "if [ -e ../second ]; then exit 0; fi; touch ../second; exec sleep 3600"
    process = builder(tmp_path, command)
    started = tmp_path / "environments" / "second"
    await eventually(started.exists)
    process.kill()
    process.communicate()
    here = environments(tmp_path)
    assert here.listed() == []
    # What it had started goes on, and keeps the lock until it ends.
    said: list[str] = []
    building = asyncio.ensure_future(here.hold(locked(command), said.append))
    await eventually(lambda: said == ["waiting for another process that builds it"])
    digest = locked(command).digest
    _end(tmp_path / "environments" / digest)
    held = await building
    assert held.state == "built"
    held.release()


async def test_a_deployer_who_leaves_ends_the_build(tmp_path: Path) -> None:
    here = environments(tmp_path)
    started = tmp_path / "environments" / "started"
    lock = locked("touch ../started; exec sleep 3600")
    building = asyncio.ensure_future(here.hold(lock, silent))
    await eventually(started.exists)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert not await asyncio.to_thread((tmp_path / "environments" / lock.digest).exists)
    assert _in(tmp_path / "environments" / lock.digest) == []


async def test_a_setup_command_that_fails_says_what_it_said(tmp_path: Path) -> None:
    here = environments(tmp_path)
    lock = locked("echo no such model >&2; exit 3")
    with pytest.raises(EnvironmentFailed, match="The setup command `echo no such model") as failed:
        await here.hold(lock, silent)
    assert failed.value.extra["output"] == "no such model"
    assert here.listed() == []
    assert not (tmp_path / "environments" / lock.digest).exists()


async def test_setup_commands_run_in_the_environment_and_see_nothing_of_the_operator(tmp_path: Path) -> None:
    here = environments(tmp_path, environ={"AWS_SECRET_ACCESS_KEY": "s", "RAYFAAS_TOKEN": "t"})
    held = await here.hold(locked("env > seen; command -v python >> seen"), silent)
    seen = (held.path / "seen").read_text()
    assert f"{held.path}/bin/python" in seen
    assert "AWS_SECRET_ACCESS_KEY" not in seen
    assert "RAYFAAS_TOKEN" not in seen
    held.release()


async def test_the_least_recently_used_goes_and_what_is_in_use_stays(tmp_path: Path) -> None:
    here = environments(tmp_path, limit_bytes=1)
    used = await here.hold(locked("echo used"), silent)
    (await here.hold(locked("echo old"), silent)).release()
    (await here.hold(locked("echo new"), silent)).release()
    assert [each["setup"] for each in here.listed()] == [["echo new"], ["echo used"]]
    assert used.python.exists()
    used.release()
    (await here.hold(locked("echo newer"), silent)).release()
    assert [each["setup"] for each in here.listed()] == [["echo newer"]]


async def test_a_disk_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "environments").write_text("no directory")
    with pytest.raises(EnvironmentFailed, match="could not be built in"):
        await environments(tmp_path).hold(locked(), silent)


def _in(directory: Path) -> list[int]:
    """The processes that work in a directory."""
    found = []
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            if Path(os.readlink(f"/proc/{pid}/cwd")) == directory:
                found.append(pid)
        except OSError:
            pass  # it ended, or is not ours
    return found


def _end(directory: Path) -> None:
    for pid in _in(directory):
        os.kill(pid, 9)

"""Versions of one supervisor run in environments of their own, each forked from a zygote of its own."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from rayfaas.cluster import lines
from rayfaas.environment import Locked, Wanted
from rayfaas.errors import EnvironmentFailed
from tests.executor.replica import Replica
from tests.waiting import eventually

SOURCE = """
    import sys
    from importlib.metadata import version
    def f():
        return [version("iniconfig"), sys.prefix, sys.version_info[:2]]
"""


async def locked(replica: Replica, *packages: str, python: str = "") -> Locked:
    return await replica.supervisor.resolve(Wanted(packages, python), lambda _: None)


async def test_two_versions_of_a_package_serve_beside_each_other(replica: Replica) -> None:
    old, new = await locked(replica, "iniconfig==1.1.1"), await locked(replica, "iniconfig==2.0.0")
    versions = [await replica.deploy(SOURCE, environment=lock) for lock in (old, new)]
    answers = [await version.call().value() for version in versions]
    assert [answer[0] for answer in answers] == ["1.1.1", "2.0.0"]
    assert len({answer[1] for answer in answers}) == 2


async def test_the_second_start_in_an_environment_is_a_fork(replica: Replica) -> None:
    lock = await locked(replica, "iniconfig==2.0.0")
    await replica.deploy(SOURCE, environment=lock)
    before = await replica.supervisor.environments()
    zygote = next(each["zygote"] for each in before if each["digest"] == lock.digest)
    again = await replica.deploy(SOURCE, environment=lock)
    parents = [process.pid for process in psutil.Process(again.pid).parents()]
    assert zygote["pid"] in parents


async def test_an_executor_in_an_environment_sees_that_and_nothing_of_the_servers(replica: Replica) -> None:
    source = """
        import importlib.util, os, shutil
        def f():
            there = [name for name in ("duckdb", "ray", "pandas") if importlib.util.find_spec(name)]
            return [there, shutil.which("python"), os.environ.get("PYTHONPATH"), os.environ["VIRTUAL_ENV"]]
    """
    there, python, path, environment = await replica.run(source, environment=await locked(replica, "iniconfig==2.0.0"))
    assert there == []
    assert python == f"{environment}/bin/python"
    assert path is None


async def test_a_python_that_finds_rayfaas_no_more_is_told_of_and_not_waited_for(replica: Replica) -> None:
    breaks = "printf 'raise ImportError(\"out of order\")' > $(ls -d lib/python*/site-packages)/msgspec.py"
    lock = await replica.supervisor.resolve(
        Wanted(("iniconfig==2.0.0",), setup=(f"rm -r lib/python*/site-packages/msgspec; {breaks}",)), lambda _: None
    )
    with pytest.raises(EnvironmentFailed, match="Loading rayfaas into the environment failed") as raised:
        await replica.deploy(SOURCE, environment=lock)
    assert "ImportError: out of order" in raised.value.extra["output"]


async def test_an_environment_that_can_not_be_built_spawns_nothing(replica: Replica) -> None:
    with pytest.raises(EnvironmentFailed, match="setup command"):
        await replica.deploy("def f(): pass", environment=Locked("w", "3.11", (), ("exit 3",)))
    assert replica.supervisor.hosted() == []


async def test_what_a_zygote_has_loaded_is_told_with_its_cost(replica: Replica) -> None:
    lock = await locked(replica, "iniconfig==2.0.0")
    await replica.deploy("def f(): pass", environment=lock, preload=["decimal", "no_such_module"])
    told = await replica.supervisor.environments()
    assert told[0]["digest"] == ""
    (mine,) = (each for each in told if each["digest"] == lock.digest)
    assert "iniconfig==2.0.0" in mine["packages"]
    assert mine["size_mb"] > 0
    assert "decimal" in mine["zygote"]["modules"]
    assert "No module named" in mine["zygote"]["refused"]["no_such_module"]


async def test_a_line_that_nobody_uses_ends_and_lets_its_environment_go(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = await locked(replica, "iniconfig==1.1.1")
    version = await replica.deploy(SOURCE, environment=lock)
    monkeypatch.setattr(lines, "IDLE_S", 0.0)
    assert await version.call().value()
    os.kill(version.pid, 9)

    async def zygote() -> object:
        told = await replica.supervisor.environments()
        return next(each["zygote"] for each in told if each["digest"] == lock.digest)

    await replica.death_of(version)
    while await zygote() is not None:
        await eventually(lambda: True)
    assert Path(version.order.bundle)


async def test_secrets_reach_their_executor_and_no_other(replica: Replica) -> None:
    source = """
        import os
        def f():
            return os.environ.get("API_KEY")
    """
    knowing = await replica.deploy(source, secrets={"API_KEY": "hunter22-secret"})
    other = await replica.deploy(source)
    assert await knowing.call().value() == "hunter22-secret"
    assert await other.call().value() is None
    zygote = psutil.Process(replica.supervisor.preloaded()["pid"])
    assert b"hunter22-secret" not in _memory(zygote.pid)
    assert b"hunter22-secret" not in _memory(other.pid)
    assert "hunter22-secret" not in " ".join(psutil.Process(knowing.pid).cmdline())


def _memory(pid: int) -> bytes:
    """What a process has in its writable memory."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            place, rights = line.split()[:2]
            if "w" not in rights or "[v" in line:
                continue
            start, end = (int(each, 16) for each in place.split("-"))
            memory.seek(start)
            try:
                found.append(memory.read(end - start))
            except OSError:
                pass  # device memory
    return b"".join(found)

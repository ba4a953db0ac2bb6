"""The files of a call that opens many are looked at by another process, and told all the same."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import psutil
import pytest

from tests.executor.replica import Replica, Version
from tests.processes import is_gone
from tests.waiting import eventually

MANY = 300
SOURCE = """
    import os, pathlib

    def f(folder, by_pyarrow=False):
        os.chdir(folder)
        for name in os.listdir(): open(name).read()
        if by_pyarrow:
            import pyarrow.csv
            pyarrow.csv.read_csv(pathlib.Path("ä 0"))
        with open("part", "w") as file: file.write("new")
        with open("part", "a") as file: file.write("er")
        os.rename("part", "whole")
        try: return os.wait()
        except ChildProcessError: return "no child"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in files(tmp_path):
        path.write_text(f"{path.name}\n")
        os.utime(path, (1, 1))
    return tmp_path


async def call(version: Version, folder: Path, by_pyarrow: bool = False) -> None:
    """It is told what it touched."""
    called = version.call(str(folder), by_pyarrow)
    assert await called.value() == "no child"
    touches = {(touch.mode, touch.uri, touch.version) for touch in await called.touches()}
    assert {("read", path.as_uri(), sha(path)) for path in files(folder)} | {
        ("write", (folder / "whole").as_uri(), sha(folder / "whole"))
    } == touches - {("read", (folder / "whole").as_uri(), None)}


def files(folder: Path) -> list[Path]:
    return [folder / f"ä {number}" for number in range(MANY)]


def sha(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def inspectors_of(version: Version) -> list[psutil.Process]:
    """In its process group, though none of its children."""
    return [each for each in psutil.process_iter() if _group(each) == version.pid and each.pid != version.pid]


def _group(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None


async def test_many_files_are_looked_at_by_one_process_that_ends_with_the_executor(
    replica: Replica, folder: Path
) -> None:
    version = await replica.deploy(SOURCE)
    for _ in range(3):
        await call(version, folder)
    (inspector,) = inspectors_of(version)
    assert not psutil.Process(version.pid).children()
    await replica.clear()
    await eventually(lambda: is_gone(inspector))


async def test_few_files_need_no_process(replica: Replica, tmp_path: Path) -> None:
    version = await replica.deploy("def f(path): open(path, 'w').close()")
    await version.call(str(tmp_path / "a")).touches()
    assert inspectors_of(version) == []


async def test_what_can_not_be_sent_is_looked_at_here(replica: Replica, folder: Path) -> None:
    version = await replica.deploy(SOURCE)
    await call(version, folder, by_pyarrow=True)
    assert inspectors_of(version) == []


async def test_where_the_process_is_gone_the_executor_looks_itself(replica: Replica, folder: Path) -> None:
    version = await replica.deploy(SOURCE)
    await call(version, folder)
    (inspector,) = inspectors_of(version)
    inspector.kill()
    for _ in range(2):
        await call(version, folder)
    assert all(is_gone(each) for each in inspectors_of(version))

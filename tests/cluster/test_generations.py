"""What executors import at a cost is loaded before the next ones are forked; what does harm is refused and told."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.cluster.packages import Packages
from tests.executor.replica import Replica, Version
from tests.waiting import eventually


def importing(module: str) -> str:
    """A function that says whether the module was there before its own code was; its text does not tell of it."""
    return f"""
        import importlib, sys
        loaded = {module!r} in sys.modules
        importlib.import_module({module!r})
        def f():
            return loaded
    """


def has(replica: Replica, *modules: str) -> bool:
    return set(modules) <= set(replica.supervisor.preloaded()["modules"])


async def test_what_one_version_imports_the_next_has_loaded(replica: Replica, packages: Packages) -> None:
    name = packages.heavy()
    first = await replica.deploy(importing(name))
    assert first.imported.heavy.keys() == {name}
    assert await first.call().value() is False
    await eventually(lambda: has(replica, name))
    second = await replica.deploy(importing(name))
    assert await second.call().value() is True
    assert second.imported.modules == []
    assert second.imported.heavy == {}


async def test_executors_of_older_generations_serve_on(replica: Replica, packages: Packages) -> None:
    old = await replica.deploy("def f(): return 'old'")
    before = replica.supervisor.preloaded()["pid"]
    await replica.deploy(importing(packages.heavy()))
    await eventually(lambda: replica.supervisor.preloaded()["pid"] != before)
    assert await old.call().value() == "old"


async def test_what_the_code_says_it_imports_is_loaded_before_its_first_fork(
    replica: Replica, packages: Packages
) -> None:
    name = packages.heavy()
    source = f"""
        import sys
        loaded = {name!r} in sys.modules
        import {name}
        def f():
            return loaded
    """
    assert await replica.run(source) is True


async def test_what_is_to_be_preloaded_is_loaded_before_the_fork(replica: Replica, packages: Packages) -> None:
    name = packages.heavy()
    version = await replica.deploy(importing(name), preload=[name])
    assert await version.call().value() is True


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise ValueError('not today')", "ValueError: not today"),
        ("import sys\nsys.exit('enough')", "SystemExit: enough"),
        ("import os\nos._exit(3)", "ended while it started"),
        ("import os\nos.kill(os.getpid(), 9)", "ended while it started"),
        ("import os\nos.register_at_fork(after_in_child=lambda: os._exit(7))", "a forked process ended with status"),
    ],
)
async def test_a_module_that_does_harm_is_refused_and_told_and_the_version_comes_up(
    replica: Replica, packages: Packages, code: str, why: str
) -> None:
    name = packages.heavy(code)
    version = await replica.deploy("def f(): return 'up'", preload=[name])
    assert await version.call().value() == "up"
    assert why in replica.supervisor.preloaded()["refused"][name]
    assert not has(replica, name)


async def test_a_module_that_is_not_there_is_refused(replica: Replica) -> None:
    assert await replica.run("def f(): return 'up'", preload=["no_such_module"]) == "up"
    assert "No module named" in replica.supervisor.preloaded()["refused"]["no_such_module"]


async def test_ray_is_left_to_executors_because_it_reads_the_environment_when_it_is_imported(replica: Replica) -> None:
    assert await replica.run("def f(): return 'up'", preload=["ray", "ray.util"]) == "up"
    assert not has(replica, "ray")
    assert "which cluster it may join" in replica.supervisor.preloaded()["refused"]["ray.util"]


async def test_what_was_refused_is_not_tried_again(replica: Replica, packages: Packages, tmp_path: Path) -> None:
    tried = tmp_path / "tried"
    name = packages.heavy(f"open({str(tried)!r}, 'a').write('x')\nraise ValueError")
    for _ in range(3):
        await replica.run("def f(): return 'up'", preload=[name])
    assert tried.read_text() == "x"


async def test_a_module_that_does_not_survive_a_fork_works_in_an_executor_all_the_same(
    replica: Replica, packages: Packages
) -> None:
    name = packages.heavy("import os\nos.register_at_fork(after_in_child=lambda: os._exit(7))")
    version = await replica.deploy(importing(name))
    assert await version.call().value() is False
    await eventually(lambda: name in replica.supervisor.preloaded()["refused"])
    again = await replica.deploy(importing(name))
    assert await again.call().value() is False


async def test_versions_that_come_at_once_get_what_each_of_them_wants(replica: Replica, packages: Packages) -> None:
    names = [packages.heavy() for _ in range(4)]

    async def deploy(name: str) -> Version:
        return await replica.deploy(importing(name), preload=[name])

    versions = await asyncio.gather(*map(deploy, names))
    assert [await version.call().value() for version in versions] == [True] * 4


async def test_a_zygote_that_was_killed_is_replaced_and_learns_again(replica: Replica, packages: Packages) -> None:
    name = packages.heavy()
    await replica.deploy(importing(name), preload=[name])
    pid = await eventually(lambda: replica.supervisor.preloaded()["pid"])
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not replica.supervisor.hosted())
    assert isinstance(await replica.run(importing(name)), bool)
    await eventually(lambda: replica.supervisor.preloaded()["pid"] != pid and has(replica, name))
    assert await replica.run(importing(name)) is True

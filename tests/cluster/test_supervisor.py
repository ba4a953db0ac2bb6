"""A supervisor knows every executor from its fork to its end, and leaves no process behind, however it ends itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from rayfaas.cluster.hosted_executor import TAIL, HostedExecutor
from rayfaas.cluster.supervisor import _connected
from rayfaas.errors import DeployError, ImportFailed, Unavailable
from rayfaas.orders import Order
from tests.executor.replica import Replica
from tests.processes import are_gone, is_gone
from tests.waiting import eventually

ROOT = Path(__file__).parent.parent.parent

# A supervisor in a process of its own, with an executor whose code has started a process. Prints when it is up.
SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from tests.executor.replica import Replica

async def main():
    replica = Replica(Path(sys.argv[1]))
    await replica.start()
    await replica.deploy("import subprocess\\nsubprocess.Popen(['sleep', '3600'])\\ndef f(): pass")
    print("up", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_it_says_what_it_hosts_from_ready_to_drain(replica: Replica) -> None:
    first, second = await replica.deploy("def f(): pass"), await replica.deploy("def f(): pass")
    hosted = [{"executor": v.executor_id, "version_key": v.order.key, "pid": v.pid} for v in (first, second)]
    await eventually(lambda: replica.supervisor.hosted() == hosted)
    assert replica.supervisor.drain(first.order.key) == 1
    assert replica.supervisor.hosted() == hosted[1:]
    assert replica.supervisor.drain("default/f:999999") == 0


async def test_several_executors_of_one_version_are_drained_together(replica: Replica) -> None:
    first = await replica.deploy("def f(): pass")
    await replica.supervisor.spawn(first.order, 20.0)
    assert replica.supervisor.drain(first.order.key) == 2
    await eventually(lambda: [o.version_key for o, _, meant in replica.exits if meant].count(first.order.key) == 2)


async def test_versions_that_come_at_once_all_come_up(replica: Replica) -> None:
    versions = await asyncio.gather(*(replica.deploy(f"def f(): return {n}") for n in range(6)))
    assert [await version.call().value() for version in versions] == list(range(6))


async def test_an_executor_that_is_given_up_before_its_fork_leaves_nothing_open() -> None:
    def open_files() -> set[str]:
        links = [f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd")]
        return {os.readlink(each) for each in links if os.path.lexists(each)}  # pipes and sockets by their numbers

    async def connect() -> None:
        executor = HostedExecutor(Order("e", "t/f", 1, "b", "module", "app", "f", 1, [], b"k", "c", "n", "r", "h", "s"))
        async with _connected(executor):
            await asyncio.Event().wait()

    before = open_files()
    for turns in range(8):
        connecting = asyncio.ensure_future(connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        connecting.cancel()
        await asyncio.wait([connecting])
        await eventually(lambda: open_files() <= before)  # what others had open may be closed meanwhile


async def test_an_end_that_was_meant_and_one_that_was_not_are_told_apart(replica: Replica) -> None:
    drained, killed = await replica.deploy("def f(): pass"), await replica.deploy("def f(): pass")
    replica.supervisor.drain(drained.order.key)
    os.kill(killed.pid, signal.SIGKILL)
    await replica.death_of(drained)
    await replica.death_of(killed)
    ends = {order.version_key: (death.how, meant) for order, death, meant in replica.exits}
    assert ends[drained.order.key] == ("exited with code 0", True)
    assert ends[killed.order.key] == ("was killed by SIGKILL", False)


async def test_a_death_comes_with_the_last_that_was_written(replica: Replica) -> None:
    source = """
        import os
        def f():
            os.write(1, b"early " * 5000 + b"\\nlast \\xff words")
            os._exit(3)
    """
    version = await replica.deploy(source)
    await version.call().died()
    death = await replica.death_of(version)
    assert death.output.endswith("last \ufffd words")
    assert len(death.output) <= TAIL
    assert not death.out_of_memory


async def test_an_executor_over_its_memory_is_ended_and_that_is_said(replica: Replica) -> None:
    source = """
        def f(mb):
            taken = bytearray(b"x") * (mb * 1_000_000)
            while mb: pass
            return len(taken)
    """
    greedy = await replica.deploy(source, memory_mb=150)
    modest = await replica.deploy(source, memory_mb=150)
    await greedy.call(200).died()
    death = await replica.death_of(greedy)
    assert death.out_of_memory
    assert "memory_mb=150 is its limit" in death.how
    assert await modest.call(0).value() == 0


async def test_a_bundle_that_can_not_be_had_spawns_nothing(replica: Replica) -> None:
    order = replica.publish({"app.py": "def f(): pass"})
    order.bundle = "0" * 64
    with pytest.raises(KeyError):  # what the store of the tests says
        await replica.supervisor.spawn(order, 20.0)
    assert replica.supervisor.hosted() == []


async def test_a_spawn_that_fails_leaves_the_others_alone(replica: Replica) -> None:
    good = await replica.deploy("def f(): return 'alive'")
    with pytest.raises(ImportFailed):
        await replica.deploy("1 / 0")
    with pytest.raises(DeployError):
        await replica.deploy("def f(): pass", env={"NAME": "nul \0 in it"})
    assert await good.call().value() == "alive"
    assert [e["executor"] for e in replica.supervisor.hosted()] == [good.executor_id]


async def test_executors_see_nothing_of_the_workers_environment_but_what_programs_need(replica: Replica) -> None:
    seen = await replica.run("import os\ndef f(): return dict(os.environ)", env={"COLOUR": "red"})
    assert seen["COLOUR"] == "red"
    assert seen["LANG"] == "C.UTF-8"
    assert not {"RAYFAAS_TOKEN", "RAY_ADDRESS", "AWS_SECRET_ACCESS_KEY"} & seen.keys()


async def test_an_executor_works_in_a_directory_of_its_own_that_goes_with_it(replica: Replica) -> None:
    source = """
        import os
        def f():
            open("mine.txt", "w").write("x")
            return [os.getcwd(), open("labels.txt").read(), os.path.dirname(os.path.abspath(__file__))]
    """
    version = await replica.deploy({"app.py": source, "labels.txt": "cat"})
    other = await replica.deploy({"app.py": source, "labels.txt": "cat"})
    here, label, code = await version.call().value()
    there, _, same_code = await other.call().value()
    assert label == "cat"
    assert here != there
    assert code == same_code
    assert not (Path(code) / "mine.txt").exists()
    os.kill(version.pid, signal.SIGKILL)
    await eventually(lambda: not Path(here).exists())
    assert await other.call().value()


async def test_an_executor_has_no_file_of_its_supervisor_open(replica: Replica) -> None:
    source = """
        import os
        def f():
            open_files = {}
            for fd in os.listdir("/proc/self/fd"):
                try:
                    open_files[int(fd)] = os.readlink(f"/proc/self/fd/{fd}")
                except OSError:
                    pass
            return [open_files, [fd for fd in open_files if os.get_inheritable(fd)]]
    """
    open_files, inherited = await replica.run(source)
    assert sorted(inherited) == [0, 1, 2]
    named = {
        int(fd): path for fd, path in open_files.items() if not path.startswith(("pipe:", "socket:", "anon_inode:"))
    }
    assert set(named.values()) <= {"/dev/null"}


async def test_a_zygote_that_is_killed_ends_its_executors_and_the_next_spawn_has_another(replica: Replica) -> None:
    version = await replica.deploy("import subprocess\nsubprocess.Popen(['sleep', '3600'])\ndef f(): return 1")
    (sleeper,) = psutil.Process(version.pid).children()
    os.kill(await eventually(lambda: replica.supervisor.preloaded()["pid"]), signal.SIGKILL)
    assert (await replica.death_of(version)).how == "was killed by SIGKILL"
    await eventually(lambda: is_gone(sleeper))
    assert await replica.run("def f(): return 'again'") == "again"


async def test_a_stop_lets_calls_finish_and_then_leaves_no_process(directory: Path) -> None:
    replica = Replica(Path(tempfile.mkdtemp(prefix="stop-", dir=directory)))
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    await replica.start()
    source = """
        import threading
        def f(stay):
            print("began")
            threading.Event().wait(0.05)
            while stay: pass
            return "done"
    """
    finishing, staying = await replica.deploy(source), await replica.deploy(source)
    call, stuck = finishing.call(False), staying.call(True)
    await call.until("began")
    await stuck.until("began")
    mine = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    assert len(mine) == 3
    await replica.supervisor.stop(0.5)
    assert await call.value() == "done"
    await stuck.died()
    await eventually(lambda: are_gone(mine))
    with pytest.raises(Unavailable, match="shutting down"):
        await replica.deploy(source)
    await replica.gateway.stop()


async def test_a_supervisor_that_is_killed_leaves_no_process() -> None:
    directory = tempfile.mkdtemp(prefix="rf-")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISOR, directory, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"up\n"
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 3  # zygote, executor, and what its code started
    process.kill()
    await process.wait()
    await eventually(lambda: are_gone(family))
    shutil.rmtree(directory)

"""An executor serves every gateway that it is told of, until it is drained or killed; nothing keeps it longer."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from rayfaas.frames import Kind
from tests.executor.gateway import CLUSTER, Gateway
from tests.executor.replica import SESSION_KEY, Replica
from tests.processes import is_gone
from tests.waiting import eventually

STUBBORN = """
    def f(wait=True):
        while wait:
            try:
                print("began")
                while wait: pass
            except BaseException:
                pass
"""


@pytest_asyncio.fixture(loop_scope="session")
async def second_gateway(replica: Replica) -> AsyncIterator[Gateway]:
    """Another gateway; the replica's supervisor does not know of it yet."""
    directory = Path(tempfile.mkdtemp(prefix="rf-"))  # short: it holds a socket
    gateway = Gateway(directory / "s", SESSION_KEY)
    await gateway.start()
    yield gateway
    await gateway.stop()
    replica.supervisor.set_gateways([replica.gateway.address])
    shutil.rmtree(directory)


async def test_it_tells_a_gateway_what_it_is_and_proves_it(replica: Replica) -> None:
    version = await replica.deploy("def f(): pass", concurrency=7)
    ready, key = version.executor.ready_header, version.order.key
    assert ready is not None
    assert (ready.version_key, ready.executor, ready.concurrency) == (key, version.executor_id, 7)
    assert (ready.cluster, ready.node, ready.replica, ready.hardware) == (CLUSTER, "node-1", "replica-1", "x86_64/2cpu")
    assert version.executor.peer == {
        "role": "executor",
        "cluster": CLUSTER,
        "function": "default/f",
        "version": version.order.version,
        "executor": version.executor_id,
    }
    assert psutil.pid_exists(ready.pid)


async def test_it_is_routable_when_its_supervisor_says_that_it_is_ready(replica: Replica) -> None:
    order = replica.publish({"app.py": "def f(): return 1"})
    executor_id, _ = await replica.supervisor.spawn(order, 20.0)
    assert [e.ready_header.executor for e in replica.gateway.executors if e.ready_header][-1] == executor_id


async def test_code_that_ends_its_process_ends_its_calls_and_nothing_else(replica: Replica) -> None:
    other = await replica.deploy("def f(): return 'alive'")
    endings = {
        "os._exit(7)": "exited with code 7",
        "os.kill(os.getpid(), 9)": "was killed by SIGKILL",
        "ctypes.string_at(0)": "was killed by SIGSEGV",
        "os.abort()": "was killed by SIGABRT",
    }
    for statement, how in endings.items():
        source = f"import ctypes, os\ndef f():\n    {statement}"
        version = await replica.deploy(source)
        call, waiting = version.call(), version.call()
        await call.died()
        await waiting.died()
        assert (await replica.death_of(version)).how == how
    assert await other.call().value() == "alive"


async def test_a_crash_in_c_takes_no_output_with_it_and_leaves_its_python_stack(replica: Replica) -> None:
    version = await replica.deploy("import ctypes\ndef f():\n    print('last')\n    ctypes.string_at(0)")
    call = version.call()
    await call.died()
    assert call.output() == "last\n"
    output = (await replica.death_of(version)).output
    assert "Segmentation fault" in output
    assert "app.py" in output


async def test_what_is_raised_outside_of_every_call_is_in_the_last_output(replica: Replica) -> None:
    source = """
        import signal
        def alarm(*_):
            raise TimeoutError("too late")
        def f():
            signal.signal(signal.SIGALRM, alarm)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
    """
    version = await replica.deploy(source)
    await version.call().value()
    assert "TimeoutError: too late" in (await replica.death_of(version)).output


async def test_code_that_takes_stdout_away_ends_in_order(replica: Replica) -> None:
    version = await replica.deploy("import sys\ndef f():\n    sys.stdout = sys.stderr = None")
    await version.call().value()
    replica.supervisor.drain(version.order.key)
    assert (await replica.death_of(version)).how == "exited with code 0"


async def test_code_that_does_not_stop_when_cancelled_is_killed_after_a_grace(replica: Replica) -> None:
    blocked = "import time\ndef f():\n    print('began')\n    time.sleep(3600)"
    sources = (STUBBORN, blocked, blocked.replace("def", "async def"))
    versions = [await replica.deploy(source) for source in sources]
    calls = [version.call() for version in versions]
    for call in calls:
        await call.until("began")
        call.cancel("timeout")
    for version, call in zip(versions, calls, strict=True):
        await call.died()
        death = await replica.death_of(version)
        assert death.how == "was killed by SIGKILL"
        assert "nobody waits for" in death.output


async def test_what_user_code_started_ends_with_its_executor(replica: Replica) -> None:
    source = """
        import os, subprocess
        def f(end):
            if end: os._exit(1)
            return subprocess.Popen(["sleep", "3600"]).pid
    """
    version = await replica.deploy(source)
    pid = await version.call(False).value()
    sleeping = psutil.Process(pid)
    await version.call(True).died()
    await eventually(lambda: is_gone(sleeping))


async def test_a_drain_finishes_what_was_sent_and_then_ends_the_process(replica: Replica) -> None:
    source = """
        import threading
        def f(x):
            print("began")
            threading.Event().wait(0.01)
            return x
    """
    version = await replica.deploy(source)
    calls = [version.call(x) for x in range(5)]
    await calls[0].until("began")
    assert replica.supervisor.drain(version.order.key) == 1
    assert [await call.value() for call in calls] == list(range(5))
    assert version.executor.has_drained
    assert (await replica.death_of(version)).how == "exited with code 0"
    assert replica.supervisor.drain(version.order.key) == 0


@pytest.mark.parametrize("source", ["def f(x): return x", "async def f(x): return x"])
async def test_calls_that_a_gateway_sends_before_it_agrees_to_a_drain_are_answered(
    replica: Replica, source: str
) -> None:
    version = await replica.deploy(source)
    version.executor.agrees_to_drain = False
    replica.supervisor.drain(version.order.key)
    await eventually(lambda: version.executor.has_drained)
    assert [await version.call(x).value() for x in range(3)] == [0, 1, 2]
    last = version.call("last")
    version.executor.send(Kind.DRAIN, 0)
    assert await last.value() == "last"
    assert (await replica.death_of(version)).how == "exited with code 0"


async def test_an_async_drain_finishes_streams(replica: Replica) -> None:
    version = await replica.deploy("async def f(to):\n    for n in range(to): yield n")
    call = version.call(10, credit=1)
    await eventually(lambda: call.items)
    replica.supervisor.drain(version.order.key)
    await eventually(lambda: version.executor.has_drained)
    call.grant(100)
    await call.ended()
    assert call.items == list(range(10))
    assert (await replica.death_of(version)).how == "exited with code 0"


async def test_a_gateway_that_comes_back_is_dialled_again(replica: Replica, second_gateway: Gateway) -> None:
    replica.supervisor.set_gateways([replica.gateway.address, second_gateway.address])
    version = await replica.deploy("def f(x): return x")
    await second_gateway.executor(version.executor_id)
    await second_gateway.stop()
    assert await version.call("through the first").value() == "through the first"
    await second_gateway.start()
    again = await second_gateway.executor(version.executor_id, after=1)
    assert await again.call("again").value() == "again"


async def test_a_gateway_that_goes_takes_its_calls_with_it_and_no_others(
    replica: Replica, second_gateway: Gateway
) -> None:
    source = """
        import threading
        go = threading.Event()
        def f(wait):
            print("began")
            while wait and not go.is_set(): pass
            return "alive"
    """
    replica.supervisor.set_gateways([replica.gateway.address, second_gateway.address])
    version = await replica.deploy(source)
    theirs = (await second_gateway.executor(version.executor_id)).call(True)
    await theirs.until("began")
    ours = version.call(False)
    await second_gateway.stop()
    assert await ours.value() == "alive"
    await second_gateway.start()


async def test_gateways_come_and_go_while_it_runs(replica: Replica, second_gateway: Gateway) -> None:
    version = await replica.deploy("def f(x): return x")
    replica.supervisor.set_gateways([replica.gateway.address, second_gateway.address])
    second = await second_gateway.executor(version.executor_id)
    assert await second.call(2).value() == 2
    replica.supervisor.set_gateways([second_gateway.address])
    await eventually(lambda: version.executor.has_drained)
    assert await second.call(3).value() == 3


async def test_a_gateway_that_is_away_keeps_its_executors_and_is_not_waited_for_by_new_ones(
    replica: Replica, second_gateway: Gateway
) -> None:
    replica.supervisor.set_gateways([replica.gateway.address, second_gateway.address])
    old = await replica.deploy("def f(x): return x")
    theirs = await second_gateway.executor(old.executor_id)
    replica.supervisor.set_gateways([replica.gateway.address], away=[second_gateway.address])
    new = await replica.deploy("def f(x): return x")
    assert await theirs.call(1).value() == 1
    assert new.executor_id not in [(each.peer or {})["executor"] for each in second_gateway.executors]
    replica.supervisor.set_gateways([replica.gateway.address, second_gateway.address])
    assert await (await second_gateway.executor(new.executor_id)).call(2).value() == 2
    replica.supervisor.set_gateways([replica.gateway.address])


async def test_a_version_is_ready_where_a_gateway_is_down(replica: Replica) -> None:
    replica.supervisor.set_gateways([replica.gateway.address, "unix:/nowhere/gateway.sock"])
    try:
        assert await replica.run("def f(): return 1") == 1
    finally:
        replica.supervisor.set_gateways([replica.gateway.address])


async def test_a_large_argument_and_a_large_result_delay_no_small_call(replica: Replica) -> None:
    version = await replica.deploy("def f(x): return x", concurrency=2)
    large, small = version.call("x" * 6_000_000), version.call("small")
    assert await small.value() == "small"
    assert not large.end.done()
    assert await large.value() == "x" * 6_000_000


async def test_answers_of_many_threads_arrive_whole(replica: Replica) -> None:
    version = await replica.deploy("def f(x, n): return x * n", concurrency=4)
    calls = [version.call(chr(97 + n % 26), 1_500_000 if n % 4 == 0 else n) for n in range(16)]
    for n, call in enumerate(calls):
        assert await call.value() == chr(97 + n % 26) * (1_500_000 if n % 4 == 0 else n)


async def test_words_about_calls_that_are_over_are_ignored(replica: Replica) -> None:
    version = await replica.deploy("def f(): return 1")
    call = version.call()
    assert await call.value() == 1
    call.grant(5)
    call.cancel()
    version.executor.send(Kind.CANCEL, 999_999, b"\x91\xa7timeout")
    version.executor.send(Kind.ACCESS, call.number, b"", b"\xc1")
    assert await version.call().value() == 1


async def test_it_has_the_variables_of_its_version_and_no_others(replica: Replica) -> None:
    source = "import os\ndef f(): return [os.environ.get(n) for n in ('COLOUR', 'PATH')]"
    blue = await replica.deploy(source, env={"COLOUR": "blue", "PATH": "/mine"})
    plain = await replica.deploy(source)
    assert await blue.call().value() == ["blue", "/mine"]
    assert await plain.call().value() == [None, os.environ.get("PATH")]


async def test_it_ends_when_its_supervisors_channel_closes(replica: Replica) -> None:
    source = """
        import os, socket
        def f():
            # The first two sockets of this process: the supervisor's channel comes before the gateway's.
            for fd in range(3, 64):
                try:
                    found = socket.socket(fileno=os.dup(fd))
                except OSError:
                    continue
                if found.family == socket.AF_UNIX and not found.getpeername():
                    found.shutdown(socket.SHUT_RDWR)
                    return fd
    """
    version = await replica.deploy(source)
    version.call()
    assert (await replica.death_of(version)).how == f"was killed by {signal.SIGKILL.name}"
    await asyncio.wait_for(asyncio.shield(version.executor.closed), 20)

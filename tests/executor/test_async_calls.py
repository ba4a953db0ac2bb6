"""An `async def` function runs as a task of one loop that lives as long as its executor."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rayfaas.errors import FunctionError, InvalidArguments, ResultNotSerializable
from tests.executor.replica import Replica
from tests.waiting import eventually


async def test_it_runs_on_the_main_thread_in_one_loop_for_all_calls(replica: Replica) -> None:
    source = """
        import asyncio, threading
        loops = set()
        async def f():
            loops.add(id(asyncio.get_running_loop()))
            await asyncio.sleep(0)
            return [threading.current_thread() is threading.main_thread(), len(loops)]
    """
    version = await replica.deploy(source)
    assert [await version.call().value() for _ in range(3)] == [[True, 1]] * 3


async def test_as_many_run_at_a_time_as_the_spec_says_and_no_more(replica: Replica) -> None:
    source = """
        import asyncio
        running, most = 0, 0
        async def f():
            global running, most
            running += 1
            most = max(most, running)
            for _ in range(20):
                await asyncio.sleep(0)
            running -= 1
            return most
    """
    version = await replica.deploy(source, concurrency=3)
    answers = [await call.value() for call in [version.call() for _ in range(12)]]
    assert max(answers) == 3


async def test_calls_that_wait_for_each_other_meet(replica: Replica) -> None:
    source = """
        import asyncio
        waiting = []
        async def f(name):
            mine = asyncio.get_running_loop().create_future()
            waiting.append(mine)
            if len(waiting) == 2:
                for future in waiting: future.set_result(name)
            return await mine
    """
    version = await replica.deploy(source, concurrency=2)
    first, second = version.call("first"), version.call("second")
    assert [await first.value(), await second.value()] == ["second", "second"]


async def test_an_async_generator_streams_with_credit(replica: Replica) -> None:
    source = """
        import asyncio
        async def f(to):
            for number in range(to):
                await asyncio.sleep(0)
                yield number
    """
    version = await replica.deploy(source)
    call = version.call(10, credit=4)
    await eventually(lambda: len(call.items) == 4)
    assert not call.end.done()
    call.grant(100)
    await call.ended()
    assert call.items == list(range(10))


async def test_no_item_of_an_async_generator_goes_out_without_credit(replica: Replica) -> None:
    version = await replica.deploy("async def f():\n    while True: yield 1")
    call = version.call(credit=2)
    await eventually(lambda: len(call.items) == 2)
    call.grant(1)
    await eventually(lambda: len(call.items) == 3)
    call.cancel()
    await call.error()
    assert len(call.items) == 3


async def test_what_a_cancelled_call_cleans_up_is_not_cancelled_again(replica: Replica) -> None:
    source = """
        import asyncio
        async def f():
            try:
                print("began")
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.1)
                print("clean")
    """
    version = await replica.deploy(source)
    call = version.call()
    await call.until("began")
    for _ in range(20):
        call.cancel("cancelled")
        await asyncio.sleep(0)
    await call.error()
    assert "clean\n" in call.output()


async def test_an_async_generator_that_is_cancelled_is_closed(replica: Replica, tmp_path: Path) -> None:
    source = """
        import pathlib
        async def f(path):
            try:
                while True: yield 1
            finally:
                pathlib.Path(path).touch()
    """
    version = await replica.deploy(source)
    call = version.call(str(tmp_path / "closed"), credit=1)
    await eventually(lambda: call.items)
    call.cancel()
    await call.error()
    await eventually((tmp_path / "closed").exists)


async def test_a_generator_that_waits_for_credit_keeps_no_other_call_waiting(replica: Replica) -> None:
    source = """
        async def f(wait):
            yield 1
            if wait:
                yield 2
    """
    version = await replica.deploy(source, concurrency=2)
    slow, fast = version.call(True, credit=1), version.call(False)
    await fast.ended()
    assert not slow.end.done()
    slow.grant(1)
    await slow.ended()
    assert slow.items == [1, 2]


async def test_cancelling_raises_cancelled_error_in_the_function(replica: Replica) -> None:
    source = """
        import asyncio
        async def f(wait):
            try:
                print("began")
                while wait:
                    await asyncio.sleep(3600)
            except asyncio.CancelledError:
                print("cancelled")
                raise
            return "alive"
    """
    version = await replica.deploy(source)
    call = version.call(True)
    await call.until("began")
    call.cancel("timeout")
    await call.error()
    assert "cancelled" in call.output()
    assert await version.call(False).value() == "alive"


async def test_cancelling_one_call_leaves_the_others_alone(replica: Replica) -> None:
    source = """
        import asyncio
        go = asyncio.Event()
        async def f(release=False):
            print("began")
            if release: go.set()
            await go.wait()
            return "went"
    """
    version = await replica.deploy(source, concurrency=3)
    calls = [version.call(), version.call()]
    for call in calls:
        await call.until("began")
    calls[0].cancel()
    await calls[0].error()
    assert await version.call(release=True).value() == "went"
    assert await calls[1].value() == "went"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("sys.exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise Odd", "app.Odd"),
        ("raise StopIteration", "RuntimeError"),
        ("await asyncio.wait_for(asyncio.Event().wait(), 0.001)", "TimeoutError"),
        ("raise asyncio.CancelledError", "asyncio.exceptions.CancelledError"),
        ("await asyncio.gather(asyncio.sleep(9), boom())", "ValueError"),
    ],
)
async def test_whatever_it_raises_is_its_answer_and_not_the_executors_end(
    replica: Replica, statement: str, name: str
) -> None:
    source = f"""
        import asyncio, sys
        class Odd(BaseException): pass
        async def boom():
            raise ValueError
        async def f(good):
            if good:
                return "alive"
            {statement}
    """
    version = await replica.deploy(source)
    error = await version.call(False).error()
    assert isinstance(error, FunctionError)
    assert error.exception == name
    assert await version.call(True).value() == "alive"


@pytest.mark.parametrize("statement", ["raise SystemExit(3)", "raise KeyboardInterrupt"])
async def test_what_ends_a_loop_ends_the_call_that_did_it_alone(replica: Replica, statement: str) -> None:
    source = f"""
        import asyncio
        free = asyncio.Event()
        async def leave():
            {statement}
        async def f(what):
            if what == "wait":
                await free.wait()
            elif what == "leave":
                await asyncio.create_task(leave())
            else:
                free.set()
                asyncio.get_running_loop().stop()
            return what
    """
    version = await replica.deploy(source, concurrency=3)
    waiting = version.call("wait")
    assert statement.split()[1].partition("(")[0] in str(await version.call("leave").error())
    assert await version.call("stop").value() == "stop"
    assert await waiting.value() == "wait"


async def test_what_has_no_json_and_what_does_not_fit_are_errors_of_their_call(replica: Replica) -> None:
    version = await replica.deploy("async def f(x: int):\n    return x if x else object()")
    assert isinstance(await version.call(0).error(), ResultNotSerializable)
    assert isinstance(await version.call("text").error(), InvalidArguments)
    assert await version.call(7).value() == 7


async def test_a_task_that_a_call_leaves_behind_goes_on(replica: Replica) -> None:
    source = """
        import asyncio
        tasks, done = [], asyncio.Event()
        async def later():
            await asyncio.sleep(0.001)
            done.set()
        async def f(start):
            if start:
                tasks.append(asyncio.create_task(later()))
            else:
                await done.wait()
            return "ok"
    """
    version = await replica.deploy(source)
    assert [await version.call(start).value() for start in (True, False)] == ["ok", "ok"]


async def test_each_call_knows_itself_and_what_it_prints(replica: Replica) -> None:
    source = """
        import asyncio
        import rayfaas
        async def f(name):
            for _ in range(5):
                print(name)
                await asyncio.sleep(0)
            return rayfaas.current_call().call_id
    """
    version = await replica.deploy(source, concurrency=3)
    calls = {name: version.call(name) for name in ("ann", "ben", "cid")}
    for name, call in calls.items():
        assert await call.value() == call.header.call_id
        assert call.output() == f"{name}\n" * 5


async def test_a_generator_that_awaits_nothing_leaves_others_their_turns(replica: Replica) -> None:
    source = """
        async def f(endless):
            while endless: yield "x" * 1000
    """
    version = await replica.deploy(source, concurrency=2)
    endless = version.call(True, credit=10**9)
    await eventually(lambda: endless.items)
    await version.call(False).value()
    endless.cancel()
    await endless.error()

"""A `def` function runs as in a program of its own: on the main thread, one call after the other if not told else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rayfaas.envelope import ResultHeader
from rayfaas.errors import FunctionError, InvalidArguments, ResultNotSerializable
from tests.executor.replica import Replica
from tests.waiting import eventually

COUNT = """
    def f(to):
        for number in range(to):
            yield number
"""


async def test_it_runs_on_the_main_thread_where_signals_work(replica: Replica) -> None:
    source = """
        import signal, threading
        def f():
            heard = []
            signal.signal(signal.SIGUSR1, lambda *_: heard.append("signal"))
            signal.raise_signal(signal.SIGUSR1)
            return [threading.current_thread() is threading.main_thread(), heard]
    """
    assert await replica.run(source) == [True, ["signal"]]


async def test_an_alarm_interrupts_its_own_call_only(replica: Replica) -> None:
    source = """
        import signal
        def alarm(*_):
            raise TimeoutError("too slow")
        def f(wait):
            signal.signal(signal.SIGALRM, alarm)
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            try:
                while wait: pass
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            return "in time"
    """
    version = await replica.deploy(source)
    assert "TimeoutError: too slow" in str(await version.call(True).error())
    assert await version.call(False).value() == "in time"


async def test_asyncio_run_works_in_it_again_and_again(replica: Replica) -> None:
    source = """
        import asyncio
        async def answer(x):
            await asyncio.sleep(0)
            return x
        def f(x):
            return [asyncio.run(answer(x)), asyncio.run(answer(-x))]
    """
    version = await replica.deploy(source)
    assert [await version.call(x).value() for x in (1, 2)] == [[1, -1], [2, -2]]


async def test_calls_run_in_the_order_in_which_they_came_and_one_at_a_time(replica: Replica) -> None:
    source = """
        import threading
        seen = []
        def f(x):
            seen.append(("in", x))
            threading.Event().wait(0.001)
            seen.append(("out", x))
            return seen
    """
    version = await replica.deploy(source)
    calls = [version.call(x) for x in range(10)]
    assert await calls[-1].value() == [[way, x] for x in range(10) for way in ("in", "out")]


async def test_more_at_a_time_are_threads(replica: Replica) -> None:
    source = """
        import threading
        together = threading.Barrier(3, timeout=20)
        def f():
            together.wait()
            return threading.get_ident()
    """
    version = await replica.deploy(source, concurrency=3)
    threads = [await call.value() for call in [version.call() for _ in range(3)]]
    assert len(set(threads)) == 3


async def test_a_generator_streams_its_items_and_says_how_many(replica: Replica) -> None:
    call = (await replica.deploy(COUNT)).call(100)
    end = await call.ended()
    assert call.items == list(range(100))
    assert isinstance(end, ResultHeader)
    assert (end.items, call.body) == (100, b"")


async def test_a_generator_that_a_function_returns_streams_too(replica: Replica) -> None:
    call = (await replica.deploy("def f(to):\n    return (n * n for n in range(to))")).call(4)
    await call.ended()
    assert call.items == [0, 1, 4, 9]


async def test_no_item_goes_out_without_credit(replica: Replica) -> None:
    call = (await replica.deploy(COUNT)).call(10**9, credit=3)
    await eventually(lambda: len(call.items) == 3)
    call.grant(2)
    await eventually(lambda: len(call.items) == 5)
    call.cancel()  # the executor has sent all that it ever will before it answers this
    assert (await call.error()).code == "function_error"
    assert call.items == [0, 1, 2, 3, 4]


async def test_a_stream_that_is_cancelled_while_it_waits_for_credit_closes_its_generator(
    replica: Replica, tmp_path: Path
) -> None:
    source = """
        import pathlib
        def f(path):
            try:
                while True:
                    yield 1
            finally:
                pathlib.Path(path).touch()
    """
    version = await replica.deploy(source)
    call = version.call(str(tmp_path / "closed"), credit=1)
    await eventually(lambda: call.items)
    call.cancel()
    await call.error()
    await eventually((tmp_path / "closed").exists)


async def test_a_generator_that_raises_sends_its_items_first(replica: Replica) -> None:
    source = """
        def f():
            yield 1
            yield 2
            raise LookupError("no third")
    """
    call = (await replica.deploy(source)).call()
    with pytest.raises(FunctionError, match="LookupError: no third"):
        await call.value()
    assert call.items == [1, 2]


async def test_an_item_that_has_no_json_ends_its_stream(replica: Replica) -> None:
    version = await replica.deploy("def f():\n    yield 1\n    yield object()\n    yield 3")
    call = version.call()
    assert isinstance(await call.error(), ResultNotSerializable)
    assert call.items == [1]
    assert isinstance(await version.call().error(), ResultNotSerializable)


async def test_a_result_that_has_no_json_is_an_error_of_its_call_only(replica: Replica) -> None:
    version = await replica.deploy("def f(good):\n    return 'text' if good else {'x': [object()]}")
    assert isinstance(await version.call(False).error(), ResultNotSerializable)
    assert await version.call(True).value() == "text"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("sys.exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise StopIteration(1)", "StopIteration"),
        ("raise Odd('odd')", "app.Odd"),
        ("raise MemoryError", "MemoryError"),
        ("deeper()", "RecursionError"),
        ("raise 5", "TypeError"),
        ("raise BaseExceptionGroup('both', [Odd(), ValueError()])", "BaseExceptionGroup"),
    ],
)
async def test_whatever_it_raises_is_its_answer_and_not_the_executors_end(
    replica: Replica, statement: str, name: str
) -> None:
    source = f"""
        import sys
        class Odd(BaseException): pass
        def deeper():
            deeper()
        def f(good):
            if good:
                return "alive"
            {statement}
    """
    version = await replica.deploy(source)
    error = await version.call(False).error()
    assert isinstance(error, FunctionError)
    assert error.exception == name
    assert await version.call(True).value() == "alive"


async def test_code_that_cleans_up_is_not_interrupted_again(replica: Replica) -> None:
    source = """
        def f():
            try:
                print("began")
                while True: pass
            finally:
                for _ in range(3_000_000): pass
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


async def test_cancelling_interrupts_code_that_runs_and_the_process_goes_on(replica: Replica) -> None:
    source = """
        import os
        def f(wait):
            try:
                print("began")
                while wait:
                    try:
                        while wait: pass
                    except Exception:
                        pass
            finally:
                print("cleaned up")
            return os.getpid()
    """
    version = await replica.deploy(source)
    call = version.call(True)
    await call.until("began")
    call.cancel("timeout")
    await call.error()
    assert "cleaned up" in call.output()
    assert await version.call(False).value() == version.pid


async def test_a_call_that_is_cancelled_before_its_turn_never_runs(replica: Replica) -> None:
    source = """
        ran = []
        def f(name, wait=False):
            ran.append(name)
            print("began")
            while wait: pass
            return ran
    """
    version = await replica.deploy(source)
    first, second, third = version.call("first", wait=True), version.call("second"), version.call("third")
    await first.until("began")
    second.cancel()
    first.cancel()
    assert await third.value() == ["first", "third"]
    assert (await second.ended()).run_us == 0


async def test_an_interrupt_never_hits_the_next_call(replica: Replica) -> None:
    version = await replica.deploy("def f(x):\n    for _ in range(300): pass\n    return x")
    for number in range(60):
        cancelled, after = version.call(-1), version.call(number)
        cancelled.cancel()
        assert await after.value() == number
        await cancelled.ended()


async def test_each_call_has_variables_of_its_own(replica: Replica) -> None:
    source = """
        import contextvars
        var = contextvars.ContextVar("var", default="unset")
        def f(x):
            before = var.get()
            var.set(x)
            return before
    """
    version = await replica.deploy(source)
    assert [await version.call(x).value() for x in (1, 2)] == ["unset", "unset"]


async def test_arguments_that_do_not_fit_never_reach_the_function(replica: Replica) -> None:
    version = await replica.deploy("ran = []\ndef f(x: int):\n    ran.append(x)\n    return ran")
    for arguments in (("text",), (), (1, 2)):
        error = await version.call(*arguments).error()
        assert isinstance(error, InvalidArguments)
    assert await version.call(1).value() == [1]

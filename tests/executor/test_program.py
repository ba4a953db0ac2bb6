"""A class has one instance in its executor: made before it is ready, called by its methods, told when it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rayfaas.errors import FunctionError, ImportFailed, InvalidArguments, NotFound
from tests.executor.replica import Replica
from tests.waiting import eventually

COUNTER = """
    import threading
    import rayfaas

    @rayfaas.cls()
    class f:
        '''Counts.'''
        def __init__(self):
            self.steps = ["made"]
        @rayfaas.enter
        def load(self):
            self.steps.append("entered")
        def add(self, by: int = 1) -> list:
            '''One step more.'''
            self.steps.append(by)
            return self.steps
        def items(self, n: int):
            yield from range(n)
        def where(self):
            return threading.current_thread() is threading.main_thread()
        @staticmethod
        def plus(x: int) -> int:
            return x + 1
        @classmethod
        def called(cls) -> str:
            return cls.__name__
        def _hidden(self): ...
"""


async def test_state_lives_between_calls_of_all_methods(replica: Replica) -> None:
    version = await replica.deploy(COUNTER)
    assert await version.method("add", 1).value() == ["made", "entered", 1]
    assert await version.method("add", by="2").value() == ["made", "entered", 1, 2]
    assert await version.method("where").value() is True
    assert (await version.method("plus", 3).value(), await version.method("called").value()) == (4, "f")
    stream = version.method("items", 3)
    await stream.ended()
    assert stream.items == [0, 1, 2]


async def test_the_interface_tells_of_the_methods_that_may_be_called(replica: Replica) -> None:
    interface: Any = (await replica.deploy(COUNTER)).imported.interface
    assert (interface["kind"], interface["doc"]) == ("class", "Counts.")
    assert list(interface["methods"]) == ["add", "items", "where", "plus", "called"]
    add = interface["methods"]["add"]
    assert (add["kind"], add["signature"], add["doc"]) == ("sync", "(by: int = 1) -> list", "One step more.")
    assert add["arguments"]["properties"] == {"by": {"type": "integer", "default": 1}}
    assert interface["methods"]["items"]["kind"] == "generator"


async def test_only_its_public_methods_answer(replica: Replica) -> None:
    version = await replica.deploy(COUNTER)
    for name in ("_hidden", "load", "__init__", "other"):
        assert isinstance(await version.method(name).error(), NotFound)
    assert isinstance(await version.call().error(), NotFound)
    assert isinstance(await version.method("add", "x").error(), InvalidArguments)


@pytest.mark.parametrize("where", ["def __init__(self)", "@rayfaas.enter\n    def load(self)"])
async def test_what_is_raised_before_it_is_ready_answers_the_deploy(replica: Replica, where: str) -> None:
    body = f"    {where}:\n        raise OSError('no weights')\n    def g(self): ..."
    source = f"import rayfaas\n@rayfaas.cls\nclass f:\n{body}"
    with pytest.raises(ImportFailed, match="f could not be made: OSError: no weights") as raised:
        await replica.deploy(source)
    traceback = raised.value.extra["traceback"]
    assert "app.py" in traceback
    assert "rayfaas/executor" not in traceback


async def test_exit_methods_run_after_the_last_call_and_one_that_fails_stops_no_other(
    replica: Replica, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    source = f"""
        import rayfaas
        @rayfaas.cls
        class f:
            @rayfaas.exit
            def second(self): open({str(told)!r}, "a").write("second")
            @rayfaas.exit
            def first(self): raise ValueError("closing failed")
            def wait(self):
                print("began", flush=True)
                while not __import__("os").path.exists({str(tmp_path / "go")!r}): pass
                open({str(told)!r}, "a").write("called ")
                return "done"
    """
    version = await replica.deploy(source)
    call = version.method("wait")
    await call.until("began")
    replica.supervisor.drain(version.order.key)
    (tmp_path / "go").touch()
    assert await call.value() == "done"
    death = await replica.death_of(version)
    assert (death.how, told.read_text()) == ("exited with code 0", "called second")
    assert "closing failed" in death.output


async def test_async_methods_share_one_loop_with_what_runs_before_and_after(replica: Replica, tmp_path: Path) -> None:
    told = tmp_path / "told"
    source = f"""
        import asyncio, threading
        import rayfaas
        @rayfaas.cls(concurrency=2)
        class f:
            @rayfaas.enter
            async def load(self):
                self.lock, self.loop = asyncio.Lock(), asyncio.get_running_loop()
            async def same(self):
                async with self.lock:
                    return self.loop is asyncio.get_running_loop()
            async def items(self):
                for i in range(3):
                    yield i
            def plain(self):
                return "plain"
            def fails(self):
                raise StopIteration("none left")
            def numbers(self):
                yield from range(3)
            @rayfaas.exit
            async def leave(self):
                await asyncio.sleep(0)
                open({str(told)!r}, "w").write(str(self.loop is asyncio.get_running_loop()))
    """
    for concurrency in (1, 2):
        version = await replica.deploy(source, concurrency=concurrency)
        assert await version.method("same").value() is True
        assert await version.method("plain").value() == "plain"
        error = await version.method("fails").error()
        assert isinstance(error, FunctionError)
        assert (error.exception, error.message) == ("StopIteration", "none left")
        for name in ("items", "numbers"):
            stream = version.method(name)
            await stream.ended()
            assert stream.items == [0, 1, 2]
        replica.supervisor.drain(version.order.key)
        await replica.death_of(version)
        assert told.read_text() == "True"


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_a_plain_method_beside_async_ones_is_interrupted_when_nobody_waits(
    replica: Replica, concurrency: int
) -> None:
    source = """
        import time
        class f:
            async def other(self): ...
            def spin(self):
                print("began", flush=True)
                while True: time.sleep(0.001)
            def alive(self): return True
    """
    version = await replica.deploy(source, concurrency=concurrency)
    call = version.method("spin")
    await call.until("began")
    call.cancel()
    assert isinstance(await call.error(), FunctionError)
    assert await version.method("alive").value() is True


async def test_a_call_before_it_is_made_is_none(replica: Replica) -> None:
    """READY comes after enter: nothing is dispatched to an instance that is not there yet."""
    version = await replica.deploy(COUNTER, concurrency=3)
    ready = version.executor.ready_header
    assert ready is not None
    assert ready.concurrency == 3
    await eventually(lambda: replica.supervisor.hosted())

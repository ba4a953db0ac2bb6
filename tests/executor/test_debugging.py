"""`breakpoint()` stops a call whose caller has a debugger, and no other."""

from __future__ import annotations

from rayfaas.errors import FunctionError
from tests.executor.replica import Replica

STOPS = """
    import rayfaas
    def f(x):
        y = x + 1
        breakpoint()
        z = y * 2
        return z
"""


async def test_one_looks_steps_and_changes_and_the_function_goes_on(replica: Replica) -> None:
    version = await replica.deploy(STOPS)
    call = version.executor.debug(1)
    assert "y = x + 1" not in await call.says("z = y * 2")
    call.type("p 'y is', y")
    await call.says("('y is', 2)")
    call.type("y = 20\n")
    call.type("next")
    await call.says("return z")
    call.type("continue")
    assert await call.value() == 40


async def test_without_a_debugger_a_breakpoint_is_passed_with_a_word_in_the_log(replica: Replica) -> None:
    version = await replica.deploy(STOPS)
    call = version.call(1)
    assert await call.value() == 4
    assert "rayfaas call --debug" in call.output("log")
    assert call.said == []


async def test_rayfaas_breakpoint_is_the_same_and_stops_in_the_functions_own_line(replica: Replica) -> None:
    version = await replica.deploy(STOPS.replace("breakpoint()", "rayfaas.breakpoint()"))
    call = version.executor.debug(1)
    await call.says("-> z = y * 2")
    call.type("c")
    assert await call.value() == 4


async def test_stepping_out_of_the_function_ends_it_and_the_next_call_is_not_traced(replica: Replica) -> None:
    version = await replica.deploy(
        "import sys\ndef f(stop):\n    if stop: breakpoint()\n    return sys.gettrace() is None\n"
    )
    call = version.executor.debug(True)
    await call.says("return sys.gettrace()")
    for _ in range(2):
        call.type("next")
    assert await call.value() is False
    assert await version.call(False).value() is True


async def test_who_quits_ends_the_call(replica: Replica) -> None:
    call = (await replica.deploy(STOPS)).executor.debug(1)
    await call.says("(Pdb)")
    call.type("quit")
    error = await call.error()
    assert isinstance(error, FunctionError)
    assert error.exception == "bdb.BdbQuit"


async def test_a_call_that_nobody_waits_for_leaves_its_debugger(replica: Replica) -> None:
    version = await replica.deploy(STOPS)
    call = version.executor.debug(1)
    await call.says("(Pdb)")
    call.cancel()
    assert "CallInterrupted" in str(await call.error())
    assert await version.call(1).value() == 4


async def test_coroutines_stop_too(replica: Replica) -> None:
    version = await replica.deploy(STOPS.replace("def f", "async def f"))
    call = version.executor.debug(1)
    await call.says("-> z = y * 2")
    call.type("p y")
    await call.says("2\n")
    call.type("c")
    assert await call.value() == 4


async def test_a_breakpoint_on_import_is_passed(replica: Replica) -> None:
    assert await replica.run("breakpoint()\ndef f():\n    return 1\n") == 1

"""What a caller hears of a call: its times, what it may call others with, and not too much output."""

from __future__ import annotations

from rayfaas.envelope import ErrorHeader, ResultHeader
from rayfaas.executor.running import MAX_OUTPUT
from tests.executor.replica import Replica


async def test_an_end_tells_when_the_function_ran_and_how_long(replica: Replica) -> None:
    version = await replica.deploy("import time\ndef f(x):\n    time.sleep(0.01)\n    return 1 / x")
    good, bad = await version.call(1).ended(), await version.call(0).ended()
    assert isinstance(good, ResultHeader)
    assert isinstance(bad, ErrorHeader)
    for end in (good, bad):
        assert end.run_us >= 10_000
        assert 0 <= end.cpu_us < end.run_us
        assert end.started_us > 1_700_000_000_000_000


async def test_the_load_counts_what_else_is_waiting(replica: Replica) -> None:
    version = await replica.deploy("import threading\ndef f():\n    threading.Event().wait(0.02)")
    loads = [(await call.ended()).load for call in [version.call() for _ in range(4)]]
    assert loads == [3, 2, 1, 0]


async def test_a_function_knows_the_call_that_it_answers(replica: Replica) -> None:
    source = """
        import threading
        import rayfaas
        at_import = rayfaas.current_call()
        def f():
            call = rayfaas.current_call()
            elsewhere = []
            thread = threading.Thread(target=lambda: elsewhere.append(rayfaas.current_call()))
            thread.start()
            thread.join()
            known = [call.call_id, call.root_id, call.parent_id, call.function, call.version, call.principal, call.team]
            return [known, call.deadline, at_import, elsewhere]
    """
    version = await replica.deploy(source)
    call = version.call()
    h = call.header
    known = [h.call_id, h.root_id, None, "default/f", version.order.version, h.principal, h.team]
    assert await call.value() == [known, h.deadline, None, [None]]


async def test_what_a_call_may_call_others_with_is_asked_for_once(replica: Replica) -> None:
    source = """
        from concurrent.futures import ThreadPoolExecutor
        import rayfaas
        def f():
            access = rayfaas.current_call().access
            with ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(lambda _: access(), range(8)))
            return [[a.url, a.token] for a in answers]
    """
    version = await replica.deploy(source)
    assert await version.call().value() == [["http://gateway", "a token"]] * 8
    assert version.executor.access_asked == 1


async def test_output_beyond_the_limit_is_dropped_and_that_is_said(replica: Replica) -> None:
    source = """
        def f():
            for number in range(40_000):
                print(f"{number:100}")
            return "done"
    """
    call = (await replica.deploy(source)).call()
    assert await call.value() == "done"
    output = call.output()
    assert output.startswith(f"{0:100}\n{1:100}\n")
    assert output.endswith("the rest is dropped]\n")
    assert MAX_OUTPUT < len(output) < MAX_OUTPUT + 1000


async def test_one_call_that_printed_too_much_takes_nothing_from_the_next(replica: Replica) -> None:
    source = """
        def f(lines):
            for _ in range(lines):
                print("x" * 10_000)
    """
    version = await replica.deploy(source)
    await version.call(200).value()
    after = version.call(1)
    await after.value()
    assert after.output() == "x" * 10_000 + "\n"

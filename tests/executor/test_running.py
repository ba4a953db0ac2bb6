"""What a caller hears of a call: its exception as the user knows it, its times, and not too much output."""

from __future__ import annotations

import rayfaas.executor
from rayfaas.envelope import ErrorHeader, ResultHeader
from rayfaas.errors import FunctionError, RayfaasError
from rayfaas.executor.running import MAX_OUTPUT, describe_exception
from tests.executor.replica import Replica


class Outer:
    class Odd(Exception):
        pass


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError("no words")

    __repr__ = __str__


class NotText(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


def described(error: BaseException, cause: BaseException | None = None) -> RayfaasError:
    try:
        raise error from cause
    except BaseException as raised:
        return describe_exception(raised)


def test_an_exception_is_named_as_its_author_names_it() -> None:
    builtin, own = described(KeyError("x")), described(Outer.Odd("why"))
    assert isinstance(builtin, FunctionError)
    assert (builtin.exception, builtin.message, builtin.detail) == ("KeyError", "'x'", "KeyError: 'x'")
    assert isinstance(own, FunctionError)
    assert own.exception == f"{__name__}.Outer.Odd"
    assert described(ValueError()).detail == "ValueError"


def test_an_exception_that_can_not_be_written_is_told_all_the_same() -> None:
    error = described(Unspeakable())
    assert isinstance(error, FunctionError)
    assert "str() of it raised ZeroDivisionError" in error.message
    assert "Unspeakable" in error.traceback
    assert "str() of it raised TypeError" in described(NotText()).detail


def test_what_led_to_it_is_told_the_nearest_first() -> None:
    middle = KeyError("middle")
    middle.__cause__ = OSError("first")
    causes = described(ValueError("last"), middle).extra["causes"]
    assert [(c["exception"], c["message"]) for c in causes] == [("KeyError", "'middle'"), ("OSError", "first")]


def test_causes_that_go_round_in_a_circle_end() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert [c["message"] for c in described(first, second).extra["causes"]] == ["second"]


def test_a_long_chain_of_causes_is_cut() -> None:
    error = ValueError("0")
    for number in range(1, 200):
        following = ValueError(str(number))
        following.__cause__ = error
        error = following
    assert len(described(error, error.__cause__).extra["causes"]) < 50


async def test_a_traceback_holds_the_users_frames_only(replica: Replica) -> None:
    source = """
        def divide(x):
            return 1 / x
        def f(x):
            return divide(x)
    """
    version = await replica.deploy(source)
    error = await version.call(0).error()
    assert isinstance(error, FunctionError)
    assert "return divide(x)" in error.traceback
    assert "return 1 / x" in error.traceback
    assert error.traceback.count('File "') == 2
    assert rayfaas.executor.__path__[0] not in error.traceback


async def test_the_frames_of_a_generator_and_of_a_coroutine_are_the_users_too(replica: Replica) -> None:
    for source in (
        "def f():\n    yield 1\n    raise ValueError('late')",
        "async def f():\n    raise ValueError('late')",
        "async def f():\n    yield 1\n    raise ValueError('late')",
    ):
        error = await (await replica.deploy(source)).call().error()
        assert isinstance(error, FunctionError)
        assert error.traceback.count('File "') == 1
        assert "raise ValueError('late')" in error.traceback


async def test_a_traceback_tells_of_what_was_handled_when_it_was_raised(replica: Replica) -> None:
    source = """
        def f():
            try:
                {}["x"]
            except KeyError:
                raise ValueError("mended") from None
            finally:
                print("done")
    """
    error = await (await replica.deploy(source)).call().error()
    assert isinstance(error, FunctionError)
    assert "KeyError" not in error.traceback
    assert error.extra["causes"] == []


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

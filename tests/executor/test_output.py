"""What user code prints and logs goes to the call that did it, in order, and nowhere else."""

from __future__ import annotations

from rayfaas.envelope import LogHeader
from tests.executor.replica import Replica


def told(logs: list[tuple[LogHeader, str]]) -> list[tuple[str, str | None, str]]:
    return [(header.stream, header.level, text) for header, text in logs]


async def test_stdout_stderr_and_logging_are_told_apart(replica: Replica) -> None:
    source = """
        import logging, sys
        def f():
            print("out")
            print("err", file=sys.stderr)
            logging.getLogger("shop").warning("low on %s", "gold")
            logging.getLogger("shop").debug("not this")
            logging.info("info")
    """
    call = (await replica.deploy(source)).call()
    await call.value()
    assert told(call.logs) == [
        ("stdout", None, "out\n"),
        ("stderr", None, "err\n"),
        ("log", "WARNING", "shop: low on gold\n"),
        ("log", "INFO", "root: info\n"),
    ]


async def test_lines_arrive_whole_however_they_are_written(replica: Replica) -> None:
    source = """
        import sys
        def f():
            for part in ("one ", "li", "ne\\ntwo", "\\n\\nthree"):
                sys.stdout.write(part)
            print(1, 2, sep="-", end="!")
            print()
            sys.stdout.writelines(["a\\n", "b\\n"])
    """
    call = (await replica.deploy(source)).call()
    await call.value()
    texts = [text for _, text in call.logs]
    assert "".join(texts) == "one line\ntwo\n\nthree1-2!\na\nb\n"
    assert all(text.endswith("\n") for text in texts)


async def test_a_line_that_is_not_finished_is_sent_when_it_is_flushed_and_at_the_end(replica: Replica) -> None:
    source = """
        def f():
            print("50%", end="", flush=True)
            print(" 100%", end="")
    """
    call = (await replica.deploy(source)).call()
    await call.value()
    assert [text for _, text in call.logs] == ["50%", " 100%"]


async def test_output_comes_before_the_answer_also_where_the_call_fails(replica: Replica) -> None:
    call = (await replica.deploy("def f():\n    print('so far', end='')\n    raise ValueError")).call()
    await call.error()
    assert call.output() == "so far"


async def test_unfinished_lines_of_one_call_do_not_begin_those_of_the_next(replica: Replica) -> None:
    version = await replica.deploy("import sys\ndef f(x):\n    sys.stdout.write(x)")
    calls = [version.call("first"), version.call("second")]
    for call in calls:
        await call.value()
    assert [call.output() for call in calls] == ["first", "second"]


async def test_threads_of_a_call_write_to_it_where_it_is_the_only_one(replica: Replica) -> None:
    source = """
        import logging, sys
        from threading import Thread
        def write(number):
            print("thread", number)
            logging.error("log %d", number)
        def f():
            threads = [Thread(target=write, args=(n,)) for n in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
    """
    call = (await replica.deploy(source)).call()
    await call.value()
    assert sorted(call.output().splitlines()) == [f"thread {n}" for n in range(4)]
    assert sorted(call.output("log").splitlines()) == [f"root: log {n}" for n in range(4)]


async def test_lines_of_threads_are_not_mixed(replica: Replica) -> None:
    source = """
        import threading
        def f():
            others = threading.Barrier(2)
            def write(text):
                print(text, end="")
                others.wait()
                print("", text)
            threads = [threading.Thread(target=write, args=(text,)) for text in ("ab", "cd")]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
    """
    call = (await replica.deploy(source)).call()
    await call.value()
    assert sorted(call.output().splitlines()) == ["ab ab", "cd cd"]


async def test_threads_with_a_copy_of_the_context_write_to_their_own_of_many_calls(replica: Replica) -> None:
    source = """
        import contextvars, threading
        together = threading.Barrier(3, timeout=20)
        def f(name):
            together.wait()
            thread = threading.Thread(target=contextvars.copy_context().run, args=(print, name))
            thread.start()
            thread.join()
            together.wait()
    """
    version = await replica.deploy(source, concurrency=3)
    calls = {name: version.call(name) for name in ("ann", "ben", "cid")}
    for name, call in calls.items():
        await call.value()
        assert call.output() == f"{name}\n"


async def test_calls_at_the_same_time_do_not_mix_their_output(replica: Replica) -> None:
    source = """
        import sys, threading
        together = threading.Barrier(3, timeout=20)
        def f(name):
            for _ in range(20):
                together.wait()
                sys.stdout.write(name)
                together.wait()
                sys.stdout.write(name + "\\n")
    """
    version = await replica.deploy(source, concurrency=3)
    calls = {name: version.call(name) for name in ("ann", "ben", "cid")}
    for name, call in calls.items():
        await call.value()
        assert call.output() == f"{name}{name}\n" * 20


async def test_what_a_process_of_the_call_writes_and_what_c_code_writes_is_no_ones(replica: Replica) -> None:
    source = """
        import os, subprocess
        def f():
            os.write(1, b"from C\\n")
            subprocess.run(["echo", "from a process"], check=True)
            print("from Python")
    """
    call = (await replica.deploy(source)).call()
    await call.value()
    assert call.output() == "from Python\n"


async def test_text_that_is_no_utf_8_is_sent_as_well_as_it_can_be(replica: Replica) -> None:
    call = (await replica.deploy("def f():\n    print('caf\\xe9 \\ud800 \\U0001f600 \\0')")).call()
    await call.value()
    assert call.output() == "caf\xe9 ? \U0001f600 \0\n"


async def test_code_that_asks_what_stdout_is_finds_a_text_file_that_is_no_terminal(replica: Replica) -> None:
    source = """
        import sys
        def f():
            return [sys.stdout.isatty(), sys.stdout.writable(), sys.stdout.encoding, sys.stdout.fileno()]
    """
    assert await replica.run(source) == [False, True, "utf-8", 1]


async def test_code_that_puts_its_own_stdout_in_place_has_it(replica: Replica) -> None:
    source = """
        import contextlib, io
        def f():
            with contextlib.redirect_stdout(io.StringIO()) as mine:
                print("mine")
            print("all's")
            return mine.getvalue()
    """
    call = (await replica.deploy(source)).call()
    assert await call.value() == "mine\n"
    assert call.output() == "all's\n"


async def test_a_large_line_arrives_whole(replica: Replica) -> None:
    call = (await replica.deploy("def f():\n    print('x' * 1_000_000)")).call()
    await call.value()
    assert call.output() == "x" * 1_000_000 + "\n"

"""A client works from every thread, every event loop and every process, and ends when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest

from rayfaas.client import Client
from rayfaas.config import ClientConfig
from rayfaas.session import Session, Sessions
from tests.scripted_server import Reply, Request, ScriptedServer, answering, eventually

ROOT = Path(__file__).parent.parent


@pytest.fixture
def sessions() -> Iterator[Sessions]:
    made = Sessions(ClientConfig("http://127.0.0.1:9", None))
    yield made
    made.close()


class Silent:
    """Never answers; tells whether the client has given up waiting."""

    def __init__(self) -> None:
        self.asked, self.given_up = threading.Event(), threading.Event()

    async def __call__(self, request: Request, reply: Reply) -> None:
        self.asked.set()
        await reply.gone()
        self.given_up.set()


def client_threads() -> int:
    return sum(thread.name == "rayfaas-client" for thread in threading.enumerate())


def test_many_threads_that_come_first_at_once_share_one_session(sessions: Sessions) -> None:
    before, together = client_threads(), threading.Barrier(16)

    def first() -> int:
        together.wait()
        return id(sessions.current())

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: first(), range(16)))) == 1
    assert client_threads() == before + 1


def test_threads_call_at_once(sessions: Sessions) -> None:
    arrived, together = 0, asyncio.Event()

    async def meet() -> None:
        nonlocal arrived
        arrived += 1
        if arrived == 8:
            together.set()
        await together.wait()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: sessions.current().run(meet()), range(8)))


def test_event_loops_one_after_the_other_and_at_once_share_a_client() -> None:
    async def ask(client: Client) -> list[str]:
        answers = await asyncio.gather(*(client.whoami.aio() for _ in range(5)))
        return [answer["team"] for answer in answers]

    with ScriptedServer(answering({"team": "nlp"})) as server, Client(server.url, "rf_x") as client:
        assert asyncio.run(ask(client)) == asyncio.run(ask(client)) == ["nlp"] * 5
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda _: asyncio.run(ask(client)), range(4))) == [["nlp"] * 5] * 4


def test_the_plain_call_works_inside_of_a_running_loop_as_in_a_notebook() -> None:
    async def cell(client: Client) -> str:
        return str(client.whoami()["team"])

    with ScriptedServer(answering({"team": "nlp"})) as server, Client(server.url, "rf_x") as client:
        assert asyncio.run(cell(client)) == "nlp"


def test_the_callers_context_is_seen(sessions: Sessions) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def look() -> str:
        return variable.get()

    async def look_from_a_loop() -> str:
        variable.set("theirs")
        return await sessions.current().run_async(look())

    assert asyncio.run(look_from_a_loop()) == "theirs"
    variable.set("mine")
    assert sessions.current().run(look()) == "mine"


def test_waiting_on_the_clients_own_thread_is_an_error_and_no_deadlock(sessions: Sessions) -> None:
    async def inner() -> None: ...

    async def outer() -> None:
        sessions.current().run(inner())

    with pytest.raises(RuntimeError, match="can't wait for the same client"):
        sessions.current().run(outer())


def test_closing_ends_a_call_that_is_waited_for() -> None:
    silent = Silent()
    outcome: list[str] = []

    def call() -> None:
        with pytest.raises(RuntimeError, match="the client was closed before the answer came"):
            client.whoami()
        outcome.append("told")

    with ScriptedServer(silent) as server:
        client = Client(server.url, "rf_x")
        thread = threading.Thread(target=call)
        thread.start()
        assert silent.asked.wait(10)
        client.close()
        thread.join(10)
        assert outcome == ["told"]
        assert silent.given_up.wait(10)


def test_closing_ends_the_thread_and_can_be_repeated() -> None:
    before = client_threads()
    with ScriptedServer(answering({})) as server:
        client = Client(server.url, "rf_x")
        client.whoami()
        assert client_threads() == before + 1
        client.close()
        client.close()
    assert client_threads() == before


@pytest.mark.parametrize("used", [True, False])
async def test_a_closed_client_says_so(used: bool) -> None:
    with ScriptedServer(answering({})) as server:
        client = Client(server.url, "rf_x")
        if used:
            client.whoami()
        client.close()
        with pytest.raises(RuntimeError, match="this client is closed"):
            client.whoami()
        with pytest.raises(RuntimeError, match="this client is closed"):
            await client.whoami.aio()


async def test_cancelling_an_awaited_call_ends_it_at_the_server() -> None:
    silent = Silent()
    with ScriptedServer(silent) as server, Client(server.url, "rf_x") as client:
        task = asyncio.create_task(client.whoami.aio())
        assert await asyncio.to_thread(silent.asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(silent.given_up.wait, 10)


def test_ctrl_c_ends_a_call_at_the_server_and_the_client_goes_on() -> None:
    silent = Silent()

    def interrupt() -> None:
        silent.asked.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with ScriptedServer(silent) as server, Client(server.url, "rf_x") as client:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            client.whoami()
        thread.join()
        assert silent.given_up.wait(10)
        silent.asked.clear()
        with contextlib.suppress(TimeoutError):
            asyncio.run(asyncio.wait_for(client.whoami.aio(), 0.05))
        assert silent.asked.wait(10)


def test_ctrl_c_that_comes_while_a_call_is_begun_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    silent, submit = Silent(), Session.submit

    def interrupted(session: Session, coroutine: Coroutine[Any, Any, Any]) -> None:
        submit(session, coroutine)
        silent.asked.wait(10)
        raise KeyboardInterrupt

    with ScriptedServer(silent) as server, Client(server.url, "rf_x") as client:
        monkeypatch.setattr(Session, "submit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.whoami()
        assert silent.given_up.wait(10)


def forked(url: str, program: str) -> str:
    """What a program prints that has `client` and forks. It ends by itself, whether it closed its client or not."""
    text = f"import os, sys, threading\nfrom rayfaas import Client\nclient = Client({url!r}, 'rf_x')\n{program}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", text], capture_output=True, text=True, cwd=ROOT, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FORK = """
print(client.whoami()["n"], flush=True)
if os.fork() == 0:
    print(client.whoami()["n"], client.whoami()["n"], flush=True)
    client.close()
    os._exit(0)
os.wait()
print(client.whoami()["n"], flush=True)
"""


def test_a_forked_child_has_connections_of_its_own_and_the_parents_live_on() -> None:
    async def count(request: Request, reply: Reply) -> None:
        await reply.json({"n": request.connection})

    with ScriptedServer(count) as server:
        assert forked(server.url, FORK).split() == ["1", "2", "2", "1"]


FORK_DURING_A_CALL = """
calls = [threading.Thread(target=client.answer, args=("slow", (), {})) for _ in range(4)]
for call in calls: call.start()
while True:
    if client.whoami()["waiting"] == 4: break
if os.fork() == 0:
    print("child", client.whoami()["waiting"], flush=True)
    os._exit(0)
print("exit", os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
client.answer("finish", (), {})
for call in calls: call.join()
print("ended", flush=True)
client.close()
"""


def test_a_fork_during_calls_harms_neither_side() -> None:
    finish = asyncio.Event()
    waiting = 0

    async def handler(request: Request, reply: Reply) -> None:
        nonlocal waiting
        if request.path == "/call/slow":
            waiting += 1
            await finish.wait()
        if request.path == "/call/finish":
            finish.set()
        await reply.json({"waiting": waiting})

    with ScriptedServer(handler) as server:
        assert forked(server.url, FORK_DURING_A_CALL).split() == ["child", "4", "exit", "0", "ended"]


FORK_UNUSED = """
if os.fork() == 0:
    client.whoami()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
client.whoami()
client.close()
if os.fork() == 0:
    try:
        client.whoami()
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_child_may_be_the_first_to_use_a_client_and_a_closed_one_is_closed_in_children() -> None:
    with ScriptedServer(answering({})) as server:
        assert forked(server.url, FORK_UNUSED) == "0\nthis client is closed\n"


def test_what_a_call_has_not_begun_yet_ends_with_it_without_a_complaint(sessions: Sessions) -> None:
    session = sessions.current()

    async def call() -> None:
        session.close()
        await asyncio.sleep(0)  # the session hears of its end, and goes on beside what is begun here
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)

    with pytest.raises(RuntimeError, match="the client was closed before the answer came"):
        session.run(call())
    gc.collect()


def test_nothing_is_opened_before_the_first_operation() -> None:
    before = client_threads()
    with ScriptedServer(answering({})) as server:
        Client(server.url, "rf_x").close()
        assert server.requests == []
    assert client_threads() == before
    gc.collect()


def test_open_files_do_not_grow_with_clients() -> None:
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    with ScriptedServer(answering({})) as server:
        counts = []
        for _ in range(6):
            with Client(server.url, "rf_x") as client:
                client.whoami()
            counts.append(opened())
        gc.collect()
        quiet: Callable[[], bool] = lambda: opened() <= counts[0]  # noqa: E731
        eventually(quiet)

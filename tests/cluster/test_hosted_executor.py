"""One executor, as its supervisor sees it: its last words are heard, however it ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from rayfaas import frames
from rayfaas.cluster.hosted_executor import HostedExecutor, describe_status
from rayfaas.errors import ImportFailed, to_problem
from rayfaas.frames import Kind
from rayfaas.orders import Order
from tests.executor.replica import Replica


async def test_the_last_words_of_an_executor_are_heard_before_its_end(replica: Replica) -> None:
    order = (await replica.deploy("def f(): pass")).order
    hosted = HostedExecutor(replica.supervisor._order(order, "/"))
    ours, theirs = socket.socketpair()
    await asyncio.get_running_loop().connect_accepted_socket(lambda: hosted, ours)
    header = frames.encode_header(to_problem(ImportFailed("no module named nmpy", traceback="…")))
    theirs.sendall(frames.encode(Kind.ERROR, 0, header))
    theirs.close()
    assert hosted.ended(0).how == "exited with code 0"  # told before the loop has read what it said
    with pytest.raises(ImportFailed, match="no module named nmpy"):
        hosted.imported.result()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_an_end_is_told_of_an_executor_whose_channel_was_closed_before(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """As those that were drained do; uvloop has no socket of a transport that is closed."""

    async def end() -> str:
        order = Order("e", "default/f", 1, "/", "module", "m", "f", 1, [], b"k", "local", "n", "r", "cpu", "/")
        hosted = HostedExecutor(order)
        ours, theirs = socket.socketpair()
        transport, _ = await asyncio.get_running_loop().connect_accepted_socket(lambda: hosted, ours)
        theirs.close()
        transport.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return hosted.ended(0).how

    running = loop()
    try:
        assert running.run_until_complete(end()) == "exited with code 0"
    finally:
        running.close()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exited with code 0"),
        (3 << 8, "exited with code 3"),
        (9, "was killed by SIGKILL"),
        (139, "was killed by SIGSEGV"),
    ],
)
def test_a_status_in_words(status: int, words: str) -> None:
    assert describe_status(status) == words

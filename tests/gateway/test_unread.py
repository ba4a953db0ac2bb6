"""A client that reads nothing is let go when its call's time is over; one that reads slowly is not."""

from __future__ import annotations

import asyncio
import socket

import pytest

from rayfaas.gateway import unread as unread_module
from rayfaas.gateway.server import listening_socket
from rayfaas.gateway.unread import TRANSPORT, Unread
from tests.gateway.executor import ReceivedCall
from tests.gateway.small import SmallGateway
from tests.gateway.sockets import Client, post, served
from tests.waiting import eventually


class Pipe:
    """A transport with so many bytes left at each look."""

    def __init__(self, *left: int) -> None:
        self._left = list(left)
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]

    def abort(self) -> None:
        self.is_aborted = True


async def test_who_takes_nothing_between_two_looks_is_let_go() -> None:
    pipe, told = Pipe(9, 7, 7), list[bool]()
    watch = Unread({TRANSPORT: pipe}, 0.0, lambda: told.append(pipe.is_aborted), look_s=0.0)
    await eventually(lambda: pipe.is_aborted)
    assert told == [False]
    watch.stop()


async def test_who_reads_or_has_all_is_not() -> None:
    for pipe in (Pipe(*range(1000, 1, -1), 0), Pipe(0)):
        watch = Unread({TRANSPORT: pipe}, 0.0, lambda: pytest.fail("given up"), look_s=0.0)
        for _ in range(50):
            await asyncio.sleep(0)
        watch.stop()
        assert not pipe.is_aborted


async def test_of_an_answer_that_is_written_it_watches_until_all_is_taken() -> None:
    unread, taken = Pipe(9, 9, 9), Pipe(9, 5, 0, 7)
    for pipe in (unread, taken):
        Unread({TRANSPORT: pipe}, 0.0, lambda: None, look_s=0.0).written()
    await eventually(lambda: unread.is_aborted)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not taken.is_aborted


def endless(call: ReceivedCall) -> None:
    """As much as it has credit for, and no end."""
    call.yields(*["x" * 100_000] * 64)


async def test_a_stream_that_nobody_reads_ends_with_its_timeout(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread_module.Unread.__init__, "__defaults__", (0.02,))
    (await gateway.executor()).answers(endless)
    async with served(gateway.app, gateway.direct) as port:
        client = await Client.connect(port)
        await client.send(post("/call/embed", b"1", "Authorization: Bearer ivan", "Rayfaas-Timeout: 0.2"))
        await eventually(gateway.ends)
        assert [(end.state, end.code) for end in gateway.ends()] == [("TIMED_OUT", "timeout")]
        await eventually(lambda: not gateway.recording.in_flight)
        await client.reset()


def test_the_kernel_lets_go_of_who_takes_nothing_for_long() -> None:
    with listening_socket("127.0.0.1", 0) as listening:
        listening.listen()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 600_000

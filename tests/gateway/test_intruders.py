"""Whatever an intruder says on the executors' socket: refused, logged once, and calls go on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfaas import connection
from rayfaas.frames import CHUNK, Kind, encode, split
from rayfaas.strangers import Strangers
from tests.gateway.small import SmallGateway
from tests.intruders import FUZZ, half_open, intrude, is_as_before, logged, open_files, sayings
from tests.waiting import eventually


async def still_answers(gateway: SmallGateway) -> None:
    assert (await gateway.call().answer()).json() == "fine"


@FUZZ
@given(said=sayings, stays=st.booleans())
async def test_no_intruder_is_let_in_or_harms_a_call(
    gateway: SmallGateway, caplog: pytest.LogCaptureFixture, said: bytes, stays: bool
) -> None:
    if not gateway.has_executors:
        (await gateway.executor()).answers(lambda call: call.returns("fine"))
        await still_answers(gateway)
    caplog.clear()
    files = open_files()
    await intrude(gateway.executor_socket, said, stays)
    await is_as_before(files)
    await still_answers(gateway)
    assert len(logged(caplog)) <= 1
    assert all("refused" in line for line in logged(caplog))


async def test_who_never_ends_the_handshake_is_thrown_out(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (await gateway.executor()).answers(lambda call: call.returns("fine"))
    await still_answers(gateway)
    files = open_files()
    monkeypatch.setattr(connection, "HANDSHAKE_S", 0.02)
    said = [b"", encode(Kind.HELLO, 0, b"x" * 100)[:50], b"\x00\x00\x00"]
    sockets = [half_open(gateway.executor_socket, each) for each in said]
    await eventually(lambda: len(logged(caplog)) == len(said))
    assert all("the handshake took too long" in line for line in logged(caplog))
    await eventually(lambda: gateway.strangers_waiting == 0)
    for sock in sockets:
        sock.close()
    await is_as_before(files)
    await still_answers(gateway)


async def test_a_crowd_of_them_pushes_out_its_own_oldest_and_executors_come_in(
    gateway: SmallGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.strangers = Strangers(most=5)
    files = open_files()
    crowd = [half_open(gateway.executor_socket) for _ in range(20)]
    await eventually(lambda: gateway.accepted >= 20)
    (await gateway.executor()).answers(lambda call: call.returns("fine"))
    await still_answers(gateway)
    assert gateway.strangers_waiting <= 5
    assert len(logged(caplog)) == 1
    assert "over 5 connections" in logged(caplog)[0]
    for sock in crowd:
        sock.close()
    await is_as_before(files + 4)  # the executor's call among them


@pytest.mark.parametrize("flood", ["chunks", "headers", "one frame"])
async def test_who_has_not_said_who_it_is_makes_nobody_hold_its_bytes(
    gateway: SmallGateway, caplog: pytest.LogCaptureFixture, flood: str
) -> None:
    said = {
        "chunks": b"".join(list(split(Kind.HELLO, 0, b"", bytes(3 * CHUNK)))[:2]),
        "headers": b"".join(encode(Kind.HELLO, call, b"x" * 99, flags=1) for call in range(1000)),
        "one frame": encode(Kind.HELLO, 0, bytes(CHUNK))[: CHUNK // 2],
    }[flood]
    await intrude(gateway.executor_socket, said, stays=True)
    (line,) = logged(caplog)
    assert "says too much before it has proved who it is" in line

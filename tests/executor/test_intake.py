"""The main thread reads while it has nothing else to do, the other while it has: never both, never neither."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from rayfaas.executor.intake import Intake
from rayfaas.frames import Message

WAIT_S = 20


class Source:
    """A connection whose messages are single bytes; says which thread heard each."""

    def __init__(self) -> None:
        self.peer, self._sock = socket.socketpair()
        self._sock.setblocking(False)
        self.heard: queue.Queue[tuple[bytes, str]] = queue.Queue()
        self.over = threading.Event()

    def fileno(self) -> int:
        return self._sock.fileno()

    def receive(self) -> list[Message] | None:
        data = self._sock.recv(100)
        return [Message(0, 0, b"", bytes([byte])) for byte in data] if data else None

    def hear(self, message: Message) -> None:
        self.heard.put((message.body, threading.current_thread().name))

    def ended(self) -> None:
        self.over.set()

    def close(self) -> None:
        self.peer.close()
        self._sock.close()


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()
    yield source
    source.close()


class Nudges:
    def __init__(self) -> None:
        self._told: queue.Queue[None] = queue.Queue()

    def __call__(self) -> None:
        self._told.put(None)

    def next(self) -> None:
        self._told.get(timeout=WAIT_S)


def standing_by(intake: Intake) -> None:
    threading.Thread(target=intake.stand_by, name="other", daemon=True).start()


def nothing_to_do() -> bool:
    return True


def test_the_main_thread_reads_while_it_is_idle(source: Source) -> None:
    intake = Intake(Nudges())
    standing_by(intake)
    intake.add(source)
    for byte in (b"a", b"b", b"c"):
        source.peer.send(byte)
        assert intake.read(nothing_to_do)
        assert source.heard.get_nowait() == (byte, "MainThread")


def test_what_is_there_to_do_already_is_not_waited_past(source: Source) -> None:
    intake = Intake(Nudges())
    intake.add(source)
    assert intake.read(lambda: False)  # returns: nothing came, nothing was waited for
    assert source.heard.empty()


def test_a_call_that_takes_longer_is_heard_of_by_the_other(source: Source) -> None:
    nudges = Nudges()
    intake = Intake(nudges)
    standing_by(intake)
    intake.add(source)
    intake.is_busy()
    source.peer.send(b"x")
    assert source.heard.get(timeout=WAIT_S) == (b"x", "other")
    assert not intake.read(nothing_to_do), "both would read"
    intake.is_idle()
    source.peer.send(b"y")  # what it waits for in vain ends with the next message
    assert source.heard.get(timeout=WAIT_S) == (b"y", "other")
    nudges.next()
    source.peer.send(b"z")
    assert intake.read(nothing_to_do)
    assert source.heard.get_nowait() == (b"z", "MainThread")


def test_a_call_that_waits_for_a_message_gets_it(source: Source) -> None:
    intake = Intake(Nudges())
    standing_by(intake)
    intake.add(source)
    intake.is_busy()
    intake.want()
    source.peer.send(b"!")
    assert source.heard.get(timeout=WAIT_S) == (b"!", "other")


def test_waking_has_the_main_thread_look(source: Source) -> None:
    intake = Intake(Nudges())
    intake.add(source)
    timer = threading.Timer(0.01, intake.wake)
    timer.start()
    assert intake.read(nothing_to_do)
    timer.join()
    assert source.heard.empty()


def test_a_connection_that_ends_is_told_once_and_read_no_more(source: Source) -> None:
    other = Source()
    intake = Intake(Nudges())
    intake.add(source)
    intake.add(other)
    source.peer.close()
    assert intake.read(nothing_to_do)
    assert source.over.is_set()
    other.peer.send(b"1")
    assert intake.read(nothing_to_do)
    assert other.heard.get_nowait()[0] == b"1"
    other.close()


def test_where_calls_run_elsewhere_the_other_reads_always(source: Source) -> None:
    intake = Intake(Nudges())
    threading.Thread(target=intake.read_always, name="other", daemon=True).start()
    intake.add(source)
    for byte in (b"a", b"b"):
        source.peer.send(byte)
        assert source.heard.get(timeout=WAIT_S) == (byte, "other")
    assert not intake.read(nothing_to_do)

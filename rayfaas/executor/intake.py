"""Who reads the gateways' connections.

The main thread, while it has no call to run: what it reads it runs itself, without waking another thread. When a call
takes longer than a few milliseconds, or waits for a word of its gateway, a thread that stands by reads instead, so that
credit and cancelling reach it. Where calls run on other threads or on a loop, that thread reads always.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from typing import Protocol

from rayfaas.frames import Message

# How long a call may run before the thread that stands by takes over.
_LOOK_S = 0.005


class Source(Protocol):
    """A connection that is read from here."""

    def fileno(self) -> int: ...

    def receive(self) -> list[Message] | None:
        """What has come, without waiting for more; None at the end."""
        ...

    def hear(self, message: Message) -> None: ...

    def ended(self) -> None:
        """Nothing more will come; called once."""
        ...


class Intake:
    """The connections, and the two threads that may read them, one at a time.

    `nudge` is called, on the thread that stands by, when it has stopped reading and the main thread may.
    """

    def __init__(self, nudge: Callable[[], object]) -> None:
        self._nudge = nudge
        self._poll = select.epoll()
        self._sources: dict[int, Source] = {}
        self._reading = threading.Lock()
        self._woken = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._woken, select.EPOLLIN)
        self._begun = 0  # calls that the main thread has begun
        self._busy = 0  # which of them it is in
        self._sleeps = False
        self._wanted = False
        self._look = threading.Event()

    def add(self, source: Source) -> None:
        self._sources[source.fileno()] = source
        self._poll.register(source.fileno(), select.EPOLLIN)

    # The main thread

    def read(self, has_nothing: Callable[[], bool]) -> bool:
        """Wait for something to come and read it; at once where there is something to do after all.

        False where the other thread reads.
        """
        if not self._reading.acquire(blocking=False):
            return False
        try:
            if has_nothing():  # still: the other thread may have brought a call before it stopped reading
                self._read()
        finally:
            self._reading.release()
        return True

    def wake(self) -> None:
        """Have `read` return; from any thread."""
        os.eventfd_write(self._woken, 1)

    def is_busy(self) -> None:
        """The main thread begins a call."""
        self._begun += 1
        self._busy = self._begun
        if self._sleeps:
            self._look.set()

    def is_idle(self) -> None:
        self._busy = 0

    def want(self) -> None:
        """The call that the main thread is in waits for a message."""
        self._wanted = True
        self._look.set()

    # The thread that stands by

    def read_always(self) -> None:
        with self._reading:
            while True:
                self._read()

    def stand_by(self) -> None:
        seen = begun = 0
        while True:
            busy = self._busy
            if busy and (busy == seen or self._wanted):
                self._stand_in(busy)
                self._nudge()
            elif begun == self._begun and not busy:
                self._sleep(begun)
            seen, begun = busy, self._begun
            if not self._wanted:
                self._look.wait(_LOOK_S)
            self._look.clear()

    def _stand_in(self, busy: int) -> None:
        """Read until the main thread is out of the call that it is in."""
        with self._reading:
            while self._busy == busy:
                self._read()
            self._wanted = False

    def _sleep(self, begun: int) -> None:
        """Nothing is called for: don't look until something is."""
        self._sleeps = True
        if self._begun == begun:
            self._look.wait()
        self._look.clear()
        self._sleeps = False

    def _read(self) -> None:
        for fd, _ in self._poll.poll():
            if fd == self._woken:
                os.eventfd_read(fd)
            else:
                self._read_source(fd)

    def _read_source(self, fd: int) -> None:
        source = self._sources[fd]
        messages = source.receive()
        if messages is None:
            self._poll.unregister(fd)
            del self._sources[fd]
            source.ended()
            return
        for message in messages:
            source.hear(message)

"""One executor, as its supervisor sees it: a control channel, what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import cast

import msgspec

from rayfaas import frames
from rayfaas.cluster.lines import BASE
from rayfaas.cluster.memory import kernel_kills, resident_mb
from rayfaas.cluster.zygotes import Zygote, kill_group
from rayfaas.errors import ImportFailed, RayfaasError, from_problem
from rayfaas.frames import Decoder, Kind, Message, header_of
from rayfaas.orders import Imported, Order
from rayfaas.redaction import Redactor

_log = logging.getLogger("rayfaas.supervisor")

# The end of an executor's own output, in bytes, that is kept to explain its death.
TAIL = 16 << 10  # a crash in C also lists every extension module that is loaded
# How much of its control channel is read at a time.
CONTROL = 64 << 10
_decode_imported = msgspec.msgpack.Decoder(Imported).decode


class Death(msgspec.Struct, frozen=True):
    """How an executor ended, as `gateway.deaths.Death` has it."""

    how: str
    output: str
    out_of_memory: bool


class HostedExecutor(asyncio.Protocol):
    """One executor, seen from its supervisor: its control channel, its output, its end. `memory_mb` 0 is no limit."""

    def __init__(self, order: Order, memory_mb: int = 0, environment: str = BASE) -> None:
        self.order, self.memory_mb, self.environment = order, memory_mb, environment
        self.redactor = Redactor(())
        self.imported: asyncio.Future[Imported] = asyncio.get_running_loop().create_future()
        self.zygote: Zygote | None = None
        self.draining = False
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self.output: asyncio.ReadTransport | None = None
        self._tail = b""
        self._over_memory: str | None = None
        self._kernel_kills = kernel_kills()

    @property
    def pid(self) -> int | None:
        return self.zygote.pid_of(self.order.executor) if self.zygote else None

    def kill(self) -> None:
        self.draining = True
        if self.zygote is not None:
            self.zygote.kill(self.order.executor)

    def check_memory(self) -> None:
        """End it where it has more memory than it may."""
        if not self.memory_mb or self._over_memory or (pid := self.pid) is None:
            return
        used_mb = resident_mb(pid)
        if used_mb > self.memory_mb:
            self._over_memory = f"was ended: it used {used_mb:,.0f} MB, and memory_mb={self.memory_mb} is its limit,"
            kill_group(pid)

    def add_output(self, data: bytes, is_last: bool = False) -> None:
        data = self.redactor.feed(data, is_last)
        if not data:
            return
        _log.info(
            "%s %s: %s", self.order.version_key, self.order.executor[:8], data.decode("utf-8", "replace").rstrip()
        )
        self._tail = (self._tail + data)[-TAIL:]

    def tell(self, kind: Kind, header: bytes = b"") -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frames.encode(kind, 0, header))

    def drain(self) -> None:
        self.draining = True
        self.tell(Kind.DRAIN)

    def ended(self, status: int) -> Death:
        """It ended with this `waitpid` status."""
        if self._transport is not None:
            self._hear_rest(self._transport)
            self._transport.close()
        self._read_rest()
        death = self._death(status)
        if not self.imported.done():
            detail = f"The process {death.how} while it imported {self.order.entry_module}."
            text = f"{detail} Its last output:\n{death.output}" if death.output else detail
            self.imported.set_exception(ImportFailed(text))
            self.imported.exception()
        return death

    def _death(self, status: int) -> Death:
        output = self._tail.decode("utf-8", "replace").strip()
        if self._over_memory is not None:
            return Death(self._over_memory, output, True)
        how = describe_status(status)
        if status == signal.SIGKILL and not self.draining and kernel_kills() > self._kernel_kills:
            return Death(f"{how}, by all signs by the kernel because the machine had no memory left,", output, True)
        return Death(how, output, False)

    def _hear_rest(self, transport: asyncio.Transport) -> None:
        """Its end may be known before its last words are read: why its code could not be imported."""
        channel = transport.get_extra_info("socket")  # None in uvloop when it is closed already
        try:
            while channel is not None and (data := os.read(channel.fileno(), CONTROL)):
                self.data_received(data)
        except (OSError, ValueError, RayfaasError):
            pass  # it is empty, or closed already, or no word of an executor

    def _read_rest(self) -> None:
        """What it wrote last may still be in the pipe."""
        pipe = self.output.get_extra_info("pipe") if self.output is not None else None
        try:
            while pipe is not None and (data := os.read(pipe.fileno(), TAIL)):
                self.add_output(data)
        except (BlockingIOError, ValueError):
            pass  # it is empty, or closed already
        self.add_output(b"", is_last=True)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked with isinstance: the transports of uvloop, on which Ray's workers run, are no asyncio.Transport.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for message in self._decoder.feed(data):
            self._hear(message)

    def _hear(self, message: Message) -> None:
        if self.imported.done():
            return
        if message.kind == Kind.READY:
            self.imported.set_result(_decode_imported(message.body))
        elif message.kind == Kind.ERROR:
            self.imported.set_exception(from_problem(header_of(message)))
            self.imported.exception()


class Output(asyncio.Protocol):
    """What one prints, on its way from the pipe to whoever explains its end."""

    def __init__(self, executor: HostedExecutor) -> None:
        self._executor = executor

    def data_received(self, data: bytes) -> None:
        self._executor.add_output(data)


def describe_status(status: int) -> str:
    """A `waitpid` status in words.

    >>> describe_status(9)
    'was killed by SIGKILL'
    """
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exited with code {os.WEXITSTATUS(status)}"

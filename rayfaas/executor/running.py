"""A call while it runs in an executor: its answer, its output, its credit, and whether anybody still waits for it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import ctypes
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from rayfaas.context import Access, CallContext
from rayfaas.envelope import (
    AccessBody,
    ArgumentsHeader,
    CallHeader,
    DebugHeader,
    ErrorHeader,
    LogHeader,
    OutputHeader,
    ResultHeader,
)
from rayfaas.errors import RayfaasError, Unavailable, to_problem
from rayfaas.executor.channel import Channel
from rayfaas.executor.problems import sendable
from rayfaas.frames import Body, Kind
from rayfaas.redaction import Redactor
from rayfaas.wire import Arguments, decode_arguments

if TYPE_CHECKING:
    from rayfaas.executor.batches import Batch
    from rayfaas.executor.signature import Signature

_encode = msgspec.msgpack.Encoder(enc_hook=str).encode
_decode_access = msgspec.msgpack.Decoder(AccessBody).decode

ACCESS_S = 10.0
# Output beyond this, in characters, is dropped: a print in a hot loop must not fill the disk of the home server.
MAX_OUTPUT = 1 << 20

current: ContextVar[Speaker | None] = ContextVar("rayfaas_running_call", default=None)


class Speaker(Protocol):
    """Whose what user code prints and opens is: a call, or a batch of them."""

    sightings: list[Any] | None

    @property
    def call_id(self) -> str | None: ...

    def log(self, stream: str, text: str, level: str | None = None) -> None: ...


class CallInterrupted(BaseException):
    """Raised inside user code when nobody waits for its call any more. Not an Exception, so that `except Exception`
    does not swallow it."""


class Done(Protocol):
    """Hears of each call that ended, and of the exception that ended it, before its answer is sent."""

    def __call__(self, call: RunningCall, error: BaseException | None = None, /) -> None: ...


class Debugger(Protocol):
    """What stops the code of a call where its caller wants to look."""

    def stop_in(self, frame: FrameType) -> None: ...

    def hear(self, line: str) -> None: ...

    def interrupt(self) -> None: ...

    def end(self) -> None: ...


class RunningCall:
    """One call, from its CALL frame to its RESULT or ERROR."""

    reaches_function = True
    changed: asyncio.Event  # where it runs on a loop: it has more credit, or was cancelled
    batch: Batch | None = None  # what it was begun in, where its function is batched
    redactor = Redactor(())  # of the executor's secrets, where it has any
    sightings: list[Any] | None = None  # what it opened, as `Tracking` noted it

    def __init__(
        self,
        channel: Channel,
        number: int,
        header: CallHeader,
        body: bytes,
        load: Callable[[], int],
        want: Callable[[], object],
    ) -> None:
        self.channel, self.number, self.header, self.body = channel, number, header, body
        self._load, self._want = load, want
        self._credit = header.credit
        self._lock = threading.RLock()
        self._granted: threading.Condition | None = None  # there is more credit, or no need of it
        self._thread: int | None = None
        self._listener: Callable[[], object] | None = None
        self.is_binding = False  # its arguments are validated, by code of the user where their types have such
        self.cancelled: str | None = None
        self._is_interrupted = False
        self.debugger: Debugger | None = None
        self._output = 0
        self._has_output = False
        self._access: concurrent.futures.Future[Access] | None = None
        self._started_us = self._started_ns = 0
        self._cpu_ns: int | None = None

    def context(self, function: str, version: int) -> CallContext:
        h = self.header
        return CallContext(
            h.call_id, h.root_id, h.parent_id, function, version, h.principal, h.team, h.deadline, h.trace, self.access
        )

    @property
    def call_id(self) -> str:
        return self.header.call_id

    @property
    def started_us(self) -> int:
        """When user code began, in us of Unix time; 0 where it has not."""
        return self._started_us

    # Calling others

    def access(self) -> Access:
        """What this call may call other functions with; asked of its gateway once. Raises `Unavailable`."""
        with self._lock:
            asked, self._access = self._access, self._access or concurrent.futures.Future()
        if asked is None:
            self._send(Kind.ACCESS, b"")
        self._want()
        try:
            return self._access.result(ACCESS_S)
        except concurrent.futures.TimeoutError:
            raise Unavailable("The gateway did not say what this call may call other functions with.") from None

    def hear_access(self, body: bytes) -> None:
        if self._access is not None and not self._access.done():
            answer = _decode_access(body)
            self._access.set_result(Access(answer.url, answer.token))

    # Time

    def start(self, measure_cpu: bool = True) -> None:
        """User code is about to run. A thread that tasks share can't tell whose processor time it is."""
        self._started_us = time.time_ns() // 1000
        self._started_ns, self._cpu_ns = time.perf_counter_ns(), time.thread_time_ns() if measure_cpu else None

    @property
    def is_unwanted(self) -> bool:
        """Whether nobody waits for what runs it: of a batch, for any call in it."""
        return self.cancelled is not None and (self.batch is None or self.batch.is_unwanted)

    @property
    def is_in_user_code(self) -> bool:
        """Whether the function was entered. It stays so when the function has returned."""
        return self._started_ns != 0

    @property
    def holds_its_process(self) -> bool:
        """Whether nothing but the end of the process can end it, when it was interrupted and goes on."""
        return self.is_in_user_code or self.is_binding

    def _spent(self) -> tuple[int, int, int]:
        if not self._started_ns:
            return 0, 0, 0
        run_us = (time.perf_counter_ns() - self._started_ns) // 1000
        if self.batch is not None:
            return self._started_us, run_us, self.batch.cpu_us_each
        cpu_us = 0 if self._cpu_ns is None else (time.thread_time_ns() - self._cpu_ns) // 1000
        return self._started_us, run_us, cpu_us

    # Arguments

    def arguments(self, signature: Signature) -> Arguments:
        """Raises what is wrong with its body."""
        return decode_arguments(self.header.content_type, self.body)

    # Answers

    def result(self, content_type: str, body: Body, items: int | None = None) -> None:
        header = ResultHeader(content_type, *self._spent(), self._load(), items, self._batch_size)
        self._send(Kind.RESULT, _encode(header), body)

    def item(self, body: Body) -> None:
        self._send(Kind.ITEM, b"", body)

    def output(self, header: OutputHeader, piece: Body) -> None:
        """A piece of the result; the first one comes with the header."""
        self._send(Kind.OUTPUT, b"" if self._has_output else _encode(header), piece)
        self._has_output = True

    def error(self, error: RayfaasError) -> None:
        header = ErrorHeader(
            sendable(self.redactor.value(to_problem(error))), *self._spent(), self._load(), self._batch_size
        )
        self._send(Kind.ERROR, _encode(header))

    @property
    def _batch_size(self) -> int | None:
        return None if self.batch is None else self.batch.size

    def log(self, stream: str, text: str, level: str | None = None) -> None:
        if self._output > MAX_OUTPUT:
            return
        text = self.redactor.text(text)
        left = MAX_OUTPUT - self._output
        self._output += len(text)
        if self._output > MAX_OUTPUT:
            text = f"{text[:left]}\n[rayfaas: this call wrote over {MAX_OUTPUT} characters; the rest is dropped]\n"
        header = _encode(LogHeader(time.time_ns() // 1000, stream, level))
        self._send(Kind.LOG, header, text.encode("utf-8", "replace"))

    def tell_arguments(self, header: ArgumentsHeader, shown: bytes) -> None:
        """What it was called with, as JSON."""
        self._send(Kind.ARGUMENTS, _encode(header), shown)

    def debug(self, text: str, waits: bool) -> None:
        """What its debugger says; `waits` for a line."""
        self._send(Kind.DEBUG, _encode(DebugHeader(waits)), self.redactor.text(text).encode("utf-8", "replace"))

    def _send(self, kind: Kind, header: bytes, body: Body = b"") -> None:
        try:
            self.channel.send(kind, self.number, header, body)
        except OSError:
            # The gateway is gone, and with it the client; it records the call as interrupted when it is back.
            self.cancelled = self.cancelled or "cancelled"

    # Credit

    def take_credit(self) -> bool:
        """Wait until one more item may be sent; False when nobody waits for it any more."""
        with self._lock:
            while self._credit <= 0 and self.cancelled is None:
                self._granted = self._granted or threading.Condition(self._lock)
                self._want()
                self._granted.wait()
            self._credit -= 1
            return self.cancelled is None

    def try_credit(self) -> bool:
        """Like `take_credit` for the event loop: False at once when there is none."""
        with self._lock:
            if self._credit <= 0:
                return False
            self._credit -= 1
            return True

    def grant(self, items: int) -> None:
        with self._lock:
            self._credit += items
            self._tell()

    def listen(self, listener: Callable[[], object]) -> None:
        """Have `listener` called, on whatever thread, when credit is granted or the call cancelled."""
        self._listener = listener

    def _tell(self) -> None:
        if self._granted is not None:
            self._granted.notify_all()
        if self._listener is not None:
            self._listener()

    # Cancelling

    def cancel(self, reason: str) -> None:
        """Interrupt the code that runs this call: once, so that what it does about it is not cut off."""
        with self._lock:
            if self._is_interrupted:
                return
            self._is_interrupted, self.cancelled = True, reason
            if self._thread is not None:
                interrupt(self._thread, CallInterrupted)
            if self.batch is not None:
                self.batch.look()
            if self.debugger is not None:
                self.debugger.interrupt()
            self._tell()

    def __enter__(self) -> RunningCall:
        with self._lock:
            if self.cancelled is not None:
                raise CallInterrupted(self.cancelled)
            self._thread = threading.get_ident()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
            if self.cancelled is not None and thread is not None:
                # An interrupt that was not delivered yet must not hit the next call.
                interrupt(thread, None)


def interrupt(thread: int, exception: type[BaseException] | None) -> None:
    """Have a thread raise it at its next instruction; None takes back what was not raised yet."""
    raised = None if exception is None else ctypes.py_object(exception)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)


class Check(RunningCall):
    """A call that ends where the function would begin: it asks whether the arguments do."""

    reaches_function = False

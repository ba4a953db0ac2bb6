"""`breakpoint()` in a function: a debugger whose terminal is the caller's, through the gateway.

For calls that were begun with one (`rayfaas call --debug`); in others a breakpoint is passed, with a word in the log.
"""

from __future__ import annotations

import inspect
import pdb
import queue
import sys
from collections.abc import Callable
from types import FrameType
from typing import IO, Any, cast

from rayfaas.executor.running import CallInterrupted, RunningCall, current

OnlyCall = Callable[[], RunningCall | None]

# What a debugger does not stop in: how the function came to be called is nothing that its author wrote.
_NOT_THEIRS = ("rayfaas", "rayfaas.*", "asyncio.*")
# Frames that may go on after they have returned.
_PAUSES = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_IGNORED = "breakpoint() is passed: nobody debugs this call. Call the function with `rayfaas call --debug`.\n"


class Debugging:
    """Takes the place of what `breakpoint()` calls in this process."""

    def __init__(self, only_call: OnlyCall) -> None:
        self._only_call = only_call
        sys.breakpointhook = self._stop

    def _stop(self, *args: object, **options: object) -> None:
        call = current.get() or self._only_call()
        if call is None:
            sys.stderr.write(f"rayfaas: {_IGNORED}")
        elif not isinstance(call, RunningCall) or not call.header.debug:  # a batch has several callers
            call.log("log", f"rayfaas: {_IGNORED}", "WARNING")
        else:
            if call.debugger is None:
                call.debugger = Debugger(call)
            call.debugger.stop_in(sys._getframe(1))


class Debugger:
    """The debugger of one call; what is typed comes with `hear`."""

    def __init__(self, call: RunningCall) -> None:
        self._terminal = _Terminal(call)
        terminal = cast(IO[str], self._terminal)
        self._pdb = _Pdb(stdin=terminal, stdout=terminal, skip=_NOT_THEIRS, nosigint=True, readrc=False)

    def stop_in(self, frame: FrameType) -> None:
        self._pdb.outermost = _outermost(frame)
        self._pdb.set_trace(frame)

    def hear(self, line: str) -> None:
        self._terminal.typed.put(line)

    def end(self) -> None:
        """The call has ended, and with it its debugger: the thread's next call is not traced."""
        sys.settrace(None)
        self._terminal.send(waits=False)

    def interrupt(self) -> None:
        """Nobody is at the terminal any more."""
        self._terminal.typed.put(None)


class _Pdb(pdb.Pdb):
    """Ends with the function: who steps out of it does not come into what called it."""

    outermost: FrameType | None = None

    def dispatch_return(self, frame: FrameType, arg: Any) -> Any:
        trace = super().dispatch_return(frame, arg)
        if frame is self.outermost and not frame.f_code.co_flags & _PAUSES:
            sys.settrace(None)
        return trace


def _outermost(frame: FrameType) -> FrameType:
    """That of the function, or of a thread's target, that leads to `frame`."""
    while frame.f_back is not None and not str(frame.f_back.f_globals.get("__name__")).startswith("rayfaas."):
        frame = frame.f_back
    return frame


class _Terminal:
    """As pdb takes one: what it writes is sent when it wants a line."""

    encoding = "utf-8"

    def __init__(self, call: RunningCall) -> None:
        self._call, self._written = call, ""
        self.typed: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def write(self, text: str) -> int:
        self._written += text
        return len(text)

    def flush(self) -> None:
        """What pdb asks for after each piece: it is sent later, in one."""

    def send(self, waits: bool) -> None:
        text, self._written = self._written, ""
        if text or waits:
            self._call.debug(text, waits)

    def readline(self) -> str:
        self.send(waits=True)
        line = self.typed.get()
        if line is None:
            raise CallInterrupted(self._call.cancelled)
        return line if line.endswith("\n") else f"{line}\n"

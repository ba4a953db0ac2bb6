"""What running a call takes, however the function runs: its arguments before, its answer after.

`SyncCalls` and `AsyncCalls` say on which thread and when.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from rayfaas.context import enter_call
from rayfaas.envelope import OutputHeader
from rayfaas.errors import NotFound, RayfaasError
from rayfaas.executor.exceptions import describe_exception
from rayfaas.executor.intake import Intake
from rayfaas.executor.items import Refused
from rayfaas.executor.program import Callee, Program
from rayfaas.executor.running import CallInterrupted, Done, RunningCall, current
from rayfaas.frames import Body
from rayfaas.pieces import LARGE, pieces
from rayfaas.wire import encode_result


class Bound(NamedTuple):
    """What a call calls, and with what."""

    callee: Callee
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Calls(ABC):
    """The calls of one version in one executor."""

    def __init__(self, program: Program, version: tuple[str, int], concurrency: int, done: Done) -> None:
        self.concurrency = concurrency
        self._callees = program.callees
        self._version, self._done = version, done
        self._pid = os.getpid()

    @property
    def reads(self) -> bool:
        """Whether `serve` reads the gateways itself while it has no call."""
        return False

    @abstractmethod
    def submit(self, call: RunningCall) -> None:
        """Run it when its turn comes; called on the thread that reads."""

    @abstractmethod
    def serve(self, intake: Intake) -> None:
        """Run calls, on this thread (the main one), until `stop`."""

    def goes_on(self, within_s: float) -> bool:
        """Whether calls can end while one of them does not stop."""
        return True

    def nudge(self) -> None:  # noqa: B027 those that don't read have nothing to do
        """The gateways are not read any more: `serve` may."""

    @abstractmethod
    def stop(self) -> None:
        """Return from `serve` after the calls that were submitted before."""

    # The steps of a call

    def enter(self, call: RunningCall) -> None:
        """Make it the current one, for user code and for what it prints."""
        enter_call(call.context(*self._version))
        current.set(call)

    def bind(self, call: RunningCall) -> Bound | None:
        """What it calls, with its arguments; None when they don't fit, or were all that was asked about.

        Then the caller has been told.
        """
        call.is_binding = True
        try:
            callee = self._callees.get(call.header.method)
            if callee is None:
                raise NotFound(f"This version has no method {call.header.method!r}.")
            bound = Bound(callee, *callee.signature.bind(call.arguments(callee.signature)))
            if call.reaches_function:
                return bound
        except RayfaasError as error:
            self._done(call)
            call.error(error)
        except BaseException as error:  # noqa: BLE001 the checks of an argument's own type are user code
            self.raised(call, error)
        else:
            self._done(call)
            call.result("", b"")
        finally:
            call.is_binding = False
        return None

    def returned(self, call: RunningCall, value: Any) -> Callable[[], None] | None:
        """Answer, or say how to answer with what is large: it goes out as fast as its caller takes it."""
        try:
            content_type, body = encode_result(value, call.header.accept)
        except RayfaasError as error:
            self._done(call)
            call.error(error)
        except BaseException as error:  # noqa: BLE001 to write a value may run code of the user
            self._done(call)
            call.error(describe_exception(error))
        else:
            if len(body) > LARGE and os.getpid() == self._pid:  # a process that user code forked answers nobody
                return partial(self._send_pieces, call, content_type, body)
            self._done(call)
            call.result(content_type, body)
        return None

    def _send_pieces(self, call: RunningCall, content_type: str, body: Body) -> None:
        header = OutputHeader(content_type, len(body))
        *first, last = pieces(body)
        for piece in first:
            if not call.take_credit():
                return self.raised(call, CallInterrupted(call.cancelled))
            call.output(header, piece)
        self._done(call)
        call.result(content_type, last)

    def streamed(self, call: RunningCall, items: int) -> None:
        self._done(call)
        call.result("", b"", items)

    def raised(self, call: RunningCall, error: BaseException) -> None:
        self._done(call, error)
        call.error(error.reason if isinstance(error, Refused) else describe_exception(error))

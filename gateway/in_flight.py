"""Calls that are under way here, as those see them who are not their executor: cancelled, let go, typed to."""

from __future__ import annotations

from functools import partial

from rayfaas.errors import CallCancelled, CallInterrupted, CallTimeout, RayfaasError, Unavailable
from rayfaas.gateway.asgi import Scope
from rayfaas.gateway.dispatch import Dispatcher
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.recording import Recording
from rayfaas.gateway.unread import Unread


class InFlight:
    """The calls whose start is recorded, and whose end is not.

    >>> in_flight.cancel("0192f0c1-2d3e-7f40-8a51-b2c3d4e5f601")  # doctest: +SKIP
    True
    """

    def __init__(self, dispatcher: Dispatcher, recording: Recording) -> None:
        self._dispatcher, self._recording = dispatcher, recording

    def cancel(self, call_id: str) -> bool:
        """Cancel a call, and those that it made; whether there is one of this id."""
        call = self._recording.in_flight.get(call_id)
        if call is not None:
            self.stop(call, CallCancelled("The call was cancelled."))
        return call is not None

    def type(self, call_id: str, line: str) -> bool:
        """Type a line into the debugger of a call; whether there is one."""
        call = self._recording.in_flight.get(call_id)
        if call is None or not call.debug or call.executor is None:
            return False
        call.executor.type(call, line)
        return True

    def client_gone(self, call: PendingCall) -> None:
        self.stop(call, CallCancelled("The client went away before it had the answer."))

    def stop(self, call: PendingCall, why: RayfaasError) -> None:
        """And the calls that it made, but those that run whatever becomes of it."""
        self._dispatcher.abandon(call, "cancelled")
        call.fail(why)
        children = [each for each in self._recording.in_flight.values() if each.parent_id == call.call_id]
        for child in children:
            if not child.is_spawned:
                self.stop(child, CallCancelled("The call that made this one was cancelled."))

    def end_all(self) -> None:
        """The gateway ends: who waits is told so. Spawned calls are for the next one to run."""
        for call in [each for each in self._recording.in_flight.values() if not each.is_spawned]:
            if call.executor is None:
                self.stop(call, Unavailable("The server was stopped while the call waited: it has not run."))
            else:
                self.stop(call, CallInterrupted("The server was stopped, and did not wait longer for the call to end."))

    def let_go(self, call: PendingCall) -> None:
        """Its request is over: what still runs of it has nobody who waits."""
        if self._recording.let_go(call):
            self._dispatcher.abandon(call, "cancelled")

    def unread(self, scope: Scope, call: PendingCall) -> Unread:
        """Lets a client go that reads nothing of its answer when the call's time is over."""
        timed_out = partial(self._recording.end, call, CallTimeout.code, CallTimeout.retryable)
        return Unread(scope, call.deadline, timed_out)

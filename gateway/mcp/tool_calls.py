"""Calls of tools: those of functions, made for who asks and recorded as theirs."""

from __future__ import annotations

from rayfaas.gateway.admission import Admission
from rayfaas.gateway.cache.call import kind_of
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.in_flight import InFlight
from rayfaas.gateway.outcome import Outcome
from rayfaas.gateway.outcomes import Outcomes
from rayfaas.gateway.recording import Recording
from rayfaas.wire import JSON


class ToolCalls:
    """
    >>> (await calls.outcome("embed", headers, b'{"text": "good"}')).body  # doctest: +SKIP
    b'[0.12, 0.98]'
    """

    def __init__(self, admission: Admission, recording: Recording, in_flight: InFlight, outcomes: Outcomes) -> None:
        self._admission, self._recording, self._in_flight = admission, recording, in_flight
        self._outcomes = outcomes

    async def outcome(self, target: str, headers: Headers, arguments: bytes) -> Outcome:
        """What a call comes to. Cancelling this cancels the call. Raises what there is against making it."""
        told = {**headers, b"content-type": JSON.encode()}
        principal, route, _ = await self._admission.admit_soon(target, told)
        call = self._admission.accept(kind_of(route), route, principal, told, arguments, accept=JSON)
        self._recording.start(call, target)
        try:
            outcome = await self._outcomes.of(call)
        finally:
            self._in_flight.let_go(call)
        if outcome.problem is not None:
            outcome.problem["call"] = call.call_id
        return outcome

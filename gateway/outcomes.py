"""Calls whose answers are had whole: spawned ones, lines of a request with many inputs, copies for a shadow."""

from __future__ import annotations

from rayfaas.errors import RayfaasError
from rayfaas.gateway.cache.cache import Cache
from rayfaas.gateway.dispatch import Dispatcher
from rayfaas.gateway.outcome import Outcome, outcome_of
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.recording import Recording


class Outcomes:
    """Runs them, or finds their results in the cache.

    >>> (await outcomes.of(call)).body  # doctest: +SKIP
    b'[0.12, 0.98]'
    """

    def __init__(self, dispatcher: Dispatcher, recording: Recording, cache: Cache) -> None:
        self._dispatcher, self._recording, self._cache = dispatcher, recording, cache

    async def of(self, call: PendingCall) -> Outcome:
        """What a call comes to, whose start is recorded; its end is recorded when this returns."""
        try:
            outcome = await self._cache.outcome_of(call, self._run)
        except RayfaasError as error:
            outcome = Outcome.of_error(error)
            self._dispatcher.abandon(call, "cancelled")  # where it still runs, as one whose items are too many
        problem = outcome.problem or {}
        self._recording.end(call, problem.get("code"), problem.get("retryable"), len(outcome.body))
        return outcome

    async def _run(self, call: PendingCall) -> Outcome:
        self._dispatcher.watch_deadline(call)
        self._dispatcher.dispatch(call)
        return await outcome_of(call)

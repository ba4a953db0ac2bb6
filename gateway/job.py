"""A spawned call that this gateway runs, as often as it takes."""

from __future__ import annotations

import asyncio
from typing import Any

from rayfaas.gateway.outcome import Outcome
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.route import Route
from rayfaas.records import Spawned

_MOST_DELAY_S = 300.0


class Job:
    """One spawned call that this gateway runs."""

    def __init__(self, record: Spawned, route: Route) -> None:
        self.record, self.route = record, route
        self.attempts = 0
        self.cancelled = False
        self.attempt: PendingCall | None = None
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    @property
    def call_id(self) -> str:
        return self.record.call

    @property
    def retry_delay_s(self) -> float:
        return min(_MOST_DELAY_S, self.record.retry_delay_s * 2.0 ** min(self.attempts - 1, 30))

    def may_retry(self, problem: dict[str, Any]) -> bool:
        """Whether to try again: always what never reached the function, else what its declaration says."""
        if self.cancelled:
            return False
        if problem["code"] in ("queue_full", "no_capacity", "unavailable"):
            return True
        if self.attempts > self.record.retries or problem["code"] in ("invalid_arguments", "malformed_body"):
            return False
        allowed = self.route.version.retry_on
        return problem["code"] != "function_error" or not allowed or str(problem.get("exception")) in allowed

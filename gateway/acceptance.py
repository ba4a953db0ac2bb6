"""How spawned calls are accepted: on disk before the caller hears of them, and once for each idempotency key."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec

from rayfaas.errors import BadRequest, RayfaasError
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.job import Job
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.requests import whole_number
from rayfaas.gateway.route import Route
from rayfaas.gateway.sameness import are_same
from rayfaas.records import Spawned as Record

MOST_RETRIES = 100


class Acceptance:
    """`jobs` are the calls that are held here, by id."""

    def __init__(self, journal: Journal, controller: ControllerLink, jobs: Mapping[str, Job]) -> None:
        self._journal, self._controller, self._jobs = journal, controller, jobs

    def record(self, call: PendingCall, target: str, key: str | None, headers: Headers, webhook: str | None) -> Record:
        """As it goes to disk. Raises `BadRequest` for a wrong header."""
        return Record(
            call=call.call_id,
            root=call.root_id,
            target=target,
            function=call.route.function,
            version=call.route.version.number,
            principal=call.principal,
            team=call.team,
            gateway=self._journal.instance,
            accepted_us=call.accepted_ns // 1000,
            content_type=call.content_type,
            body=base64.b64encode(call.body).decode(),
            timeout_s=call.deadline - call.accepted_ns / 1e9,
            retries=_retries(headers, call.route),
            retry_delay_s=call.route.version.retry_delay_s,
            parent=call.parent_id,
            idempotency_key=key,
            method=call.route.method,
            accept=call.accept,
            priority=call.priority,
            webhook=webhook,
            context=call.context,
        )

    async def reserve(self, call: PendingCall, key: str | None, headers: Headers) -> str:
        """The id of the call that has this key: the given one's, or that of an earlier one.

        Raises `BadRequest` where that was made with other arguments.
        """
        if key is None:
            return call.call_id
        reserved: str = await self._controller.request(
            "reserve",
            team=call.team,
            function=call.route.called,
            key=key,
            call_id=call.call_id,
            gateway=self._journal.instance,
            rerun_failed=headers.get(b"rayfaas-rerun") == b"failed",
        )
        if reserved != call.call_id:
            await self._check_same(call, reserved)
        return reserved

    async def keep(self, record: Record) -> None:
        """Returns when it is on disk. Raises what keeps it from there; then its key is free again."""
        try:
            await self._journal.spawned(record)
        except RayfaasError:
            if record.idempotency_key is not None:
                await self._controller.request("release", call_id=record.call)
            raise

    async def _check_same(self, call: PendingCall, call_id: str) -> None:
        """That the call which has the key was made with these arguments, where they are still known."""
        job = self._jobs.get(call_id)
        kept = msgspec.to_builtins(job.record) if job else await self._controller.request("kept", call_id=call_id)
        if kept is None:
            return
        before = (kept["content_type"], base64.b64decode(kept["body"]))
        if not are_same(before, (call.content_type, call.body)):
            raise BadRequest(
                f"The idempotency key was sent before with other arguments, for call {call_id}. "
                "Another call needs another key."
            )


def _retries(headers: Headers, route: Route) -> int:
    value = headers.get(b"rayfaas-retries")
    if value is None:
        return route.version.retries
    text = value.decode("latin-1")
    number = whole_number(text, MOST_RETRIES)
    if number is None:
        raise BadRequest(f"Rayfaas-Retries is a number from 0 to {MOST_RETRIES}, not {text!r}.")
    return number

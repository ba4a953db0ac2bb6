"""What is recorded of a call: its start before it is dispatched, its end before the last byte of its answer."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from rayfaas.envelope import LogHeader, ResultHeader
from rayfaas.errors import CallCancelled
from rayfaas.frames import Message
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.pending import PendingCall
from rayfaas.records import CallEnded, CallStarted, LogLine, State

_decode_log = msgspec.msgpack.Decoder(LogHeader).decode

# The state of a call that ended with an error of this code; other codes are FAILED.
_STATES: dict[str, State] = {
    "timeout": "TIMED_OUT",
    "cancelled": "CANCELLED",
    "interrupted": "INTERRUPTED",
    "queue_full": "REJECTED",
    "no_capacity": "REJECTED",
    "deadlock": "REJECTED",
    "malformed_body": "REJECTED",
    "unsupported_media_type": "REJECTED",
    "invalid_arguments": "REJECTED",
}


def state_of(code: str | None) -> State:
    """The state of a call that ended with an error of this code, or with none.

    >>> state_of("timeout"), state_of(None)
    ('TIMED_OUT', 'SUCCEEDED')
    """
    return _STATES.get(code, "FAILED") if code else "SUCCEEDED"


class Recording:
    """Writes to the journal. `in_flight` holds the calls of this gateway that have no recorded end yet, by id."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.in_flight: dict[str, PendingCall] = {}

    def start(
        self, call: PendingCall, target: str, idempotency_key: str | None = None, bytes_in: int | None = None
    ) -> None:
        """`bytes_in` is the length of a body that is not in the call.

        Raises `Unavailable`: a call that can't be recorded is not run.
        """
        record = self.start_record(call, target, idempotency_key)
        record.bytes_in = record.bytes_in if bytes_in is None else bytes_in
        self._journal.started(record)
        self.in_flight[call.call_id] = call

    def start_shadow(self, copy: PendingCall, shadow_of: str) -> None:
        """Of a copy of a call, for another version. Raises `Unavailable` as `start` does."""
        record = self.start_record(copy, f"{copy.route.called}:{copy.route.version.number}")
        self._journal.started(msgspec.structs.replace(record, shadow_of=shadow_of))
        self.in_flight[copy.call_id] = copy

    def start_record(self, call: PendingCall, target: str, idempotency_key: str | None = None) -> CallStarted:
        route, version = call.route, call.route.version
        return CallStarted(
            call.call_id,
            call.root_id,
            target,
            route.function,
            version.number,
            version.code_digest,
            version.syntax_digest,
            version.environment_digest,
            version.shape,
            route.owner,
            call.principal,
            call.team,
            self._journal.instance,
            call.accepted_ns // 1000,
            len(call.body),
            call.parent_id,
            route.alias,
            route.alias_revision,
            call.context,
            idempotency_key,
            route.method,
        )

    def turned(self, starts: Sequence[CallStarted], ends: Sequence[CallEnded]) -> None:
        """Write the records of one turn. Raises `Unavailable` where its starts can't be written."""
        self._journal.turned(starts, ends)

    def end(self, call: PendingCall, code: str | None, retryable: bool | None = None, bytes_out: int = 0) -> None:
        """Once: what ends later than the first end does not count."""
        if (record := self.end_record(call, code, retryable, bytes_out)) is not None:
            self._journal.ended(record)

    def end_record(
        self, call: PendingCall, code: str | None, retryable: bool | None = None, bytes_out: int = 0
    ) -> CallEnded | None:
        """None where it has ended before. It is no longer in flight, so the record must be written."""
        if self.in_flight.pop(call.call_id, None) is None:
            return None
        record = CallEnded(
            call=call.call_id,
            state=state_of(code),
            ended_us=time.time_ns() // 1000,
            code=code,
            retryable=retryable,
            bytes_out=bytes_out or call.bytes_out,
            cold=call.cold,
        )
        _add_run(record, call)
        return record

    def end_cached(self, call: PendingCall, cached_from: str, bytes_out: int) -> None:
        """It was given the result of another."""
        if self.in_flight.pop(call.call_id, None) is not None:
            now_us = time.time_ns() // 1000
            self._journal.ended(CallEnded(call.call_id, "CACHED", now_us, bytes_out=bytes_out, cached_from=cached_from))

    def let_go(self, call: PendingCall) -> bool:
        """Nobody goes on with it; whether it had no end, and is CANCELLED now."""
        if call.timer is not None:
            call.timer.cancel()
        has_no_end = call.call_id in self.in_flight
        self.end(call, CallCancelled.code)
        return has_no_end

    def log(self, call: PendingCall, message: Message) -> None:
        header = _decode_log(message.header)
        text = message.body.decode("utf-8", "replace")
        route = call.route
        self._journal.log(
            LogLine(call.call_id, route.function, route.version.number, header.at_us, header.stream, text, header.level)
        )


def _add_run(record: CallEnded, call: PendingCall) -> None:
    """Where and how long it ran, as far as it did."""
    ended, executor = call.ended, call.executor
    if call.dispatched_ns:
        record.queue_us = (call.dispatched_ns - call.accepted_ns) // 1000
    if executor is not None and executor.ready_header is not None:
        ready = executor.ready_header
        record.executor, record.replica, record.node = ready.executor, ready.replica, ready.node
        record.cluster, record.hardware = ready.cluster, ready.hardware
    if ended is not None and ended.started_us:
        record.started_us, record.run_us, record.cpu_us = ended.started_us, ended.run_us, ended.cpu_us
        record.batch_size = ended.batch_size
        record.gpu_us = int(ended.run_us * call.route.version.gpus / (ended.batch_size or 1))
        if isinstance(ended, ResultHeader):
            record.items = ended.items

"""Shadow traffic: a copy of a call goes to another version when the call has its answer, and what that answers is
compared and recorded.

The caller never hears of it. Copies are the first to be left out when there is much to do.
"""

from __future__ import annotations

import asyncio
import logging
import random

import msgspec

from rayfaas.envelope import ErrorHeader, ResultHeader
from rayfaas.errors import RayfaasError
from rayfaas.frames import Kind, Message
from rayfaas.gateway.dispatch import Dispatcher
from rayfaas.gateway.in_flight import InFlight
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.outcome import Outcome
from rayfaas.gateway.outcomes import Outcomes
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.problems import encode
from rayfaas.gateway.recording import Recording
from rayfaas.gateway.route import Route
from rayfaas.gateway.splits import Random
from rayfaas.names import new_id
from rayfaas.priority import LOWEST
from rayfaas.records import Compared
from rayfaas.wire import JSON

_log = logging.getLogger("rayfaas.gateway")

# Copies at once, and how large a call may be that is copied: they are held in memory beside the calls.
MOST_COPIES = 16
MAX_BODY = 1 << 20
MAX_KEPT = 4096


class Shadows:
    """Makes the copies of this gateway."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        recording: Recording,
        in_flight: InFlight,
        outcomes: Outcomes,
        journal: Journal,
        random: Random = random.random,
    ) -> None:
        self._dispatcher, self._recording, self._in_flight = dispatcher, recording, in_flight
        self._outcomes, self._journal, self._random = outcomes, journal, random
        self._copying: set[asyncio.Task[None]] = set()

    def copy(self, call: PendingCall, answer: Message) -> None:
        """Of a call whose route has a shadow, and which has its answer. Returns at once, and raises nothing."""
        shadow = call.route.shadow
        if shadow is None or self._random() * 100 >= shadow.share:
            return
        if len(self._copying) >= MOST_COPIES or len(call.body) > MAX_BODY or self._is_busy(shadow.route.key):
            return
        outcome = _outcome(call, answer)
        if outcome is not None:
            task = asyncio.ensure_future(self._copy(call, shadow.route, outcome))
            self._copying.add(task)
            task.add_done_callback(self._copying.discard)

    def _is_busy(self, key: str) -> bool:
        """Whether calls wait for its executors, or all of them have a call."""
        pool = self._dispatcher.pool(key)
        return pool.waiting_count > 0 or (bool(pool.executors) and pool.least_loaded() is None)

    async def _copy(self, call: PendingCall, route: Route, outcome: Outcome) -> None:
        copy = PendingCall(
            route,
            call_id=new_id(),
            root_id=call.root_id,
            parent_id=call.parent_id,
            principal=call.principal,
            team=call.team,
            content_type=call.content_type,
            body=call.body,
            timeout_s=route.version.timeout_s,
            on_log=self._recording.log,
            accept=call.accept,
            context=call.context,
        )
        copy.priority = LOWEST
        try:
            self._recording.start_shadow(copy, call.call_id)
            found = await self._outcomes.of(copy)
        except RayfaasError:
            return  # it can't be recorded: then it is not run
        except Exception:  # noqa: BLE001 a border: the task has nobody who waits
            _log.exception("the copy of %s failed", call.call_id)
            return
        finally:
            self._in_flight.let_go(copy)
        self._journal.ended(Compared(copy.call_id, call.call_id, is_same(outcome, found), _kept(outcome), _kept(found)))


def is_same(one: Outcome, other: Outcome) -> bool:
    """Equal results, of JSON equal values; or the same kind of failure.

    >>> is_same(Outcome("application/json", b"[1, 2]"), Outcome("application/json", b"[1,2.0]"))
    True
    """
    if one.problem is not None or other.problem is not None:
        return one.problem is not None and other.problem is not None and _failure(one) == _failure(other)
    if one.content_type != other.content_type:
        return False
    return one.body == other.body or (one.content_type == JSON and _value(one.body) == _value(other.body))


def _failure(outcome: Outcome) -> tuple[object, object, object]:
    problem = outcome.problem or {}
    return problem.get("code"), problem.get("exception"), problem.get("message")


def _value(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body


def _kept(outcome: Outcome) -> str | None:
    """An answer as the registry keeps it."""
    if outcome.problem is not None:
        told = {name: outcome.problem.get(name) for name in ("code", "exception", "message")}
        return encode({name: str(value)[:1000] for name, value in told.items() if value is not None}).decode()
    if outcome.content_type != JSON or len(outcome.body) > MAX_KEPT:
        return None
    return outcome.body.decode("utf-8", "replace")


def _outcome(call: PendingCall, answer: Message) -> Outcome | None:
    """None of what is a stream."""
    ended = call.ended
    if answer.kind == Kind.ERROR and isinstance(ended, ErrorHeader):
        return Outcome("", b"", ended.problem)
    if answer.kind == Kind.RESULT and isinstance(ended, ResultHeader) and ended.items is None:
        return Outcome(ended.content_type, answer.body)
    return None

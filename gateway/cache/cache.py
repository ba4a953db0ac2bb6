"""The cache of this gateway: it finds results of earlier calls, has equal ones wait for the first, and keeps what that
makes.

Of equal calls at the same time one computes. When it has, the others look again; where its result is not kept, because
it failed or can't be checked, each of them runs as if there were no cache.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from rayfaas.editions import edition_of
from rayfaas.envelope import ResultHeader
from rayfaas.errors import CallTimeout, ProtocolError
from rayfaas.gateway.cache.artifacts import Artifacts, Changed, Uncertain
from rayfaas.gateway.cache.call import CachedCall, Tracked
from rayfaas.gateway.cache.key import key_of
from rayfaas.gateway.cache.locks import Locks
from rayfaas.gateway.cache.shelf import Entry, Shelf
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.outcome import Outcome
from rayfaas.gateway.pending import PendingCall, Runner
from rayfaas.gateway.recording import Recording
from rayfaas.records import Kept, LookedUp, Verdict
from rayfaas.within import within

_log = logging.getLogger("rayfaas.gateway")
T = TypeVar("T")

# Results of more bytes are not kept: they go out in pieces, which nobody holds.
MOST_BODY = 1 << 20
# How long an executor may take to tell what a call touched.
TRACKED_S = 10.0
# Between two looks at whether another gateway is done.
LOOK_S = 0.005
THREADS = 4
_MOST_UNKEPT = 10_000


class Found(NamedTuple):
    """What a look came to: an entry, or why there is none."""

    verdict: Verdict
    entry: Entry | None = None
    changed: Changed | None = None


class Cache:
    """`directory` is shared by the gateways of a home, `editions` are of secrets, by name, as they change."""

    def __init__(
        self,
        directory: Path,
        most_bytes: int,
        recording: Recording,
        journal: Journal,
        editions: Mapping[str, str],
    ) -> None:
        self._editions = editions
        self._shelf, self._locks = Shelf(directory / "results", most_bytes), Locks(directory / "lock")
        self._recording, self._journal = recording, journal
        self._artifacts = Artifacts()
        self._threads = ThreadPoolExecutor(THREADS, "cache")
        self._flights: dict[str, asyncio.Future[bool]] = {}  # by key; whether its result was kept
        self._awaited: dict[str, CachedCall] = {}  # by id, those whose executors have not told what they touched
        self._unkept: OrderedDict[str, None] = OrderedDict()  # keys whose last results were not kept: nobody waits
        self._tasks: set[asyncio.Task[None]] = set()

    async def outcome_of(self, call: PendingCall, run: Callable[[PendingCall], Awaitable[Outcome]]) -> Outcome:
        """What a call comes to, whose start is recorded: an earlier result, whose end is recorded then too, or what
        `run` makes of it."""
        if not isinstance(call, CachedCall):
            return await run(call)
        try:
            entry = await self.find(call)
            if entry is not None:
                return Outcome(entry.content_type, entry.body)
            outcome = await run(call)
            if outcome.problem is None and isinstance(call.ended, ResultHeader) and call.ended.items is None:
                self.keep(call, outcome.content_type, outcome.body)
            return outcome
        finally:
            self.let_go(call)

    async def find(self, call: CachedCall) -> Entry | None:
        """The result of an earlier call; the end of this one is recorded then. None: compute it, then `keep` it or not,
        and `let_go`.

        Raises what ended the call while it waited for another.
        """
        call.edition = edition_of(call.cache.secrets, self._editions)
        call.key = await self._in_thread(key_of, call, call.cache, call.edition)
        found = await self._look(call)
        while found.entry is None and not call.bypasses and call.key.digest not in self._unkept:
            flight = self._flights.get(call.key.digest)
            if flight is None:
                await self._take_off(call)
                found = await self._look(call)
                break
            if not await _landed(flight, call):
                break
            found = await self._look(call)
        self._tell(call, found)
        return found.entry

    def keep(self, call: CachedCall, content_type: str, body: bytes) -> None:
        """Keep its result, as far as it can be checked. Returns at once; who waits for it goes on when that is done."""
        call.is_kept = True
        task = asyncio.ensure_future(self._keep(call, content_type, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def let_go(self, call: CachedCall) -> None:
        """Nobody waits for it any more, unless it is being kept."""
        if not call.is_kept:
            self._land(call, False)

    def hear(self, executor: Runner, call_id: str, tracked: Tracked) -> None:
        """An executor tells what one of its calls touched. Raises `ProtocolError` for a call of another's."""
        call = self._awaited.get(call_id)
        if call is None:
            return
        if call.executor is not executor:
            raise ProtocolError("an executor tells of a call that it does not have")
        if not call.tracked.done():
            call.tracked.set_result(tracked)

    async def close(self) -> None:
        """Let what is being kept land."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        self._threads.shutdown(wait=False, cancel_futures=True)

    # Looking

    async def _look(self, call: CachedCall) -> Found:
        return Found("bypass") if call.bypasses else await self._in_thread(self._look_at, call)

    def _look_at(self, call: CachedCall) -> Found:
        entry = self._shelf.get(call.key.digest)
        if entry is None:
            return Found("miss")
        ttl_s = call.cache.ttl_s
        if ttl_s is not None and time.time_ns() // 1000 > entry.made_us + ttl_s * 1e6:
            return Found("expired")
        changed = self._artifacts.changed(entry.artifacts)
        return Found("hit", entry) if changed is None else Found("changed", changed=changed)

    def _tell(self, call: CachedCall, found: Found) -> None:
        """The caller, and the journal."""
        if (entry := found.entry) is not None:
            age_s = max(0, time.time_ns() // 1000 - entry.made_us) // 1_000_000
            call.tell(b"rayfaas-cache", b"hit")
            call.tell(b"rayfaas-cached-from", entry.call.encode())
            call.tell(b"age", b"%d" % age_s)
            self._recording.end_cached(call, entry.call, len(entry.body))
            self._land(call, True)
            return
        self._awaited[call.call_id] = call
        call.tell(b"rayfaas-cache", b"bypass" if found.verdict == "bypass" else b"miss")
        uri, was, now = found.changed or (None, None, None)
        self._journal.ended(
            LookedUp(call.call_id, found.verdict, call.accept, call.key.arguments, uri=uri, was=was, now=now)
        )

    # Flights

    async def _take_off(self, call: CachedCall) -> None:
        """It is to compute: equal calls wait for it here, and in other gateways."""
        key = call.key.digest
        call.flight = self._flights[key] = asyncio.get_running_loop().create_future()
        try:
            while not self._locks.take(key):
                await _still_wanted(call, LOOK_S)
        except OSError as error:
            _log.error("no lock in the cache: %s; another gateway may compute what this one does", error)

    def _land(self, call: CachedCall, was_kept: bool) -> None:
        self._awaited.pop(call.call_id, None)
        flight, call.flight = call.flight, None
        if flight is None or flight.done():
            return
        self._locks.free(call.key.digest)
        del self._flights[call.key.digest]
        flight.set_result(was_kept)

    # Keeping

    async def _keep(self, call: CachedCall, content_type: str, body: bytes) -> None:
        why_not = "an error of the gateway's, which its log tells of"
        try:
            why_not = await self._try_to_keep(call, content_type, body)
        except Exception:  # noqa: BLE001 a border: the task has nobody who waits
            _log.exception("the result of %s can't be kept", call.call_id)
        finally:
            self._remember(call.key.digest, is_kept=not why_not)
            self._land(call, not why_not)
        self._journal.ended(Kept(call.call_id, why_not or None))

    async def _try_to_keep(self, call: CachedCall, content_type: str, body: bytes) -> str:
        """Why its result was not kept; empty where it was."""
        if len(body) > MOST_BODY:
            return f"its result has {len(body):,} bytes; up to {MOST_BODY:,} are kept"
        if call.edition != (call.executor and call.executor.ready_header and call.executor.ready_header.edition):
            return "its executor had other values of its secrets than new ones have: rayfaas secrets set … --restart"
        if call.has_called and call.cache.ttl_s is None:
            return "it called other functions; give the cache a time to live, cache='1h'"
        try:
            tracked = await within(TRACKED_S, call.tracked)
            if tracked.unknown:
                return tracked.unknown
            await self._in_thread(self._put, call, tracked, content_type, body)
        except asyncio.TimeoutError:
            return "its executor did not tell what it had read"
        except Uncertain as uncertain:
            return str(uncertain)
        except OSError as error:
            return f"the server can't write it: {error.strerror}"
        return ""

    def _put(self, call: CachedCall, tracked: Tracked, content_type: str, body: bytes) -> None:
        is_remote, may_age = bool(getattr(call.executor, "is_remote", True)), call.cache.ttl_s is not None
        artifacts = self._artifacts.checkable(tracked.touches, call.dispatched_ns, is_remote, may_age)
        number, made_us = call.route.version.number, call.accepted_ns // 1000
        self._shelf.put(call.key.digest, Entry(call.call_id, number, made_us, content_type, artifacts, body))

    def _remember(self, key: str, is_kept: bool) -> None:
        if is_kept:
            self._unkept.pop(key, None)
            return
        self._unkept[key] = None
        if len(self._unkept) > _MOST_UNKEPT:
            self._unkept.popitem(last=False)

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)


async def _landed(flight: asyncio.Future[bool], call: CachedCall) -> bool:
    """Whether the result that an equal call made was kept."""
    while not flight.done():
        await _still_wanted(call, call.deadline - time.time(), flight)
    return flight.result()


async def _still_wanted(call: CachedCall, seconds: float, flight: asyncio.Future[bool] | None = None) -> None:
    """Wait so long at most, or until the flight has landed. Raises what ended the call, its deadline too."""
    assert isinstance(call.first, asyncio.Future)
    waited = {call.first} if flight is None else {call.first, flight}
    await asyncio.wait(waited, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    if call.first.done():
        call.first.result()
    if time.time() >= call.deadline:
        raise CallTimeout(f"An equal call of {call.route.key} was still under way when the time of this one was up.")

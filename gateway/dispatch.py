"""Dispatch: which executor answers a call, and what a call does while there is none.

The least loaded executor of the version gets it. All full: a bounded queue per version, by priority and in turns of the
callers' teams, until the call's deadline. No executor at all: the same queue, and the controller is asked for one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import chain

from rayfaas.errors import (
    CallError,
    CallTimeout,
    Deadlock,
    ExecutorDied,
    NoCapacity,
    NodeLost,
    OutOfMemory,
    QueueFull,
    RayfaasError,
)
from rayfaas.gateway.chains import is_stuck
from rayfaas.gateway.deaths import Death, Deaths
from rayfaas.gateway.executors import ExecutorConnection
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.turns import NO_WEIGHTS, Turns

Demand = Callable[[str], None]

# A call that has waited so much longer than another counts as one priority higher, so that none waits for ever.
AGE_S = 5.0


class Pool:
    """One version on this gateway: the executors connected for it, the calls that wait for one."""

    def __init__(self, key: str, weights: Mapping[str, float] = NO_WEIGHTS) -> None:
        self.key, self._weights = key, weights
        self.executors: list[ExecutorConnection] = []
        self._waiting: dict[int, Turns] = {}  # by priority
        self.waiting_count = 0

    def least_loaded(self) -> ExecutorConnection | None:
        best: ExecutorConnection | None = None
        for executor in self.executors:
            if len(executor.calls) < executor.capacity and (best is None or executor.load < best.load):
                best = executor
        return best

    def append(self, call: PendingCall) -> None:
        self._turns_of(call).append(call)
        self.waiting_count += 1

    def append_first(self, call: PendingCall) -> None:
        self._turns_of(call).append_first(call)
        self.waiting_count += 1

    def next(self) -> PendingCall | None:
        """A call of the highest priority, where teams take turns; or the oldest of another that has waited so long that
        it counts as higher: each AGE_S of a wait are one step."""
        while self._waiting:
            call = self._take()
            if not call.first.done():
                return call
        return None

    def remove(self, call: PendingCall) -> None:
        turns = self._waiting.get(call.priority)
        if turns is not None and turns.remove(call):
            self.waiting_count -= 1
            if not turns:
                del self._waiting[call.priority]

    def displaced_by(self, call: PendingCall) -> PendingCall | None:
        """Of a full queue, the call that must give way: the newest of the team that has most of it for its weight.

        None where the caller's own team would have as much.
        """
        counts = sum((turns.counts() for turns in self._waiting.values()), Counter[str]())
        greediest = max(counts, key=lambda team: self._share(team, counts[team]), default=call.team)
        if self._share(call.team, counts[call.team] + 1) >= self._share(greediest, counts[greediest]):
            return None
        lowest = min(priority for priority, turns in self._waiting.items() if turns.newest(greediest) is not None)
        return self._waiting[lowest].newest(greediest)

    def _share(self, team: str, count: int) -> float:
        return count / self._weights.get(team, 1.0)

    def waiting(self) -> Iterator[PendingCall]:
        """Those that wait, in no order."""
        return chain.from_iterable(self._waiting.values())

    def oldest_ns(self) -> int | None:
        """When the call that has waited longest was accepted."""
        return min((turns.oldest().accepted_ns for turns in self._waiting.values()), default=None)

    def _turns_of(self, call: PendingCall) -> Turns:
        turns = self._waiting.get(call.priority)
        if turns is None:
            turns = self._waiting[call.priority] = Turns(self._weights)
        return turns

    def _take(self) -> PendingCall:
        priority = highest = max(self._waiting)
        if len(self._waiting) > 1:
            priority = max(self._waiting, key=self._rank)
        turns = self._waiting[priority]
        call = turns.next() if priority == highest else turns.take_oldest()
        self.waiting_count -= 1
        if not turns:
            del self._waiting[priority]
        return call

    def _rank(self, priority: int) -> tuple[float, int]:
        waited_s = (time.time_ns() - self._waiting[priority].oldest().accepted_ns) / 1e9
        return priority + waited_s / AGE_S, priority


class Dispatcher:
    """Brings calls and executors together. `demand(version_key)` is called when calls wait and no executor is there;
    `awaited(version_key)` is what they wait for then, in words."""

    def __init__(
        self,
        demand: Demand,
        max_queue: int,
        deaths: Deaths,
        weights: Mapping[str, float] = NO_WEIGHTS,
        awaited: Callable[[str], str] = lambda key: "",
    ) -> None:
        self._demand, self._max_queue, self._deaths, self._weights = demand, max_queue, deaths, weights
        self._awaited = awaited
        self._pools: dict[str, Pool] = {}
        self._burying: set[asyncio.Task[None]] = set()

    def pool(self, key: str) -> Pool:
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = Pool(key, self._weights)
        return pool

    def dispatch(self, call: PendingCall) -> None:
        """Send it to an executor or queue it. Raises `QueueFull` or `Deadlock`.

        A full queue has room for a team that has less than its share of it: a call of another gives way.
        """
        pool = self.pool(call.route.key)
        if call.parent_id is not None:
            self._check_chain(pool, call)
        executor = pool.least_loaded()
        if executor is not None:
            executor.submit(call)
            return
        if pool.waiting_count >= self._max_queue:
            self._make_room(pool, call)
        if not pool.executors:
            call.cold = "no executor of this version was up"
        pool.append(call)
        self._demand_if_cold(pool)

    def any_executor(self, key: str) -> ExecutorConnection | None:
        """The least loaded executor of a version, full or not."""
        executors = self._pools[key].executors if key in self._pools else []
        return min(executors, key=lambda executor: executor.load, default=None)

    def dispatch_all(self, calls: Iterable[PendingCall]) -> None:
        """Watch their deadlines and dispatch them; what can't be queued fails."""
        for call in calls:
            self.watch_deadline(call)
            try:
                self.dispatch(call)
            except CallError as error:
                call.fail(error)

    def watch_deadline(self, call: PendingCall) -> None:
        seconds = max(0.0, call.deadline - time.time())
        call.timer = asyncio.get_running_loop().call_later(seconds, self._out_of_time, call)

    def abandon(self, call: PendingCall, reason: str) -> None:
        """Nobody waits for it any more."""
        if call.executor is None:
            self.pool(call.route.key).remove(call)
        elif call.ended is None:
            call.executor.cancel(call, reason)

    def refuse_waiting(self, key: str, error: RayfaasError) -> None:
        """No executor will come: answer those that wait with the reason."""
        pool = self.pool(key)
        while (call := pool.next()) is not None:
            call.fail(error)

    def keep_clusters(self, clusters: Container[str]) -> None:
        """Executors of all others are of a cluster that was removed: they are not heard any more."""
        for executor in [e for pool in self._pools.values() for e in pool.executors]:
            if (executor.peer or {}).get("cluster") not in clusters:
                executor.close()

    def demand_again(self) -> None:
        """The controller is back: tell it again which versions calls wait for."""
        for pool in self._pools.values():
            self._demand_if_cold(pool)

    def load(self) -> dict[str, list[float]]:
        """By version: calls in flight, calls waiting, seconds that the longest wait has lasted. Versions of which there
        is nothing here are forgotten."""
        self._pools = {key: pool for key, pool in self._pools.items() if pool.executors or pool.waiting_count}
        now = time.time_ns()
        report: dict[str, list[float]] = {}
        for pool in self._pools.values():
            in_flight = sum(len(executor.calls) for executor in pool.executors)
            if in_flight or pool.waiting_count:
                report[pool.key] = [in_flight, pool.waiting_count, (now - (pool.oldest_ns() or now)) / 1e9]
        return report

    # Executors come and go (`executors.Listener`)

    def executor_ready(self, executor: ExecutorConnection, key: str) -> None:
        self.pool(key).executors.append(executor)
        self.executor_has_room(executor, key)

    def executor_has_room(self, executor: ExecutorConnection, key: str) -> None:
        """Give it calls that wait, as many as it takes."""
        pool = self.pool(key)
        while pool.waiting_count and len(executor.calls) < executor.capacity and executor in pool.executors:
            call = pool.next()
            if call is not None:
                executor.submit(call)

    def executor_leaves(self, executor: ExecutorConnection, key: str) -> None:
        """Dispatch no more to it."""
        pool = self.pool(key)
        if executor in pool.executors:
            pool.executors.remove(executor)
        self._demand_if_cold(pool)

    def executor_gone(self, executor: ExecutorConnection, key: str) -> None:
        """Its connection broke. Calls that it can't have begun go elsewhere; the others fail.

        It begins calls in the order in which they were sent, at most `concurrency` at a time: those behind the first
        `concurrency` unanswered ones never reached user code.
        """
        self.executor_leaves(executor, key)
        calls, executor.calls = list(executor.calls.values()), {}
        behind = calls[executor.concurrency :]
        begun = calls[: executor.concurrency] + [call for call in behind if not call.can_move]
        for call in reversed(behind):
            if call.can_move:
                self._requeue(call)
        if begun and executor.ready_header is not None:
            task = asyncio.ensure_future(self._fail(begun, key, executor.ready_header.executor))
            self._burying.add(task)
            task.add_done_callback(self._burying.discard)

    # Inside

    async def _fail(self, calls: list[PendingCall], key: str, executor: str) -> None:
        error = _describe(key, await self._deaths.of(executor))
        for call in calls:
            call.fail(error)

    def _check_chain(self, pool: Pool, call: PendingCall) -> None:
        """Of a call that another one made, and maybe waits for."""
        most = call.route.most_executors
        if not most or len(pool.executors) < most or call.is_spawned:
            return
        everywhere = (each for other in self._pools.values() for each in other.executors)
        known = {each.call_id: each for executor in everywhere for each in executor.calls.values()}
        if is_stuck(call, pool.executors, pool.waiting(), known):
            raise Deadlock(
                f"{pool.key} calls itself, and its {len(pool.executors)} executors, as many as it may have, all wait "
                "for such calls: none could ever be answered. Raise `concurrency` or `max_replicas`, spawn the inner "
                "call, or call the Python function itself."
            )

    def _make_room(self, pool: Pool, call: PendingCall) -> None:
        error = QueueFull(f"{pool.waiting_count} calls of {pool.key} are waiting already. Try again a little later.")
        displaced = pool.displaced_by(call)
        if displaced is None:
            raise error
        pool.remove(displaced)
        displaced.fail(error)

    def _requeue(self, call: PendingCall) -> None:
        call.executor = None
        if call.first.done():
            return  # cancelled, or out of time
        pool = self.pool(call.route.key)
        executor = pool.least_loaded()
        if executor is not None:
            executor.submit(call)
        else:
            pool.append_first(call)
            self._demand_if_cold(pool)

    def _demand_if_cold(self, pool: Pool) -> None:
        if pool.waiting_count and not pool.executors:
            self._demand(pool.key)

    def _out_of_time(self, call: PendingCall) -> None:
        waited_s = time.time() - call.accepted_ns / 1e9
        key, was_sent = call.route.key, call.executor is not None
        self.abandon(call, "timeout")
        if was_sent:
            call.fail(
                CallTimeout(f"{key} {call.lateness} within {waited_s:.1f} s, the timeout of the function or call.")
            )
        elif not self.pool(key).executors:
            awaited = self._awaited(key)
            told = f", the timeout. It waited for {awaited}" if awaited else ", the timeout."
            call.fail(NoCapacity(f"No executor of {key} came up within {waited_s:.1f} s{told}"))
        else:
            call.fail(CallTimeout(f"All executors of {key} were busy for {waited_s:.1f} s, the timeout."))


def _describe(key: str, death: Death | None) -> RayfaasError:
    if death is None:
        return NodeLost(
            f"The connection to the process that ran {key} broke, and nobody told of its end: its node, its supervisor "
            "or its network is gone. The call is not tried again by itself, because it may have had effects."
        )
    kind = OutOfMemory if death.out_of_memory else ExecutorDied
    extra = {"output": death.output} if death.output else {}
    return kind(
        f"The process that ran {key} {death.how} before it answered. The call is not tried again by itself, because it "
        "may have had effects.",
        **extra,
    )

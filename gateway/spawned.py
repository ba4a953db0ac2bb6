"""Calls that run whatever happens: accepted with a 202, or under an idempotency key.

On disk before the caller hears of them, then run here, and again where that failed and the function allows it. When
this gateway dies, the controller gives those that were not settled to another, or to the next life of this one.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import OrderedDict, deque
from typing import Any

import msgspec

from rayfaas.errors import BadRequest, CallCancelled, QueueFull, RayfaasError
from rayfaas.gateway.acceptance import Acceptance
from rayfaas.gateway.asgi import Send, send_whole
from rayfaas.gateway.cache.call import kind_of
from rayfaas.gateway.call_options import WEBHOOK, text_of
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.heads import Headers
from rayfaas.gateway.in_flight import InFlight
from rayfaas.gateway.job import Job
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.outcome import Outcome, send_outcome
from rayfaas.gateway.outcomes import Outcomes
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.prefer import wait_s
from rayfaas.gateway.principal import Reader
from rayfaas.gateway.problems import encode
from rayfaas.gateway.recording import Recording, state_of
from rayfaas.gateway.route import Parked, Past
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.webhooks import Webhooks, ending_of
from rayfaas.names import new_id
from rayfaas.records import Settled
from rayfaas.records import Spawned as Record
from rayfaas.wire import JSON

# Calls of one version that run at once; the others wait their turn.
RUNNING = 64
MAX_HELD = 100_000
_REMEMBERED = 2_000
_REMEMBERED_BYTES = 64 << 10


class Spawned:
    """Holds the jobs of this gateway."""

    def __init__(
        self,
        routes: Routes,
        recording: Recording,
        in_flight: InFlight,
        outcomes: Outcomes,
        journal: Journal,
        controller: ControllerLink,
        webhooks: Webhooks,
    ) -> None:
        self._routes, self._recording, self._in_flight, self._outcomes = routes, recording, in_flight, outcomes
        self._journal, self._controller, self._webhooks = journal, controller, webhooks
        self._jobs: dict[str, Job] = {}
        self._waiting: dict[str, deque[Job]] = {}
        self._running: dict[str, int] = {}
        self._recent: OrderedDict[str, Outcome] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._acceptance = Acceptance(journal, controller, self._jobs)
        controller.methods |= {"resume": self._resume, "held": self._held}

    async def answer(
        self,
        call: PendingCall,
        target: str,
        key: str | None,
        headers: Headers,
        webhook: str | None,
        send: Send,
    ) -> None:
        """Accept a call, and answer with 202, or with its result where the caller waits for it, and as long as it does.

        `webhook` is told of its end.
        """
        if len(self._jobs) >= MAX_HELD:
            raise QueueFull(f"{len(self._jobs)} spawned calls are held already. Try again a little later.")
        record = self._acceptance.record(call, target, key, headers, webhook)
        call_id = await self._acceptance.reserve(call, key, headers)
        if call_id == call.call_id:
            await self._acceptance.keep(record)
            self._begin(Job(record, call.route))
        prefer = headers.get(b"prefer", b"").decode("latin-1")
        seconds = wait_s(prefer)
        if "respond-async" not in prefer and seconds is None:
            await send_outcome(send, await self.wait(call_id, call.deadline - time.time()), call_id)
        elif seconds and (outcome := await self.wait(call_id, seconds)) is not None:
            await send_outcome(send, outcome, call_id, [(b"preference-applied", b"wait=%d" % seconds)])
        else:
            await _send_accepted(send, call_id, seconds)

    def webhook_of(self, headers: Headers, is_kept: bool) -> str | None:
        """Where the end of a call with these headers is told. Raises `BadRequest` and `Forbidden`."""
        url = text_of(headers, WEBHOOK)
        if url is None:
            return None
        if not is_kept:
            raise BadRequest("Rayfaas-Webhook is for calls that are spawned: send `Prefer: respond-async` with it.")
        return self._webhooks.check(url)

    async def wait(self, call_id: str, seconds: float) -> Outcome | None:
        """What it came to, here or elsewhere; None where that is not known within `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            outcome = self._recent.get(call_id)
            job = self._jobs.get(call_id)
            if outcome is None and job is not None:
                await asyncio.wait([job.outcome], timeout=left_s)
                outcome = job.outcome.result() if job.outcome.done() else None
            elif outcome is None:
                found = await self._controller.request("outcome", call_id=call_id)
                outcome = msgspec.convert(found, Outcome) if found is not None else None
            if outcome is not None or time.monotonic() >= deadline:
                return outcome
            await asyncio.sleep(min(0.25, max(0.0, deadline - time.monotonic())))

    def cancel(self, call_id: str) -> bool:
        """Whether a job of this id is held here; its attempt is another's to cancel."""
        job = self._jobs.get(call_id)
        if job is None:
            return False
        job.cancelled = True
        if job.attempt is None:
            self._settle(job, Outcome.of_error(CallCancelled("The call was cancelled.")))
        return True

    def attempt_of(self, call_id: str) -> str:
        """The id under which a job runs right now: that of its present attempt."""
        job = self._jobs.get(call_id)
        return job.attempt.call_id if job is not None and job.attempt is not None else call_id

    # From the controller

    async def _resume(self, link: object, jobs: list[dict[str, Any]]) -> None:
        """Run what another gateway, or an earlier life of this one, accepted and did not settle."""
        await self._controller.has_routes.wait()
        for job in jobs:
            record = msgspec.convert(job, Record)
            if record.call not in self._jobs and record.call not in self._recent:
                method = f".{record.method}" if record.method else ""
                owner = record.function.partition("/")[0]  # it was accepted: for whom the function is now is no matter
                try:
                    route = self._routes.resolve(
                        f"{record.function}{method}:{record.version}", record.team, reader=Reader(owner)
                    )
                except RayfaasError as error:
                    self._write_outcome(record, 0, Outcome.of_error(error))
                else:
                    self._begin(Job(record, self._routes.through(route, record.target)))

    async def _held(self, link: object) -> list[str]:
        return list(self._jobs)

    # Running

    def _begin(self, job: Job) -> None:
        self._jobs[job.call_id] = job
        self._waiting.setdefault(job.route.key, deque()).append(job)
        self._start_waiting(job.route.key)

    def _start_waiting(self, key: str) -> None:
        waiting = self._waiting.get(key)
        while waiting and self._running.get(key, 0) < RUNNING:
            job = waiting.popleft()
            if not job.outcome.done():
                self._running[key] = self._running.get(key, 0) + 1
                task = asyncio.ensure_future(self._run(job))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        if not waiting:
            self._waiting.pop(key, None)
        if not self._running.get(key):
            self._running.pop(key, None)  # of versions there is no end

    async def _run(self, job: Job) -> None:
        key = job.route.key
        try:
            if job.route.version.swap == "replace":
                await self._follow(job)
            if job.outcome.done():
                return  # it was cancelled before its first step
            outcome = await self._attempt(job)
        finally:
            self._running[key] -= 1
            self._start_waiting(key)
        if outcome.problem is not None and job.may_retry(outcome.problem):
            await asyncio.sleep(job.retry_delay_s)
            if not job.outcome.done():
                self._waiting.setdefault(job.route.key, deque()).append(job)
                self._start_waiting(job.route.key)
        else:
            self._settle(job, outcome)

    async def _follow(self, job: Job) -> None:
        """Have it run by what its alias leads to now: of a function that was replaced, no other executors are there."""
        while job.route.alias is not None:
            try:
                job.route = self._routes.resolve(
                    job.record.target, job.record.team, job.record.principal, reader=Reader(job.route.owner)
                )
            except Parked:
                await self._routes.changed()
            except (RayfaasError, Past):
                return  # the method is gone from it, say: then as it was accepted
            else:
                return

    async def _attempt(self, job: Job) -> Outcome:
        record = job.record
        first = job.attempts == 0
        job.attempts += 1
        call = kind_of(job.route)(
            job.route,
            call_id=record.call if first else new_id(),
            root_id=record.root,
            parent_id=record.parent if first else record.call,
            principal=record.principal,
            team=record.team,
            content_type=record.content_type,
            body=base64.b64decode(record.body),
            timeout_s=record.timeout_s,
            on_log=self._recording.log,
            accept=record.accept,
            context=record.context,
        )
        call.priority, call.is_spawned = record.priority, True
        job.attempt = call
        try:
            self._recording.start(call, record.target, idempotency_key=record.idempotency_key)
            outcome = await self._outcomes.of(call)
        except RayfaasError as error:
            outcome = Outcome.of_error(error)  # it can't be recorded: then it is not run
        finally:
            job.attempt = None
        self._in_flight.let_go(call)
        return outcome

    def _settle(self, job: Job, outcome: Outcome) -> None:
        if job.outcome.done():
            return
        self._write_outcome(job.record, job.attempts, outcome)
        del self._jobs[job.call_id]
        if len(outcome.body) <= _REMEMBERED_BYTES:
            self._recent[job.call_id] = outcome
            while len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        job.outcome.set_result(outcome)

    def _write_outcome(self, record: Record, attempts: int, outcome: Outcome) -> None:
        problem = outcome.problem
        code = str(problem["code"]) if problem is not None else None
        settled = Settled(
            call=record.call,
            state=state_of(code),
            ended_us=time.time_ns() // 1000,
            attempts=attempts,
            code=code,
            content_type=outcome.content_type or None,
            body=base64.b64encode(outcome.body).decode() if problem is None else None,
            problem=encode(problem).decode() if problem is not None else None,
        )
        self._journal.ended(settled)
        if (ending := ending_of(record, settled)) is not None:
            self._webhooks.tell(ending)


async def _send_accepted(send: Send, call_id: str, waited_s: float | None) -> None:
    applied = b"respond-async" if waited_s is None else b"respond-async, wait=%d" % waited_s
    location = f"/calls/{call_id}"
    body = encode({"call": call_id, "location": location})
    headers = [
        (b"content-type", JSON.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"location", location.encode()),
        (b"preference-applied", applied),
        (b"rayfaas-call-id", call_id.encode()),
    ]
    await send_whole(send, 202, headers, body)

"""The head of the cluster on this machine: ended when nobody has called for its keep-alive, started by who calls then.

The registry has what is to be (`want`); the process that holds the head (`rayfaas.cluster.local`) tells what is, and is
told. Each look goes one step on from whatever is found, so it is no matter what was killed.

    want RUNNING   told to start
    want STOPPED   executors finish and end → machines stop → told to stop
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from rayfaas.cloud.machine import InstanceState, Machine
from rayfaas.cloud.node import Node, Want
from rayfaas.cloud.node_book import NodeBook
from rayfaas.cloud.node_journal import MemoryJournal, NodeJournal
from rayfaas.cloud.pauses import Pauses
from rayfaas.durations import seconds_of
from rayfaas.errors import BadRequest, Conflict, RayfaasError
from rayfaas.link import Link, Method
from rayfaas.server.clusters import LEAVE_S, LOCAL
from rayfaas.server.fleet import Fleet
from rayfaas.server.looking import look_every
from rayfaas.server.machines import HEAD_ID, Machines
from rayfaas.server.node_rows import NodeRows
from rayfaas.server.store import Store

_log = logging.getLogger("rayfaas.keeper")

LOOK_S = 0.2
ASK_S = 10.0
# A call that came between the decision and the end of its executors, and takes longer, has the cluster go on.
PATIENCE_S = 5.0
# How often machines are asked again to stop.
AGAIN_S = 2.0
# The pauses and events of the head are of no worker group.
KEY = (LOCAL, "")

InUse = Callable[[], str]
"""What runs or is to run on the cluster right now, in words; "" for nothing."""


class Head:
    """`calls` tells of calls, deploys and the like; `minimum` of functions that must have replicas there."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        machines: Machines,
        calls: InUse,
        minimum: InUse,
        keep_alive: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._fleet, self._machines = store, fleet, machines
        self._calls, self._minimum, self._keep_alive, self._clock = calls, minimum, keep_alive, clock
        self._process: Link | None = None
        self.is_ours = True
        self._told = ""  # what the process was told last
        self._emptied_at = 0.0
        self._used_at = clock()
        self._one = asyncio.Lock()
        self.methods: dict[str, Method] = {
            "head_is": self.head_is,
            "start_cluster": self.start_cluster,
            "stop_cluster": self.stop_cluster,
        }

    async def read_registry(self) -> None:
        rows = NodeRows(self._store)
        nodes, pauses = await self._store.write(lambda: (rows.read(), self._store.registry.machines.pauses()))
        found = [node for node in nodes if node.id == HEAD_ID]
        # One that is never stopped is no machine of the keeper's.
        self._is_recorded = bool(found) or self._keep_alive != "never"
        self._rows = rows
        journal: NodeJournal = rows if self._is_recorded else MemoryJournal()
        self._book = NodeBook(journal, self._clock, found or [_new(self._clock())])
        self._pauses = Pauses(rows, pauses)

    async def keep_looking(self) -> None:
        await look_every(LOOK_S, self.look, "the keeper could not look after the head")

    async def look(self) -> None:
        """Once: decide what is to be, and go a step towards it."""
        async with self._one:
            await self._decide()
            if self.node.want == "RUNNING":
                await self._start()
            elif self.node.state in ("RUNNING", "BOOTING"):
                await self._stop()

    async def close(self) -> None:
        """The server ends, and the head with it."""
        async with self._one:
            if self.node.is_up:
                await self._see("STOPPED", "the server was stopped")

    # What is told of it

    @property
    def node(self) -> Node:
        node = self._book.get(HEAD_ID)
        assert node is not None  # it never goes for good
        return node

    def shown(self) -> dict[str, Any]:
        """As `rayfaas status` tells of it."""
        node = self.node
        kept_s = self.keep_alive_s()
        is_counted = node.state == "RUNNING" and kept_s < float("inf")
        return {
            "cluster": LOCAL,
            "state": node.state,
            "want": node.want,
            "reason": node.reason,
            "keep_alive_s": None if kept_s == float("inf") else kept_s,
            "idle_s": max(0.0, self._clock() - self._used_at) if is_counted else None,
        }

    def keep_alive_s(self) -> float:
        """How long it is kept without a call."""
        if self._keep_alive == "never" or not self.is_ours:
            return float("inf")
        return self._pauses.learned_s(KEY) if self._keep_alive == "learned" else seconds_of(self._keep_alive)

    # What its process and people ask

    async def head_is(self, link: Link, state: str, detail: str, can_stop: bool) -> None:
        if self._process is not link:
            self._process, self._told = link, ""
        self.is_ours = can_stop
        if state == "STOPPED":
            self._told = ""
        async with self._one:
            await self._see(msgspec.convert(state, InstanceState), detail)

    async def start_cluster(self, link: Link, cluster: str, until: float, actor: str) -> None:
        """Have it up until a moment, whether anybody calls or not."""
        self._check(cluster)
        await self._note(actor, "cluster started", cluster)
        async with self._one:
            await self._want("RUNNING", f"started by {actor}", until=until)

    async def stop_cluster(self, link: Link, cluster: str, now: bool, actor: str) -> None:
        """Raises `Conflict` where it is in use; with `now` its calls have ten minutes, and it takes no others."""
        self._check(cluster)
        async with self._one:
            if not now and (why := self._calls()):
                raise Conflict(f"The cluster {cluster} is in use: {why}. With --now that has ten minutes to end.")
            await self._note(actor, "cluster stopped", cluster)
            await self._want("STOPPED", f"stopped by {actor}", force=True, until=0.0)

    # Deciding

    async def _decide(self) -> None:
        now, node, keep_s = self._clock(), self.node, self.keep_alive_s()
        if node.want == "RUNNING" and keep_s == float("inf"):
            return
        calls = self._calls()
        needs = self._minimum() or self._machines.needs(LOCAL) or ("it is held" if node.until > now else "")
        if calls or needs or self._machines.up(LOCAL) or node.state != "RUNNING":
            if calls and self._keep_alive == "learned":
                await asyncio.to_thread(self._pauses.used, KEY, now)
            self._used_at = now
        if node.want == "STOPPED":
            return await self._decide_to_start(calls, needs)
        idle_s = now - self._used_at
        if node.state == "RUNNING" and idle_s >= keep_s:
            why = f"no call for {idle_s:.0f} s, and it is kept for {keep_s:.0f} s"
            await self._want("STOPPED", why, idle_since=self._used_at)

    async def _decide_to_start(self, calls: str, needs: str) -> None:
        """What a person stopped stops first; then, as long as there is the same need as before, only a caller starts
        it."""
        node = self.node
        if self._fleet.is_awaited(LOCAL) and not (node.force and node.state == "RUNNING" and self._told != "STOPPED"):
            await self._want("RUNNING", calls or "it is waited for")
        elif needs and not node.force:
            await self._want("RUNNING", needs)
        elif node.force and not needs and node.state == "STOPPED":
            await asyncio.to_thread(self._book.change, node, force=False)

    async def _want(self, want: Want, reason: str, **changes: Any) -> None:
        if want == "RUNNING":
            changes = {"force": False, "boot_at": self._clock(), **changes}
        if not self._is_recorded:
            self._is_recorded, self._book = True, NodeBook(self._rows, self._clock, [self.node])
        await asyncio.to_thread(self._book.decide, self.node, reason, want=want, **changes)

    async def _see(self, state: InstanceState, detail: str) -> None:
        now, before = self._clock(), self.node
        node = msgspec.structs.replace(before, sent=True).seen(state, now)
        if state == "RUNNING" != before.state:
            self._pauses.woke(KEY, max(0.0, now - node.boot_at))
        if state != "RUNNING" and before.idle_since is not None:
            node = msgspec.structs.replace(
                node, idle_since=None, idle_s=node.idle_s + max(0.0, now - before.idle_since)
            )
        await asyncio.to_thread(self._book.save, node)
        if state != before.state or (state == "BOOTING" and detail):
            await asyncio.to_thread(self._book.tell, node, state.lower(), detail or node.reason)

    # Steps

    async def _start(self) -> None:
        self._machines.resume(LOCAL)
        if self.node.state != "RUNNING":
            self._tell("RUNNING")
        elif self._told != "STOPPED" and self._fleet.is_resting(LOCAL):
            await self._fleet.resume(LOCAL)  # it was not told yet

    async def _stop(self) -> None:
        node = self.node
        if not self.is_ours or self._told == "STOPPED":
            return
        self._fleet.rest(LOCAL)
        wished_s = self._clock() - node.changed_at
        if not self._fleet.is_empty(LOCAL) and wished_s < LEAVE_S:
            if not node.force and wished_s > PATIENCE_S:
                self._used_at = self._clock()
                await self._want("RUNNING", "a call is on it")
            return
        if self._machines.up(LOCAL):
            await self._empty_machines(node.reason)
        else:
            self._tell("STOPPED")

    async def _empty_machines(self, reason: str) -> None:
        """Ray says that a machine is idle when no replica is on it."""
        agent, now = self._fleet.present().get(LOCAL), self._clock()
        if agent is None or now - self._emptied_at < AGAIN_S:
            return
        self._emptied_at = now
        try:
            for application in await agent.request("applications", timeout_s=ASK_S):
                await agent.request("delete", application=application, timeout_s=ASK_S)
        except (RayfaasError, asyncio.TimeoutError) as error:
            _log.warning("the functions of %s are not ended yet: %s", LOCAL, error)
        await self._machines.rest(LOCAL, reason)

    def _tell(self, want: Want) -> None:
        if self._process is not None and self._process.is_open and self._told != want:
            self._told = want
            self._process.notify("wish", want=want)

    async def _note(self, actor: str, action: str, cluster: str) -> None:
        await self._store.write(self._store.registry.access.note, actor, action, cluster)

    def _check(self, cluster: str) -> None:
        if cluster != LOCAL:
            raise BadRequest(f"The head of {cluster!r} is not this server's: it starts and stops that of {LOCAL!r}.")
        if not self.is_ours:
            raise BadRequest(
                f"The cluster {LOCAL!r} was there before this server, and this server does not start or stop it."
            )


def _new(now: float) -> Node:
    return Node(
        id=HEAD_ID,
        name="head",
        cluster=LOCAL,
        group="",
        attempt="",
        provider="local",
        machine=Machine(""),
        made_at=now,
        changed_at=now,
        boot_at=now,
        reason="the server was started",
    )

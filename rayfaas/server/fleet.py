"""The fleet: which supervisors and agents are connected, and what each supervisor hosts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rayfaas.link import Link
from rayfaas.within import within

WARM = "warm"
# No cluster's name.
NOBODY = ""
T = TypeVar("T")

Progress = Callable[[str, str], None]
"""Is told of a phase, and what is done in it."""


@dataclass(eq=False)
class Member:
    """One connected supervisor. `environment` is the digest of its Python and packages, `hosted` is version key →
    executor ids; `draining` is executor id → version key of those that were told to end."""

    link: Link
    cluster: str
    node: str
    replica: str
    application: str
    environment: str
    hosted: dict[str, set[str]] = field(default_factory=dict)
    draining: dict[str, str] = field(default_factory=dict)
    leaving: bool = False
    _spawning: dict[str, asyncio.Task[dict[str, Any]]] = field(default_factory=dict)
    _ended_early: set[str] = field(default_factory=set)  # executors whose end came before the word that they are ready

    def add(self, key: str, executor: str) -> None:
        self.hosted.setdefault(key, set()).add(executor)

    def remove(self, key: str, executor: str) -> None:
        self.draining.pop(executor, None)
        if key in self._spawning:
            self._ended_early.add(executor)
        executors = self.hosted.get(key, set())
        executors.discard(executor)
        if not executors:
            self.hosted.pop(key, None)

    async def spawn(self, version: dict[str, Any], deadline_s: float) -> dict[str, Any]:
        """Have it fork an executor; returns executor id, interface and import time when it is ready.

        Who asks while one of the same version is on its way waits for that one.
        """
        key = f"{version['function']}:{version['version']}"
        task = self._spawning.get(key)
        if task is None:
            task = self._spawning[key] = asyncio.ensure_future(self._spawn(key, version, deadline_s))
            task.add_done_callback(lambda _: self._spawned(key))
        return await asyncio.shield(task)

    def _spawned(self, key: str) -> None:
        self._spawning.pop(key, None)
        if not self._spawning:
            self._ended_early.clear()

    async def _spawn(self, key: str, version: dict[str, Any], deadline_s: float) -> dict[str, Any]:
        made: dict[str, Any] = await self.link.request("spawn", version=version, deadline_s=deadline_s)
        if made["executor"] not in self._ended_early:
            self.add(key, made["executor"])
        return made

    async def resolve(self, wanted: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """The lock of an environment (`rayfaas.environment`). Raises `EnvironmentFailed`."""
        locked: dict[str, Any] = await self._told("resolve", progress, wanted=wanted)
        return locked

    async def prepare(self, environment: dict[str, Any], progress: Progress) -> str:
        """Have an environment built on its node: `hit` where it was, else `built`. Raises `EnvironmentFailed`."""
        return str(await self._told("prepare", progress, environment=environment))

    async def _told(self, method: str, progress: Progress, **parameters: Any) -> Any:
        """The result of what it does, whose lines are progress."""
        result = None
        async for each in self.link.stream(method, **parameters):
            if "line" in each:
                progress("environment", each["line"])
            else:
                result = each["result"]
        return result

    def drain(self, key: str) -> None:
        self.draining |= dict.fromkeys(self.hosted.pop(key, ()), key)
        self.link.notify("drain", key=key)

    def leave(self) -> None:
        """Take no more orders, and have its executors finish their calls and end."""
        self.leaving = True
        for key in list(self.hosted):
            self.drain(key)


class Fleet:
    """All members, by link."""

    def __init__(self) -> None:
        self._members: dict[Link, Member] = {}
        self._agents: dict[str, Link] = {}
        self._let_go: set[str] = set()
        self._resting: set[str] = set()
        self._awaited: Counter[str | None] = Counter()
        self.joined: set[str] = set()  # the clusters that may come, connected or not
        self._changed = asyncio.Condition()

    # Supervisors

    async def join(self, member: Member) -> None:
        member.leaving = member.leaving or member.cluster in self._let_go
        self._members[member.link] = member
        await self._tell()

    async def leave(self, link: Link) -> None:
        self._members.pop(link, None)
        for cluster in [c for c, agent in self._agents.items() if agent is link]:
            del self._agents[cluster]
        await self._tell()

    async def executor_ended(self, link: Link, key: str, executor: str) -> None:
        if member := self._members.get(link):
            member.remove(key, executor)
            await self._tell()

    def leaving(self, link: Link) -> None:
        """It ends when its executors have finished their calls; others are to answer from now on."""
        if member := self.member(link):
            member.leave()

    def member(self, link: Link) -> Member | None:
        return self._members.get(link)

    def members(self, application: str | None = None, cluster: str | None = None) -> list[Member]:
        """Those that take orders; of one Serve application, of one cluster where they are named."""
        return [
            m
            for m in self._members.values()
            if not m.leaving
            and m.cluster not in self._resting
            and (application is None or m.application == application)
            and (cluster is None or m.cluster == cluster)
        ]

    def hosting(self, key: str) -> list[Member]:
        return [m for m in self._members.values() if key in m.hosted]

    def keys(self) -> set[str]:
        """The versions that have executors, those that are ending too."""
        return {key for m in self._members.values() for key in (*m.hosted, *m.draining.values())}

    async def wait_gone(self, keys: set[str], timeout_s: float) -> None:
        """Returns when none of these versions has an executor. Raises TimeoutError."""
        await self._wait(lambda: not keys & self.keys(), timeout_s)

    async def wait_left(self, application: str, timeout_s: float) -> None:
        """Returns when the application has no member. Raises TimeoutError."""
        await self._wait(lambda: not self.members(application), timeout_s)

    def environment(self) -> str:
        """The digest of the base environment, as the warm replicas have it; "" while none is up."""
        return next((m.environment for m in self.members(WARM)), "")

    async def wait_for(
        self, application: str, timeout_s: float, cluster: str | None = None, least: int = 1, at: str | None = None
    ) -> list[Member]:
        """The members of an application, as soon as there are so many; they are expected on the cluster `at`. Raises
        TimeoutError."""

        def found() -> list[Member]:
            members = self.members(application, cluster)
            return members if len(members) >= least else []

        return await self._wait(found, timeout_s, cluster or at)

    # Agents

    async def agent_up(self, cluster: str, link: Link) -> None:
        self._agents[cluster] = link
        await self._tell()

    def agents(self) -> dict[str, Link]:
        """By cluster, in the order of their names; without those of clusters that are on their way out, or to rest."""
        return {name: agent for name, agent in self.present().items() if name not in self._resting}

    def present(self) -> dict[str, Link]:
        """Those of clusters that go to rest, too."""
        return {name: self._agents[name] for name in sorted(self._agents) if name not in self._let_go}

    async def wait_for_agents(self, cluster: str | None, timeout_s: float) -> dict[str, Link]:
        """Those that are there, of one cluster where it is named, as soon as there is one. Raises TimeoutError."""

        def found() -> dict[str, Link]:
            agents = self.agents()
            return agents if cluster is None else {name: agents[name] for name in agents if name == cluster}

        return await self._wait(found, timeout_s, cluster)

    # Clusters that rest

    def is_awaited(self, cluster: str) -> bool:
        """Whether somebody waits for what this cluster may have, and no other has now."""
        return self._awaited[cluster] + self._awaited[None] > 0

    def is_resting(self, cluster: str) -> bool:
        return cluster in self._resting

    def rest(self, cluster: str) -> None:
        """Give it no orders, and have its executors finish their calls and end; until it is resumed, or joins anew."""
        self._resting.add(cluster)
        self._drain(cluster)

    async def resume(self, cluster: str) -> None:
        """Go on with it: it was not stopped."""
        self._resting.discard(cluster)
        await self._tell()

    def is_empty(self, cluster: str) -> bool:
        """Whether none of its executors is left."""
        return not any(m.hosted or m.draining for m in self._members.values() if m.cluster == cluster)

    # Clusters that go

    def welcome(self, cluster: str) -> None:
        """It has joined, perhaps again."""
        self._let_go.discard(cluster)
        self._resting.discard(cluster)

    def let_go(self, cluster: str) -> None:
        """Give it no more orders, and have its executors finish their calls and end."""
        self._let_go.add(cluster)
        for member in [m for m in self._members.values() if m.cluster == cluster]:
            member.leave()

    async def wait_idle(self, cluster: str, timeout_s: float) -> None:
        """Returns when none of its executors is left. Raises TimeoutError."""
        await self._wait(lambda: self.is_empty(cluster), timeout_s)

    def links(self, cluster: str) -> list[Link]:
        """Those of its supervisors and its agent."""
        members = [m.link for m in self._members.values() if m.cluster == cluster]
        return [*members, *(link for name, link in self._agents.items() if name == cluster)]

    def _drain(self, cluster: str) -> None:
        for member in [m for m in self._members.values() if m.cluster == cluster]:
            for key in list(member.hosted):
                member.drain(key)

    async def _wait(self, question: Callable[[], T], timeout_s: float, cluster: str | None = NOBODY) -> T:
        if answer := question():
            return answer
        self._awaited[cluster] += 1
        try:
            async with self._changed:
                return await within(timeout_s, self._changed.wait_for(question))
        finally:
            self._awaited[cluster] -= 1

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

"""A world for the keeper: a provider in memory, Ray on its machines, calls that wait, and one clock for all of them.

It notes what must never happen: a stop of a machine with a call on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from rayfaas.cloud.demand import RayNode, View
from rayfaas.cloud.errands import Errands
from rayfaas.cloud.keeper import Keeper
from rayfaas.cloud.machine import Instance, Machine
from rayfaas.cloud.memory import MemoryAdapter, MemoryCloud
from rayfaas.cloud.node import Node, NodeEvent
from rayfaas.cloud.node_book import NodeBook
from rayfaas.cloud.node_journal import MemoryJournal
from rayfaas.cloud.pauses import Pauses
from rayfaas.errors import Unavailable
from rayfaas.worker_group import WorkerGroup

OWNER = "0198f3a2-7c1e-7aaa-8bbb-000000000001"
JOIN_S = 15.0


class Killed(BaseException):
    """As `kill -9`."""


@dataclass
class Raylet:
    id: str
    machine: str
    gpus: float
    calls: list[float] = field(default_factory=list)  # when each ends
    idle_since: float = 0.0


class WatchedAdapter(MemoryAdapter):
    """Tells of each request that ends a machine, before it is sent."""

    def __init__(self, owner: str, cloud: MemoryCloud, tell: Callable[[Instance], None]) -> None:
        super().__init__(owner, cloud)
        self._tell = tell

    def _stop(self, instance: Instance) -> None:
        super()._stop(instance)
        self._tell(instance)

    def _terminate(self, instance: Instance) -> None:
        super()._terminate(instance)
        self._tell(instance)


class DeadlyJournal(MemoryJournal):
    """The process may be killed before and after each thing that it writes."""

    def __init__(self, pulse: Callable[[], None]) -> None:
        super().__init__()
        self._pulse = pulse

    def save(self, node: Node) -> None:
        self._pulse()
        super().save(node)
        self._pulse()

    def tell(self, event: NodeEvent) -> None:
        self._pulse()
        super().tell(event)


class World:
    """`now` is true time; the keeper's clock is `skew_s` off."""

    def __init__(self, *groups: WorkerGroup) -> None:
        self.now = 1_800_000_000.0
        self.skew_s = 0.0
        self.cloud = MemoryCloud(clock=lambda: self.now)
        self.adapter = WatchedAdapter(OWNER, self.cloud, self._note_end)
        self.journal = DeadlyJournal(self._pulse)
        self.raylets: dict[str, Raylet] = {}  # by attempt
        self.waiting: list[float] = []  # how long each call runs
        self.answered = 0
        self.wrong: list[str] = []
        self.can_ask = True
        self.drain_fails = ""  # "", "before", "after"
        self.pulses_left: int | None = None
        self.kills = 0
        self._ids = count(1)
        self._up_at: dict[str, float] = {}  # by machine
        self._attempt_of: dict[str, str] = {}
        self.groups = {(group.cluster, group.name): group for group in groups}
        self.rebuild()

    def rebuild(self) -> None:
        """A keeper that knows what is in the journal, and nothing else."""
        self.pulses_left = None
        self.book = NodeBook(self.journal, lambda: self.now + self.skew_s, list(self.journal.nodes.values()))
        errands = Errands(OWNER, self.book, lambda _: self.adapter, self._drain, lambda node, _: f"join {node.attempt}")
        self.keeper = Keeper(self.book, errands, Pauses(self.journal, self.journal.pauses))
        self.keeper.groups = self.groups

    def call(self, seconds: float = 10.0) -> None:
        self.waiting.append(seconds)

    def run(self, seconds: float, step_s: float = 1.0) -> None:
        for _ in range(int(seconds / step_s)):
            self.tick(step_s)

    def tick(self, step_s: float = 1.0) -> None:
        self.now += step_s
        self._live()
        try:
            self._pulse()
            for order in self.keeper.plan({"local": self.view()} if self.can_ask else {}):
                self._pulse()
                self.keeper.carry_out(order)
        except Killed:
            self.kills += 1
            self.rebuild()

    def view(self) -> View:
        nodes = [
            RayNode(
                raylet.id,
                attempt,
                0.0 if raylet.calls else self.now - raylet.idle_since,
                False,
                {"CPU": 1.0, "GPU": raylet.gpus - len(raylet.calls)},
            )
            for attempt, raylet in self.raylets.items()
        ]
        return View(tuple(nodes), (({"GPU": 1.0}, len(self.waiting)),) if self.waiting else ())

    def ours(self) -> list[Instance]:
        """Those of ours that are not gone, by the provider's books."""
        return [each for each in self.cloud.instances() if each.tags.get("rayfaas-owner") == OWNER]

    def events(self, *names: str) -> list[NodeEvent]:
        return [event for event in self.journal.events if event.event in names]

    def lose(self, attempt: str) -> None:
        """Ray there ends, with the calls on it, and does not start again before the machine does."""
        self.raylets.pop(attempt, None)
        self._up_at[self._first(attempt)] = float("inf")

    def foreign(self) -> str:
        """A machine of somebody else's."""
        return self.cloud.launch(Machine("gpu", "zone-a"), {"rayfaas-owner": "somebody-else", "rayfaas-attempt": "x"})

    def launch_another(self, like: Instance) -> None:
        """Somebody launches more of the same, with the same tags; its join token was used already."""
        self.cloud.launch(Machine("gpu", like.place), dict(like.tags))

    # Ray and its calls

    def _first(self, attempt: str) -> str:
        """The machine that the attempt made, and not one that is like it."""
        return next((machine for machine, made_by in self._attempts().items() if made_by == attempt), attempt)

    def _attempts(self) -> dict[str, str]:
        """Of the machines that there are; theirs stays what it was when they were launched."""
        for each in self.ours():
            self._attempt_of.setdefault(each.id, each.tags.get("rayfaas-attempt", ""))
        return {each.id: self._attempt_of[each.id] for each in self.ours()}

    def _live(self) -> None:
        states = {each.id: each.state for each in self.ours()}
        firsts = {self._first(attempt): attempt for attempt in self._attempts().values()}
        running = {attempt: machine for machine, attempt in firsts.items() if states[machine] in ("RUNNING", "UNKNOWN")}
        for attempt, raylet in list(self.raylets.items()):
            if raylet.machine not in running.values():
                del self.raylets[attempt]  # and the calls on it: somebody else ended it
        self._up_at = {machine: self._up_at.get(machine, self.now) for machine in running.values()}
        for attempt, machine in running.items():
            since = self._up_at[machine]
            if attempt not in self.raylets and since != float("inf") and self.now - since >= JOIN_S:
                self.raylets[attempt] = Raylet(f"ray-{next(self._ids)}", machine, 1.0, idle_since=self.now)
        for raylet in self.raylets.values():
            self._serve(raylet)

    def _serve(self, raylet: Raylet) -> None:
        left = [end for end in raylet.calls if end > self.now]
        self.answered += len(raylet.calls) - len(left)
        if raylet.calls and not left:
            raylet.idle_since = self.now
        raylet.calls = left
        while self.waiting and len(raylet.calls) < raylet.gpus:
            raylet.calls.append(self.now + self.waiting.pop(0))

    def _drain(self, cluster: str, attempt: str, force: bool, reason: str) -> bool:
        self._pulse()
        if not self.can_ask or self.drain_fails == "before":
            raise Unavailable("the agent does not answer")
        raylet = self.raylets.get(attempt)
        if raylet is not None and raylet.calls:
            return False
        self.lose(attempt)
        if self.drain_fails == "after":
            raise Unavailable("the agent's answer was lost")
        self._pulse()
        return True

    def _note_end(self, instance: Instance) -> None:
        if any(raylet.calls for raylet in self.raylets.values() if raylet.machine == instance.id):
            self.wrong.append(f"{instance.id} was ended with a call on it")
        self._pulse()

    def _pulse(self) -> None:
        """Each is a place where the process may be killed."""
        if self.pulses_left is not None:
            self.pulses_left -= 1
            if self.pulses_left < 0:
                raise Killed

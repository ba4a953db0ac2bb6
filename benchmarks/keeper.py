"""What the keeper's loop costs with 500 nodes and 5,000 functions, with a provider in memory and a simulated clock.

python -m benchmarks.keeper
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from dataclasses import dataclass, field

from benchmarks.machine import Machine
from rayfaas.cloud.demand import RayNode, View
from rayfaas.cloud.errands import Errands
from rayfaas.cloud.keeper import Keeper
from rayfaas.cloud.memory import MemoryAdapter, MemoryCloud
from rayfaas.cloud.node_book import NodeBook
from rayfaas.cloud.node_journal import MemoryJournal
from rayfaas.cloud.pauses import Pauses
from rayfaas.worker_group import Placement, WorkerGroup

NODES, FUNCTIONS, GROUPS = 500, 5_000, 25
# As often as the server looks.
LOOK_S = 0.5
OWNER = "0198f3a2-7c1e-7aaa-8bbb-000000000001"
CALL_S = (5.0, 120.0)
JOIN_S = 15.0


@dataclass
class Ray:
    """What runs on one machine: when each call ends, and how much of it that holds."""

    joined_at: float
    calls: list[tuple[float, float]] = field(default_factory=list)
    idle_since: float = 0.0

    @property
    def free(self) -> float:
        return 1.0 - sum(share for _, share in self.calls)


class World:
    """`functions` have a shape of their own each, of which ten fit on a machine."""

    def __init__(self, seed: int = 7) -> None:
        self.chance = random.Random(seed)
        self.now = 1_800_000_000.0
        self.cloud = MemoryCloud(clock=lambda: self.now)
        self._adapter = MemoryAdapter(OWNER, self.cloud)
        self.rays: dict[str, Ray] = {}
        self.waiting: list[int] = []
        journal = MemoryJournal()
        self.book = NodeBook(journal, lambda: self.now, [])
        errands = Errands(OWNER, self.book, lambda _: self._adapter, self._drain, lambda node, group: "")
        self.keeper = Keeper(self.book, errands, Pauses(journal, {}))
        groups = [_group(number) for number in range(GROUPS)]
        self.keeper.groups = {(group.cluster, group.name): group for group in groups}
        self.cpu_s: list[float] = []

    def minute(self, calls_per_s: float) -> float:
        """CPU seconds of the keeper's loop in one."""
        began = len(self.cpu_s)
        for _ in range(int(60 / LOOK_S)):
            self.now += LOOK_S
            self._live(calls_per_s)
            view = self._view()
            started = time.process_time()
            for order in self.keeper.plan({"local": view}):
                self.keeper.carry_out(order)
            self.cpu_s.append(time.process_time() - started)
        return sum(self.cpu_s[began:])

    def _live(self, calls_per_s: float) -> None:
        for _ in range(int(calls_per_s * LOOK_S)):
            self.waiting.append(self.chance.randrange(FUNCTIONS))
        up = {each.tags["rayfaas-attempt"] for each in self.cloud.instances() if each.state == "RUNNING"}
        for attempt in up - set(self.rays):
            self.rays[attempt] = Ray(self.now + JOIN_S, idle_since=self.now + JOIN_S)
        for attempt in set(self.rays) - up:
            del self.rays[attempt]
        for ray in self.rays.values():
            self._serve(ray)

    def _serve(self, ray: Ray) -> None:
        left = [call for call in ray.calls if call[0] > self.now]
        if ray.calls and not left:
            ray.idle_since = self.now
        ray.calls = left
        while ray.joined_at <= self.now and self.waiting and ray.free >= 0.1 - 1e-9:
            self.waiting.pop()
            ray.calls.append((self.now + self.chance.uniform(*CALL_S), 0.1))

    def _view(self) -> View:
        """What waits is told by shape, with its number, as Ray tells it."""
        nodes = [
            RayNode(attempt, attempt, 0.0 if ray.calls else self.now - ray.idle_since, False, _room(ray.free))
            for attempt, ray in self.rays.items()
            if ray.joined_at <= self.now
        ]
        counted: dict[int, int] = defaultdict(int)
        for function in self.waiting:
            counted[function] += 1
        return View(tuple(nodes), tuple((_shape(function), number) for function, number in counted.items()))

    def _drain(self, cluster: str, attempt: str, force: bool, reason: str) -> bool:
        ray = self.rays.get(attempt)
        return ray is None or not ray.calls


def _group(number: int) -> WorkerGroup:
    place = Placement(provider="memory", type="gpu", place="zone-a")
    most = NODES // GROUPS
    return WorkerGroup(
        name=f"g{number}", cpus=10, gpus=1, memory_mb=100_000, max=most, keep_alive="90s", placements=(place,)
    )


def _room(free: float) -> dict[str, float]:
    return {"CPU": 10 * free, "GPU": free, "memory": free * (100_000 << 20)}


def _shape(function: int) -> dict[str, float]:
    return {"CPU": 1.0, "GPU": 0.1, "memory": float((4_000 + function) << 20)}


def main() -> None:
    print(Machine.here())
    world = World()
    world.waiting = list(range(FUNCTIONS))
    for minute in range(1, 4):
        _tell(f"{FUNCTIONS:,} functions were called at once, minute {minute}", world, world.minute(0))
    for minute in range(1, 4):
        _tell(f"{FUNCTIONS // 100} calls a second, minute {minute}", world, world.minute(FUNCTIONS / 100))
    for minute in range(1, 6):
        _tell(f"nobody calls, minute {minute}", world, world.minute(0))


def _tell(what: str, world: World, cpu_s: float) -> None:
    up, waiting = len(world.cloud.up()), len(world.waiting)
    print(f"{what}: {cpu_s:.2f} s of CPU; {up} machines up, {waiting} calls wait", flush=True)


if __name__ == "__main__":
    main()

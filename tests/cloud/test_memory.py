from __future__ import annotations

import pytest

from rayfaas.cloud.errors import Ambiguous, Capacity, Unsupported
from rayfaas.cloud.machine import Machine
from rayfaas.cloud.memory import MemoryAdapter, MemoryCloud
from tests.cloud.conformance import FAILURES, OWNER, Conformance, Failing, claim


class Memory:
    machine = Machine("gpu", "zone-a")

    def __init__(self) -> None:
        self.now = 0.0
        self.cloud = MemoryCloud(clock=lambda: self.now)

    def adapter(self, owner: str = OWNER) -> MemoryAdapter:
        return MemoryAdapter(owner, self.cloud)

    def fail(self, failing: Failing) -> None:
        if failing == "lost":
            self.cloud.fail(Ambiguous, "create", times=1, after=True)
        elif failing in ("capacity", "quota"):
            self.cloud.fail(FAILURES[failing], "create")
            self.cloud.fail(FAILURES[failing], "start")
        else:
            self.cloud.fail(FAILURES[failing])

    def heal(self) -> None:
        self.cloud.heal()

    def settle(self) -> None:
        self.now += 60

    def vanish(self, instance_id: str) -> None:
        self.cloud.vanish(instance_id)

    def count(self) -> int:
        return sum(each.state != "GONE" for each in self.cloud.instances())


class TestMemory(Conformance):
    @pytest.fixture
    def provider(self) -> Memory:
        return Memory()


def test_a_place_that_is_full_has_no_capacity_and_another_has() -> None:
    cloud = MemoryCloud(clock=lambda: 0.0, capacity={"zone-a": 1})
    adapter = MemoryAdapter(OWNER, cloud)
    adapter.create(Machine("gpu", "zone-a"), claim())
    with pytest.raises(Capacity):
        adapter.create(Machine("gpu", "zone-a"), claim())
    assert adapter.create(Machine("gpu", "zone-b"), claim()).state == "BOOTING"


def test_a_stopped_machine_gives_its_capacity_back() -> None:
    memory = Memory()
    memory.cloud.capacity["zone-a"] = 1
    adapter = memory.adapter()
    first = adapter.create(memory.machine, claim())
    memory.settle()
    adapter.stop(first.id)
    memory.settle()
    adapter.create(memory.machine, claim())
    with pytest.raises(Capacity):
        adapter.start(first.id)


def test_the_provider_ends_a_machine_after_its_lifetime() -> None:
    memory = Memory()
    made = memory.adapter().create(Machine("gpu", "zone-a", lifetime_s=100), claim())
    memory.now = 99
    assert memory.adapter().get(made.id).state == "RUNNING"
    memory.now = 100
    assert memory.adapter().get(made.id).state == "GONE"


def test_a_spot_machine_is_not_stopped() -> None:
    memory = Memory()
    made = memory.adapter().create(Machine("gpu", "zone-a", spot=True), claim())
    memory.settle()
    with pytest.raises(Unsupported, match="spot"):
        memory.adapter().stop(made.id)

"""A provider that lives in memory: machines that are none, with a clock and with faults.

For tests, and for simulating what a policy would have cost. It keeps every promise of the protocol, and breaks what a
real provider breaks when it is told to:

    cloud = MemoryCloud(clock=lambda: now)
    cloud.fail(Capacity, "create", place="zone-a")
    adapter = MemoryAdapter(owner, cloud)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from rayfaas.cloud.adapter import Capabilities, Finding
from rayfaas.cloud.errors import Capacity, CloudError, NotReady
from rayfaas.cloud.machine import Claim, Instance, InstanceState, Machine
from rayfaas.cloud.owned import OwnedAdapter
from rayfaas.cloud.prices import Prices

Verb = Literal["create", "find", "get", "start", "stop", "terminate"]


@dataclass
class Fault:
    """An error that answers requests: of one verb or all, about one place or all, `times` of them or all.

    With `after`, the provider does what was asked, and the error is all that comes back.
    """

    error: type[CloudError]
    verb: Verb | None = None
    place: str | None = None
    times: int | None = None
    after: bool = False

    def hits(self, verb: Verb, place: str) -> bool:
        """Whether it answers this request; one time less is left then."""
        fits = self.times != 0 and self.verb in (None, verb) and self.place in (None, place)
        if fits and self.times is not None:
            self.times -= 1
        return fits


@dataclass
class _Machine:
    asked: Machine
    tags: dict[str, str]
    created_at: float
    changed_at: float
    state: InstanceState = "BOOTING"


@dataclass
class MemoryCloud:
    """The provider's side; machines in it outlive the adapters, as real ones do. Seconds are those of `clock`.

    `capacity` is how many machines may be up at once in a place; one that is not in it has any number. One that was
    launched is told of after `listed_s` only.
    """

    clock: Callable[[], float] = time.monotonic
    boot_s: float = 60.0
    stop_s: float = 30.0
    listed_s: float = 0.0
    capacity: dict[str, int] = field(default_factory=dict)
    _faults: list[Fault] = field(default_factory=list)
    _machines: dict[str, _Machine] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def fail(
        self,
        error: type[CloudError],
        verb: Verb | None = None,
        *,
        place: str | None = None,
        times: int | None = None,
        after: bool = False,
    ) -> None:
        """Answer requests that fit with `error` from now on."""
        self._faults.append(Fault(error, verb, place, times, after))

    def heal(self) -> None:
        """No faults any more."""
        self._faults.clear()

    def launch(self, machine: Machine, tags: dict[str, str]) -> str:
        """A machine of anybody's; its id. Raises `Capacity`."""
        limit = self.capacity.get(machine.place)
        if limit is not None and len(self.up(machine.place)) >= limit:
            raise Capacity(f"{machine.place} has {limit} of these machines, and all are taken.")
        key = f"{machine.place or 'here'}/m-{next(self._numbers)}"
        self._machines[key] = _Machine(machine, tags, self.clock(), self.clock())
        return key

    def change(self, instance_id: str, state: InstanceState) -> None:
        machine = self._machines[instance_id]
        machine.state, machine.changed_at = state, self.clock()

    def tag(self, instance_id: str, tags: dict[str, str]) -> None:
        """Have these tags on it, and no others."""
        self._machines[instance_id].tags = tags

    def vanish(self, instance_id: str) -> None:
        """Take a machine away, as the spot market does, or a colleague in the console."""
        del self._machines[instance_id]

    def up(self, place: str | None = None) -> list[Instance]:
        """The machines that are paid for at this moment, whoever owns them."""
        paid = ("BOOTING", "RUNNING", "STOPPING")
        return [each for each in self.instances() if each.state in paid and place in (None, each.place)]

    def instances(self) -> list[Instance]:
        return [self.instance(key) for key in list(self._machines)]

    def instance(self, instance_id: str) -> Instance:
        machine = self._machines.get(instance_id)
        state = "GONE" if machine is None else self._state(machine)
        if machine is None or state == "GONE":
            self._machines.pop(instance_id, None)
            return Instance(instance_id, "GONE")
        address = "192.0.2.1" if state == "RUNNING" else None
        asked = machine.asked
        return Instance(instance_id, state, machine.tags, address, address, asked.type, asked.place, asked.spot)

    def is_listed(self, instance_id: str) -> bool:
        machine = self._machines.get(instance_id)
        return machine is not None and self.clock() >= machine.created_at + self.listed_s

    @contextmanager
    def request(self, verb: Verb, place: str) -> Iterator[None]:
        """What stands between an adapter and the machines: the faults."""
        hit = next((fault for fault in self._faults if fault.hits(verb, place)), None)
        if hit is None or hit.after:
            yield
        if hit is not None:
            raise hit.error(f"{verb} in {place or 'memory'} fails, as it was told to.")

    def _state(self, machine: _Machine) -> InstanceState:
        now = self.clock()
        lifetime_s = machine.asked.lifetime_s
        if lifetime_s is not None and now >= machine.created_at + lifetime_s:
            return "GONE"
        if machine.state == "BOOTING" and now >= machine.changed_at + self.boot_s:
            return "RUNNING"
        if machine.state == "STOPPING" and now >= machine.changed_at + self.stop_s:
            return "STOPPED"
        if machine.state == "TERMINATING" and now >= machine.changed_at + self.stop_s:
            return "GONE"
        return machine.state


class MemoryAdapter(OwnedAdapter):
    """The machines of one owner in a `MemoryCloud`; in one of its own where none is given."""

    provider = "memory"
    capabilities = Capabilities(boot=False, spot=True, lifetime=True)
    credentials_advice = "Call heal() of its MemoryCloud."

    def __init__(self, owner: str, cloud: MemoryCloud | None = None, prices: Prices | None = None) -> None:
        super().__init__(owner, prices)
        self._cloud = cloud or MemoryCloud()

    def _check(self) -> Iterable[Finding]:
        self.find()
        yield Finding("access", "ok")

    def _launch(self, machine: Machine, claim: Claim) -> Instance:
        with self._cloud.request("create", machine.place):
            key = self._cloud.launch(machine, claim.tags())
        return self._cloud.instance(key)

    def _look(self, instance_id: str) -> Instance:
        with self._cloud.request("get", instance_id.rpartition("/")[0]):
            is_told = self._cloud.is_listed(instance_id)
            return self._cloud.instance(instance_id) if is_told else Instance(instance_id, "GONE")

    def _list(self) -> Iterable[Instance]:
        with self._cloud.request("find", ""):
            return [each for each in self._cloud.instances() if self._cloud.is_listed(each.id)]

    def _start(self, instance: Instance) -> None:
        with self._cloud.request("start", instance.place):
            limit = self._cloud.capacity.get(instance.place)
            if limit is not None and len(self._cloud.up(instance.place)) >= limit:
                raise Capacity(f"{instance.place} has no machine free to start {instance.id} on.")
            self._cloud.change(instance.id, "BOOTING")

    def _stop(self, instance: Instance) -> None:
        with self._cloud.request("stop", instance.place):
            if instance.state == "BOOTING":
                raise NotReady(f"{instance.id} is booting.")
            self._cloud.change(instance.id, "STOPPING")

    def _terminate(self, instance: Instance) -> None:
        with self._cloud.request("terminate", instance.place):
            self._cloud.change(instance.id, "TERMINATING")

"""What is the same for every provider: whose a machine is, and that a verb may be repeated.

An adapter inherits this and says how its provider does each step: seven short methods. Ownership is read from the
provider right before anything is sent, never from memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from rayfaas.cloud.adapter import Capabilities, Finding
from rayfaas.cloud.errors import CloudError, Foreign, NotReady, Unsupported
from rayfaas.cloud.machine import OWNER, Claim, Instance, InstanceState, Machine
from rayfaas.cloud.prices import Price, Prices

_UP: tuple[InstanceState, ...] = ("REQUESTED", "BOOTING", "RUNNING")
_ENDED: tuple[InstanceState, ...] = ("TERMINATING", "GONE")


class OwnedAdapter(ABC):
    """An `Adapter` on `_launch`, `_look`, `_list`, `_start`, `_stop`, `_terminate` and `_check`."""

    provider: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    credentials_advice: ClassVar[str]

    def __init__(self, owner: str, prices: Prices | None = None) -> None:
        self.owner = owner
        self._prices = prices or Prices.dated()

    def check(self) -> list[Finding]:
        findings: list[Finding] = []
        try:
            findings.extend(self._check())
        except CloudError as error:
            advice = "Try again later." if error.then == "again" else self.credentials_advice
            findings.append(Finding("access", "failed", error.detail, advice))
        return findings

    def create(self, machine: Machine, claim: Claim) -> Instance:
        if claim.owner != self.owner:
            raise Foreign(f"The claim is {claim.owner}'s, this adapter is {self.owner}'s.")
        if machine.spot and not self.capabilities.spot:
            raise Unsupported(f"{self.provider} has no spot machines.")
        made = self._of_attempt(machine, claim) or self._launch(machine, claim)
        if made.state != "GONE" and not made.is_of(claim):
            raise Foreign(f"{made.id} has the name of this attempt, and is not tagged as it; it is left alone.")
        return made

    def find(self) -> list[Instance]:
        return [each for each in self._list() if each.tags.get(OWNER) == self.owner and each.state != "GONE"]

    def get(self, instance_id: str) -> Instance:
        return self._look(instance_id)

    def start(self, instance_id: str) -> Instance:
        instance = self._ours(instance_id)
        if instance.state in _UP + _ENDED:
            return instance
        if instance.state != "STOPPED":
            raise NotReady(f"{instance_id} is {instance.state}; it can be started when it is STOPPED.")
        self._start(instance)
        return self._after(instance_id, "STOPPED", "BOOTING")

    def stop(self, instance_id: str) -> Instance:
        if not self.capabilities.stop:
            raise Unsupported(f"{self.provider} can't stop a machine; it can only be terminated.")
        instance = self._ours(instance_id)
        if instance.state in ("STOPPING", "STOPPED", *_ENDED):
            return instance
        if instance.spot:
            raise Unsupported(f"{instance_id} is a spot machine; it can only be terminated.")
        self._stop(instance)
        return self._after(instance_id, "RUNNING", "STOPPING")

    def terminate(self, instance_id: str) -> Instance:
        instance = self._ours(instance_id)
        if instance.state in _ENDED:
            return instance
        self._terminate(instance)
        return self._after(instance_id, instance.state, "TERMINATING")

    def price(self, machine: Machine) -> Price | None:
        return self._prices.of(self.provider, machine)

    def _after(self, instance_id: str, before: InstanceState, asked: InstanceState) -> Instance:
        """The machine after a request that was taken, also where the provider still tells of the state before it."""
        found = self._look(instance_id)
        stale = found.state == before or (asked == "TERMINATING" and found.state != "GONE")
        return replace(found, state=asked) if stale else found

    def _of_attempt(self, machine: Machine, claim: Claim) -> Instance | None:
        """The machine that this attempt made already. Looked for by tag; overridden where its name tells."""
        return next((each for each in self.find() if each.is_of(claim)), None)

    def _ours(self, instance_id: str) -> Instance:
        instance = self._look(instance_id)
        if instance.state != "GONE" and instance.tags.get(OWNER) != self.owner:
            raise Foreign(f"{instance_id} is not tagged {OWNER}={self.owner}; it is left alone.")
        return instance

    @abstractmethod
    def _check(self) -> Iterable[Finding]: ...

    @abstractmethod
    def _launch(self, machine: Machine, claim: Claim) -> Instance: ...

    @abstractmethod
    def _look(self, instance_id: str) -> Instance: ...

    @abstractmethod
    def _list(self) -> Iterable[Instance]: ...

    @abstractmethod
    def _start(self, instance: Instance) -> None: ...

    @abstractmethod
    def _stop(self, instance: Instance) -> None: ...

    @abstractmethod
    def _terminate(self, instance: Instance) -> None: ...

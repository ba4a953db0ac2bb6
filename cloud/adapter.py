"""The protocol of a cloud adapter: the same short list of verbs for every provider.

An adapter belongs to one owner (the id of an installation): it finds that owner's machines and acts on no others. All
verbs are synchronous, and idempotent, so that whoever lost an answer asks again. They return when the provider has
taken the request, not when it is done: `get` says how far it is. Errors are in `rayfaas.cloud.errors`. An adapter keeps
nothing that matters in memory: another one with the same owner and settings goes on where it ended.

    adapter = open_adapter("aws", owner, {"regions": ["us-east-1"]})
    instance = adapter.create(Machine("g5.xlarge", "us-east-1"), Claim(owner, "train", "gpu-1", attempt))
    adapter.get(instance.id).state  # "BOOTING", "RUNNING"
    adapter.stop(instance.id)
    adapter.terminate(instance.id)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from rayfaas.cloud.machine import Claim, Instance, Machine
from rayfaas.cloud.prices import Price


@dataclass(frozen=True)
class Capabilities:
    """What a provider can do at all; what it can't raises `Unsupported`."""

    create: bool = True  # its machines can be had and ended
    chosen: bool = False  # which type, and in which place, has to be said
    boot: bool = True  # and run a boot script, so that they can be nodes of a cluster
    stop: bool = True  # and stopped, so that only the disk is paid for
    spot: bool = False  # it has cheaper ones that it may take back
    lifetime: bool = False  # it ends a machine itself after `Machine.lifetime_s`


@dataclass(frozen=True)
class Finding:
    """One thing that `check` looked at. "unproven": it can't be known without a machine; `advice` says what to do."""

    what: str
    result: Literal["ok", "failed", "unproven"]
    detail: str = ""
    advice: str = ""


class Adapter(Protocol):
    """What the keeper asks of a provider."""

    @property
    def owner(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def check(self) -> list[Finding]:
        """Look for credentials, the rights to launch, stop and terminate, quota and images. Changes nothing."""

    def create(self, machine: Machine, claim: Claim) -> Instance:
        """Launch a machine. Repeated with the same claim, it returns the one that exists."""

    def find(self) -> list[Instance]:
        """All machines of this owner that are not GONE. Raises rather than leave some out."""

    def get(self, instance_id: str) -> Instance:
        """One machine, whoever owns it; GONE where the provider knows it no more."""

    def start(self, instance_id: str) -> Instance:
        """Bring a stopped machine back. `NotReady` while it is still stopping; one that is GONE stays so."""

    def stop(self, instance_id: str) -> Instance:
        """Stop it so that only its disk is paid for. Spot machines are terminated instead: `Unsupported`."""

    def terminate(self, instance_id: str) -> Instance:
        """End it for good, with its disk. `NotReady` where it is to be repeated, as for an ssh host that was off."""

    def price(self, machine: Machine) -> Price | None:
        """What an hour of it costs, None where that is not known."""

"""The protocol of a cloud adapter: the same short list of verbs for every provider.

All verbs are synchronous and idempotent; whoever calls them sets the deadline. Tags on the machine are the truth: what
is written down elsewhere can be rebuilt from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

InstanceState = Literal["REQUESTED", "BOOTING", "RUNNING", "STOPPING", "STOPPED", "TERMINATING", "GONE", "UNKNOWN"]
"""UNKNOWN means that the provider can't be asked: such an instance is never acted on and never forgotten."""


@dataclass(frozen=True)
class Instance:
    """One machine as the provider tells it. `tags` say whose it is and which attempt made it."""

    id: str
    state: InstanceState
    tags: Mapping[str, str]
    address: str | None = None


class Adapter(Protocol):
    """What the keeper asks of a provider."""

    def check(self) -> None:
        """Prove the right to launch, stop and terminate, before the first machine. Raises what is missing."""

    def create(self, attempt: str, machine: Mapping[str, object], tags: Mapping[str, str]) -> Instance:
        """Launch a machine. Repeated with the same `attempt`, it returns the one that exists."""

    def find(self, owner: str) -> list[Instance]:
        """All machines tagged with this owner, whatever state they are in."""

    def get(self, instance_id: str) -> Instance:
        """One machine; GONE where the provider knows it no more."""

    def start(self, instance_id: str) -> Instance:
        """Bring a stopped machine back."""

    def stop(self, instance_id: str) -> Instance:
        """Stop it so that it is not billed any more; its disk stays."""

    def terminate(self, instance_id: str) -> Instance:
        """End it for good, with its disk."""

    def price(self, machine: Mapping[str, object]) -> float | None:
        """US dollars an hour, None where it is not known."""

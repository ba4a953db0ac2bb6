"""What goes over an adapter's border: the machine that is asked for, whose it is, and the one that there is.

    REQUESTED → BOOTING → RUNNING → STOPPING → STOPPED → BOOTING …
    any of them → TERMINATING → GONE

UNKNOWN is a machine in a state that can't be told: it is never acted on and never forgotten.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from rayfaas.errors import BadRequest

InstanceState = Literal["REQUESTED", "BOOTING", "RUNNING", "STOPPING", "STOPPED", "TERMINATING", "GONE", "UNKNOWN"]

PREFIX = "rayfaas-"
OWNER = f"{PREFIX}owner"
CLUSTER = f"{PREFIX}cluster"
NODE = f"{PREFIX}node"
ATTEMPT = f"{PREFIX}attempt"

_WHOSE = ("owner", "cluster", "node", "attempt")
# What all providers take as a label's value, and a name's part: https://cloud.google.com/compute/docs/labeling-resources
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Machine:
    """A machine as it is asked for: one placement of a list.

    `place` is a region (`us-east-1`) or zone (`us-central1-a`), as the provider's page says; `image` the provider's
    own name of one, its default where empty. `lifetime_s` is handed to the provider where it has such a cap:
    whatever happens to us, it ends the machine then. `on_shutdown` is what becomes of one that shuts itself down, where
    the provider lets us choose. `options` go to the provider as they are.

        Machine("g5.xlarge", "us-east-1", spot=True, disk_gb=200, lifetime_s=86_400)
    """

    type: str
    place: str = ""
    image: str = ""
    spot: bool = False
    disk_gb: int = 100
    lifetime_s: int | None = None
    boot_script: str = ""
    on_shutdown: Literal["stop", "terminate"] = "terminate"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """Whose a machine is, and which attempt made it: the tags on it, from which all else can be rebuilt.

    One attempt asks for one machine: a new try after an error that is not to be repeated is a new attempt.

    >>> Claim("3f2a9c1e-owner", "train", "gpu-1", "0198f3a2-attempt").tags()["rayfaas-node"]
    'gpu-1'
    """

    owner: str
    cluster: str
    node: str
    attempt: str
    expires: int | None = None  # seconds since 1970

    def __post_init__(self) -> None:
        for name in _WHOSE:
            if not _NAME.fullmatch(getattr(self, name)):
                raise BadRequest(
                    f"{getattr(self, name)!r} can't be the {name} of a machine: use a-z, 0-9 and -, at most 63."
                )

    def tags(self) -> dict[str, str]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {f"{PREFIX}{name}": str(value) for name, value in values.items() if value is not None}

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Claim | None:
        """The claim that these tags are; None where they are none of ours."""
        try:
            owner, cluster, node, attempt = (tags[f"{PREFIX}{each}"] for each in _WHOSE)
            expires = tags.get(f"{PREFIX}expires")
            return cls(owner, cluster, node, attempt, None if expires is None else int(expires))
        except (KeyError, ValueError, BadRequest):
            return None

    def name(self) -> str:
        """A name of at most 62 characters that says whose it is, and is the same for the same attempt.

        >>> Claim("3f2a9c1e-owner", "train", "gpu-1", "0198f3a2-attempt").name()
        'rf-3f2a9c1e-train-gpu-1-6a3fd8f3'
        """
        digest = hashlib.sha256(f"{self.owner}/{self.attempt}".encode()).hexdigest()[:8]
        return f"{name_prefix(self.owner)}{self.cluster[:20]}-{self.node[:20]}-{digest}"


def name_prefix(owner: str) -> str:
    """How the names of all machines of an owner begin."""
    return f"rf-{owner[:8]}-"


@dataclass(frozen=True)
class Instance:
    """One machine as the provider tells it.

    `id` is all that an adapter needs to find it again; what is in it is the provider's own business. `reason` is the
    provider's word for why it is in this state, where it has one.
    """

    id: str
    state: InstanceState
    tags: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None
    private_address: str | None = None
    type: str = ""
    place: str = ""
    spot: bool = False
    reason: str = ""

    @property
    def claim(self) -> Claim | None:
        return Claim.of(self.tags)

    def is_of(self, claim: Claim) -> bool:
        """Whether this attempt made it; what else is in the claim may have changed since."""
        return (self.tags.get(OWNER), self.tags.get(ATTEMPT)) == (claim.owner, claim.attempt)

"""Environments: what a function asks for, and the lock that it comes to: which Python, which version of each package.

Equal locks are one environment, whoever asked for them. A node builds it once, in a directory of that digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import msgspec

_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:==|@)\s*(\S+)")


class Wanted(msgspec.Struct, frozen=True):
    """What a function asks for, as its decorator says it. With `ray` the cluster's own Ray is among the packages."""

    packages: tuple[str, ...] = ()
    python: str = ""
    setup: tuple[str, ...] = ()
    ray: bool = False

    @property
    def digest(self) -> str:
        return digest_of([sorted(self.packages), self.python, list(self.setup), self.ray])


class Locked(msgspec.Struct, frozen=True):
    """What it comes to. `wanted` is the digest of what was asked for; `python` is a version, or an interpreter's path.

    >>> Locked("d", "3.12", ("numpy==2.1.0",)).versions
    {'numpy': '2.1.0'}
    """

    wanted: str
    python: str
    packages: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return digest_of([self.python, list(self.packages), list(self.setup)])

    @property
    def versions(self) -> dict[str, str]:
        """The version, or the address, of each package."""
        return {m[1]: m[2] for line in self.packages if (m := _PINNED.match(line))}


def differences(before: Locked | None, now: Locked) -> list[str]:
    """What a reader wants to know of two environments.

    >>> differences(Locked("d", "3.12", ("torch==2.4",)), Locked("d", "3.12", ("torch==2.5", "six==1.0")))
    ['six 1.0 is new', 'torch 2.4 → 2.5']
    """
    if before is None:
        return ["an environment of its own"]
    told = [] if before.python == now.python else [f"Python {before.python} → {now.python}"]
    old, new = before.versions, now.versions
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            told.append(f"{name} {new[name]} is new")
        elif name not in new:
            told.append(f"{name} {old[name]} is gone")
        elif old[name] != new[name]:
            told.append(f"{name} {old[name]} → {new[name]}")
    return told if before.setup == now.setup else [*told, "other setup commands"]


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value, as hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

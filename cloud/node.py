"""A node of the keeper: a row of its journal, from the wish for a machine to its end.

want    RUNNING, STOPPED or GONE: what the keeper has decided
state   what the provider said last (`rayfaas.cloud.machine`)
"""

from __future__ import annotations

from typing import Literal

import msgspec

from rayfaas.cloud.machine import InstanceState, Machine

Want = Literal["RUNNING", "STOPPED", "GONE"]
# In these a machine is paid for.
UP: tuple[InstanceState, ...] = ("REQUESTED", "BOOTING", "RUNNING", "STOPPING", "UNKNOWN")


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds of Unix time.

    `shape` tells machines apart that do not have the same; `cpus` and `gpus` are what it has, 0: not known. `sent` says
    that a launch was asked for, so that there may be a machine though `instance` is None. `let_in`: its join token was
    used. `listed`: its provider has told of it. `drained`: Ray has agreed that it ends, so nothing is on it. `force`:
    it ends whether calls are on it or not. `stray`: nobody knows of it. `until`: it is not stopped before. `ray` is the
    id of its Ray node since it joined, `old_ray` that of one before. `trouble` is why what was to be done about it was
    not done the last time.
    """

    id: str
    name: str
    cluster: str
    group: str
    attempt: str
    provider: str
    machine: Machine
    shape: str = ""
    cpus: float = 0.0
    gpus: float = 0.0
    made_at: float
    changed_at: float
    want: Want = "RUNNING"
    reason: str = ""
    state: InstanceState = "REQUESTED"
    instance: str | None = None
    sent: bool = False
    let_in: bool = False
    listed: bool = False
    drained: bool = False
    force: bool = False
    stray: bool = False
    until: float = 0.0
    ray: str | None = None
    old_ray: str | None = None
    boot_at: float = 0.0
    up_since: float | None = None
    up_s: float = 0.0
    idle_since: float | None = None
    idle_s: float = 0.0
    usd_per_hour: float | None = None
    not_before: float = 0.0
    tries: int = 0
    trouble: str = ""

    @property
    def is_up(self) -> bool:
        """Whether there is a machine that is paid for, as far as is known."""
        return self.sent and self.state in UP

    @property
    def is_wanted(self) -> bool:
        """Whether it is to be part of its cluster, as it is."""
        return self.want == "RUNNING" and not self.drained

    def seen(self, state: InstanceState, now: float) -> Node:
        """The same with the state that its provider tells, and the time that it was up."""
        if state == self.state and (self.up_since is not None) == self.is_up:
            return self
        new = msgspec.structs.replace(self, state=state, changed_at=now)
        if new.is_up and self.up_since is None:
            return msgspec.structs.replace(new, up_since=now)
        if not new.is_up and self.up_since is not None:
            return msgspec.structs.replace(new, up_since=None, up_s=self.up_s + max(0.0, now - self.up_since))
        return new


class NodeEvent(msgspec.Struct, frozen=True):
    """A decision of the keeper, or what it saw, and why. With `alarm`, a person has to look."""

    at: float
    cluster: str
    group: str
    node: str
    event: str
    reason: str
    alarm: bool = False

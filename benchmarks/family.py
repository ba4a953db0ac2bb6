"""The processes of a server by what they are: how many, how much memory, how many open files, how much CPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

_MIB = 1 << 20
# What each is known by, in its command line; the first that matches.
_ROLES: Mapping[str, str] = {
    "controller": "rayfaas.server.controller",
    "gateway": "rayfaas.server.gateway",
    "agent": "ServeReplica:rayfaas:Agent",
    "warm replica": "ServeReplica:rayfaas:Warm",
    "other replicas": "ServeReplica:",
    "zygotes and executors": "rayfaas.executor.zygote",
    "Ray Serve's controller": "ServeController",
    "GCS": "gcs_server",
    "raylet": "raylet/raylet",
}


@dataclass(frozen=True)
class Kin:
    """All processes of one role. `pss_mb` is MiB."""

    processes: int = 0
    pss_mb: float = 0.0
    files: int = 0
    cpu_s: float = 0.0


def family(processes: Iterable[psutil.Process]) -> dict[str, Kin]:
    """By role, in the order of the table above; what has none is `other`."""
    found = {role: Kin() for role in (*_ROLES, "other")}
    for process in processes:
        try:
            role = role_of(" ".join(process.cmdline()))
            cpu = process.cpu_times()
            pss_mb = process.memory_full_info().pss / _MIB
            kin = Kin(1, pss_mb, process.num_fds(), cpu.user + cpu.system)
        except psutil.Error:
            continue  # it has ended
        was = found[role]
        found[role] = Kin(was.processes + 1, was.pss_mb + kin.pss_mb, was.files + kin.files, was.cpu_s + kin.cpu_s)
    return found


def role_of(command_line: str) -> str:
    """
    >>> role_of("ray::ServeReplica:rayfaas:Warm")
    'warm replica'
    """
    return next((role for role, words in _ROLES.items() if words in command_line), "other")


def total(kin: Mapping[str, Kin]) -> Kin:
    return Kin(
        sum(each.processes for each in kin.values()),
        sum(each.pss_mb for each in kin.values()),
        sum(each.files for each in kin.values()),
        sum(each.cpu_s for each in kin.values()),
    )

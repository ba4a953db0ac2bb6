"""The memory of every process of a system."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psutil

_MIB = 1 << 20


@dataclass(frozen=True)
class ProcessMemory:
    """`pss_mb` (MiB) splits pages that processes share among them, so that it adds up; `rss_mb` counts them in each."""

    pid: int
    name: str
    rss_mb: float
    pss_mb: float


def memory_of(processes: Iterable[psutil.Process]) -> tuple[ProcessMemory, ...]:
    """Largest first; a process that ends meanwhile is left out."""
    found = [memory for process in processes if (memory := _memory_of_one(process)) is not None]
    return tuple(sorted(found, key=lambda memory: -memory.pss_mb))


def total_pss_mb(memories: Iterable[ProcessMemory]) -> float:
    return sum(memory.pss_mb for memory in memories)


def short_name(command: list[str], fallback: str) -> str:
    """What tells one process from another at a glance: the program and its first words, without folders and values.

    >>> short_name(["/usr/bin/python3", "-u", "/opt/venv/bin/ray", "start", "--address=10.0.0.1"], "python3")
    'python3 -u ray start --address'
    """
    words = [word.partition("=")[0] for word in " ".join(command).split()[:5]]
    return " ".join(word.rsplit("/", 1)[-1] for word in words)[:60].strip() or fallback


def _memory_of_one(process: psutil.Process) -> ProcessMemory | None:
    try:
        memory = process.memory_full_info()
        name = short_name(process.cmdline(), process.name())
    except psutil.NoSuchProcess:
        return None
    return ProcessMemory(process.pid, name, memory.rss / _MIB, memory.pss / _MIB)

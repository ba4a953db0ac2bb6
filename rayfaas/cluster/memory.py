"""What executors have of memory, seen from outside: one that goes over its limit is ended, and its callers told why."""

from __future__ import annotations

import os
from pathlib import Path

LOOK_S = 0.2
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB, what it shares with its zygote included; 0 where it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * _PAGE / 1e6


def kernel_kills() -> int:
    """How many processes of this machine the kernel has killed for want of memory, since it booted."""
    for line in Path("/proc/vmstat").read_text().splitlines():
        name, _, count = line.partition(" ")
        if name == "oom_kill":
            return int(count)
    return 0

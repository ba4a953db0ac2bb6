"""What Ray runs beside a cluster comes after calls, and after the cluster's own start, on a machine that is busy."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

NICENESS = 10
# The dashboard with its ten processes, the door for `ray://`, and what logs what the cluster has.
_BESIDE = (b"ray/dashboard/dashboard.py", b"ray.util.client.server", b"ray/autoscaler/_private/monitor.py")


def let_extras_give_way(pid: int) -> None:
    """Make those that `ray start` began until now nicer; what they begin inherits it."""
    with contextlib.suppress(OSError):  # it has ended
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                _let_give_way(int(child))


def _let_give_way(pid: int) -> None:
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    if any(each in command for each in _BESIDE):
        os.setpriority(os.PRIO_PROCESS, pid, max(NICENESS, os.getpriority(os.PRIO_PROCESS, pid)))

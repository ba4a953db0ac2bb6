"""Whether processes are gone, for tests that end them."""

from __future__ import annotations

from collections.abc import Iterable

import psutil


def is_gone(process: psutil.Process) -> bool:
    """It runs no more; whoever should have waited for it may not have done so yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def are_gone(processes: Iterable[psutil.Process]) -> bool:
    return all(is_gone(process) for process in processes)

"""Memory of a process is seen from outside, and of one that is gone there is none."""

from __future__ import annotations

import os
import subprocess
import sys

from rayfaas.cluster.memory import kernel_kills, resident_mb


def test_memory_that_a_process_takes_is_seen() -> None:
    before = resident_mb(os.getpid())
    taken = bytearray(b"x") * 50_000_000
    assert resident_mb(os.getpid()) > before + 40
    del taken


def test_a_process_that_is_gone_has_none() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert resident_mb(process.pid) == 0.0


def test_the_kernels_count_does_not_go_back() -> None:
    assert 0 <= kernel_kills() <= kernel_kills()

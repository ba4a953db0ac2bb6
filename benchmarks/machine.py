"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Machine:
    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    python: str

    @classmethod
    def here(cls) -> Machine:
        return cls(
            cpu=cpu_model(Path("/proc/cpuinfo").read_text()) or platform.processor() or platform.machine(),
            cores=len(os.sched_getaffinity(0)),
            memory_gib=psutil.virtual_memory().total / (1 << 30),
            kernel=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
        )

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB, {self.kernel}, Python {self.python}"


def cpu_model(cpuinfo: str) -> str:
    """The model's name in /proc/cpuinfo, or nothing.

    >>> cpu_model("processor\\t: 0\\nmodel name\\t: AMD EPYC\\n")
    'AMD EPYC'
    """
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return ""

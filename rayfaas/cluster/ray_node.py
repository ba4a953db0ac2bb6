"""`ray start --block`: a machine, or a process of one, as a node of a Ray cluster that runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rayfaas.cluster import labels
from rayfaas.cluster.local import free_ports


@dataclass(frozen=True)
class RayNode:
    """`address` is the head's. It has as many GPUs as it is told, whether there are any; `memory_mb` is 0 where Ray is
    to find it. `resources` are others, as JSON."""

    address: str
    attempt: str
    cpus: float = 1.0
    gpus: float = 0.0
    memory_mb: int = 0
    resources: str = "{}"
    labels: Mapping[str, str] = field(default_factory=dict)

    def command(self, *also: str) -> list[str]:
        """What runs for as long as the node is up."""
        gpu = {labels.GPU: labels.YES} if self.gpus else {}
        told = {labels.ATTEMPT: self.attempt, **gpu, **self.labels}
        (agent_port,) = free_ports(1)
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats"]
        command += ["--address", self.address, "--include-log-monitor", "false"]
        command += ["--labels", ",".join(f"{name}={value}" for name, value in told.items())]
        command += ["--dashboard-agent-listen-port", str(agent_port)]
        command += ["--num-cpus", f"{self.cpus:g}", "--num-gpus", f"{self.gpus:g}", "--resources", self.resources]
        if self.memory_mb:
            command += ["--memory", str(self.memory_mb << 20)]
        return [*command, *also]

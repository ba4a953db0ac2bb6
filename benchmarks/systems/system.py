"""What a system under test is: how it is started, in which version and configuration."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks.endpoint import Endpoint
from benchmarks.environments import Environment
from benchmarks.turn import Turn

APPS = Path(__file__).parent.parent / "apps"


@dataclass(frozen=True)
class System:
    """`start` brings it up in a turn and says where its no-op is; the processes end with the turn.

    `distribution` is what pip calls it; without an environment of its own it is the one that runs the benchmark.
    """

    name: str
    distribution: str
    configuration: str
    start: Callable[[Turn], Endpoint]
    environment: Environment | None = None

    @property
    def version(self) -> str:
        if self.environment is not None:
            return self.environment.version_of(self.distribution)
        return metadata.version(self.distribution)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])

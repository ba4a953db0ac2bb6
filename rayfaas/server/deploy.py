"""One deploy that is under way: what was asked for, how far it is, how long each part took."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from rayfaas.errors import RayfaasError
from rayfaas.roles import Roles
from rayfaas.server.catalog import Version
from rayfaas.spec import Publish


class Stopwatch:
    """Milliseconds of each phase."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round((now - self._last) * 1000, 2)
        self._last = now

    def total_ms(self) -> float:
        return round((time.perf_counter() - self._started) * 1000, 2)


@dataclass
class Deploy:
    """`version` is known when it is published, `revision` is the alias's when it has moved: then it is live."""

    team: str
    name: str
    publish: Publish
    actor: str
    rights: Roles = field(default_factory=dict)
    clock: Stopwatch = field(default_factory=Stopwatch)
    began_us: int = field(default_factory=lambda: time.time_ns() // 1000)
    version: Version | None = None
    created: bool = False
    replaced: int | None = None
    revision: int | None = None

    @property
    def function(self) -> str:
        return f"{self.team}/{self.name}"

    def left_s(self) -> float:
        """Until its deadline."""
        return self.publish.deadline_s - self.clock.total_ms() / 1000

    def live(self) -> dict[str, Any]:
        """The last of its events."""
        assert self.version is not None
        return {
            "event": "live",
            "function": self.function,
            "version": self.version.number,
            "alias": self.publish.alias,
            "revision": self.revision,
            "replaced": self.replaced,
            "created": self.created,
            "took_ms": self.clock.total_ms(),
            "phases": self.clock.laps,
        }

    def row(self, outcome: str, error: BaseException | None = None) -> dict[str, Any]:
        """As `DeployHistory.add` takes it."""
        assert self.version is not None
        return {
            "version": self.version.number,
            "alias": self.publish.alias,
            "revision": self.revision,
            "created": self.created,
            "outcome": outcome,
            "code": error.code if isinstance(error, RayfaasError) else None,
            "failure": None if error is None else reason_of(error),
            "began": self.began_us,
            "deployed_by": self.actor,
            "message": self.publish.provenance.message,
            "phases": self.clock.laps,
        }


def outcome_of(error: BaseException) -> str:
    return "CANCELLED" if isinstance(error, asyncio.CancelledError | GeneratorExit) else "FAILED"


def reason_of(error: BaseException) -> str:
    if isinstance(error, RayfaasError):
        return error.detail
    if outcome_of(error) == "CANCELLED":
        return "who deployed it was gone before it was live"
    return f"interrupted: {type(error).__name__}: {error}"

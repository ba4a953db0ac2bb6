"""The load of every version, summed over the gateways' reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rayfaas.link import Link


@dataclass(frozen=True)
class Load:
    """Calls in flight, calls waiting, and how long, in seconds, the longest wait has lasted."""

    in_flight: int = 0
    waiting: int = 0
    longest_wait_s: float = 0.0

    def __add__(self, other: Load) -> Load:
        return Load(
            self.in_flight + other.in_flight,
            self.waiting + other.waiting,
            max(self.longest_wait_s, other.longest_wait_s),
        )

    @property
    def calls(self) -> int:
        return self.in_flight + self.waiting


class Loads:
    """Keeps the last report of each gateway, and when each version was last in use. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._reports: dict[Link, dict[str, Load]] = {}
        self._used: dict[str, float] = {}

    def report(self, gateway: Link, load: dict[str, list[float]]) -> None:
        self._reports[gateway] = {key: Load(int(f), int(w), s) for key, (f, w, s) in load.items()}
        for key in load:
            self.touch(key)

    def forget(self, gateway: Link) -> None:
        self._reports.pop(gateway, None)

    def touch(self, key: str) -> None:
        self._used[key] = self._clock()

    def of(self, key: str) -> Load:
        return sum((report[key] for report in self._reports.values() if key in report), Load())

    def busy(self) -> set[str]:
        """The versions with calls in flight or waiting."""
        return {key for report in self._reports.values() for key in report}

    def idle_s(self, key: str) -> float:
        """How long nobody has called it; counts from the first question about a version that was never in use."""
        return self._clock() - self._used.setdefault(key, self._clock())

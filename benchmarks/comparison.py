"""What measurements of systems say together: medians over rounds, ratios within rounds, and the goals on those."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.memory import total_pss_mb
from benchmarks.samples import median, median_ratio
from benchmarks.throughput import MANY, Measurement

OURS = "rayfaas"


@dataclass(frozen=True)
class Figure:
    """A number of a measurement, in words and in code."""

    name: str
    of: Callable[[Measurement], float]


REQUESTS = Figure(f"requests/s at {MANY} connections", lambda each: each.many.requests_per_s)
LATENCY = Figure("p50 at 1 connection", lambda each: each.one.p50_ms)


@dataclass(frozen=True)
class Goal:
    """`figure` of rayfaas is at least (or at most) `limit` times that of `peer`."""

    peer: str
    figure: Figure
    bound: str
    limit: float

    def is_met_by(self, ratio: float) -> bool:
        return ratio >= self.limit if self.bound == "at least" else ratio <= self.limit


GOALS = (
    Goal("Ray Serve, HAProxy", REQUESTS, "at least", 4.0),
    Goal("Ray Serve, HAProxy", LATENCY, "at most", 0.6),
    Goal("LitServe", REQUESTS, "at least", 6.0),
    Goal("BentoML", REQUESTS, "at least", 6.0),
    Goal("functions-framework", REQUESTS, "at least", 6.0),
    Goal("functions-framework, async", REQUESTS, "at least", 6.0),
    Goal("Ray Serve, default proxy", REQUESTS, "at least", 25.0),
    Goal("Ray Serve, default proxy", LATENCY, "at most", 0.1),
)


@dataclass(frozen=True)
class Outcome:
    """A goal with the ratio that was measured; None where one of the two was not."""

    goal: Goal
    ratio: float | None

    @property
    def met(self) -> bool | None:
        return None if self.ratio is None else self.goal.is_met_by(self.ratio)

    def __str__(self) -> str:
        goal = self.goal
        measured = "not measured" if self.ratio is None else f"{self.ratio:.3g}x"
        verdict = {True: "holds", False: "DOES NOT HOLD", None: "unknown"}[self.met]
        return f"{goal.figure.name} against {goal.peer}: {measured}, {goal.bound} {goal.limit:g}x: {verdict}"


def outcomes(measurements: Sequence[Measurement], goals: Iterable[Goal] = GOALS) -> list[Outcome]:
    return [Outcome(goal, ratio(measurements, goal.peer, goal.figure)) for goal in goals]


def ratio(measurements: Sequence[Measurement], peer: str, figure: Figure) -> float | None:
    """The median over rounds of rayfaas' figure divided by the peer's of the same round."""
    ours = {each.round: figure.of(each) for each in measurements if each.system == OURS}
    theirs = {each.round: figure.of(each) for each in measurements if each.system == peer}
    return median_ratio((ours[number], theirs[number]) for number in sorted(ours.keys() & theirs.keys()))


@dataclass(frozen=True)
class Summary:
    """Medians of one system over its rounds."""

    system: str
    rounds: int
    requests_per_s_one: float
    p50_ms_one: float
    p99_ms_one: float
    requests_per_s_many: float
    p50_ms_many: float
    p99_ms_many: float
    memory_mib: float
    processes: int
    up_s: float
    failed: int

    @classmethod
    def of(cls, measurements: Sequence[Measurement]) -> Summary:
        """Of measurements of one system, of which there is at least one."""

        def middle(of: Callable[[Measurement], float]) -> float:
            return median(map(of, measurements)) or 0.0

        return cls(
            system=measurements[0].system,
            rounds=len(measurements),
            requests_per_s_one=middle(lambda each: each.one.requests_per_s),
            p50_ms_one=middle(lambda each: each.one.p50_ms),
            p99_ms_one=middle(lambda each: each.one.p99_ms),
            requests_per_s_many=middle(lambda each: each.many.requests_per_s),
            p50_ms_many=middle(lambda each: each.many.p50_ms),
            p99_ms_many=middle(lambda each: each.many.p99_ms),
            memory_mib=middle(lambda each: total_pss_mb(each.memory)),
            processes=round(middle(lambda each: len(each.memory))),
            up_s=middle(lambda each: each.up_s),
            failed=sum(each.failed for each in measurements),
        )


def summaries(measurements: Sequence[Measurement], systems: Iterable[str]) -> list[Summary]:
    """In the order of `systems`; those without a measurement are left out."""
    grouped = {name: [each for each in measurements if each.system == name] for name in systems}
    return [Summary.of(group) for group in grouped.values() if group]

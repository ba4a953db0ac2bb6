"""The figures of `GET /metrics`, as Prometheus reads them: of the whole server, whichever gateway is asked.

What calls came to is counted since this process began; a restart is a counter's reset, as Prometheus expects it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from rayfaas.handshake import Identity
from rayfaas.link import Link, Method
from rayfaas.registry.tally import BOUNDS_S, Count, Histogram, Key
from rayfaas.server.answers import sees
from rayfaas.server.fleet import Fleet
from rayfaas.server.journals import Journals
from rayfaas.server.loads import Loads
from rayfaas.server.machines import Machines
from rayfaas.server.store import Store

_VERSION = ("function", "version")


class Metrics:
    """`methods` are for gateways. An admin sees all, others the functions of the team that they ask for."""

    def __init__(
        self,
        store: Store,
        journals: Journals,
        loads: Loads,
        fleet: Fleet,
        machines: Machines,
        gateways: Callable[[], Mapping[Link, Identity]],
    ) -> None:
        self._store, self._journals, self._loads, self._fleet = store, journals, loads, fleet
        self._machines, self._gateways = machines, gateways
        self.methods: dict[str, Method] = {"metrics": self._metrics}

    async def _metrics(self, link: Link, accept: str, actor: dict[str, str]) -> dict[str, str | bytes]:
        """Text in the format that `accept` asks for."""
        await self._journals.load()
        tally, team = self._store.registry.tally, sees(actor)
        spawned = await self._store.query(tally.spawned_waiting)
        families = [*_of_calls(_of_team(tally.counts(), team)), *self._of_now(spawned, team)]
        encode, content_type = choose_encoder(accept)
        return {"content_type": content_type, "body": encode(_registry_of(families))}

    def _of_now(self, spawned: Mapping[str, int], team: str | None) -> Iterator[Metric]:
        load = {key: self._loads.of(key) for key in self._loads.busy() if _is_of(key, team)}
        yield _gauge("calls_in_flight", "Calls that an executor has", _VERSION, _by_version(load, "in_flight"))
        yield _gauge("calls_waiting", "Calls that wait for an executor", _VERSION, _by_version(load, "waiting"))
        waiting = [((function,), number) for function, number in spawned.items() if _is_of(function, team)]
        yield _gauge("spawned_calls_waiting", "Spawned calls that have not ended", ("function",), waiting)
        yield _gauge("executors", "Processes that run a version", (*_VERSION, "cluster"), self._executors(team))
        machines = self._machines.count().items()
        yield _gauge("machines", "Machines of worker groups", ("cluster", "group", "state"), machines)
        yield _gauge("gateways", "Gateways that are connected", (), [((), len(self._gateways()))])
        yield InfoMetricFamily("rayfaas_build", "What runs", {"version": metadata.version("rayfaas")})

    def _executors(self, team: str | None) -> Iterable[tuple[tuple[str, ...], int]]:
        found: Counter[tuple[str, ...]] = Counter()
        for member in self._fleet.members():
            for key, executors in member.hosted.items():
                if _is_of(key, team):
                    found[(*_version_of(key), member.cluster)] += len(executors)
        return found.items()


def _of_calls(counts: Mapping[Key, Count]) -> Iterator[Metric]:
    rows = sorted(counts.items())
    states = [((function, str(version), state), count.calls) for (function, version, state), count in rows]
    yield _counter("calls", "Calls that ended", (*_VERSION, "state"), states)
    versions: dict[tuple[str, str], list[Count]] = {}
    for (function, version, _), count in rows:
        versions.setdefault((function, str(version)), []).append(count)
    for name, what, value in _SUMS:
        yield _counter(name, what, _VERSION, ((key, sum(map(value, each))) for key, each in versions.items()))
    for name, what, histogram in _HISTOGRAMS:
        family = HistogramMetricFamily(f"rayfaas_{name}", what, labels=_VERSION)
        for key, each in versions.items():
            family.add_metric(key, *_buckets([histogram(count) for count in each]))
        yield family


_SUMS: tuple[tuple[str, str, Callable[[Count], float]], ...] = (
    ("cold_calls", "Calls that waited because no executor was up", lambda count: count.cold),
    ("cpu_seconds", "Processor time of calls", lambda count: count.cpu_us / 1e6),
    ("gpu_seconds", "GPU time reserved for calls", lambda count: count.gpu_us / 1e6),
    ("received_bytes", "Bodies of requests", lambda count: count.bytes_in),
    ("sent_bytes", "Bodies of answers", lambda count: count.bytes_out),
)
_HISTOGRAMS: tuple[tuple[str, str, Callable[[Count], Histogram]], ...] = (
    ("call_duration_seconds", "From a call's acceptance to its end", lambda count: count.duration),
    ("call_queue_seconds", "From a call's acceptance to an executor", lambda count: count.queue),
)


def _buckets(histograms: list[Histogram]) -> tuple[list[tuple[str, float]], float]:
    """The buckets of all together, each with those below it, and the sum in seconds."""
    numbers = accumulate(map(sum, zip(*(each.buckets for each in histograms), strict=True)))
    bounds = [*map(str, BOUNDS_S), "+Inf"]
    return list(zip(bounds, numbers, strict=True)), sum(each.sum_us for each in histograms) / 1e6


def _counter(name: str, what: str, labels: Iterable[str], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = CounterMetricFamily(f"rayfaas_{name}", what, labels=list(labels))
    for key, value in values:
        family.add_metric(key, value)
    return family


def _gauge(name: str, what: str, labels: Iterable[str], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(f"rayfaas_{name}", what, labels=list(labels))
    for key, value in values:
        family.add_metric(key, value)
    return family


def _registry_of(families: list[Metric]) -> CollectorRegistry:
    class Families(Collector):
        def collect(self) -> Iterable[Metric]:
            return families

    registry = CollectorRegistry()
    registry.register(Families())
    return registry


def _of_team(counts: dict[Key, Count], team: str | None) -> dict[Key, Count]:
    return {key: count for key, count in counts.items() if _is_of(key[0], team)}


def _is_of(function: str, team: str | None) -> bool:
    return team is None or function.startswith(f"{team}/")


def _version_of(key: str) -> tuple[str, str]:
    function, _, version = key.rpartition(":")
    return function, version


def _by_version(load: Mapping[str, object], figure: str) -> list[tuple[tuple[str, str], float]]:
    return [(_version_of(key), getattr(each, figure)) for key, each in sorted(load.items())]

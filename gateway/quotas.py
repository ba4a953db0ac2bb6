"""Limits of teams, principals and functions on this gateway: calls per second, calls at once, GPU time of a day.

Where there are several gateways, each has its part of calls per second and of calls at once, so that together they
never let more through. Whether the GPU time of a day is used up is the controller's to say.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from rayfaas.errors import RateLimited
from rayfaas.gateway.asgi import HeaderList

Clock = Callable[[], float]
_DAY_S = 86_400


class LimitRoute(msgspec.Struct, frozen=True):
    """What the controller says of one subject; None: no limit. `weight` is a team's, where teams wait in line.

    `spent_until` is Unix time in seconds: its GPU time is used up until then.
    """

    kind: Literal["team", "principal", "function"]
    name: str
    calls_per_s: float | None = None
    concurrency: int | None = None
    gpu_s_per_day: float | None = None
    weight: float = 1.0
    spent_until: float | None = None

    @property
    def limits_calls(self) -> bool:
        return (self.calls_per_s, self.concurrency, self.gpu_s_per_day) != (None, None, None)


class LimitRoutes(msgspec.Struct, frozen=True):
    """All of them, and how many gateways share them."""

    limits: list[LimitRoute]
    gateways: int = 1


class Counted(Protocol):
    """A call that runs or waits here."""

    @property
    def principal(self) -> str: ...

    @property
    def team(self) -> str: ...

    @property
    def function(self) -> str: ...


class Bucket:
    """Calls per second, with a second's worth saved up at most, or one call: a token bucket."""

    def __init__(self, per_s: float, now: float) -> None:
        self.per_s, self.size = per_s, max(1.0, per_s)
        self._tokens, self._at = self.size, now

    def left(self, now: float) -> float:
        self._tokens = min(self.size, self._tokens + (now - self._at) * self.per_s)
        self._at = now
        return self._tokens

    def take(self) -> None:
        self._tokens -= 1

    @property
    def whole(self) -> int:
        """How many calls there are now."""
        return max(0, math.floor(self._tokens))

    @property
    def wait_s(self) -> float:
        """Until there is one."""
        return max(0.0, (1 - self._tokens) / self.per_s)


class Meter:
    """The limits of one subject on this gateway."""

    def __init__(self, limit: LimitRoute, gateways: int, now: float, before: Meter | None) -> None:
        self.limit, self._gateways = limit, gateways
        self._title = f"{limit.kind}:{limit.name}"
        self.bucket: Bucket | None = None
        if limit.calls_per_s is not None:
            kept = before.bucket if before is not None else None
            per_s = limit.calls_per_s / gateways
            self.bucket = kept if kept is not None and kept.per_s == per_s else Bucket(per_s, now)
        self._at_once = None if limit.concurrency is None else max(1, limit.concurrency // gateways)

    def check(self, calls: Iterable[Counted], now: float, unix: float) -> None:
        """Raises `RateLimited`, and takes nothing."""
        until = self.limit.spent_until
        if until is not None and unix < until:
            policy = f'"{self._title}";q={self.limit.gpu_s_per_day:g};w={_DAY_S};qu="gpu-seconds"'
            raise self._reached("has used its GPU time of the day", until - unix, policy)
        if self._at_once is not None and self._count(calls) >= self._at_once:
            policy = f'"{self._title}";q={self._at_once};qu="concurrent-requests"'
            raise self._reached(f"has {self._at_once} calls at once", 1.0, policy)
        if self.bucket is not None and self.bucket.left(now) < 1:
            policy = self._policy(self.bucket)
            raise self._reached(f"makes over {self.limit.calls_per_s:g} calls/s", self.bucket.wait_s, policy)

    def left(self) -> int:
        return self.bucket.whole if self.bucket is not None else 0

    def headers(self) -> HeaderList:
        """What is left, as draft-ietf-httpapi-ratelimit-headers has it."""
        bucket = self.bucket
        if bucket is None:
            return []
        left = f'"{self._title}";r={bucket.whole};t={math.ceil(bucket.wait_s)}'
        return [(b"ratelimit-policy", self._policy(bucket).encode()), (b"ratelimit", left.encode())]

    def _count(self, calls: Iterable[Counted]) -> int:
        kind, name = self.limit.kind, self.limit.name
        return sum(getattr(call, kind) == name for call in calls)

    def _policy(self, bucket: Bucket) -> str:
        size = math.floor(bucket.size)
        return f'"{self._title}";q={size};w={max(1, round(size / bucket.per_s))}'

    def _reached(self, what: str, wait_s: float, policy: str) -> RateLimited:
        shared = f", of which this gateway has 1/{self._gateways}" if self._gateways > 1 else ""
        seconds = max(1, math.ceil(wait_s))
        return RateLimited(
            f"The {self.limit.kind} {self.limit.name} {what}, its limit{shared}. Try again in {seconds} s.",
            retry_after_s=seconds,
            rate_limit_policy=policy,
            rate_limit=f'"{self._title}";r=0;t={seconds}',
        )


Meters = dict[tuple[str, str], Meter]


class Quotas:
    """All that are in force."""

    def __init__(
        self, routes: LimitRoutes, before: Quotas | None = None, clock: Clock = time.monotonic, unix: Clock = time.time
    ) -> None:
        self._clock, self._unix = clock, unix
        known: Meters = before._meters if before is not None else {}
        self._meters: Meters = {
            (limit.kind, limit.name): Meter(limit, routes.gateways, clock(), known.get((limit.kind, limit.name)))
            for limit in routes.limits
            if limit.limits_calls
        }

    def __bool__(self) -> bool:
        return bool(self._meters)

    def take(self, principal: str, team: str, function: str, calls: Mapping[str, Counted]) -> HeaderList | None:
        """Count a call against every limit that it comes under, or against none; what its answer says of them.

        Raises `RateLimited`.
        """
        meters = self._of(principal, team, function)
        for meter in meters:
            meter.check(calls.values(), self._clock(), self._unix())
        for meter in meters:
            if meter.bucket is not None:
                meter.bucket.take()
        counted = [meter for meter in meters if meter.bucket is not None]
        return min(counted, key=Meter.left).headers() if counted else None

    def _of(self, principal: str, team: str, function: str) -> Sequence[Meter]:
        keys = (("principal", principal), ("team", team), ("function", function))
        return [meter for key in keys if (meter := self._meters.get(key)) is not None]

"""What somebody may use: the body of `PUT /v1/limits/{kind}/{name}`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rayfaas.spec import Frozen

KINDS = ("team", "principal", "function")


class Limit(Frozen):
    """None: no limit. `weight` is a team's: how many turns it gets where teams wait for the same function.

    >>> Limit(calls_per_s=10).concurrency is None
    True
    """

    calls_per_s: Annotated[float, Field(gt=0, le=1e6)] | None = None
    concurrency: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    gpu_s_per_day: Annotated[float, Field(ge=0, le=1e9)] | None = None
    weight: Annotated[float, Field(ge=0.01, le=100)] = 1.0

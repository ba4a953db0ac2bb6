"""What a canary is to do: step by step more calls for a version, and the rules by which it goes on or returns."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator

from rayfaas.destination import Message, Share, VersionNumber
from rayfaas.spec import Frozen

Seconds = Annotated[float, Field(ge=0.1, le=30 * 86_400, allow_inf_nan=False)]


class CanaryPlan(Frozen):
    """The body of the request that starts a canary.

    `steps` are percent of the calls. Each lasts `every_s`, and longer while the version had fewer than `min_calls`;
    when that has lasted `limit_s`, the alias returns. It returns as well when more than `max_error_rate` of the
    version's calls failed, or when their p99 is more than `max_p99_increase` above the others'. Both are fractions:
    0.01 is 1 %.
    """

    version: VersionNumber
    steps: Annotated[tuple[Share, ...], Field(min_length=1, max_length=100)]
    every_s: Seconds = 60.0
    max_error_rate: Annotated[float, Field(ge=0, le=1)] = 0.01
    max_p99_increase: Annotated[float, Field(ge=0, le=1000)] | None = None
    min_calls: Annotated[int, Field(ge=1, le=1_000_000_000)] = 100
    limit_s: Seconds = 3600.0
    message: Message = ""

    @field_validator("steps")
    @classmethod
    def _ascending(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if any(second <= first for first, second in pairwise(steps)):
            raise ValueError("each step is more than the one before")
        return steps

"""When a function calls itself: what `@rayfaas.function(schedule=...)` and `rayfaas schedule` say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator

from rayfaas.errors import BadRequest
from rayfaas.names import ALIAS, LIVE, METHOD

if TYPE_CHECKING:
    from typing_extensions import Unpack

LEAST_S = 60.0
"""No schedule has shorter periods."""
DECLARED = "code"
"""The name of the schedule that a function's decorator says."""
MOST_ARGUMENTS = 64 << 10

_DAY_S = 86_400.0


class Schedule(BaseModel):
    """Times of a `cron` expression in a `timezone`, or each `every_s`. One of both.

    The call gets `arguments`: an object is keyword arguments, anything else the single argument. With `overlap` "skip"
    a time is passed over while the call of an earlier one has not ended. A time that no server was there for is made
    up for within `start_within_s`, the latest only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cron: Annotated[str, Field(max_length=200)] | None = None
    timezone: Annotated[str, Field(max_length=64)] = "UTC"
    every_s: Annotated[float, Field(ge=LEAST_S, le=366 * _DAY_S)] | None = None
    arguments: JsonValue = {}
    overlap: Literal["skip", "allow"] = "skip"
    start_within_s: Annotated[float, Field(ge=10, le=7 * _DAY_S)] = 3600.0

    @field_validator("arguments")
    @classmethod
    def _short(cls, arguments: JsonValue) -> JsonValue:
        try:
            size = len(json.dumps(arguments, allow_nan=False))
        except RecursionError:
            raise ValueError("arguments are nested too deeply") from None
        if size > MOST_ARGUMENTS:
            raise ValueError(f"arguments may have {MOST_ARGUMENTS:,} bytes, not {size:,}")
        return arguments

    @model_validator(mode="after")
    def _one_of_both(self) -> Schedule:
        if (self.cron is None) == (self.every_s is None):
            raise ValueError('say when: {"cron": "0 8 * * *"}, or {"every_s": 3600}')
        if self.cron is None and self.timezone != "UTC":
            raise ValueError("timezone is for cron expressions: a period is as long in every zone")
        return self

    def __str__(self) -> str:
        return self.cron if self.cron is not None else f"every {length_of(self.every_s or 0)}"


class Scheduled(Schedule):
    """The body of the request that sets a schedule: it calls through `alias`, of a class its `method`."""

    alias: Annotated[str, Field(pattern=f"^{ALIAS}$")] = LIVE
    method: Annotated[str, Field(pattern=f"^{METHOD}$")] | None = None
    message: Annotated[str, Field(max_length=4096)] = ""


class Options(TypedDict, total=False):
    """What both kinds of schedules take, as `Schedule` says."""

    arguments: JsonValue
    overlap: Literal["skip", "allow"]
    start_within_s: float


class Cron(Schedule):
    """Times as cron has them: minute, hour, day of the month, month, day of the week, by the clocks of `timezone`.

    Raises `BadRequest`; a deploy does so for an expression that no time matches.

    >>> str(Cron("0 8 * * 1-5", timezone="Europe/Berlin"))
    '0 8 * * 1-5'
    """

    def __init__(self, expression: str, *, timezone: str = "UTC", **options: Unpack[Options]) -> None:
        super().__init__(**dict(parse_schedule("Cron", cron=expression, timezone=timezone, **options)))


class Period(Schedule):
    """Again and again, at least a minute apart, counted from when it was first deployed: deploys that leave it as it is
    do not begin anew. Raises `BadRequest`.

    >>> str(Period(days=1, hours=12))
    'every 36h'
    """

    def __init__(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        **options: Unpack[Options],
    ) -> None:
        every_s = days * _DAY_S + hours * 3600 + minutes * 60 + seconds
        super().__init__(**dict(parse_schedule("Period", every_s=every_s, **options)))


def parse_schedule(what: str, **fields: Any) -> Schedule:
    """Raises `BadRequest` that says what is wrong with `what`."""
    try:
        return Schedule.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}: " for part in first["loc"][:1])
        raise BadRequest(f"{what} is not valid: {place}{first['msg'].removeprefix('Value error, ')}") from None


def length_of(seconds: float) -> str:
    """As people write it, in the largest unit that it is a whole number of.

    >>> length_of(21600), length_of(90)
    ('6h', '90s')
    """
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"

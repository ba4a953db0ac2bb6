"""Worker groups: machines of one kind that a cluster may have, how many, where they come from and when they go."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from rayfaas.durations import check_keep_alive, seconds_of
from rayfaas.environment import digest_of
from rayfaas.errors import BadRequest
from rayfaas.names import CLUSTER
from rayfaas.spec import Frozen

# A node's name is its group's, a hyphen and a number, and has to fit into a provider's label.
GROUP = r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = r"([01]\d|2[0-3]):[0-5]\d|24:00"
_HOURS = re.compile(
    rf"(?:(?P<first>{'|'.join(_DAYS)})(?:-(?P<last>{'|'.join(_DAYS)}))? )?(?P<begin>{_TIME})-(?P<end>{_TIME})"
)


class Placement(Frozen):
    """Where a machine may come from: `type`, `place` and the like in the provider's own words."""

    provider: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] = "local"
    type: str = ""
    place: str = ""
    image: str = ""
    spot: bool = False
    disk_gb: Annotated[int, Field(ge=1, le=65_536)] = 100
    options: dict[str, Any] = Field(default_factory=dict)


class WorkerGroup(Frozen):
    """What each of its machines has, how many of them there may be, and where they come from, the first choice first.

    `keep_alive` is how long a machine without a call is kept: `90s`, `10m`; `learned` from the pauses between calls;
    or `never` is it stopped. `lifetime` ends one that is older, even with calls on it. `up` are hours, UTC, in which
    `min` of them are up, one at least: `mon-fri 08:00-18:00`; without them `min` holds always.

    >>> WorkerGroup(name="gpu", gpus=1, keep_alive="10m").keep_alive_s
    600.0
    """

    cluster: Annotated[str, Field(pattern=f"^{CLUSTER}$")] = "local"
    name: Annotated[str, Field(pattern=f"^{GROUP}$")]
    cpus: Annotated[float, Field(ge=0, le=1024)] = 1.0
    gpus: Annotated[float, Field(ge=0, le=64)] = 0.0
    memory_mb: Annotated[int, Field(ge=0)] = 0
    accelerator: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,63}$")] = ""
    resources: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,63}$")], Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict
    )
    min: Annotated[int, Field(ge=0, le=1000)] = 0
    max: Annotated[int, Field(ge=0, le=1000)] = 1
    keep_alive: str = "learned"
    when_idle: Literal["stop", "terminate"] = "stop"
    lifetime: str | None = None
    up: tuple[str, ...] = ()
    placements: Annotated[tuple[Placement, ...], Field(min_length=1, max_length=50)] = (Placement(),)

    @field_validator("name", mode="before")
    @classmethod
    def _check_name(cls, name: object) -> object:
        if isinstance(name, str) and not re.fullmatch(GROUP, name):
            raise ValueError(f"{name!r} is no name: up to 40 of a-z, 0-9 and -, a letter first and no - at the end")
        return name

    @field_validator("keep_alive")
    @classmethod
    def _check_keep_alive(cls, text: str) -> str:
        return _duration(text, check_keep_alive)

    @field_validator("lifetime")
    @classmethod
    def _check_lifetime(cls, text: str | None) -> str | None:
        return None if text is None else _duration(text, seconds_of)

    @field_validator("up")
    @classmethod
    def _check_up(cls, hours: tuple[str, ...]) -> tuple[str, ...]:
        for each in hours:
            if _HOURS.fullmatch(each) is None:
                raise ValueError(f"{each!r} are no hours: write mon-fri 08:00-18:00")
        return hours

    @property
    def keep_alive_s(self) -> float | None:
        """None: not a fixed time."""
        return None if self.keep_alive in ("learned", "never") else seconds_of(self.keep_alive)

    @property
    def lifetime_s(self) -> float | None:
        return None if self.lifetime is None else seconds_of(self.lifetime)

    @property
    def offers(self) -> dict[str, float]:
        """What one machine has, as Ray counts; memory in bytes where it is said.

        >>> WorkerGroup(name="gpu", gpus=1, accelerator="A10G").offers
        {'CPU': 1.0, 'GPU': 1.0, 'accelerator_type:A10G': 1.0}
        """
        memory = {"memory": float(self.memory_mb << 20)} if self.memory_mb else {}
        return {"CPU": self.cpus, "GPU": self.gpus, **memory, **self.named}

    @property
    def named(self) -> dict[str, float]:
        """Those of them that Ray would not find by itself."""
        kind = {f"accelerator_type:{self.accelerator}": 1.0} if self.accelerator else {}
        return {**kind, **self.resources}

    @cached_property  # asked for each stopped machine, several times a second
    def shape(self) -> str:
        """Equal for machines that have the same."""
        return digest_of(self.offers)[:12]

    def floor(self, now: datetime) -> int:
        """How many are up at this moment, whether anybody calls or not. `now` is UTC.

        >>> group = WorkerGroup(name="gpu", max=2, up=("mon-fri 08:00-18:00",))
        >>> group.floor(datetime(2026, 11, 27, 9)), group.floor(datetime(2026, 11, 28, 9))
        (1, 0)
        """
        if not self.up:
            return min(self.min, self.max)
        return min(max(1, self.min), self.max) if any(_holds(each, now) for each in self.up) else 0


def _duration(text: str, check: Callable[[str], object]) -> str:
    try:
        check(text)
    except BadRequest as error:
        raise ValueError(error.detail) from None
    return text


def _holds(hours: str, now: datetime) -> bool:
    """Hours that end before they begin go on after midnight, and belong to the day on which they began."""
    match = _HOURS.fullmatch(hours)
    assert match is not None  # checked when the group was made
    time, begin, end = now.strftime("%H:%M"), match["begin"], match["end"]
    if begin <= end:
        return begin <= time < end and _is_day(match, now.weekday())
    return (time >= begin and _is_day(match, now.weekday())) or (time < end and _is_day(match, now.weekday() - 1))


def _is_day(match: re.Match[str], day: int) -> bool:
    if match["first"] is None:
        return True
    first, last = _DAYS.index(match["first"]), _DAYS.index(match["last"] or match["first"])
    return (day - first) % 7 <= (last - first) % 7

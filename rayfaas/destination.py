"""Where an alias leads: to one version, or to several with weights; and which version gets copies of its calls."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from rayfaas.errors import BadRequest
from rayfaas.spec import Frozen

VersionNumber = Annotated[int, Field(strict=True, ge=1, lt=1 << 31)]
Weight = Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)]
Message = Annotated[str, Field(max_length=4096)]
Sticky = Annotated[str, Field(pattern=r"^(caller|header:[A-Za-z0-9-]{1,100})$")]
"""`caller` or `header:NAME`: calls with the same one go to the same version."""

CALLER = "caller"
HEADER = "header:"
MOST_ARMS = 100


class Arm(Frozen):
    version: VersionNumber
    weight: Weight


class Shadow(Frozen):
    """`share` is how many percent of the calls are copied."""

    version: VersionNumber
    share: Share = 100.0


class Destination(Frozen):
    """Weights are relative to each other.

    >>> str(Destination(arms=(Arm(version=7, weight=95), Arm(version=8, weight=5)), sticky="caller"))
    '7=95, 8=5, sticky by caller'
    """

    arms: Annotated[tuple[Arm, ...], Field(min_length=1, max_length=MOST_ARMS)]
    sticky: Sticky | None = None
    shadow: Shadow | None = None

    @field_validator("arms")
    @classmethod
    def _each_once(cls, arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
        if len({arm.version for arm in arms}) < len(arms):
            raise ValueError("a version has one weight")
        return arms

    @classmethod
    def of(cls, version: int) -> Destination:
        """All calls to one version."""
        return cls(arms=(Arm(version=version, weight=100.0),))

    @property
    def version(self) -> int:
        """Where most calls go."""
        return max(self.arms, key=lambda arm: arm.weight).version

    @property
    def versions(self) -> frozenset[int]:
        """All that may be called through it, by copies too."""
        return frozenset(arm.version for arm in self.arms) | ({self.shadow.version} if self.shadow else set())

    @property
    def is_plain(self) -> bool:
        """Whether its `version` is all there is to say."""
        return self == Destination.of(self.version)

    def with_share(self, version: int, percent: float) -> Destination:
        """So much to `version`, what is left as it is divided now; no copies.

        >>> str(Destination.of(7).with_share(8, 5))
        '7=95, 8=5'
        """
        others = [arm for arm in self.arms if arm.version != version]
        if percent >= 100 or not others:
            return Destination.of(version)
        total = sum(arm.weight for arm in others)
        scaled = [Arm(version=arm.version, weight=arm.weight * (100 - percent) / total) for arm in others]
        return Destination(arms=(*scaled, Arm(version=version, weight=percent)), sticky=self.sticky)

    def __str__(self) -> str:
        several = len(self.arms) > 1
        arms = [f"{arm.version}={arm.weight:g}" if several else str(arm.version) for arm in self.arms]
        sticky = [f"sticky by {self.sticky.replace(':', ' ')}"] if self.sticky and several else []
        shadow = [f"{self.shadow.share:g} % copied to {self.shadow.version}"] if self.shadow else []
        return ", ".join((*arms, *sticky, *shadow))


class Move(Frozen):
    """The body of the request that moves an alias: a `version`, or a `split` of versions and weights; without either
    it leads where it leads. Then `sticky` and `shadow` stay too, unless they are given, as null to end them."""

    version: VersionNumber | None = None
    split: Annotated[dict[Annotated[int, Field(ge=1, lt=1 << 31)], Weight], Field(min_length=1)] | None = None
    sticky: Sticky | None = None
    shadow: Shadow | None = None
    message: Message = ""

    def destination(self, now: Destination | None) -> Destination:
        """Where the alias leads after the move. `now` is where it leads before. Raises `BadRequest`."""
        if self.version is not None and self.split is not None:
            raise BadRequest("Say one version, or a split, not both.")
        if self.version is not None:
            return _plainest(Destination(arms=Destination.of(self.version).arms, shadow=self.shadow))
        if self.split is not None:
            if len(self.split) > MOST_ARMS:
                raise BadRequest(f"An alias may be split between {MOST_ARMS} versions, not {len(self.split)}.")
            arms = tuple(Arm(version=version, weight=weight) for version, weight in self.split.items())
            return _plainest(Destination(arms=arms, sticky=self.sticky, shadow=self.shadow))
        given = self.model_fields_set & {"sticky", "shadow"}
        if now is None or not given:
            raise BadRequest('Say where it leads: {"version": 3}, or {"split": {"3": 95, "4": 5}}.')
        return _plainest(now.model_copy(update={name: getattr(self, name) for name in given}))


def _plainest(destination: Destination) -> Destination:
    """Of several ways to write the same, the shortest; so that equal ones are equal."""
    if destination.shadow is not None and destination.shadow.version in {arm.version for arm in destination.arms}:
        raise BadRequest(f"Version {destination.shadow.version} is called itself: it can't get copies too.")
    if len(destination.arms) > 1:
        return destination
    arms = Destination.of(destination.arms[0].version).arms
    return destination.model_copy(update={"arms": arms, "sticky": None})

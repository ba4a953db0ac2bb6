"""What the registry hands out: rows as values, with times as aware datetimes in UTC."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec

from rayfaas.canary import CanaryPlan
from rayfaas.destination import Destination
from rayfaas.environment import Locked
from rayfaas.names import is_call, made_ms
from rayfaas.roles import Scope
from rayfaas.spec import Entry, Provenance, Scaling, Spec

Row = dict[str, Any]

NEVER_US = 1 << 62
"""As a time since when rows are asked for: none of the archive's."""

_DAY_US = 86_400_000_000


class VersionRow(msgspec.Struct, frozen=True):
    """One version. `state` is PENDING, ACTIVE, DELETED or FAILED (then `failure` says why). `environment` is the lock
    of its own environment; None where that is the server's."""

    team: str
    name: str
    version: int
    state: str
    content_digest: str
    bundle: str
    entry: Entry
    spec: Spec
    syntax_digest: str
    environment_digest: str
    provenance: Provenance
    published_at: datetime
    published_by: str
    interface: Any = None
    failure: str | None = None
    environment: Locked | None = None

    @classmethod
    def from_row(cls, row: Row, environments: dict[str, Locked] | None = None) -> VersionRow:
        return cls(
            row["team"],
            row["name"],
            row["version"],
            row["state"],
            row["content_digest"],
            row["bundle"],
            Entry.model_validate_json(row["entry"]),
            Spec.model_validate_json(row["spec"]),
            row["syntax_digest"],
            row["environment_digest"],
            Provenance.model_validate_json(row["provenance"]),
            moment(row["published_us"]),
            row["published_by"],
            msgspec.json.decode(row["interface"]) if row["interface"] else None,
            row["failure"],
            _locked(row, {} if environments is None else environments),
        )


class AliasRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an alias leads: to `version`; or as `split` says, and `version` has most of it. `revision` counts its
    moves."""

    alias: str
    version: int
    revision: int
    split: Destination | None = None

    @classmethod
    def from_row(cls, row: Row) -> AliasRow:
        return cls(row["alias"], row["version"], row["revision"], split_of(row))

    @property
    def destination(self) -> Destination:
        return self.split or Destination.of(self.version)

    @property
    def versions(self) -> frozenset[int]:
        """All that may be called through it."""
        return self.split.versions if self.split is not None else frozenset((self.version,))


class MoveRow(msgspec.Struct, frozen=True):
    """One move of an alias: who, when, why. `split` is None where it led to `version` alone; `undo` is the revision
    that a rollback returns to, 0 where there is none."""

    alias: str
    revision: int
    version: int
    split: Destination | None
    moved_at: datetime
    moved_by: str
    reason: str
    undo: int

    @classmethod
    def from_row(cls, row: Row) -> MoveRow:
        return cls(
            row["alias"],
            row["revision"],
            row["version"],
            split_of(row),
            moment(row["moved_us"]),
            row["moved_by"],
            row["reason"],
            # Older rows do not say: the one before.
            row["revision"] - 1 if row["undo"] is None else row["undo"],
        )

    @property
    def destination(self) -> Destination:
        return self.split or Destination.of(self.version)


class Figures(msgspec.Struct, frozen=True):
    """What calls came to. `p99_ms` is None where none succeeded."""

    calls: int = 0
    errors: int = 0
    p99_ms: float | None = None


class StepRow(msgspec.Struct, frozen=True):
    """One step of a canary that is over."""

    step: int
    share: float
    revision: int
    began_at: datetime
    ended_at: datetime
    outcome: str
    reason: str
    figures: Figures
    base: Figures

    @classmethod
    def from_row(cls, row: Row) -> StepRow:
        return cls(
            row["step"],
            row["share"],
            row["revision"],
            moment(row["began_us"]),
            moment(row["ended_us"]),
            row["outcome"],
            row["reason"],
            Figures(row["calls"] or 0, row["errors"] or 0, row["p99_ms"]),
            Figures(row["base_calls"] or 0, row["base_errors"] or 0, row["base_p99_ms"]),
        )


class CanaryRow(msgspec.Struct, frozen=True):
    """A canary. `base` is where its alias led before, `step` the index of its present step, `reason` why it ended."""

    canary: str
    team: str
    name: str
    alias: str
    plan: CanaryPlan
    base: Destination
    base_revision: int
    step: int
    revision: int
    step_at: datetime
    state: str
    began_at: datetime
    began_by: str
    ended_at: datetime | None
    reason: str | None

    @classmethod
    def from_row(cls, row: Row) -> CanaryRow:
        return cls(
            str(row["canary"]),
            row["team"],
            row["name"],
            row["alias"],
            CanaryPlan.model_validate_json(row["plan"]),
            Destination.model_validate_json(row["base"]),
            row["base_revision"],
            row["step"],
            row["revision"],
            moment(row["step_us"]),
            row["state"],
            moment(row["began_us"]),
            row["began_by"],
            moment(row["ended_us"]) if row["ended_us"] is not None else None,
            row["reason"],
        )

    @property
    def function(self) -> str:
        return f"{self.team}/{self.name}"

    @property
    def share(self) -> float:
        return self.plan.steps[self.step]


class LastMove(msgspec.Struct, frozen=True):
    """One move of an alias; `deployed` says that a deploy made it."""

    version: int
    revision: int
    by: str
    at: datetime
    deployed: bool


class Caller(msgspec.Struct, frozen=True):
    """Who called a function, of a class its `method`: how often, and when last."""

    team: str
    principal: str
    method: str | None
    calls: int
    last: datetime


class DeployTimes(msgspec.Struct, frozen=True):
    """`median_s` of so many `deploys`; None where there were none."""

    median_s: float | None
    deploys: int


class FunctionRow(msgspec.Struct, frozen=True):
    """A function and its aliases. `deprecated_at` is None where it is to be called."""

    team: str
    name: str
    scaling: Scaling
    created_at: datetime
    created_by: str
    aliases: list[AliasRow]
    deprecated_at: datetime | None = None
    sunset_at: datetime | None = None
    successor: str | None = None


class InterfaceRow(msgspec.Struct, frozen=True):
    """What an alias leads to, and how that is called: kind, signature, schemas of arguments and result, docstring."""

    team: str
    name: str
    alias: str
    version: int
    interface: Any
    is_deprecated: bool = False
    successor: str | None = None


class RouteRow(msgspec.Struct, frozen=True):
    """A function with its ACTIVE versions."""

    team: str
    name: str
    scaling: Scaling
    declared: Scaling
    aliases: dict[str, AliasRow]
    versions: list[VersionRow]


class GoneRow(msgspec.Struct, frozen=True):
    """A function that was deleted, or a version where `version` says one."""

    team: str
    name: str
    version: int | None
    deleted_at: datetime
    deleted_by: str
    reason: str

    def __str__(self) -> str:
        what = f"{self.team}/{self.name}" + (f":{self.version}" if self.version is not None else "")
        why = f": {self.reason}" if self.reason else ""
        return f"{what} was deleted on {self.deleted_at:%Y-%m-%d at %H:%M} UTC by {self.deleted_by}{why}."


class TokenRow(msgspec.Struct, frozen=True):
    """A token that is not revoked; `digest` is the SHA-256 of its secret. `team` and `role` are its first."""

    id: str
    digest: str
    principal: str
    team: str
    role: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    scope: Scope
    name: str | None = None

    @classmethod
    def from_row(cls, row: Row) -> TokenRow:
        scope = row["scope"]
        return cls(
            row["id"],
            row["digest"],
            row["principal"],
            row["team"],
            row["role"],
            moment(row["created_us"]),
            row["created_by"],
            moment(row["expires_us"]) if row["expires_us"] is not None else None,
            Scope({row["team"]: row["role"]}) if scope is None else msgspec.json.decode(scope, type=Scope),
            row["name"],
        )


class SecretRow(msgspec.Struct, frozen=True):
    """`sealed` is encrypted; `keys` names what it holds."""

    team: str
    name: str
    sealed: bytes
    keys: list[str]
    revision: int
    set_at: datetime
    set_by: str


class LogRow(msgspec.Struct, frozen=True):
    call: str
    function: str
    version: int
    at: datetime
    stream: str
    text: str
    level: str | None = None


def _locked(row: Row, known: dict[str, Locked]) -> Locked | None:
    """Equal ones are one object: a thousand functions may share an environment."""
    if row["locked"] is None:
        return None
    digest = row["environment_digest"]
    if digest not in known:
        known[digest] = msgspec.json.decode(row["locked"], type=Locked)
    return known[digest]


def begun_us(call: str) -> int:
    """Since when there may be rows of a call: a day before its id was made, as clocks differ. 0 where it is no id.

    >>> begun_us("01890a5d-ac96-774b-bcce-b302099a8057"), begun_us("x")
    (1688051306646000, 0)
    """
    return made_ms(call) * 1000 - _DAY_US if is_call(call) else 0


def moment(unix_us: int) -> datetime:
    return datetime.fromtimestamp(unix_us / 1e6, timezone.utc)


def split_of(row: Row) -> Destination | None:
    """What the column `destination` holds, where an alias leads to more than its `version`."""
    return Destination.model_validate_json(row["destination"]) if row["destination"] else None

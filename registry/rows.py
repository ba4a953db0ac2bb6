"""What the registry hands out: rows as values, with times as aware datetimes in UTC."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec

from rayfaas.spec import Entry, Provenance, Scaling, Spec

Row = dict[str, Any]


class VersionRow(msgspec.Struct, frozen=True):
    """One version. `state` is PENDING, ACTIVE or FAILED (then `failure` says why)."""

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

    @classmethod
    def from_row(cls, row: Row) -> VersionRow:
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
        )


class AliasRow(msgspec.Struct, frozen=True):
    """`revision` counts the moves of this alias."""

    alias: str
    version: int
    revision: int


class FunctionRow(msgspec.Struct, frozen=True):
    """A function and its aliases."""

    team: str
    name: str
    scaling: Scaling
    created_at: datetime
    created_by: str
    aliases: list[AliasRow]


class InterfaceRow(msgspec.Struct, frozen=True):
    """What an alias leads to, and how that is called: kind, signature, schemas of arguments and result, docstring."""

    team: str
    name: str
    alias: str
    version: int
    interface: Any


class RouteRow(msgspec.Struct, frozen=True):
    """A function with its ACTIVE versions; `aliases` is name → (version, revision)."""

    team: str
    name: str
    scaling: Scaling
    aliases: dict[str, tuple[int, int]]
    versions: list[VersionRow]


class TokenRow(msgspec.Struct, frozen=True):
    """A token that is not revoked; `digest` is the SHA-256 of its secret."""

    id: str
    digest: str
    principal: str
    team: str
    role: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None


class LogRow(msgspec.Struct, frozen=True):
    call: str
    function: str
    version: int
    at: datetime
    stream: str
    text: str
    level: str | None = None


def moment(unix_us: int) -> datetime:
    return datetime.fromtimestamp(unix_us / 1e6, timezone.utc)

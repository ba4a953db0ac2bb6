"""What the controller tells the gateways of functions, versions, aliases, tokens and limits, as it is sent."""

from __future__ import annotations

import msgspec

from rayfaas.gateway.principal import Principal, Reader
from rayfaas.gateway.quotas import LimitRoutes


class Changes(msgspec.Struct):
    """The answer of a long poll: what changed since the revision that the gateway had. None: unchanged."""

    revision: int
    functions: list[FunctionRoute]
    tokens: list[TokenRoute] | None = None
    sessions: dict[str, bytes] | None = None
    limits: LimitRoutes | None = None
    secrets: dict[str, str] | None = None


class FunctionRoute(msgspec.Struct, frozen=True):
    """`parked`: what its aliases lead to is being replaced, and calls through them wait. `teams` are those that it is
    for, its own among them; None: everybody. To others there is no such function. `max_replicas`: 0 where that is not
    known. `gone` says that it was deleted, and why; `deleted` the same of versions. If it is not `whole`, it tells only
    of versions that came, changed, or were `removed`."""

    team: str
    name: str
    versions: list[VersionRoute]
    aliases: dict[str, AliasRoute]
    parked: bool = False
    teams: frozenset[str] | None = None
    max_replicas: int = 0
    gone: str = ""
    deleted: dict[int, str] = {}
    whole: bool = True
    removed: tuple[int, ...] = ()
    deprecation: DeprecationRoute | None = None

    def over(self, before: FunctionRoute | None) -> FunctionRoute:
        """With the versions that it does not tell of."""
        if self.whole or before is None:
            return self
        versions = {version.number: version for version in (*before.versions, *self.versions)}
        for number in self.removed:
            versions.pop(number, None)
        return msgspec.structs.replace(self, versions=list(versions.values()), whole=True, removed=())

    def version(self, number: int) -> VersionRoute | None:
        return next((version for version in reversed(self.versions) if version.number == number), None)

    def is_for(self, reader: Reader) -> bool:
        open_to_team = self.teams is None or reader.team in self.teams
        return open_to_team and (reader.functions is None or f"{self.team}/{self.name}" in reader.functions)


class DeprecationRoute(msgspec.Struct, frozen=True):
    """A function that is not to be called any more: since when, and when it may end, in seconds of Unix time.
    `successor` is what to call instead, as `team/name`."""

    at_s: int
    sunset_s: int | None = None
    successor: str | None = None


class VersionRoute(msgspec.Struct, frozen=True):
    """What the controller says of one ACTIVE version. `methods` are those of a class, none of a function."""

    number: int
    code_digest: str
    syntax_digest: str
    environment_digest: str
    shape: str
    gpus: float
    timeout_s: float
    concurrency: int
    retries: int = 0
    retry_delay_s: float = 1.0
    retry_on: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    swap: str = "overlap"
    cache: CacheRoute | None = None


class CacheRoute(msgspec.Struct, frozen=True):
    """Results of the version may be used again. `code` and `settings` are digests of what makes them the same, `places`
    the names of arguments by place, of each method ("": of the function), `secrets` those that it names."""

    code: str
    settings: str
    ttl_s: float | None = None
    places: dict[str, tuple[str, ...]] = {}
    secrets: tuple[str, ...] = ()


class AliasRoute(msgspec.Struct, frozen=True):
    """`arms` are versions with weights, where there are several or copies are made; `shadow` is the version that gets
    copies, and how many percent of the calls are copied."""

    version: int
    revision: int
    arms: tuple[tuple[int, float], ...] = ()
    sticky: str | None = None
    shadow: tuple[int, float] | None = None


class TokenRoute(msgspec.Struct, frozen=True):
    """`digest` is the SHA-256 of the token, as hex: the token itself is nowhere kept. `team` and `role` are its first,
    `teams` all its roles where there are others, `functions` those that it is for, if not all."""

    digest: str
    principal: str
    team: str
    role: str
    expires_at: float | None
    teams: dict[str, str] = {}
    functions: frozenset[str] | None = None

    def principal_of(self) -> Principal:
        reader = None if self.functions is None else Reader(self.team, self.functions)
        teams = self.teams if len(self.teams) > 1 else {}
        return Principal(self.principal, self.team, self.role, self.expires_at, None, reader, teams, self.functions)

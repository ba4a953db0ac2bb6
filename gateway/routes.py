"""What this gateway knows of functions, versions, aliases and tokens: the controller's snapshot, by revision."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from rayfaas.errors import Forbidden, NotFound, Unauthenticated
from rayfaas.gateway.call_access import PREFIX as CALL_PREFIX
from rayfaas.gateway.call_access import CallAccess, Claims
from rayfaas.gateway.quotas import LimitRoutes, Quotas
from rayfaas.gateway.splits import Random, Split, WeighedRoute
from rayfaas.gateway.wrong_tokens import WrongToken
from rayfaas.names import LIVE, Target

# Answers of `resolve` and `authenticate` are kept until the snapshot changes, at most so many.
_MOST_CACHED = 50_000
_NO_HEADERS: Mapping[bytes, bytes] = {}


class Reader(msgspec.Struct, frozen=True):
    """Whose sight of functions counts: a team's, of `functions` alone where those are given (team/name)."""

    team: str
    functions: frozenset[str] | None = None

    def may_know(self, function: str) -> bool:
        return self.functions is None or function in self.functions


class Principal(msgspec.Struct, frozen=True):
    """Who calls, for which team and with which role there. `teams` are all its roles, by team, where there are others;
    `functions` those that its token is for, if not all. `expires_at` is Unix time in seconds.

    `parent` are the claims of the call that calls, if one does. `reader` is whose sight counts, if not simply the
    team's: where a call calls, that of the team whose code it is.
    """

    name: str
    team: str
    role: str
    expires_at: float | None = None
    parent: Claims | None = None
    reader: Reader | None = None
    teams: Mapping[str, str] = {}
    functions: frozenset[str] | None = None

    @property
    def rights(self) -> Mapping[str, str]:
        """Its roles, by team."""
        return self.teams or {self.team: self.role}

    @property
    def is_admin(self) -> bool:
        return "admin" in self.rights.values()

    def acting_for(self, team: str) -> Principal:
        """The same, for another of its teams; an admin for any. Raises `Forbidden`."""
        if team == self.team:
            return self
        role = self.rights.get(team) or ("admin" if self.is_admin else None)
        if role is None:
            theirs = ", ".join(map(repr, self.rights))
            raise Forbidden(f"The token is of team {theirs}; team {team!r} is not its own.")
        reader = self.reader and (self.reader if self.parent else Reader(team, self.functions))
        return msgspec.structs.replace(self, team=team, role=role, reader=reader)


class CacheRoute(msgspec.Struct, frozen=True):
    """Results of the version may be used again. `code` and `settings` are digests of what makes them the same, `places`
    the names of arguments by place, of each method ("": of the function)."""

    code: str
    settings: str
    ttl_s: float | None = None
    places: dict[str, tuple[str, ...]] = {}


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


class AliasRoute(msgspec.Struct, frozen=True):
    """`arms` are versions with weights, where there are several or copies are made; `shadow` is the version that gets
    copies, and how many percent of the calls are copied."""

    version: int
    revision: int
    arms: tuple[tuple[int, float], ...] = ()
    sticky: str | None = None
    shadow: tuple[int, float] | None = None


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

    def over(self, before: FunctionRoute | None) -> FunctionRoute:
        """With the versions that it does not tell of."""
        if self.whole or before is None:
            return self
        versions = {version.number: version for version in (*before.versions, *self.versions)}
        for number in self.removed:
            versions.pop(number, None)
        return msgspec.structs.replace(self, versions=list(versions.values()), whole=True, removed=())

    def is_for(self, reader: Reader) -> bool:
        open_to_team = self.teams is None or reader.team in self.teams
        return open_to_team and (reader.functions is None or f"{self.team}/{self.name}" in reader.functions)


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


class Changes(msgspec.Struct):
    """The answer of a long poll: what changed since the revision that the gateway had. None: unchanged."""

    revision: int
    functions: list[FunctionRoute]
    tokens: list[TokenRoute] | None = None
    sessions: dict[str, bytes] | None = None
    limits: LimitRoutes | None = None


class Route(msgspec.Struct, frozen=True):
    """What a target means right now. `key` is `team/name:version`; a pinned version has no alias."""

    key: str
    function: str
    owner: str
    version: VersionRoute
    alias: str | None = None
    alias_revision: int | None = None
    method: str | None = None
    shadow: Shadow | None = None
    most_executors: int = 0

    @property
    def called(self) -> str:
        """What a call of it calls, whatever the version: `team/name`, or `team/Name.method`."""
        return f"{self.function}.{self.method}" if self.method else self.function


class Shadow(msgspec.Struct, frozen=True):
    """Where copies of a route's calls go, and how many percent of them."""

    route: Route
    share: float


class Past(Exception):
    """What an alias led to at a moment: the controller's to say, once. `function` is `team/name`."""

    def __init__(self, function: str, alias: str, moment: datetime) -> None:
        super().__init__(function)
        self.function, self.alias, self.moment = function, alias, moment

    @property
    def key(self) -> tuple[str, str, datetime]:
        return self.function, self.alias, self.moment


class Parked(Exception):
    """The function is being replaced: wait until the routes have changed. `timeout_s` is the function's."""

    def __init__(self, function: str, timeout_s: float) -> None:
        super().__init__(function)
        self.function, self.timeout_s = function, timeout_s


class Routes:
    """The tables, and the answers drawn from them."""

    def __init__(self, call_access: CallAccess, random: Random = random.random) -> None:
        self._call_access, self._random = call_access, random
        self.revision = 0
        self.sessions: dict[str, bytes] = {}
        self.quotas: Quotas | None = None  # None where there are no limits
        self.weights: dict[str, float] = {}  # of teams, where it is not 1
        self._functions: dict[tuple[str, str], FunctionRoute] = {}
        self._tokens: dict[str, TokenRoute] = {}
        self._resolved: dict[tuple[str, str, Reader | None], Route] = {}
        self._splits: dict[tuple[str, str, Reader | None], Split[Route]] = {}
        self._past: dict[tuple[str, str, datetime], AliasRoute] = {}
        self._principals: dict[bytes, Principal] = {}
        self._change = asyncio.Event()

    async def changed(self) -> None:
        """Returns when there is another revision than now."""
        await self._change.wait()

    def apply(self, changes: Changes) -> None:
        for function in changes.functions:
            key = function.team, function.name
            self._functions[key] = function.over(self._functions.get(key))
        if changes.tokens is not None:
            self._tokens = {token.digest: token for token in changes.tokens}
            self._principals.clear()
        if changes.limits is not None:
            self.quotas = Quotas(changes.limits, self.quotas) or None
            self.weights.clear()
            self.weights |= {each.name: each.weight for each in changes.limits.limits if each.kind == "team"}
        if changes.sessions is not None:
            self.sessions = changes.sessions
        self._resolved.clear()
        self._splits.clear()
        self.revision = changes.revision
        self._change.set()
        self._change = asyncio.Event()

    def authenticate(self, authorization: bytes | None) -> Principal:
        """The principal of an Authorization header. Raises `Unauthenticated`."""
        principal = self._principals.get(authorization or b"")
        if principal is None:
            principal = self._check(authorization)
        if principal.expires_at is not None and principal.expires_at < time.time():
            raise Unauthenticated("The token has expired. Ask an admin for another: rayfaas token create …")
        return principal

    def _check(self, authorization: bytes | None) -> Principal:
        if not authorization:
            raise Unauthenticated("Send the header `Authorization: Bearer <token>`.")
        scheme, _, secret = authorization.partition(b" ")
        if scheme.lower() == b"bearer" and secret.startswith(CALL_PREFIX):
            claims = self._call_access.check(secret)
            reader = Reader(claims.owner)
            return Principal(claims.principal, claims.team, "invoker", claims.deadline, claims, reader)
        # The digest is looked up, never compared byte by byte, so time tells nothing about the token.
        token = self._tokens.get(hashlib.sha256(secret.strip()).hexdigest()) if scheme.lower() == b"bearer" else None
        if token is None:
            raise WrongToken("The token is not known here. Is it of another server, or revoked?")
        principal = token.principal_of()
        _remember(self._principals, authorization, principal)
        return principal

    def hides(self, team: str, name: str, reader: Reader) -> bool:
        """Whether there is a function that is not for the `reader`."""
        function = self._functions.get((team, name))
        return not reader.may_know(f"{team}/{name}") or (function is not None and not function.is_for(reader))

    def resolve(
        self,
        text: str,
        team: str,
        caller: str = "",
        headers: Mapping[bytes, bytes] = _NO_HEADERS,
        reader: Reader | None = None,
    ) -> Route:
        """What a target means for a caller of `team`; of an alias that is split, for this call. `reader` is whose
        sight counts, if not simply that of `team`.

        Raises `BadRequest`, `NotFound`, `Parked` or `Past`.
        """
        key = text, team, reader
        route = self._resolved.get(key)
        if route is None:
            split = self._splits.get(key)
            if split is None:
                found = self._resolve(Target.parse(text), team, reader or Reader(team))
                if isinstance(found, Route):
                    _remember(self._resolved, key, found)
                    return found
                _remember(self._splits, key, split := found)
            route = split.choose(f"{team}/{caller}" if caller else "", headers)
        return route

    def learn(self, past: Past, alias: AliasRoute) -> None:
        """What was asked for with `past`: it can't change any more."""
        _remember(self._past, past.key, alias)

    def _resolve(self, target: Target, team: str, reader: Reader) -> Route | Split[Route]:
        owner = target.team or team
        function = self._functions.get((owner, target.name))
        if function is None or not function.is_for(reader):
            raise no_function(owner, target.name)
        if function.gone:
            raise NotFound(function.gone)
        if target.version is not None:
            return _route(function, target.version, method=target.method)
        name = target.alias or LIVE
        if target.moment is not None:
            return self._routes_of(function, name, self._then(function, name, target.moment), target.method)
        alias = function.aliases.get(name)
        if alias is None:
            known = ", ".join(sorted(function.aliases)) or "none yet"
            raise NotFound(f"{owner}/{target.name} has no alias {name!r}. Its aliases: {known}.")
        route = self._routes_of(function, name, alias, target.method)
        if function.parked:
            main = _version(function, alias.version)
            raise Parked(f"{owner}/{target.name}", main.timeout_s if main is not None else 0.0)
        return route

    def _then(self, function: FunctionRoute, name: str, moment: datetime) -> AliasRoute:
        """Without copies: those were made then."""
        past = Past(f"{function.team}/{function.name}", name, moment)
        alias = self._past.get(past.key)
        if alias is None:
            raise past
        return msgspec.structs.replace(alias, shadow=None)

    def _routes_of(
        self, function: FunctionRoute, name: str, alias: AliasRoute, method: str | None
    ) -> Route | Split[Route]:
        """Of a method that not all arms have, those that have it."""
        shadow = _shadow(function, alias.shadow, method)
        routes: list[WeighedRoute[Route]] = []
        missing: NotFound | None = None
        for number, weight in alias.arms or ((alias.version, 1.0),):
            try:
                route = _route(function, number, name, alias.revision, method, shadow)
            except NotFound as error:
                missing = missing or error
            else:
                routes.append(WeighedRoute(number, weight, route))
        if missing is not None and not routes:
            raise missing
        if len(routes) == 1:
            return routes[0].route
        return Split(routes, alias.sticky, f"{function.team}/{function.name}", self._random)


def no_function(team: str, name: str) -> NotFound:
    """The same where there is none and where it is not for who asks."""
    return NotFound(f"There is no function {team}/{name}. `rayfaas functions` lists those that exist.")


def _route(
    function: FunctionRoute,
    number: int,
    alias: str | None = None,
    revision: int | None = None,
    method: str | None = None,
    shadow: Shadow | None = None,
) -> Route:
    name = f"{function.team}/{function.name}"
    version = _version(function, number)
    if version is None:
        raise NotFound(function.deleted.get(number) or f"{name} has no version {number} that can be called.")
    _check_method(name, version, method)
    return Route(
        f"{name}:{number}", name, function.team, version, alias, revision, method, shadow, function.max_replicas
    )


def _version(function: FunctionRoute, number: int) -> VersionRoute | None:
    return next((version for version in reversed(function.versions) if version.number == number), None)


def _shadow(function: FunctionRoute, shadow: tuple[int, float] | None, method: str | None) -> Shadow | None:
    """None where that version does not have the method: its calls are not copied."""
    if shadow is None:
        return None
    version, share = shadow
    try:
        return Shadow(_route(function, version, method=method), share)
    except NotFound:
        return None


def _check_method(name: str, version: VersionRoute, method: str | None) -> None:
    if method in version.methods or (method is None and not version.methods):
        return
    if not version.methods:
        raise NotFound(f"{name} is a function, version {version.number} at least: it has no method {method!r}.")
    there_are = ", ".join(f"{name}.{each}" for each in version.methods)
    what = f"is a class, and called by one of its methods, not by {method!r}" if method else "is a class"
    raise NotFound(f"{name}:{version.number} {what}. Call {there_are}.", methods=list(version.methods))


def _remember(cache: dict[Any, Any], key: Any, value: Any) -> None:
    if len(cache) >= _MOST_CACHED:
        cache.clear()
    cache[key] = value

"""What this gateway knows of functions, versions, aliases and tokens: the controller's snapshot, by revision."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from rayfaas.errors import NotFound, Unauthenticated
from rayfaas.gateway.call_access import PREFIX as CALL_PREFIX
from rayfaas.gateway.call_access import CallAccess
from rayfaas.gateway.principal import Principal, Reader
from rayfaas.gateway.quotas import Quotas
from rayfaas.gateway.route import Parked, Past, Route, no_function, route_of, shadow_of
from rayfaas.gateway.snapshot import AliasRoute, Changes, FunctionRoute, TokenRoute
from rayfaas.gateway.splits import Random, Split, WeighedRoute
from rayfaas.gateway.wrong_tokens import WrongToken
from rayfaas.names import LIVE, Target

# Answers of `resolve` and `authenticate` are kept until the snapshot changes, at most so many.
_MOST_CACHED = 50_000
_NO_HEADERS: Mapping[bytes, bytes] = {}


class Routes:
    """The tables, and the answers drawn from them."""

    def __init__(self, call_access: CallAccess, random: Random = random.random) -> None:
        self._call_access, self._random = call_access, random
        self.revision = 0
        self.sessions: dict[str, bytes] = {}
        self.quotas: Quotas | None = None  # None where there are no limits
        self.weights: dict[str, float] = {}  # of teams, where it is not 1
        self.editions: dict[str, str] = {}  # of secrets, by team/name (`rayfaas.editions`)
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
        if changes.secrets is not None:
            self.editions.clear()
            self.editions |= changes.secrets
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

    def has(self, team: str, name: str) -> bool:
        """Whether there is a function that can be called, or could before it was deleted."""
        return (team, name) in self._functions

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

    def through(self, route: Route, target: str) -> Route:
        """The same version, by the alias of the `target` where that leads to it now."""
        asked, function = Target.parse(target), self._functions[route.owner, route.function.partition("/")[2]]
        alias = None if asked.version or asked.moment else function.aliases.get(name := asked.alias or LIVE)
        if alias is None or route.version.number not in (alias.version, *(number for number, _ in alias.arms or ())):
            return route
        return msgspec.structs.replace(route, alias=name, alias_revision=alias.revision)

    def learn(self, past: Past, alias: AliasRoute) -> None:
        """What was asked for with `past`: it can't change any more."""
        _remember(self._past, past.key, alias)

    def _resolve(self, target: Target, team: str, reader: Reader) -> Route | Split[Route]:
        owner = target.team or team
        function = self._functions.get((owner, target.name))
        if function is None or not function.is_for(reader):
            raise no_function(owner, target.name, () if target.team else self._namesakes(target.name, reader))
        if function.gone:
            raise NotFound(function.gone)
        if target.version is not None:
            return route_of(function, target.version, method=target.method)
        name = target.alias or LIVE
        if target.moment is not None:
            return self._routes_of(function, name, self._then(function, name, target.moment), target.method)
        alias = function.aliases.get(name)
        if alias is None:
            known = ", ".join(sorted(function.aliases)) or "none yet"
            raise NotFound(f"{owner}/{target.name} has no alias {name!r}. Its aliases: {known}.")
        route = self._routes_of(function, name, alias, target.method)
        if function.parked:
            main = function.version(alias.version)
            raise Parked(f"{owner}/{target.name}", main.timeout_s if main is not None else 0.0)
        return route

    def _namesakes(self, name: str, reader: Reader) -> Iterator[str]:
        """Functions of other teams that somebody may have meant who wrote no team."""
        for function in self._functions.values():
            if function.name == name and not function.gone and function.is_for(reader):
                yield f"{function.team}/{name}"

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
        shadow = shadow_of(function, alias.shadow, method)
        routes: list[WeighedRoute[Route]] = []
        missing: NotFound | None = None
        for number, weight in alias.arms or ((alias.version, 1.0),):
            try:
                route = route_of(function, number, name, alias.revision, method, shadow)
            except NotFound as error:
                missing = missing or error
            else:
                routes.append(WeighedRoute(number, weight, route))
        if missing is not None and not routes:
            raise missing
        if len(routes) == 1:
            return routes[0].route
        return Split(routes, alias.sticky, f"{function.team}/{function.name}", self._random)


def _remember(cache: dict[Any, Any], key: Any, value: Any) -> None:
    if len(cache) >= _MOST_CACHED:
        cache.clear()
    cache[key] = value

"""What a target means: the version that a call goes to, and by which alias."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

import msgspec

from rayfaas.errors import NotFound
from rayfaas.gateway.notices import deprecation_headers
from rayfaas.gateway.snapshot import FunctionRoute, VersionRoute

# Of the versions and the namesakes that an error names.
_MOST_TOLD = 10


class Route(msgspec.Struct, frozen=True):
    """What a target means right now. `key` is `team/name:version`; a pinned version has no alias. `notices` are headers
    that its answers have."""

    key: str
    function: str
    owner: str
    version: VersionRoute
    alias: str | None = None
    alias_revision: int | None = None
    method: str | None = None
    shadow: Shadow | None = None
    most_executors: int = 0
    notices: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def called(self) -> str:
        """What a call of it calls, whatever the version: `team/name`, or `team/Name.method`."""
        return f"{self.function}.{self.method}" if self.method else self.function


class Shadow(msgspec.Struct, frozen=True):
    """Where copies of a route's calls go, and how many percent of them."""

    route: Route
    share: float


class Parked(Exception):
    """The function is being replaced: wait until the routes have changed. `timeout_s` is the function's."""

    def __init__(self, function: str, timeout_s: float) -> None:
        super().__init__(function)
        self.function, self.timeout_s = function, timeout_s


class Past(Exception):
    """What an alias led to at a moment: the controller's to say, once. `function` is `team/name`."""

    def __init__(self, function: str, alias: str, moment: datetime) -> None:
        super().__init__(function)
        self.function, self.alias, self.moment = function, alias, moment

    @property
    def key(self) -> tuple[str, str, datetime]:
        return self.function, self.alias, self.moment


def route_of(
    function: FunctionRoute,
    number: int,
    alias: str | None = None,
    revision: int | None = None,
    method: str | None = None,
    shadow: Shadow | None = None,
) -> Route:
    """To one version of a function. Raises `NotFound` where it, or the method, is not there to be called."""
    name = f"{function.team}/{function.name}"
    version = function.version(number)
    if version is None:
        has = _newest(function)
        raise NotFound(function.deleted.get(number) or f"{name} has no version {number} that can be called. {has}")
    _check_method(name, version, method)
    most = function.max_replicas
    notices = () if function.deprecation is None else tuple(deprecation_headers(function.deprecation))
    return Route(f"{name}:{number}", name, function.team, version, alias, revision, method, shadow, most, notices)


def shadow_of(function: FunctionRoute, shadow: tuple[int, float] | None, method: str | None) -> Shadow | None:
    """None where that version does not have the method: its calls are not copied."""
    if shadow is None:
        return None
    version, share = shadow
    try:
        return Shadow(route_of(function, version, method=method), share)
    except NotFound:
        return None


def no_function(team: str, name: str, others: Iterable[str] = ()) -> NotFound:
    """The same where there is none and where it is not for who asks. `others` are of that name, and for who asks."""
    there = (
        " ".join(f"There is {other}." for other in islice(others, _MOST_TOLD))
        or "`rayfaas functions` lists those that exist."
    )
    return NotFound(f"There is no function {team}/{name}. {there}")


def _newest(function: FunctionRoute) -> str:
    numbers = sorted(version.number for version in function.versions)
    more = "… " if len(numbers) > _MOST_TOLD else ""
    return f"It has: {more}{', '.join(map(str, numbers[-_MOST_TOLD:])) or 'none'}."


def _check_method(name: str, version: VersionRoute, method: str | None) -> None:
    if method in version.methods or (method is None and not version.methods):
        return
    if not version.methods:
        raise NotFound(f"{name} is a function, version {version.number} at least: it has no method {method!r}.")
    there_are = ", ".join(f"{name}.{each}" for each in version.methods)
    what = f"is a class, and called by one of its methods, not by {method!r}" if method else "is a class"
    raise NotFound(f"{name}:{version.number} {what}. Call {there_are}.", methods=list(version.methods))

"""What a principal may know of: functions that are not for its team are to it as if there were none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request

from rayfaas.gateway.principal import Principal, Reader
from rayfaas.gateway.requests import function_of
from rayfaas.gateway.rights import identify
from rayfaas.gateway.route import no_function
from rayfaas.gateway.routes import Routes


class Sight:
    """Of one principal. `reader` is whose sight it has: it sees what is for that team or for everybody; None: all, for
    admins. A function whose team it is a member of it sees too, for which team ever it asks.

    >>> Sight(routes, principal).sees("nlp", "embed")  # doctest: +SKIP
    True
    """

    def __init__(self, routes: Routes, principal: Principal) -> None:
        self._routes, self.principal = routes, principal
        own = Reader(principal.team) if principal.reader is None else principal.reader
        self.reader = None if principal.role == "admin" and principal.functions is None else own

    @classmethod
    def of(cls, routes: Routes, request: Request) -> Sight:
        """Of who asks, who must be a viewer at least."""
        return cls(routes, identify(routes, request))

    def sees(self, team: str, name: str) -> bool:
        reader = self.reader
        if reader is not None and self.principal.parent is None and team in self.principal.teams:
            reader = Reader(team, reader.functions)
        return reader is None or not self._routes.hides(team, name, reader)

    def function(self, request: Request) -> dict[str, str]:
        """Team and name of the path. Raises `NotFound`."""
        of = function_of(request)
        self.check(of["team"], of["name"])
        return of

    def check(self, team: str, name: str) -> None:
        """Raises `NotFound`. Of another team's functions it is decided here whether there is one that can be called: to
        ask the controller takes longer, which would tell what is hidden from what is not there."""
        if not self.sees(team, name) or not (self._is_own(team) or self._routes.has(team, name)):
            raise no_function(team, name)

    def _is_own(self, team: str) -> bool:
        if self.reader is None:
            return True
        return self.reader.team == team or (self.principal.parent is None and team in self.principal.teams)

    def seen(self, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Of rows that have a `team` and a `name`."""
        return [row for row in rows if self.sees(row["team"], row["name"])]

    def status(self, status: dict[str, Any]) -> dict[str, Any]:
        """What runs, without the functions that are hidden, and the replicas and applications that are theirs alone."""
        return {
            **status,
            "scalings": {name: each for name, each in status["scalings"].items() if self._sees_app(name)},
            "clusters": [self._cluster(cluster) for cluster in status["clusters"]],
            "replicas": [self._replica(each) for each in self.of_applications(status["replicas"])],
        }

    def of_applications(self, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Of rows that have an `application`, those of which it sees whose that is."""
        return [row for row in rows if self._sees_app(row["application"])]

    def _cluster(self, cluster: dict[str, Any]) -> dict[str, Any]:
        seen = {name: state for name, state in cluster["applications"].items() if self._sees_app(name)}
        return {**cluster, "applications": seen}

    def _replica(self, replica: dict[str, Any]) -> dict[str, Any]:
        return {**replica, "hosted": {key: n for key, n in replica["hosted"].items() if self._sees_key(key)}}

    def _sees_key(self, key: str) -> bool:
        return self.sees(*key.rpartition(":")[0].split("/", 1))

    def _sees_app(self, application: str) -> bool:
        """Those of functions are named team--name--shape; a team's name may hold `--` too, and a function's."""
        parts = application.split("--")[:-1]
        return all(self.sees("--".join(parts[:n]), "--".join(parts[n:])) for n in range(1, len(parts)))

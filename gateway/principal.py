"""Who calls, and what they may know of."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rayfaas.errors import Forbidden
from rayfaas.gateway.call_access import Claims


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

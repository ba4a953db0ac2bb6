"""Roles in teams, and what of its principal's rights a token has."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rayfaas.errors import BadRequest

ROLES = ("viewer", "invoker", "deployer", "admin")
"""Each may what those before it may."""
LONGEST_PRINCIPAL = 256

Roles = Mapping[str, str]
"""A role by team; the first team is the one that a call is made for unless it names another."""


class Scope(msgspec.Struct, frozen=True, omit_defaults=True):
    """`teams` are the roles that a token has at most, by team; None: all that its principal has. `functions` are those
    that it is for, as team/name; None: all.

    >>> Scope({"ads": "viewer", "nlp": "admin", "ops": "admin"}).rights({"nlp": "deployer", "ads": "deployer"})
    {'ads': 'viewer', 'nlp': 'deployer'}
    """

    teams: dict[str, str] | None = None
    functions: tuple[str, ...] | None = None

    def rights(self, held: Roles) -> dict[str, str]:
        """The token's roles, of those that its principal holds now."""
        if self.teams is None:
            return dict(held)
        return {team: weaker(role, held[team]) for team, role in self.teams.items() if team in held}


def rank(role: str) -> int:
    """The place of a role among all of them, the weakest first."""
    return ROLES.index(role)


def weaker(one: str, other: str) -> str:
    """
    >>> weaker("admin", "invoker")
    'invoker'
    """
    return min(one, other, key=rank)


def check_role(role: object) -> str:
    if role not in ROLES:
        raise BadRequest(f"A role is one of {', '.join(ROLES)}, not {role!r}.")
    return str(role)


def check_principal(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_PRINCIPAL or not name.isprintable():
        raise BadRequest(f"A principal's name is text of {LONGEST_PRINCIPAL} characters at most.")
    return name

"""Names that people type (`team/name`, targets such as `embed:7`, `nlp/embed@prod`) and ids that machines make."""

from __future__ import annotations

import os
import random
import re
import time
from typing import NamedTuple

from rayfaas.errors import BadRequest

LIVE = "live"
DEFAULT_TEAM = "default"

_TEAM = r"[a-z0-9][a-z0-9-]{0,62}"
_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,127}"
_ALIAS = r"[A-Za-z_][A-Za-z0-9_-]{0,62}"
_TARGET = re.compile(
    rf"(?:(?P<team>{_TEAM})/)?(?P<name>{_NAME})(?::(?P<version>[1-9][0-9]{{0,8}})|@(?P<alias>{_ALIAS}))?", re.ASCII
)


class Target(NamedTuple):
    """What a caller addresses. Without `version` and `alias` it is the alias `live`.

    >>> Target.parse("nlp/embed@prod")
    Target(team='nlp', name='embed', version=None, alias='prod')
    """

    team: str | None
    name: str
    version: int | None
    alias: str | None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Raises `BadRequest` where the text is not a target."""
        match = _TARGET.fullmatch(text)
        if match is None:
            raise BadRequest(
                f"{text!r} is not a target. Write [team/]name, [team/]name:version or [team/]name@alias, "
                "for example embed, embed:7, nlp/embed@prod."
            )
        version = match["version"]
        return cls(match["team"], match["name"], int(version) if version else None, match["alias"])


def check_team(team: str) -> str:
    if not re.fullmatch(_TEAM, team, re.ASCII):
        raise BadRequest(f"{team!r} is not a team's name: lower-case letters, digits and -, 63 at most.")
    return team


def check_name(name: str) -> str:
    if not re.fullmatch(_NAME, name, re.ASCII):
        raise BadRequest(f"{name!r} is not a function's name: letters, digits, _ and -, 128 at most, no digit first.")
    return name


def check_alias(alias: str) -> str:
    if not re.fullmatch(_ALIAS, alias, re.ASCII):
        raise BadRequest(f"{alias!r} is not an alias: letters, digits, _ and -, 63 at most, no digit first.")
    return alias


# Seeded by the system, and anew in a forked process. Not a system call for each id: they are unique, not secret.
_random = random.Random()
os.register_at_fork(after_in_child=_random.seed)


def new_id() -> str:
    """A UUIDv7 (RFC 9562): sorts by the millisecond in which it was made."""
    return format_uuid7(time.time_ns() // 1_000_000, _random.getrandbits(80))


def format_uuid7(unix_ms: int, random_80: int) -> str:
    high, middle, low = random_80 >> 68, (random_80 >> 54) & 0x3FFF, random_80 & 0xFFFF_FFFF_FFFF
    return f"{unix_ms >> 16:08x}-{unix_ms & 0xFFFF:04x}-7{high:03x}-{0x8000 | middle:04x}-{low:012x}"

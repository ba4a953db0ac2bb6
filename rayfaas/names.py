"""Names that people type (`team/name`, targets such as `embed:7`, `nlp/embed@prod`) and ids that machines make."""

from __future__ import annotations

import os
import random
import re
import time
from datetime import datetime
from typing import NamedTuple

from rayfaas.errors import BadRequest
from rayfaas.moments import MOMENT, format_moment, parse_moment

LIVE = "live"
DEFAULT_TEAM = "default"

TEAM = r"[a-z0-9][a-z0-9-]{0,62}"
NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,127}"
ALIAS = r"[A-Za-z_][A-Za-z0-9_-]{0,62}"
CLUSTER = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
METHOD = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
NODE = r"[0-9a-f]{4,64}"
CALL = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TARGET = re.compile(
    rf"(?:(?P<team>{TEAM})/)?(?P<name>{NAME})(?:\.(?P<method>{METHOD}))?"
    rf"(?::(?P<version>[1-9][0-9]{{0,8}})|(?:@(?P<alias>{ALIAS}))?(?:@(?P<moment>{MOMENT}))?)?",
    re.ASCII,
)


class Target(NamedTuple):
    """What a caller addresses. Without `version` and `alias` it is the alias `live`; classes are called by `method`.

    With a `moment` it is what the alias led to then: no alias begins with a digit, and every moment does.

    >>> Target.parse("nlp/Model.predict@prod")
    Target(team='nlp', name='Model', version=None, alias='prod', method='predict', moment=None)
    >>> str(Target.parse("embed@prod@2026-11-01"))
    'embed@prod@2026-11-01T00:00Z'
    """

    team: str | None
    name: str
    version: int | None
    alias: str | None
    method: str | None = None
    moment: datetime | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Raises `BadRequest` where the text is not a target."""
        match = _TARGET.fullmatch(text)
        if match is None:
            raise BadRequest(
                f"{text!r} is not a target. Write [team/]name, [team/]name:version or [team/]name@alias, "
                "for example embed, embed:7, nlp/embed@prod; of a class its method, Model.predict@prod; as of a moment "
                "embed@prod@2026-11-01T12:00Z."
            )
        version = match["version"]
        number = int(version) if version else None
        return cls(match["team"], match["name"], number, match["alias"], match["method"], _moment(match["moment"]))

    def __str__(self) -> str:
        team = f"{self.team}/" if self.team else ""
        method = f".{self.method}" if self.method is not None else ""
        end = f":{self.version}" if self.version is not None else "" if self.alias is None else f"@{self.alias}"
        moment = f"@{format_moment(self.moment)}" if self.moment is not None else ""
        return f"{team}{self.name}{method}{end}{moment}"


def _moment(text: str | None) -> datetime | None:
    try:
        return parse_moment(text) if text is not None else None
    except ValueError:
        raise BadRequest(f"{text!r} is no moment. Write 2026-11-01 or 2026-11-01T12:00Z; without offset UTC.") from None


def check_team(team: str) -> str:
    if not re.fullmatch(TEAM, team, re.ASCII):
        raise BadRequest(f"{team!r} is not a team's name: lower-case letters, digits and -, 63 at most.")
    return team


def check_cluster(text: str) -> str:
    if not re.fullmatch(CLUSTER, text, re.ASCII):
        raise BadRequest(f"{text!r} is not a cluster: up to 63 lower-case letters, digits and hyphens, none at an end.")
    return text


def check_gateway(text: str) -> str:
    """A gateway on another machine; those of the home's own are `gateway-0`, `gateway-1` and so on."""
    if not re.fullmatch(CLUSTER, text, re.ASCII) or re.fullmatch(r"gateway-\d+", text, re.ASCII):
        raise BadRequest(
            f"{text!r} can't be a gateway's name: up to 63 lower-case letters, digits and hyphens, none at an end, and "
            "not gateway-0 and the like, which are the server's own."
        )
    return text


def check_node(text: str) -> str:
    if not re.fullmatch(NODE, text, re.ASCII):
        raise BadRequest(
            f"{text!r} is no node: write its id, or 4 or more hexadecimal digits of its beginning. `rayfaas nodes` "
            "shows them."
        )
    return text


def check_name(name: str, of: str = "function") -> str:
    if not re.fullmatch(NAME, name, re.ASCII):
        raise BadRequest(
            f"{name!r} is not a {of}'s name: letters, digits, _ and - of ASCII, 128 at most, no digit first."
        )
    return name


def check_method(method: str) -> str:
    if not re.fullmatch(METHOD, method, re.ASCII):
        raise BadRequest(f"{method!r} can't be called by name: letters, digits and _ of ASCII, 128 at most.")
    return method


def check_call(text: str) -> str:
    if not is_call(text):
        raise BadRequest(f"{text!r} is no call's id: those are UUIDs.")
    return text.lower()


def is_call(text: str) -> bool:
    """Whether it is written as a call's id is.

    >>> is_call("01890a5d-ac96-774b-bcce-b302099a8057"), is_call("embed")
    (True, False)
    """
    return re.fullmatch(CALL, text.lower(), re.ASCII) is not None


def check_alias(alias: str) -> str:
    if not re.fullmatch(ALIAS, alias, re.ASCII):
        raise BadRequest(f"{alias!r} is not an alias: letters, digits, _ and -, 63 at most, no digit first.")
    return alias


def own_alias(principal: str) -> str:
    """The alias of one person.

    >>> own_alias("ada@example.org")
    'dev-ada-example-org'
    """
    return f"dev-{re.sub('[^A-Za-z0-9_-]+', '-', principal)}"[:63]


# Seeded by the system, and anew in a forked process. Not a system call for each id: they are unique, not secret.
_random = random.Random()
os.register_at_fork(after_in_child=_random.seed)


def new_id() -> str:
    """A UUIDv7 (RFC 9562): sorts by the millisecond in which it was made."""
    return format_uuid7(time.time_ns() // 1_000_000, _random.getrandbits(80))


def made_ms(call: str) -> int:
    """When an id was made, in milliseconds of Unix time.

    >>> made_ms("01890a5d-ac96-774b-bcce-b302099a8057")
    1688137706646
    """
    return int(call.replace("-", "")[:12], 16)


def format_uuid7(unix_ms: int, random_80: int) -> str:
    high, middle, low = random_80 >> 68, (random_80 >> 54) & 0x3FFF, random_80 & 0xFFFF_FFFF_FFFF
    return f"{unix_ms >> 16:08x}-{unix_ms & 0xFFFF:04x}-7{high:03x}-{0x8000 | middle:04x}-{low:012x}"

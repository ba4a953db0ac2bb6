"""Values as they are typed into a shell."""

from __future__ import annotations

import json
import re
from typing import Any

import click

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_value(text: str) -> Any:
    """JSON, and else text.

    >>> parse_value("[1, 2]"), parse_value("two")
    ([1, 2], 'two')
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def parse_duration(text: str) -> float:
    """Seconds of a duration.

    >>> parse_duration("90m")
    5400.0
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no duration: write 90m, 12h or 30d.")
    return float(found[1]) * _UNITS[found[2]]

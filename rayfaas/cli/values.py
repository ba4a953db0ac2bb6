"""Values as they are typed into a shell."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from rayfaas.durations import check_keep_alive, seconds_of
from rayfaas.errors import BadRequest


def parse_value(text: str) -> Any:
    """JSON, and else text.

    >>> parse_value("[1, 2]"), parse_value("two")
    ([1, 2], 'two')
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # also a number of thousands of digits, and lists in lists in lists
        return text


def parse_share(text: str) -> float:
    """Percent, with or without the sign.

    >>> parse_share("5%"), parse_share("12.5")
    (5.0, 12.5)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no share: write 5, 12.5 or 20%.")
    return float(found[1])


def parse_weights(text: str) -> dict[int, float]:
    """Versions and their weights.

    >>> parse_weights("7=95,8=5")
    {7: 95.0, 8: 5.0}
    """
    found: dict[int, float] = {}
    for part in text.split(","):
        version, _, weight = part.partition("=")
        if not re.fullmatch(r"\s*[0-9]{1,9}", version) or int(version) in found:
            raise click.BadParameter(f"{text!r} is no split: write each version with its weight, 7=95,8=5.")
        found[int(version)] = parse_share(weight.strip())
    return found


def parse_duration(text: str) -> float:
    """Seconds of a duration.

    >>> parse_duration("90m")
    5400.0
    """
    try:
        return seconds_of(text)
    except BadRequest as error:
        raise click.BadParameter(error.detail) from None


def parse_keep_alive(text: str) -> str:
    """A duration, `learned` or `never`."""
    try:
        return check_keep_alive(text)
    except BadRequest as error:
        raise click.BadParameter(error.detail) from None

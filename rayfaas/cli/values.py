"""Values as they are typed into a shell."""

from __future__ import annotations

import json
from typing import Any

import click

from rayfaas.durations import seconds_of
from rayfaas.errors import BadRequest


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
    try:
        return seconds_of(text)
    except BadRequest as error:
        raise click.BadParameter(error.detail) from None

"""What is typed into a shell is JSON where it can be, and else text."""

from __future__ import annotations

import json
import math
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.cli.values import parse_duration, parse_value


@pytest.mark.parametrize(
    ("typed", "value"),
    [("1", 1), ("1.0", 1.0), ("true", True), ("True", "True"), ("null", None), ("", ""), (" 1 ", 1), ("01", "01")],
)
def test_a_value_is_json_or_text(typed: str, value: Any) -> None:
    parsed = parse_value(typed)
    assert (parsed, type(parsed)) == (value, type(value))


@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(), st.lists, max_leaves=5))
def test_json_is_what_it_says(value: Any) -> None:
    assert parse_value(json.dumps(value)) == value


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from("smhdy"))
def test_a_duration_is_a_number_of_its_unit(number: int, unit: str) -> None:
    assert (
        parse_duration(f"{number}{unit}") == number * {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}[unit]
    )


@settings(max_examples=40)
@given(st.text(max_size=6))
def test_whatever_is_typed_is_a_duration_or_refused(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except click.BadParameter:
        return
    assert math.isfinite(seconds)

"""A priority is a word or a number, and nothing else."""

from __future__ import annotations

import pytest

from rayfaas.errors import BadRequest
from rayfaas.priority import parse_priority


@pytest.mark.parametrize(
    ("given", "number"), [("low", -5), ("normal", 0), ("high", 5), ("-10", -10), ("+3", 3), (10, 10), (0, 0), ("00", 0)]
)
def test_it_is_a_word_or_a_number(given: int | str, number: int) -> None:
    assert parse_priority(given) == number


@pytest.mark.parametrize("given", ["", "urgent", "11", "-11", 11, "1.5", "1e0", " 1", "1\n", "--1", "٣", "High", True])
def test_what_is_neither_is_refused(given: int | str) -> None:
    with pytest.raises(BadRequest, match="A priority is low, normal, high"):
        parse_priority(given)

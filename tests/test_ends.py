"""docs/ends.md says of each way to end what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rayfaas.errors import BY_CODE
from rayfaas.gateway.recording import state_of

TEXT = (Path(__file__).parent.parent / "docs" / "ends.md").read_text()
BEGUN, REFUSED, OTHERS = (part.partition("\n")[2] for part in TEXT.split("\n## ")[1:])


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("row", [*rows(BEGUN), *rows(REFUSED)], ids=lambda row: row[0])
def test_each_code_has_the_status_exception_and_flag_that_is_told(row: list[str]) -> None:
    error = BY_CODE[row[0]]
    told = (error.__name__, str(error.status), "yes" if error.retryable else "no")
    assert (row[2], row[1], row[3]) == told
    assert row[-1]


@pytest.mark.parametrize("row", rows(BEGUN), ids=lambda row: row[0])
def test_each_code_leads_to_the_state_that_is_told(row: list[str]) -> None:
    assert state_of(row[0]) == row[4]


def test_every_code_is_in_the_table_or_said_to_be_none() -> None:
    tabled = {row[0] for row in (*rows(BEGUN), *rows(REFUSED))}
    others = set(re.findall(r"`([a-z_]+)`", OTHERS))
    assert tabled | others == set(BY_CODE)
    assert not tabled & others


def test_no_code_is_told_of_twice() -> None:
    for table in (BEGUN, REFUSED):
        codes = [row[0] for row in rows(table)]
        assert len(codes) == len(set(codes))

"""A secret is not shown, however it is written and wherever it is cut."""

from __future__ import annotations

import base64
import itertools
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfaas.redaction import Redactor

SECRET = "p@ss w\u00f6rd/123"
KEY = "-----BEGIN-----\nline-one-of-it\nline-two-of-it\n-----END-----"


@pytest.mark.parametrize(
    "text",
    [SECRET, repr(SECRET), json.dumps(SECRET), quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()],
)
def test_a_value_is_hidden_in_each_way_of_writing_it(text: str) -> None:
    shown = Redactor([SECRET]).text(f"it is {text}!")
    assert "***" in shown
    assert "123" not in shown


def test_the_lines_of_a_key_are_hidden_one_by_one() -> None:
    redactor = Redactor([KEY])
    assert redactor.text(KEY) == "***"
    assert redactor.text("line-two-of-it") == "***"


def test_short_values_are_left_alone() -> None:
    redactor = Redactor(["on", "1", ""])
    assert not redactor.is_needed
    assert redactor.text("1 is on") == "1 is on"


def test_a_problem_is_redacted_in_all_its_places() -> None:
    problem = {"detail": f"KeyError: {SECRET}", "errors": [{"loc": [SECRET], "n": 1}]}
    assert SECRET not in json.dumps(Redactor([SECRET]).value(problem), ensure_ascii=False)


@given(
    st.lists(st.sampled_from(["hunter22", "22-more", "hunt", "er", "x", "\n"]), max_size=12),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_wherever_it_is_cut_a_secret_is_not_shown(pieces: list[str], cuts: list[int]) -> None:
    text = "".join(pieces)
    redactor, stream = Redactor(["hunter22", "22-more"]), Redactor(["hunter22", "22-more"])
    places = sorted({0, *(cut for cut in cuts if cut < len(text)), len(text)})
    shown, held, fed = "", "", b""
    for start, end in itertools.pairwise(places):
        out, held = redactor.split(held + text[start:end])
        shown += out
        fed += stream.feed(text[start:end].encode())
    shown += redactor.text(held)
    fed += stream.feed(b"", is_last=True)
    for each in (shown, fed.decode()):
        assert "hunter22" not in each
        assert each == redactor.text(text)

"""A join token is text that comes back whole, or is refused with what to do."""

from __future__ import annotations

import pytest

from rayfaas.errors import BadRequest
from rayfaas.join_token import JoinToken

TOKEN = JoinToken("tls:10.0.0.1:8701:" + "ab" * 32, "0190", b"\x00\xff" * 16)


def test_it_comes_back_as_it_was_also_with_blanks_around_it() -> None:
    text = str(TOKEN)
    assert text.startswith("rfj_")
    assert text.isascii()
    assert JoinToken.parse(f"  {text}\n") == TOKEN


@pytest.mark.parametrize("text", ["", "rfj_", "rf_abc", str(TOKEN)[:-9], "rfj_" + "A" * 40, "é", "rfj_!!!"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="rayfaas cluster join-token"):
        JoinToken.parse(text)

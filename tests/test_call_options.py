"""What is asked of a call is checked where it is written, and sent only if it was said."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rayfaas.call_options import CallOptions
from rayfaas.errors import BadRequest


def test_what_was_not_said_is_not_sent() -> None:
    assert CallOptions().headers() == {}
    assert CallOptions(retries=0, priority=0).headers() == {"Rayfaas-Retries": "0", "Rayfaas-Priority": "0"}


@pytest.mark.parametrize(
    "options",
    [
        {"timeout_s": 0}, {"timeout_s": math.nan}, {"team": "No Team"}, {"priority": "urgent"}, {"priority": 11},
        {"webhook": "https://example.com/\r\nX: 1"}, {"webhook": "https://exämple.com"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_valid_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        CallOptions(**options)

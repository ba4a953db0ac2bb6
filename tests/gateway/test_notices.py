"""A deprecated function answers as before, and says so."""

from __future__ import annotations

from rayfaas.gateway.notices import deprecation_headers
from rayfaas.gateway.snapshot import DeprecationRoute


def test_it_is_told_in_the_standard_headers() -> None:
    headers = deprecation_headers(DeprecationRoute(1_795_824_000, 1_803_859_200, "nlp/embed2"))
    assert headers == [
        (b"deprecation", b"@1795824000"),
        (b"sunset", b"Mon, 01 Mar 2027 00:00:00 GMT"),
        (b"link", b'</call/nlp/embed2>; rel="successor-version"'),
    ]


def test_what_was_not_said_is_not_told() -> None:
    assert deprecation_headers(DeprecationRoute(1_795_824_000)) == [(b"deprecation", b"@1795824000")]

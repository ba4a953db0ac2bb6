"""Accept headers, as clients write them."""

from __future__ import annotations

import pytest

from rayfaas.wire.media import VALUE_ACCEPT, admits_stream, preferences, takes_bytes


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", []),
        ("*/*", ["*/*"]),
        ("a/b, c/d", ["a/b", "c/d"]),
        ("a/b;q=0.1, c/d;Q=0.5, e/f", ["e/f", "c/d", "a/b"]),
        ("A/B ; charset=x; q=0.5,, c/d;q=0", ["a/b"]),
        ("a/b;q=x, c/d;q=nan", ["a/b"]),
        (";, ,", []),
    ],
)
def test_the_best_comes_first_and_what_is_refused_not_at_all(accept: str, wanted: list[str]) -> None:
    assert list(preferences(accept)) == wanted


def test_items_are_json() -> None:
    assert all(map(admits_stream, ("", "*/*", "text/event-stream", "image/png, application/json;q=0.1")))
    assert not any(map(admits_stream, ("image/png", "application/msgpack", "application/json;q=0")))


def test_bytes_of_a_generator_are_for_who_takes_anything_or_them_first() -> None:
    assert all(map(takes_bytes, ("", "application/octet-stream", "application/octet-stream, */*;q=0.1")))
    assert not any(map(takes_bytes, ("application/json, application/octet-stream;q=0.9", "*/*", VALUE_ACCEPT)))

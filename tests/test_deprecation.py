"""Who calls what is deprecated is warned, once."""

from __future__ import annotations

import warnings

import pytest

from rayfaas.deprecation import warn_of


def test_a_warning_says_since_when_until_when_and_what_to_call_instead() -> None:
    headers = {
        "Deprecation": "@1795824000",
        "Sunset": "Mon, 01 Mar 2027 00:00:00 GMT",
        "Link": '</call/nlp/g>; rel="successor-version"',
    }
    with pytest.warns(FutureWarning) as told:
        warn_of("/call/embed@prod", headers)
    (warning,) = told
    assert str(warning.message) == (
        "embed@prod is deprecated since 2026-11-28. It may end on Mon, 01 Mar 2027 00:00:00 GMT. Call nlp/g instead."
    )


@pytest.mark.parametrize("since", ["true", "@99999999999999999999", "@-1", ""])
def test_a_header_that_is_not_ours_is_told_all_the_same(since: str) -> None:
    with pytest.warns(FutureWarning, match=r"^f is deprecated\.$"):
        warn_of("/call/f", {"Deprecation": since, "Link": "</other>; rel=next"})


def test_nothing_is_said_of_what_is_not_deprecated() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of("/call/f", {"Rayfaas-Version": "3"})

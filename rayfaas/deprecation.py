"""Telling a program that it calls what is deprecated."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from datetime import datetime, timezone

_SUCCESSOR = re.compile(r'</call/([^>]+)>; *rel="successor-version"')


def warn_of(path: str, headers: Mapping[str, str]) -> None:
    """Warn of what an answer's headers tell, once for each function: a FutureWarning, which Python shows to users."""
    if "Deprecation" in headers:
        told = told_of(headers["Deprecation"], headers.get("Sunset"), headers.get("Link", ""))
        warnings.warn(f"{path.removeprefix('/call/')} is deprecated{told}", FutureWarning, stacklevel=2)


def told_of(since: str, sunset: str | None, link: str) -> str:
    """What follows "… is deprecated".

    >>> told_of("@1795824000", "Mon, 01 Mar 2027 00:00:00 GMT", '</call/a/g>; rel="successor-version"')
    ' since 2026-11-28. It may end on Mon, 01 Mar 2027 00:00:00 GMT. Call a/g instead.'
    """
    told, successor = "", _SUCCESSOR.search(link)
    if re.fullmatch("@[0-9]{1,10}", since, re.ASCII):
        told = f" since {datetime.fromtimestamp(int(since[1:]), timezone.utc):%Y-%m-%d}"
    told += "." if sunset is None else f". It may end on {sunset}."
    return told if successor is None else f"{told} Call {successor[1]} instead."

"""Names of a test's cases that are the same in each process, so that several can share the tests among them."""

from __future__ import annotations

import re


def named(value: object) -> str:
    """As Python prints it, but for where it lies in memory: `<object object>`."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(value))


def shown(value: object) -> str:
    """The same of what Python shows of it, where text has its quotes."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))

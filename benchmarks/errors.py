"""What can go wrong in a benchmark, told in one class."""

from __future__ import annotations


class BenchmarkError(Exception):
    """A system, a load generator or an option is not as the benchmark needs it; the message says what to do."""

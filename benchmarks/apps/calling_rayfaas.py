"""What the benchmark of ways to call calls."""

from collections.abc import Iterator
from time import time

import rayfaas


@rayfaas.function(timeout_s=120)
def count(to: int) -> Iterator[int]:
    yield from range(to)


@rayfaas.function(timeout_s=120)
def tell_time() -> Iterator[float]:
    yield time()


@rayfaas.function(timeout_s=120)
def double(x: int) -> int:
    return 2 * x

"""What the benchmark of ways to call calls."""

from collections.abc import Iterator
from pathlib import Path
from time import sleep, time

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


@rayfaas.function(timeout_s=120)
def wait_for_cancel(path: str) -> None:
    """Write the moment in which it is interrupted to a file, which is there, empty, from its beginning."""
    file = Path(path)
    try:
        file.touch()
        while True:
            sum(range(1_000))
    except BaseException:
        file.write_text(str(time()))
        raise


@rayfaas.function(timeout_s=120, max_replicas=1)
def stay(path: str | None = None) -> None:
    """With a path whoever interrupts it, it goes on."""
    while path:
        try:
            Path(path).touch()
            while True:
                pass
        except BaseException:  # noqa: BLE001 it is there to be killed
            pass


@rayfaas.function(timeout_s=600, concurrency=4, max_replicas=1)
def note(path: str, line: str) -> None:
    """Append a line at its end, after 50 ms."""
    sleep(0.05)
    with Path(path).open("a") as file:
        file.write(f"{line}\n")

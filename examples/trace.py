"""A week of calls of four functions, made up: what `rayfaas cloud simulate` can be tried with.

    python examples/trace.py > examples/trace.csv

`search` is called day and night, `translate` in bursts in working hours, `report` every night, `train` now and then.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Iterator

HOUR_S, DAY_S, DAYS = 3600.0, 86_400.0, 7

Call = tuple[float, str, float]  # begin, function, length, in seconds


def main() -> None:
    write = csv.writer(sys.stdout, lineterminator="\n").writerow
    write(("time", "function", "duration"))
    for begin_s, function, length_s in sorted(calls(random.Random(7))):
        write((f"{begin_s:.1f}", function, f"{length_s:.1f}"))


def calls(chance: random.Random) -> Iterator[Call]:
    yield from _search(chance)
    for day in range(DAYS):
        if day < 5:
            yield from _translate(chance, day * DAY_S)
        yield day * DAY_S + 2 * HOUR_S, "report", chance.uniform(200, 400)
        if chance.random() < 0.5:
            yield day * DAY_S + chance.uniform(9, 17) * HOUR_S, "train", chance.uniform(1800, 5400)


def _search(chance: random.Random) -> Iterator[Call]:
    now = chance.expovariate(1 / 900)
    while now < DAYS * DAY_S:
        yield now, "search", chance.uniform(0.2, 1.5)
        now += chance.expovariate(1 / 900)


def _translate(chance: random.Random, midnight_s: float) -> Iterator[Call]:
    for _ in range(6):
        begin = midnight_s + chance.uniform(8, 18) * HOUR_S
        for _ in range(chance.randint(5, 40)):
            begin += chance.expovariate(1 / 30)
            yield begin, "translate", chance.uniform(1, 6)


if __name__ == "__main__":
    main()

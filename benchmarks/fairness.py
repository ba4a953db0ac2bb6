"""What teams get of a function that is full: one floods it, two call it now and then, one of them of more weight.

    python -m benchmarks.fairness

A real gateway with a real socket to an executor that answers each call after 10 ms, 2 at once. It writes the picture
docs/fairness.png.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from matplotlib.figure import Figure

from rayfaas.config import Limits
from tests.gateway.executor import ReceivedCall
from tests.gateway.small import SmallGateway

PICTURE = Path(__file__).parent.parent / "docs" / "fairness.png"
RUN_S, BIN_S, CALL_S = 12.0, 0.5, 0.01
MAX_QUEUE = 100
# Team, its weight, callers at once, and when they begin.
TEAMS = (("flood", 1.0, 200, 0.0), ("light", 1.0, 20, 3.0), ("heavy", 3.0, 20, 6.0))
_COLOURS = {"flood": "#8d99ae", "light": "#2a9d8f", "heavy": "#d1495b"}

Served = dict[str, Counter[int]]


async def run(directory: Path) -> Served:
    """Calls answered in each bin of time, by team."""
    async with SmallGateway(directory, Limits(max_queue=MAX_QUEUE)) as gateway:
        table = gateway.controller.table
        await gateway.controller.set_tokens(*((team, team, "invoker") for team, *_ in TEAMS))
        weights = [{"kind": "team", "name": team, "weight": weight} for team, weight, *_ in TEAMS]
        await table.applied(await table.set_limits(weights, 1))
        executor = await gateway.executor(concurrency=2)
        loop = asyncio.get_running_loop()

        def answer(call: ReceivedCall) -> None:
            loop.call_later(CALL_S, call.returns, 1)

        executor.answers(answer)
        served: Served = defaultdict(Counter)
        began = time.monotonic()
        callers = [_call(gateway, team, at_s, began, served) for team, _, count, at_s in TEAMS for _ in range(count)]
        await asyncio.gather(*callers)
    return served


async def _call(gateway: SmallGateway, team: str, at_s: float, began: float, served: Served) -> None:
    """One caller: a call after the other; one that is refused is tried again a little later."""
    await asyncio.sleep(at_s)
    while (now_s := time.monotonic() - began) < RUN_S:
        answer = await gateway.call(target="nlp/embed", who=team).answer()
        if answer.status == 200:
            served[team][int((time.monotonic() - began) / BIN_S)] += 1
        else:
            await asyncio.sleep(min(0.1, RUN_S - now_s))


def draw(served: Served, path: Path) -> None:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    bins = range(int(RUN_S / BIN_S))
    for team, weight, count, _ in TEAMS:
        label = f"{team}: {count} callers at once, weight {weight:g}"
        axes.step([n * BIN_S for n in bins], [served[team][n] / BIN_S for n in bins], _COLOURS[team], label=label)
    axes.set_xlabel("seconds")
    axes.set_ylabel("calls answered per second")
    axes.set_title("A full function: each team gets its share, however many calls another sends", fontsize=10)
    axes.legend(fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def shares(served: Served, from_s: float, to_s: float) -> dict[str, float]:
    """Percent of what was answered in a time."""
    counts = {team: sum(served[team][n] for n in range(int(from_s / BIN_S), int(to_s / BIN_S))) for team, *_ in TEAMS}
    total = sum(counts.values()) or 1
    return {team: round(100 * count / total, 1) for team, count in counts.items()}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="rf-") as directory:
        served = asyncio.run(run(Path(directory)))
    draw(served, PICTURE)
    for from_s, to_s in ((1.0, 3.0), (4.0, 6.0), (7.0, 12.0)):
        print(f"{from_s:g} to {to_s:g} s: {shares(served, from_s, to_s)}")


if __name__ == "__main__":
    main()

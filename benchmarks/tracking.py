"""What lineage costs a call: one that opens 1,000 files, and one that opens none, with tracking and without.

python -m benchmarks.tracking

Calls come one right after the other, in processes that take turns; half of those have the tracking of an executor. Each
has a second thread, as executors do: the kernel opens files faster where there is none.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.machine import Machine
from rayfaas.executor.running import current
from rayfaas.executor.tracking import Tracking
from rayfaas.orders import Order

FILES = 1_000
FILE_BYTES = 4_096
CALLS = 300
NO_OPS = 100_000
ROUNDS = 5

Call = Callable[[Callable[[], int]], None]


def measure(is_tracked: bool, folder: Path) -> dict[str, float]:
    """Seconds of a call that opens all files of the folder, of processor time and by the clock; and of a no-op."""
    gateway = _Gateway()
    call, flush = _tracked_call(gateway) if is_tracked else _bare_call(gateway)
    names = [str(path) for path in folder.iterdir()]
    for _ in range(20):
        call(lambda: read(names))
    clock, processor = [], []
    for _ in range(CALLS):
        began, began_cpu = time.perf_counter(), time.thread_time()
        call(lambda: read(names))
        clock.append(time.perf_counter() - began)
        processor.append(time.thread_time() - began_cpu)
    flush()
    if bool(gateway.bytes) != is_tracked:
        raise BenchmarkError("what the files were was told where it should not have been, or not where it should")
    began_cpu = time.thread_time()
    for _ in range(NO_OPS):
        call(_nothing)
    no_op = (time.thread_time() - began_cpu) / NO_OPS
    return {"clock": statistics.median(clock), "processor": statistics.median(processor), "no_op": no_op}


def read(names: list[str]) -> int:
    size = 0
    for name in names:
        with open(name, "rb") as file:
            size += len(file.read())
    return size


def _nothing() -> int:
    return 0


def _tracked_call(gateway: _Gateway) -> tuple[Call, Callable[[], None]]:
    order = Order(
        "executor", "main/read", 1, "/no/bundle", "module", "", "read", 1, [], b"", "", "", "", "", "/no/scratch"
    )
    tracking = Tracking(order, lambda: None)
    tracking.begun()

    def call(work: Callable[[], int]) -> None:
        running = _running(gateway)
        token = current.set(running)
        work()
        current.reset(token)
        tracking.ended(running)

    return call, tracking.flush


def _bare_call(gateway: _Gateway) -> tuple[Call, Callable[[], None]]:
    threading.Thread(target=threading.Event().wait, daemon=True).start()

    def call(work: Callable[[], int]) -> None:
        running = _running(gateway)
        token = current.set(running)
        work()
        current.reset(token)

    return call, lambda: None


class _Gateway:
    """Takes what it is told."""

    def __init__(self) -> None:
        self.bytes = 0

    def send(self, kind: int, call: int, header: bytes, body: bytes) -> None:
        self.bytes += len(body)


def _running(gateway: _Gateway) -> Any:
    """As much of a call as tracking knows of it."""
    header = SimpleNamespace(call_id="call")
    return SimpleNamespace(sightings=None, batch=None, header=header, channel=gateway, started_us=1, call_id="call")


def main() -> None:
    print(Machine.here())
    found: dict[str, list[dict[str, float]]] = {"bare": [], "tracked": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            Path(folder, f"{number}.txt").write_bytes(number.to_bytes(4, "big") * (FILE_BYTES // 4))
        for _ in range(ROUNDS):
            for kind, results in found.items():
                command = [sys.executable, "-m", __spec__.name, kind, folder]
                results.append(json.loads(subprocess.check_output(command)))
    best = {kind: {name: min(each[name] for each in results) for name in results[0]} for kind, results in found.items()}
    for name in ("clock", "processor"):
        bare, tracked = best["bare"][name], best["tracked"][name]
        print(
            f"{FILES:,} files, {name}: {bare * 1e3:.2f} ms, tracked {tracked * 1e3:.2f} ms: {tracked / bare - 1:+.1%}"
        )
    print(f"no file, processor: {(best['tracked']['no_op'] - best['bare']['no_op']) * 1e9:+.0f} ns")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1] == "tracked", Path(sys.argv[2]))))
    else:
        main()

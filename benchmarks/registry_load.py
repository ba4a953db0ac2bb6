"""The registry alone: records of call journals loaded per second, and questions on usage over many calls."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.journal_writer import write_journal
from benchmarks.plan import Plan, Say
from benchmarks.report import Section, markdown_table
from benchmarks.samples import Samples
from rayfaas.registry.archive import DAY_US
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.registry import Registry
from rayfaas.registry.spending import SQL as SPENDING
from rayfaas.registry.spending import STRETCH_US
from rayfaas.registry.usage import Usage

SQL = Path(__file__).parent / "sql"
COST = Usage(["team"], since_s=30 * 86_400.0, cost=True)
_ASKED = 5


@dataclass(frozen=True)
class Loading:
    """Both records of a call, its start and its end, are counted."""

    records: int
    bytes: int
    seconds: float

    @property
    def records_per_s(self) -> float:
        return self.records / self.seconds


@dataclass(frozen=True)
class Asking:
    question: str
    rows: int
    times: Samples


def run(plan: Plan, directory: Path, say: Say) -> Section:
    loading = measure_loading(plan.journal_calls)
    say(f"{loading.records:,} records in {loading.seconds:.2f} s: {loading.records_per_s:,.0f}/s")
    askings = measure_queries(plan.stored_calls, say)
    rows = [[f"load a journal of {loading.records:,} records", f"{loading.records_per_s:,.0f} records/s"]]
    rows += [[f"{each.question}, {plan.stored_calls:,} calls", f"{each.times.median_ms:,.0f} ms"] for each in askings]
    data = {
        "loading": {**asdict(loading), "records_per_s": loading.records_per_s},
        "stored_calls": plan.stored_calls,
        "queries": [asdict(each) for each in askings],
    }
    text = f"{markdown_table(['', 'median'], rows)}\n\nA query is asked {_ASKED} times; its rows are fetched."
    return Section.of_now("registry", "The registry", text, data)


def measure_loading(calls: int) -> Loading:
    """Load the journal of so many calls into an empty registry."""
    with tempfile.TemporaryDirectory() as scratch:
        journal = Path(scratch) / "journal"
        size = write_journal(journal, calls)
        registry = Registry.open(Path(scratch) / "registry.duckdb", journal)
        started = time.perf_counter()
        loaded = registry.load_journal()
        seconds = time.perf_counter() - started
        registry.close()
    if loaded.rows != 2 * calls:
        raise BenchmarkError(f"{loaded.rows} records were loaded, and {2 * calls} were written")
    return Loading(loaded.rows, size, seconds)


def measure_queries(calls: int, say: Say) -> list[Asking]:
    """Ask the questions of a registry of so many calls."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "registry.duckdb"
        database = Database(path)
        now = now_us()
        database.run((SQL / "generate_calls.sql").read_text(), {"count": calls, "now": now})
        say(f"{calls:,} calls are made")
        settle_costs(database, now)
        database.close()
        say("what they cost is settled")
        registry = Registry.open(path, path.with_name("journal"))
        found = [
            _ask("who called what, and how fast", lambda: _rows(registry, "usage.sql"), say),
            _ask("usage by team in 30 days", lambda: _rows(registry, "usage_by_team.sql"), say),
            _ask("the same with what they cost", lambda: len(registry.usage(COST, None).rows), say),
        ]
        registry.close()
    return found


def settle_costs(database: Database, now: int) -> None:
    """Machines that the calls ran on, and what each call cost until a quarter of an hour ago."""
    first = (now - 60 * DAY_US) // STRETCH_US * STRETCH_US
    stretches = f"(SELECT unnest(range({first}, {now}, {STRETCH_US})) AS from_us)"
    up = SPENDING["up"].format(stretches=stretches, stretch=STRETCH_US)
    for part in (SQL / "generate_spent.sql").read_text().split("-- name: ")[1:]:
        statement = part.partition("\n")[2].strip().rstrip(";")
        database.run(statement.format(up=up, stretch=STRETCH_US), {"now": now})


def _rows(registry: Registry, file: str) -> int:
    return len(registry.query((SQL / file).read_text(), [], team=None).rows)


def _ask(question: str, ask: Callable[[], int], say: Say) -> Asking:
    seconds, rows = [], 0
    for _ in range(_ASKED):
        started = time.perf_counter()
        rows = ask()
        seconds.append(time.perf_counter() - started)
    asking = Asking(question, rows, Samples.of_seconds(seconds))
    say(f"{question}: {rows:,} rows, median {asking.times.median_ms:,.0f} ms")
    return asking

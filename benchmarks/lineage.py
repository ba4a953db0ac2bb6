"""How long a walk through a large lineage takes.

python -m benchmarks.lineage
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.machine import Machine
from rayfaas.graph import Direction
from rayfaas.registry.database import Database
from rayfaas.registry.lineage import Lineage, Question

_SQL = Path(__file__).parent / "sql/generate_lineage.sql"
EDGES = 1_000_000
DEPTH = 10
ROUNDS = 5


def walk_s(database: Database, of: str, direction: Direction) -> tuple[float, int]:
    """The median time of a walk in seconds, and how many nodes it found."""
    lineage, took = Lineage(database), []
    question = Question(of, "red", direction, DEPTH)
    for _ in range(ROUNDS):
        started = time.perf_counter()
        graph = lineage.graph(question, None)
        took.append(time.perf_counter() - started)
    return statistics.median(took), len(graph.nodes)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "registry.duckdb")
        for statement in _SQL.read_text().split(";\n"):
            if statement.strip():
                database.run(statement, {"edges": EDGES})
        print(Machine.here())
        walks: list[tuple[str, Direction]] = [("file:///299999", "upstream"), ("file:///1000", "downstream")]
        for of, direction in walks:
            seconds, nodes = walk_s(database, of, direction)
            print(f"{direction} to depth {DEPTH} over {EDGES:,} edges: {seconds * 1000:.0f} ms, {nodes} nodes")
        database.close()


if __name__ == "__main__":
    main()

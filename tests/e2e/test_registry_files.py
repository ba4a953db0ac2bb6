"""What leaves the registry as files, and comes back: answers, exports, backups, and the archive of old days."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow
import pytest
from pyarrow import parquet

from tests.e2e.conftest import Server, eventually

Write = Callable[[str, str], Path]
DOUBLE = "def double(x: int) -> int:\n    print('doubling', x)\n    return 2 * x\n"


@pytest.fixture
def homes() -> Iterator[tuple[Path, Path]]:
    """Two folders with short paths."""
    folders = Path(tempfile.mkdtemp(prefix="rf-")), Path(tempfile.mkdtemp(prefix="rf-"))
    yield folders
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_restored_home_is_the_one_that_was_backed_up_and_calls_work(
    homes: tuple[Path, Path], write: Write, tmp_path: Path
) -> None:
    first = Server(homes[0], "--cpus", "4")
    try:
        for text in (DOUBLE, DOUBLE.replace("2 *", "x +")):
            first.deploy(write("double.py", text), "double")
        assert first.call("double", {"x": 4}) == 8
        assert first.sql("SELECT count(*) FROM calls WHERE state = 'SUCCEEDED'") == [[1]]
        exported_and_saved(first, tmp_path)
        asked = "SELECT call, function, version, state FROM calls ORDER BY call"
        versions = "SELECT version, state, code_digest FROM versions ORDER BY version"
        aliases = "SELECT alias, revision, version FROM alias_moves ORDER BY revision"
        before = [first.sql(query) for query in (asked, versions, aliases)]
        made = first.rayfaas("backup", tmp_path / "backup.tar")
        assert made.returncode == 0, made.stderr
        assert (tmp_path / "backup.tar").stat().st_mode & 0o777 == 0o600
        assert list(first.home.outgoing.iterdir()) == []
    finally:
        assert first.stop() == []
    restored = first.rayfaas("restore", tmp_path / "backup.tar", environ={"RAYFAAS_HOME": str(homes[1])})
    assert restored.returncode == 0, restored.stderr
    again = first.rayfaas("restore", tmp_path / "backup.tar")
    assert (again.returncode, "has a registry already" in again.stderr) == (1, True)
    second = Server(homes[1], "--cpus", "4")
    try:
        assert [second.sql(query) for query in (asked, versions, aliases)] == before
        assert second.call("double", {"x": 21}) == 42
        assert second.call("double:1", {"x": 3}) == 6
        eventually(lambda: second.sql("SELECT count(*) FROM calls") == [[3]])
    finally:
        assert second.stop() == []


def exported_and_saved(server: Server, directory: Path) -> None:
    exported = server.rayfaas("export", directory / "lake")
    assert exported.returncode == 0, exported.stderr
    day = next((directory / "lake" / "calls").glob("day=*/data.parquet"))
    assert duckdb.execute(f"SELECT function, state FROM '{day}'").fetchall() == [("default/double", "SUCCEEDED")]
    assert parquet.read_table(directory / "lake" / "versions.parquet").num_rows == 2
    query = "SELECT version, started_at FROM calls"
    for option, read in (("--arrow", pyarrow.ipc.open_stream), ("--parquet", parquet.ParquetFile)):
        saved = server.rayfaas("sql", query, option, directory / "answer")
        assert saved.returncode == 0, saved.stderr
        with (directory / "answer").open("rb") as file:
            table = read(file).read_all() if option == "--arrow" else read(file).read()
        assert (table.num_rows, str(table.schema.field("started_at").type)) == (1, "timestamp[us]")
    refused = server.http.post("/v1/sql", json={"sql": query}, headers={"Accept": "image/png"})
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")
    lines = server.http.post("/v1/sql", json={"sql": query}, headers={"Accept": "text/csv"}).text.splitlines()
    assert lines[0] == "version,started_at"

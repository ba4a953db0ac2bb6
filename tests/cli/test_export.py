"""What is exported is a file for each view, of calls and the like one for each day, each whole or not there."""

from __future__ import annotations

from pathlib import Path

from rayfaas.errors import Unavailable
from tests.cli.terminal import Terminal
from tests.scripted_server import Reply, Request


async def serve(request: Request, reply: Reply) -> None:
    """Two views, and calls of two days."""
    if request.path == "/v1/sql":
        rows = [["2026-11-26"], ["2026-11-27"]] if "calls" in request.json()["sql"] else [["calls"], ["versions"]]
        return await reply.json({"columns": [{"name": "x", "type": "VARCHAR"}], "rows": rows, "truncated": False})
    day = request.query.get("day", [""])[0]
    if day == "2026-11-27" and "broken" in request.headers["authorization"]:
        return await reply.problem(Unavailable("the disk is nearly full"))
    await reply.send(200, f"{request.path} {day}".encode(), {"Rayfaas-Rows": "1234"})


def test_a_file_for_each_view_and_day(rayfaas: Terminal, tmp_path: Path) -> None:
    rayfaas.serve(serve)
    lake = tmp_path / "lake"
    ended = rayfaas("export", lake, "--since", "30d", "--until", "1d")
    assert ended.out.splitlines() == [
        "calls/day=2026-11-26/data.parquet: 1,234 rows",
        "calls/day=2026-11-27/data.parquet: 1,234 rows",
        "versions.parquet: 1,234 rows",
    ]
    assert (lake / "calls/day=2026-11-27/data.parquet").read_text() == "/v1/export/calls 2026-11-27"
    assert (lake / "versions.parquet").read_text() == "/v1/export/versions "
    assert rayfaas.requests[1].json()["parameters"] == [30 * 86400, 86400]


def test_what_fails_leaves_what_was_there(rayfaas: Terminal, tmp_path: Path) -> None:
    rayfaas.serve(serve)
    assert rayfaas("export", tmp_path / "lake").code == 0
    rayfaas.serve(serve)
    rayfaas.token("rf_broken")
    ended = rayfaas("export", tmp_path / "lake")
    assert (ended.code, "nearly full" in ended.err) == (5, True)
    files = sorted(str(path.relative_to(tmp_path / "lake")) for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["calls/day=2026-11-26/data.parquet", "calls/day=2026-11-27/data.parquet", "versions.parquet"]


def test_a_folder_that_can_not_be_made_is_told(rayfaas: Terminal, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    rayfaas.serve(serve)
    ended = rayfaas("export", tmp_path / "file" / "lake")
    assert (ended.code, "can't be written" in ended.err) == (1, True)

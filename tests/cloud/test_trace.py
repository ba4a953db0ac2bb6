"""Calls of the past are read from what several makers write."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rayfaas.cloud.trace import Trace, read_trace
from rayfaas.errors import BadRequest


def read(directory: Path, text: str) -> Trace:
    file = directory / "trace.csv"
    file.write_text(text)
    return read_trace(file)


def test_a_trace_is_read_in_any_order(tmp_path: Path) -> None:
    text = "time,function,duration\n10,f,1.5\n2.5,f,\n2026-11-27T09:00:00+00:00,g,3\n"
    assert read(tmp_path, text) == {"f": [(2.5, 0.0), (10.0, 1.5)], "g": [(1795770000.0, 3.0)]}


def test_what_azure_wrote_in_2021_tells_of_ends(tmp_path: Path) -> None:
    text = "app,func,end_timestamp,duration\na1,f,100.5,0.5\na2,f,200.0,50.0\n"
    assert read(tmp_path, text) == {"a1/f": [(100.0, 0.5)], "a2/f": [(150.0, 50.0)]}


def test_what_azure_wrote_in_2019_counts_calls_by_minute(tmp_path: Path) -> None:
    minutes = [0] * 1440
    minutes[0], minutes[2] = 1, 2
    head = ",".join(["HashOwner", "HashApp", "HashFunction", "Trigger", *map(str, range(1, 1441))])
    line = ",".join(["o", "a", "f", "http", *map(str, minutes)])
    silent = ",".join(["o", "a", "g", "http", *["0"] * 1440])
    found = read(tmp_path, f"{head}\n{line}\n{silent}\n")
    assert found == {"a/f": [(0.0, 0.0), (120.0, 0.0), (120.0, 0.0)]}


def test_what_alibaba_wrote_tells_of_models(tmp_path: Path) -> None:
    head = "gmt_create,predict_type,predict_status,exec_time_seconds,groupId,checkpoint_model_version_id"
    found = read(tmp_path, f"{head}\n2024-11-15 16:57:50,TXT_2_IMG,SUCCEED,32.0,G0000,M0000\n")
    ((begin, length),) = found["M0000"]
    assert (begin % 60, length) == (50.0, 32.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("time,function\n", "no calls"),
        ("", "no column function"),
        ("time,name\n1,f\n", "no column function. Its columns are time, name"),
        ("when,function\n1,f\n", "no column time"),
        ("time,function\nsoon,f\n", "Line 2"),
        ("time,function\n1,f\n,f\n", "Line 3 has no time"),
        ("time,function\n1,f\n2\n", "Line 3 has no function"),
        ("time,function\nnan,f\n", "'nan' is no time"),
        ("time,function,duration\n1,f,-1\n", "'-1' is no duration"),
    ],
)
def test_what_is_wrong_with_a_trace_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        read(tmp_path, text)


def test_how_far_a_long_file_is_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("time,function\n" + "1,f\n" * 30_000)
    told: list[int] = []
    read_trace(file, told.append)
    assert len(told) == 4
    assert told == sorted(told)
    assert told[-1] <= file.stat().st_size


def test_the_example_is_a_trace() -> None:
    found = read_trace(Path("examples/trace.csv"))
    assert set(found) == {"search", "translate", "report", "train"}


def test_times_in_milliseconds_are_told_by_their_size_and_without_a_zone_they_are_utc(tmp_path: Path) -> None:
    text = "timestamp,function\n1700000000500,f\n1700000600000000,f\n2026-11-27T09:00:00,g\n"
    assert read(tmp_path, text) == {"f": [(1700000000.5, 0.0), (1700000600.0, 0.0)], "g": [(1795770000.0, 0.0)]}


def test_a_file_that_is_packed_is_to_be_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv.gz"
    file.write_bytes(gzip.compress(b"time,function\n1,f\n"))
    with pytest.raises(BadRequest, match="unpack it first"):
        read_trace(file)

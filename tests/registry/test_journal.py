"""Each record of a call journal lands exactly once, whatever is killed, cut off or garbled; no call is left open."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayfaas.gateway import journal as gateway_journal
from rayfaas.names import new_id
from rayfaas.records import Record
from rayfaas.registry import journal as registry_journal
from rayfaas.registry.database import Database
from rayfaas.registry.query import QueryLimits
from rayfaas.registry.registry import Registry
from tests.registry.builders import GATEWAY, ended, line, lines, locked, segment, settled, spawned, started

OTHER = "gateway-1-1700000000000000000"

each_with_its_own_segments = settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])


def asked(registry: Registry, sql: str) -> list[list[Any]]:
    return registry.query(sql, [], team=None).rows


def states(registry: Registry) -> dict[str, str]:
    """State by call; fails where a call has two rows."""
    rows = asked(registry, "SELECT call, state FROM calls")
    found: dict[str, str] = dict(rows)
    assert len(found) == len(rows)
    return found


def texts(registry: Registry) -> list[str]:
    return [text for (text,) in asked(registry, "SELECT text FROM logs ORDER BY text")]


def names(journal: Path) -> list[str]:
    return sorted(path.name for path in journal.iterdir())


# Exactly once


def test_a_call_and_its_output_are_loaded_and_the_dead_gateways_segment_goes(registry: Registry, journal: Path) -> None:
    call = started()
    segment(journal, call, line("hello", call=call.call), ended(call))
    assert registry.load_journal().rows == 3
    assert (states(registry), texts(registry), names(journal)) == ({call.call: "SUCCEEDED"}, ["hello"], [])
    assert registry.load_journal().rows == 0


@pytest.mark.parametrize("later", [False, True])
def test_all_that_a_call_row_says_is_what_was_recorded(registry: Registry, journal: Path, later: bool) -> None:
    call = started(
        parent=new_id(),
        alias="live",
        alias_revision=4,
        context='{"flow": "x"}',
        idempotency_key="k",
        owner="blue",
        method="predict",
    )
    end = ended(
        call, state="FAILED", code="function_error", retryable=False, started_us=call.accepted_us + 1_000,
        queue_us=1_000, run_us=3_500, cpu_us=2_000_000, gpu_us=500_000, bytes_out=9, items=2, cold="first call",
        executor="e", replica="r", node="n", cluster="lab", hardware="h", batch_size=7,
    )  # fmt: skip
    segment(journal, call, *(() if later else (end,)), gateway=GATEWAY)
    if later:
        with locked(journal / f"{GATEWAY}.000000.ndjson"):
            registry.load_journal()
        segment(journal, end, number=1)
    registry.load_journal()
    columns = (
        "parent, alias, alias_revision, context, idempotency_key, owner, state, code, retryable, duration_ms, "
        "queue_ms, run_ms, cpu_seconds, gpu_seconds, bytes_in, bytes_out, items, cold, cold_reason, executor, cluster, "
        "method, batch_size"
    )
    assert asked(registry, f"SELECT {columns} FROM calls") == [
        [
            call.parent, "live", 4, '{"flow": "x"}', "k", "blue", "FAILED", "function_error", False, 5.0, 1.0,
            3.5, 2.0, 0.5, 3, 9, 2, True, "first call", "e", "lab", "predict", 7,
        ]
    ]  # fmt: skip


def test_which_flow_and_task_made_a_call_is_a_column(registry: Registry, journal: Path) -> None:
    contexts = (
        '{"prefect": {"flow": "nightly", "flow_run": "f1", "task": "embed"}}',
        '{"airflow": {"dag": "weekly", "run": "manual__1", "task": "train"}}',
        '{"host": "h"}', '[1]', "no JSON {", None,
    )  # fmt: skip
    calls = [started(context=context, accepted_us=number) for number, context in enumerate(contexts)]
    segment(journal, *calls, *(ended(call) for call in calls))
    registry.load_journal()
    assert asked(registry, "SELECT flow, flow_run, task FROM calls ORDER BY accepted_at") == [
        ["nightly", "f1", "embed"], ["weekly", "manual__1", "train"], *[[None, None, None]] * 4,
    ]  # fmt: skip


def test_a_segment_that_comes_back_is_not_loaded_twice(registry: Registry, journal: Path) -> None:
    call = started()
    path = segment(journal, call, ended(call), line("once"), kept := spawned(), settled(kept))
    content = path.read_bytes()
    registry.load_journal()
    path.write_bytes(content)
    assert registry.load_journal().rows == 0
    assert (states(registry), texts(registry), names(journal)) == ({call.call: "SUCCEEDED"}, ["once"], [])
    assert len(asked(registry, "SELECT call FROM spawned")) == 1


def test_a_segment_that_grows_is_loaded_from_where_it_was_left(registry: Registry, journal: Path) -> None:
    path = segment(journal, line("a"))
    with locked(path):
        for text in ("b", "c"):
            registry.load_journal()
            segment(journal, line(text))
        assert registry.load_journal().rows == 1
        assert names(journal) == [path.name]
    assert texts(registry) == ["a", "b", "c"]


def test_a_call_may_begin_in_one_segment_and_end_in_a_later_one(registry: Registry, journal: Path) -> None:
    first, second = started(), started()
    segment(journal, first, second, number=0)
    segment(journal, ended(second, state="FAILED"), number=1)
    segment(journal, ended(first), number=2)
    registry.load_journal()
    assert states(registry) == {first.call: "SUCCEEDED", second.call: "FAILED"}


def test_a_segment_larger_than_a_pass_is_loaded_whole(
    registry: Registry, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_journal, "CHUNK_BYTES", 5_000)
    calls = [started() for _ in range(20)]
    segment(journal, *calls, *(ended(call) for call in calls))
    assert registry.load_journal().rows == 40
    assert set(states(registry).values()) == {"SUCCEEDED"}
    assert len(states(registry)) == 20


def test_nothing_recorded_is_nothing_loaded(database: Database, tmp_path: Path) -> None:
    assert Registry(database, tmp_path / "no-such-directory", QueryLimits()).load_journal().rows == 0


def test_files_that_are_no_segments_are_left_alone(registry: Registry, journal: Path) -> None:
    (journal / "notes.txt").write_bytes(lines(line("a")))
    (journal / f"{GATEWAY}.000001.new").write_bytes(lines(line("a")))
    assert registry.load_journal().rows == 0
    assert len(names(journal)) == 2


def test_what_a_gateway_writes_is_what_is_loaded_over_many_segments(
    registry: Registry, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_journal, "SEGMENT_BYTES", 2_000)
    writer = gateway_journal.Journal(journal, "gateway-0")
    calls = [started(gateway=writer.instance) for _ in range(30)]
    for call in calls:
        writer.started(call)
    registry.load_journal()
    assert set(states(registry).values()) == {"RUNNING"}
    for call in calls[1:]:
        writer.ended(ended(call))
        writer.log(line(call.call))
    registry.load_journal()
    assert len(names(journal)) == 1
    writer.close()
    registry.load_journal()
    expected = {call.call: "SUCCEEDED" for call in calls} | {calls[0].call: "INTERRUPTED"}
    assert (states(registry), len(texts(registry)), names(journal)) == (expected, 29, [])


# Killed

# Loads a journal and kills itself: when it has run the statement of this name, or before it deletes a segment.
LOADER = """
import os, signal, sys
from pathlib import Path
from rayfaas.registry.database import Database
from rayfaas.registry.registry import Registry
from rayfaas.registry.statements import load

database, journal, last = sys.argv[1:]
run = Database.run

def run_and_die(self, statement, parameters=None):
    rows = run(self, statement, parameters)
    if statement == load("journal.sql").get(last):
        os.kill(os.getpid(), signal.SIGKILL)
    return rows

Database.run = run_and_die
if last == "unlink":
    Path.unlink = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
Registry.open(Path(database), Path(journal)).load_journal()
"""


@pytest.mark.parametrize("last", ["log", "set_loaded", "unlink", "interrupt"])
def test_a_loader_that_is_killed_loses_nothing_and_loads_nothing_twice(
    tmp_path: Path, journal: Path, last: str
) -> None:
    finished, open_for_ever = started(), started()
    segment(journal, finished, open_for_ever, line("one"), number=0)
    segment(journal, ended(finished), line("two"), kept := spawned(), settled(kept), number=1)
    path = tmp_path / "registry.duckdb"
    died = subprocess.run([sys.executable, "-c", LOADER, str(path), str(journal), last])
    assert died.returncode == -signal.SIGKILL
    registry = Registry.open(path, journal)
    registry.load_journal()
    found = states(registry), texts(registry), asked(registry, "SELECT state, attempts FROM spawned"), names(journal)
    registry.close()
    expected = {finished.call: "SUCCEEDED", open_for_ever.call: "INTERRUPTED"}
    assert found == (expected, ["one", "two"], [["SUCCEEDED", 1]], [])


def test_records_that_can_not_be_staged_stay_in_their_segment(
    registry: Registry, database: Database, journal: Path
) -> None:
    path = segment(journal, line("a"))
    database.staging.unlink(missing_ok=True)
    database.staging.mkdir()
    with pytest.raises(OSError):  # noqa: PT011 whatever the file system says
        registry.load_journal()
    database.staging.rmdir()
    assert path.exists()
    assert registry.load_journal().rows == 1
    assert texts(registry) == ["a"]


# Cut off and garbled


def test_the_torn_last_line_of_a_dead_gateway_is_left_out(registry: Registry, journal: Path) -> None:
    call = started()
    path = segment(journal, call, ended(call))
    with path.open("ab") as file:
        file.write(lines(line("torn"))[:-20])
    assert registry.load_journal().rows == 2
    assert (states(registry), texts(registry), names(journal)) == ({call.call: "SUCCEEDED"}, [], [])


def test_a_line_that_is_half_written_is_loaded_when_it_is_whole(registry: Registry, journal: Path) -> None:
    path = segment(journal, line("a"))
    text = lines(line("b"))
    with locked(path), path.open("ab", buffering=0) as file:
        file.write(text[:40])
        assert registry.load_journal().rows == 1
        file.write(text[40:-1])
        assert registry.load_journal().rows == 0
        file.write(text[-1:])
        assert registry.load_journal().rows == 1
    assert texts(registry) == ["a", "b"]


BAD = {
    "garbage": b"garbage",
    "zeros": b"\0" * 512,
    "half and whole": lines(line("half"))[:40] + lines(line("whole"))[:-1],
    "two on a line": lines(line("one"))[:-1] + lines(line("two"))[:-1],
    "array": b"[1, 2]",
    "null": b"null",
    "empty": b"",
    "unknown kind": b'{"k": "nonsense", "call": "x"}',
    "fields missing": b'{"k": "start"}',
    "fields of the last missing": b'{"k": "log"}',
    "not UTF-8": lines(line("@"))[:-1].replace(b"@", b"\xff\xfe"),
    "half a surrogate": lines(line("@"))[:-1].replace(b"@", b"\\ud800"),
    "key twice": lines(line("@"))[:-1].replace(b'"k":"log"', b'"k":"log","k":"start"'),
    "carriage return": b"a\rb",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_line_that_can_not_be_read_holds_up_none_of_the_others(
    registry: Registry, journal: Path, bad: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    call = started()
    path = journal / f"{GATEWAY}.000000.ndjson"
    path.write_bytes(lines(call, line("before")) + bad + b"\n" + lines(line("after"), ended(call)))
    registry.load_journal()
    assert (states(registry), texts(registry), names(journal)) == ({call.call: "SUCCEEDED"}, ["after", "before"], [])


def test_what_was_left_out_is_told_with_the_segment_it_was_in(
    registry: Registry, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = segment(journal, line("before"))
    with path.open("ab") as file:
        file.write(b"garbage\ngarbage\n")
    registry.load_journal()
    (record,) = caplog.records
    assert record.getMessage().startswith(f"2 records of {path.name} can't be read and are left out")


@given(noise=st.lists(st.binary(max_size=40).filter(lambda data: b"\n" not in data), max_size=4))
@each_with_its_own_segments
def test_whatever_stands_between_good_lines_they_are_loaded(
    opened_database: Database, journal: Path, noise: list[bytes]
) -> None:
    registry = Registry(opened_database, journal, QueryLimits())
    call = started()
    path = journal / f"{new_id()}.000000.ndjson"
    path.write_bytes(lines(call) + b"".join(part + b"\n" for part in noise) + lines(ended(call)))
    logging.disable(logging.ERROR)
    try:
        registry.load_journal()
    finally:
        logging.disable(logging.NOTSET)
    assert states(registry)[call.call] == "SUCCEEDED"


# Hostile text

HOSTILE = [
    'it\'s "so" \\ `--`',
    "'); DELETE FROM store.calls; --",
    "a\0b",
    "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029",
    "\n\r\n\n",
    "😀𝔘\U0010ffff",
    "\ufffd\ufeff\uffff",
    '"}\n{"k": "end"}',
    "",
    "long 😀\n" * 50_000,
]


def test_hostile_text_is_kept_as_it_is(registry: Registry, journal: Path) -> None:
    for text in HOSTILE:
        call = started(target=text, principal=text, context=text, idempotency_key=text)
        segment(journal, call, line(text, level=text), ended(call, code=text, cold=text, node=text))
    registry.load_journal()
    columns = "target, caller, context, idempotency_key, code, cold_reason, node"
    expected = [[text, text, text, text, text, text or None, text] for text in sorted(HOSTILE)]
    assert asked(registry, f"SELECT {columns} FROM calls ORDER BY target") == expected
    assert asked(registry, "SELECT text, level FROM logs ORDER BY text") == [[text, text] for text in sorted(HOSTILE)]


@given(written=st.lists(st.text(max_size=60), min_size=1, max_size=20))
@each_with_its_own_segments
def test_any_text_comes_back_as_it_was_written(opened_database: Database, journal: Path, written: list[str]) -> None:
    registry = Registry(opened_database, journal, QueryLimits())
    call = new_id()
    segment(journal, *(line(text, call=call, at_us=at) for at, text in enumerate(written)), gateway=new_id())
    registry.load_journal()
    assert [row.text for row in registry.logs(None, call, None, 100)] == written


# Gateways that live, and those that died


def test_an_open_call_of_a_living_gateway_runs_on(registry: Registry, journal: Path) -> None:
    call = started()
    with locked(segment(journal, call)):
        registry.load_journal()
        registry.load_journal()
        assert states(registry) == {call.call: "RUNNING"}


def test_an_open_call_of_a_dead_gateway_is_interrupted_once(registry: Registry, journal: Path) -> None:
    call = started()
    segment(journal, call)
    registry.load_journal()
    registry.load_journal()
    assert asked(registry, "SELECT state, code, bytes_out, ended_at IS NOT NULL FROM calls") == [
        ["INTERRUPTED", "interrupted", 0, True]
    ]


def test_a_gateway_in_another_process_is_alive_until_it_is_killed(registry: Registry, journal: Path) -> None:
    call = started()
    path = segment(journal, call)
    hold = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, 2); print('up', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == b"up\n"
        registry.load_journal()
        while_it_lived = states(registry), names(journal)
        gateway.kill()
    registry.load_journal()
    assert while_it_lived == ({call.call: "RUNNING"}, [path.name])
    assert (states(registry), names(journal)) == ({call.call: "INTERRUPTED"}, [])


def test_the_last_words_of_a_gateway_count_before_it_is_called_dead(registry: Registry, journal: Path) -> None:
    call = started()
    with locked(segment(journal, call)):
        registry.load_journal()
    segment(journal, ended(call))
    registry.load_journal()
    assert states(registry) == {call.call: "SUCCEEDED"}


def test_only_the_calls_of_the_gateway_that_died_are_interrupted(registry: Registry, journal: Path) -> None:
    lives, died = started(), started(gateway=OTHER)
    with locked(segment(journal, lives)):
        segment(journal, died, gateway=OTHER)
        registry.load_journal()
        assert states(registry) == {lives.call: "RUNNING", died.call: "INTERRUPTED"}


def test_the_next_life_of_a_gateway_is_another_gateway(registry: Registry, journal: Path) -> None:
    before, now = started(), started(gateway=f"{GATEWAY}1")
    segment(journal, before)
    with locked(segment(journal, now, gateway=f"{GATEWAY}1")):
        registry.load_journal()
        assert states(registry) == {before.call: "INTERRUPTED", now.call: "RUNNING"}


def test_a_gateway_that_is_just_opening_its_next_segment_is_alive(registry: Registry, journal: Path) -> None:
    call = started()
    segment(journal, call)
    with locked(journal / f"{GATEWAY}.000001.new"):
        registry.load_journal()
        assert states(registry) == {call.call: "RUNNING"}
        assert names(journal) == [f"{GATEWAY}.000001.new"]


def test_a_full_segment_goes_while_its_gateway_lives(registry: Registry, journal: Path) -> None:
    call = started()
    segment(journal, call, number=0)
    with locked(segment(journal, line("a"), number=1)) as _:
        registry.load_journal()
        assert (states(registry), names(journal)) == ({call.call: "RUNNING"}, [f"{GATEWAY}.000001.ndjson"])


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Somebody else asks whether the gateway is alive, at the same moment."""
    fd = os.open(path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    yield
    os.close(fd)


def test_who_only_asks_for_the_lock_does_not_make_a_dead_gateway_live(registry: Registry, journal: Path) -> None:
    call = started()
    with reading(segment(journal, call)):
        registry.load_journal()
    assert states(registry) == {call.call: "INTERRUPTED"}


# Reading logs


def load_lines(registry: Registry, journal: Path, *records: Record) -> None:
    segment(journal, *records)
    registry.load_journal()


def test_logs_are_the_newest_lines_the_oldest_of_them_first(registry: Registry, journal: Path) -> None:
    load_lines(registry, journal, *(line(str(n), at_us=n) for n in (3, 1, 5, 2, 4)))
    assert [row.text for row in registry.logs(None, None, None, 3)] == ["3", "4", "5"]


def test_logs_are_those_of_a_function_or_of_a_call(registry: Registry, journal: Path) -> None:
    call = new_id()
    load_lines(registry, journal, line("f"), line("g", function="red/g"), line("call", call=call, function="red/g"))
    assert [row.text for row in registry.logs("red/f", None, None, 9)] == ["f"]
    assert [row.text for row in registry.logs(None, call, None, 9)] == ["call"]
    assert registry.logs("red/f", call, None, 9) == []


@pytest.mark.parametrize("call", ["", "nonsense", "' OR 1=1 --", "\0"])
def test_what_is_no_call_id_has_no_logs(registry: Registry, journal: Path, call: str) -> None:
    load_lines(registry, journal, line("f"))
    assert registry.logs(None, call, None, 9) == []


@pytest.mark.parametrize(("team", "expected"), [("red", ["red"]), ("redder", ["redder"]), ("re", []), ("r%", [])])
def test_a_team_reads_its_own_functions_logs_only(
    registry: Registry, journal: Path, team: str, expected: list[str]
) -> None:
    load_lines(registry, journal, *(line(owner, function=f"{owner}/f") for owner in ("red", "redder", "blue")))
    assert [row.text for row in registry.logs(None, None, team, 9)] == expected
    assert [row.text for row in registry.logs("blue/f", None, team, 9)] == []


def test_lines_are_had_in_batches_each_once(registry: Registry, journal: Path) -> None:
    load_lines(registry, journal, *(line(str(n)) for n in range(5)))
    newest = registry.lines(None, None, None, None, 2)
    assert [row.text for _, row in newest.lines] == ["3", "4"]
    segment(journal, line("other", function="red/g"), line("5"), line("6"), number=1)
    registry.load_journal()
    first = registry.lines("red/f", None, None, newest.after, 1)
    assert ([row.text for _, row in first.lines], first.more) == (["5"], True)
    second = registry.lines("red/f", None, None, first.after, 9)
    assert ([row.text for _, row in second.lines], second.more) == (["6"], False)
    assert registry.lines("red/f", None, None, second.after, 9).lines == []


def test_lines_are_counted_from_where_one_asked_though_none_was_ones_own(registry: Registry, journal: Path) -> None:
    start = registry.lines(None, None, None, None, 9).after
    load_lines(registry, journal, line("theirs", function="blue/f"))
    asked = registry.lines(None, None, "red", -1, 9)
    assert (asked.lines, asked.more) == ([], False)
    assert asked.after > start


def test_who_asks_for_no_lines_is_told_where_those_to_come_begin(registry: Registry, journal: Path) -> None:
    segment(journal, line("a"), line("b"))
    registry.load_journal()
    none = registry.lines("red/f", None, None, None, 0)
    assert (none.lines, none.more) == ([], False)
    segment(journal, line("c"), gateway=OTHER)
    registry.load_journal()
    assert [row.text for _, row in registry.lines("red/f", None, None, none.after, 10).lines] == ["c"]


def test_a_call_is_in_the_trace_that_its_context_names_or_in_its_chains(registry: Registry, journal: Path) -> None:
    told = started(context='{"trace":{"id":"4bf92f3577b34da6a3ce929d0e0e4736"}}')
    first = started()
    inside = started(root=first.call, parent=first.call)
    segment(journal, told, first, inside)
    registry.load_journal()
    traces = dict(asked(registry, "SELECT call, trace FROM calls"))
    assert traces[told.call] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert traces[first.call] == traces[inside.call] == first.call.replace("-", "")

"""Names are what they say or refused with words; ids sort by time and are never made twice, not by forks either."""

from __future__ import annotations

import os
import threading
import time
import uuid

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rayfaas.errors import BadRequest
from rayfaas.names import Target, check_alias, check_name, check_node, check_team, format_uuid7, new_id

teams = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,127}", fullmatch=True)
aliases = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,62}", fullmatch=True)
milliseconds = st.integers(0, 2**48 - 1)
randoms = st.integers(0, 2**80 - 1)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("embed", Target(None, "embed", None, None)),
        ("embed:7", Target(None, "embed", 7, None)),
        ("embed:999999999", Target(None, "embed", 999_999_999, None)),
        ("embed@prod", Target(None, "embed", None, "prod")),
        ("nlp/embed", Target("nlp", "embed", None, None)),
        ("nlp/embed:7", Target("nlp", "embed", 7, None)),
        ("Model.predict", Target(None, "Model", None, None, "predict")),
        ("nlp/Model.predict:3", Target("nlp", "Model", 3, None, "predict")),
        ("Model.predict@prod", Target(None, "Model", None, "prod", "predict")),
        ("3-d/_embed-2@v_1", Target("3-d", "_embed-2", None, "v_1")),
    ],
)
def test_targets_are_read_as_they_are_written(text: str, target: Target) -> None:
    assert Target.parse(text) == target


@settings(max_examples=40)
@given(st.none() | teams, names, st.none() | st.integers(1, 999_999_999) | aliases)
def test_every_target_that_can_be_written_can_be_read(team: str | None, name: str, which: int | str | None) -> None:
    suffix = "" if which is None else f":{which}" if isinstance(which, int) else f"@{which}"
    target = Target.parse((f"{team}/" if team else "") + name + suffix)
    version, alias = (which, None) if isinstance(which, int) else (None, which)
    assert target == Target(team, name, version, alias)
    assert str(target) == (f"{team}/" if team else "") + name + suffix


@pytest.mark.parametrize(
    "text",
    [
        "",
        " embed",
        "embed ",
        "embed\n",
        "embed:",
        "embed@",
        "embed:0",
        "embed:07",
        "embed:-1",
        "embed:1.5",
        "embed:1000000000",
        "embed:７",
        "embed:1@prod",
        "embed@prod:1",
        "embed@1",
        "1embed",
        "émbed",
        "embed.",
        "embed.1x",
        "embed.x.y",
        "embed:1.x",
        "embed.x-y",
        "../embed",
        "nlp/../embed",
        "nlp//embed",
        "/embed",
        "nlp/",
        "NLP/embed",
        "-nlp/embed",
        "n_l/embed",
        "a/b/c",
        "embed\0",
        "embed?x=1",
        "embed%20",
        "x" * 129,
        "t" * 64 + "/x",
        "x@" + "a" * 64,
    ],
)
def test_what_is_not_a_target_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadRequest, match="for example embed, embed:7, nlp/embed@prod"):
        Target.parse(text)


@settings(max_examples=80)
@given(st.text(max_size=20))
@example("nlp/embed@prod")
def test_any_text_is_a_target_or_a_bad_request(text: str) -> None:
    try:
        target = Target.parse(text)
    except BadRequest:
        return
    assert target.name in text
    assert text.isascii()


def test_names_may_be_as_long_as_is_said_and_no_longer() -> None:
    assert check_team("t" * 63)
    assert check_name("n" * 128)
    assert check_alias("a" * 63)
    for check, text in ((check_team, "t" * 64), (check_name, "n" * 129), (check_alias, "a" * 64)):
        with pytest.raises(BadRequest, match="at most"):
            check(text)


@pytest.mark.parametrize("text", ["", "3f2", "gpu-1", "3F2A91C0", "3f2a91c0\n", "../etc", "a" * 65])
def test_a_node_is_named_by_its_id_or_its_beginning(text: str) -> None:
    assert check_node("3f2a91c0") == "3f2a91c0"
    with pytest.raises(BadRequest, match="is no node: write its id"):
        check_node(text)


@pytest.mark.parametrize(
    "text", ["", "a b", "a/b", "a\n", "a.b", "a@b", "a:b", "ä", "'; DROP TABLE teams; --", "%", "*"]
)
def test_no_name_holds_what_means_something_elsewhere(text: str) -> None:
    for check in (check_team, check_name, check_alias):
        with pytest.raises(BadRequest):
            check(text)


@settings(max_examples=40)
@given(milliseconds, randoms)
def test_ids_are_uuids_of_version_7_with_their_time_in_front(unix_ms: int, random_80: int) -> None:
    text = format_uuid7(unix_ms, random_80)
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == unix_ms


@settings(max_examples=40)
@given(milliseconds, milliseconds, randoms, randoms)
def test_ids_sort_as_their_times(first_ms: int, second_ms: int, first: int, second: int) -> None:
    a, b = format_uuid7(first_ms, first), format_uuid7(second_ms, second)
    if first_ms != second_ms:
        assert (a < b) == (first_ms < second_ms)
    # 74 of the 80 bits are in the id: RFC 9562 takes six for version and variant.
    assert (a == b) == (first_ms == second_ms and _kept(first) == _kept(second))


def _kept(random_80: int) -> int:
    return (random_80 >> 68 << 62) | ((random_80 >> 54 & 0x3FFF) << 48) | (random_80 & 0xFFFF_FFFF_FFFF)


def test_a_new_id_holds_the_present_moment() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_id()).int >> 80
    assert before <= made <= time.time_ns() // 1_000_000


def test_threads_make_no_id_twice() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend(new_id() for _ in range(2000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8000


def test_forked_processes_make_different_ids() -> None:
    random_parts = {_random_part_in_a_fork() for _ in range(4)} | {new_id()[15:]}
    assert len(random_parts) == 5


def _random_part_in_a_fork() -> str:
    """Of the first id that a forked process makes; its time alone would make the id another."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writable, new_id()[15:].encode())
        os._exit(0)
    os.close(writable)
    os.waitpid(pid, 0)
    with os.fdopen(readable) as pipe:
        return pipe.read()

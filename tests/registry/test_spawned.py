"""A spawned call is with a living gateway until it is settled, runs once where it must, and is seen by who may."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from rayfaas.errors import NotFound
from rayfaas.names import new_id
from rayfaas.records import Record, Told
from rayfaas.registry import spawned as registry_spawned
from rayfaas.registry.database import Database
from rayfaas.registry.registry import Registry
from rayfaas.registry.spawned import Reservation
from rayfaas.spec import Spec
from tests.registry.builders import (
    ACCEPTED_US,
    GATEWAY,
    ended,
    locked,
    publish,
    replayed,
    segment,
    settled,
    spawned,
    started,
)

OTHER = "gateway-1-1700000000000000000"
FUTURE_US = 4_000_000_000_000_000


def load(registry: Registry, journal: Path, *records: Record, number: int = 0) -> None:
    segment(journal, *records, number=number)
    registry.load_journal()


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["call"] for row in rows]


def state_of(registry: Registry, call: str) -> str:
    found = registry.spawned.call(call, None)
    assert found is not None
    (row,) = registry.query("SELECT state FROM spawned WHERE call = ?", [call], None).rows
    assert row == [found["state"]]
    return str(found["state"])


# Idempotency keys


def reserve(registry: Registry, call: str, key: str = "k", **changes: Any) -> str:
    (made,) = registry.spawned.reserve([Reservation("red", "red/f", key, call, GATEWAY)._replace(**changes)])
    return made


def test_many_keys_are_reserved_together_the_first_of_each_first(registry: Registry, journal: Path) -> None:
    with locked(journal / f"{GATEWAY}.000000.ndjson"):
        calls = [new_id() for _ in range(6)]
        wanted = [Reservation("red", "red/f", f"k{n % 3}", call, GATEWAY) for n, call in enumerate(calls)]
        assert registry.spawned.reserve(wanted) == calls[:3] * 2
        assert registry.spawned.reserve([]) == []


def test_a_key_leads_to_the_call_that_has_it_while_that_is_on_its_way(registry: Registry, journal: Path) -> None:
    first, second = new_id(), new_id()
    with locked(journal / f"{GATEWAY}.000000.ndjson"):
        assert reserve(registry, first) == first
        assert reserve(registry, second) == first
        assert reserve(registry, second, gateway=OTHER) == first


@pytest.mark.parametrize(("state", "runs_again"), [("FAILED", True), ("TIMED_OUT", True), ("SUCCEEDED", False)])
def test_a_key_whose_call_failed_is_free_for_who_wants_to_run_it_again(
    registry: Registry, journal: Path, state: str, runs_again: bool
) -> None:
    first, again = spawned(idempotency_key="k"), new_id()
    reserve(registry, first.call)
    segment(journal, first)
    registry.load_journal()
    assert reserve(registry, again, rerun_failed=True) == first.call, "it has not ended"
    segment(journal, settled(first, state=state), number=1)
    registry.load_journal()
    assert reserve(registry, again) == first.call
    assert reserve(registry, again, rerun_failed=True) == (again if runs_again else first.call)


def test_a_key_whose_gateway_died_before_the_call_was_kept_is_free(registry: Registry) -> None:
    first, second = new_id(), new_id()
    assert reserve(registry, first) == first
    assert reserve(registry, second, gateway=OTHER) == second


def test_a_key_whose_call_was_never_kept_is_free_after_a_minute(
    registry: Registry, database: Database, journal: Path
) -> None:
    first, second = new_id(), new_id()
    with locked(journal / f"{GATEWAY}.000000.ndjson"):
        reserve(registry, first)
        database.run("UPDATE store.idempotency SET reserved_us = reserved_us - 61 * 1000000")
        assert reserve(registry, second) == second


def test_a_key_whose_call_was_kept_leads_to_it_for_ever(registry: Registry, journal: Path) -> None:
    kept = spawned(idempotency_key="k")
    reserve(registry, kept.call)
    load(registry, journal, kept, settled(kept))
    assert reserve(registry, new_id(), gateway=OTHER) == kept.call


@pytest.mark.parametrize("other", [{"team": "blue"}, {"function": "red/g"}, {"key": "K"}, {"key": "k "}])
def test_a_key_is_of_one_team_and_function(registry: Registry, journal: Path, other: dict[str, str]) -> None:
    first, second = new_id(), new_id()
    with locked(journal / f"{GATEWAY}.000000.ndjson"):
        reserve(registry, first)
        assert reserve(registry, second, **other) == second


@pytest.mark.parametrize("key", ["it's", "' OR 1=1 --", "a\0b", "", "😀", "k" * 100_000])
def test_a_key_may_be_any_text(registry: Registry, journal: Path, key: str) -> None:
    first = new_id()
    with locked(journal / f"{GATEWAY}.000000.ndjson"):
        reserve(registry, new_id(), key="another")
        assert reserve(registry, first, key=key) == first
        assert reserve(registry, new_id(), key=key) == first


# What is known of a call


def test_a_spawned_call_waits_until_it_is_settled(registry: Registry, journal: Path) -> None:
    kept = spawned(team="blue", principal="bob")
    load(registry, journal, kept)
    waiting = registry.spawned.call(kept.call, "blue")
    assert waiting is not None
    assert (waiting["state"], waiting["spawned"], waiting["caller"]) == ("WAITING", True, "bob")
    assert (waiting["accepted_at"], waiting["ended_at"]) == ("2023-11-14T22:13:20+00:00", None)
    first, again = started(call=kept.call, root=kept.call), started(parent=kept.call)
    with locked(journal / f"{GATEWAY}.000009.ndjson"):  # its gateway lives
        load(registry, journal, first, number=1)
        assert state_of(registry, kept.call) == "RUNNING"
        load(registry, journal, ended(first, state="FAILED"), number=2)
        assert state_of(registry, kept.call) == "WAITING", "for its next attempt"
        load(registry, journal, again, number=3)
        assert state_of(registry, kept.call) == "RUNNING"
        end = settled(kept, state="FAILED", code="function_error", attempts=3)
        load(registry, journal, ended(again, state="FAILED"), end, number=4)
    done = registry.spawned.call(kept.call, "blue")
    assert done is not None
    assert (done["state"], done["code"], done["attempts"]) == ("FAILED", "function_error", 3)
    assert done["ended_at"] == "2023-11-14T22:13:20.005000+00:00"


def test_a_call_that_somebody_waited_for_is_known_too(registry: Registry, journal: Path) -> None:
    call = started()
    load(registry, journal, call, ended(call))
    found = registry.spawned.call(call.call, "red")
    assert found is not None
    assert (found["state"], found["spawned"], found["attempts"]) == ("SUCCEEDED", False, None)


@pytest.mark.parametrize(("team", "sees"), [("red", True), ("blue", True), (None, True), ("green", False), ("", False)])
def test_a_call_is_seen_by_the_callers_team_the_owners_team_and_admins(
    registry: Registry, journal: Path, team: str | None, sees: bool
) -> None:
    kept, call = spawned(team="blue"), started(team="blue")
    load(registry, journal, kept, call)
    assert [registry.spawned.call(each.call, team) is not None for each in (kept, call)] == [sees, sees]


def test_what_was_asked_inside_a_call_is_for_the_team_whose_code_asked(registry: Registry, journal: Path) -> None:
    outer = started(team="blue", function="red/f", owner="red")
    inside = spawned(team="blue", function="green/g", root=outer.call, parent=outer.call)
    outside = spawned(team="blue", function="green/g")
    load(registry, journal, outer, inside, outside)
    own = {
        team: [(registry.spawned.call(each.call, team) or {}).get("is_own") for each in (inside, outside)]
        for team in ("blue", "green", "red", None)
    }
    assert own == {"blue": [False, True], "green": [True, True], "red": [None, None], None: [True, True]}
    mine = spawned(team="blue", function="green/g", root=outer.call, parent=(made := started(owner="blue")).call)
    load(registry, journal, made, mine, number=1)
    assert (registry.spawned.call(mine.call, "blue") or {})["is_own"]


@pytest.mark.parametrize("code", ["red", "blue", "green"])
def test_code_of_a_team_sees_what_it_made_for_a_caller_and_nothing_else_of_the_callers(
    registry: Registry, journal: Path, code: str
) -> None:
    outer = started(owner="blue", function="blue/f", team="red")  # a call of the caller's, to whom blue's code answers
    made, kept = started(parent=outer.call, root=outer.call), spawned(parent=outer.call, root=outer.call)
    load(registry, journal, outer, made, kept)
    seen = [registry.spawned.call(each.call, "red", code) is not None for each in (outer, made, kept)]
    assert seen == {"red": [True] * 3, "blue": [True] * 3, "green": [False] * 3}[code]
    other = started(team="red", owner="red")
    load(registry, journal, other, number=1)
    assert (registry.spawned.call(other.call, "red", code) is not None) == (code == "red")


def test_an_unknown_call_is_none_and_has_no_outcome(registry: Registry) -> None:
    assert registry.spawned.call(new_id(), None) is None
    assert registry.spawned.outcome(new_id()) is None


def test_what_a_call_was_asked_is_known_as_long_as_it_is_kept(registry: Registry, journal: Path) -> None:
    record = spawned()
    load(registry, journal, record)
    assert registry.spawned.kept(record.call) == {"content_type": record.content_type, "body": record.body}
    assert registry.spawned.kept(new_id()) is None


def test_a_result_comes_back_as_the_bytes_that_it_was(registry: Registry, journal: Path) -> None:
    kept = spawned()
    load(registry, journal, kept)
    assert registry.spawned.outcome(kept.call) is None
    result = bytes(range(256))
    body = base64.b64encode(result).decode()
    load(registry, journal, settled(kept, content_type="image/png", body=body), number=1)
    assert registry.spawned.outcome(kept.call) == {"content_type": "image/png", "body": result, "problem": None}


def test_a_problem_comes_back_as_it_was(registry: Registry, journal: Path) -> None:
    kept = spawned()
    load(registry, journal, kept, settled(kept, state="FAILED", problem='{"code": "x", "detail": "a\\u0000b"}'))
    outcome = registry.spawned.outcome(kept.call)
    assert outcome == {"content_type": "", "body": b"", "problem": {"code": "x", "detail": "a\0b"}}


def test_of_two_outcomes_the_first_counts(registry: Registry, journal: Path) -> None:
    kept = spawned()
    first = settled(kept, ended_us=ACCEPTED_US + 1, attempts=1, body="MQ==")
    second = settled(kept, ended_us=ACCEPTED_US + 2, attempts=2, body="Mg==")
    load(registry, journal, kept, second, first)
    outcome = registry.spawned.outcome(kept.call)
    assert outcome is not None
    assert outcome["body"] == b"1"
    assert registry.query("SELECT attempts FROM spawned", [], team=None).rows == [[1]]


# Calls whose gateway died


def test_calls_of_a_dead_gateway_are_abandoned_the_oldest_first(registry: Registry, journal: Path) -> None:
    newer, older, done = spawned(accepted_us=ACCEPTED_US + 9), spawned(), spawned()
    load(registry, journal, newer, older, done, settled(done))
    rows = registry.spawned.abandoned()
    assert ids(rows) == [older.call, newer.call]
    assert {name: rows[0][name] for name in ("target", "function", "version", "body", "timeout_s", "retries")} == {
        "target": "f", "function": "red/f", "version": 1, "body": "e30=", "timeout_s": 300.0, "retries": 2,
    }  # fmt: skip


def test_calls_of_a_living_gateway_are_not(registry: Registry, journal: Path) -> None:
    with locked(segment(journal, spawned())):
        registry.load_journal()
        assert registry.spawned.abandoned() == []


def test_what_is_given_to_a_living_gateway_is_no_longer_abandoned(registry: Registry, journal: Path) -> None:
    kept, stays = spawned(), spawned()
    load(registry, journal, kept, stays)
    with locked(journal / f"{OTHER}.000000.ndjson"):
        registry.spawned.assign([kept.call], OTHER)
        assert ids(registry.spawned.abandoned()) == [stays.call]
        registry.spawned.assign([stays.call], OTHER)
        assert registry.spawned.abandoned() == []
    assert set(ids(registry.spawned.abandoned())) == {kept.call, stays.call}


def test_so_many_are_handed_out_at_once(registry: Registry, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_spawned, "BATCH", 3)
    load(registry, journal, *(spawned() for _ in range(5)))
    first = ids(registry.spawned.abandoned())
    with locked(journal / f"{OTHER}.000000.ndjson"):
        registry.spawned.assign(first, OTHER)
        second = ids(registry.spawned.abandoned())
    assert (len(first), len(second), len({*first, *second})) == (3, 2, 5)


def test_one_that_may_run_once_only_and_began_is_interrupted_instead(registry: Registry, journal: Path) -> None:
    kept = spawned(idempotency_key="k")
    load(registry, journal, kept, started(call=kept.call))
    assert registry.spawned.abandoned() == []
    found, outcome = registry.spawned.call(kept.call, None), registry.spawned.outcome(kept.call)
    assert found is not None
    assert outcome is not None
    assert (found["state"], found["code"]) == ("INTERRUPTED", "interrupted")
    assert outcome["problem"]["code"] == "interrupted"
    assert registry.spawned.abandoned() == []


def test_one_whose_second_attempt_began_is_interrupted_too(registry: Registry, journal: Path) -> None:
    kept = spawned(idempotency_key="k")
    load(registry, journal, kept, started(parent=kept.call))
    assert registry.spawned.abandoned() == []
    assert registry.query("SELECT state FROM spawned", [], team=None).rows == [["INTERRUPTED"]]


def test_one_with_a_key_that_never_began_is_run(registry: Registry, journal: Path) -> None:
    kept = spawned(idempotency_key="k")
    load(registry, journal, kept)
    assert ids(registry.spawned.abandoned()) == [kept.call]


def test_one_without_a_key_is_run_again_though_it_began(registry: Registry, journal: Path) -> None:
    kept = spawned()
    load(registry, journal, kept, started(call=kept.call))
    assert ids(registry.spawned.abandoned()) == [kept.call]


# Calls that a living gateway does not know of


def test_what_a_gateway_was_given_and_does_not_hold_is_lost(registry: Registry, journal: Path) -> None:
    held, lost, done = spawned(), spawned(), spawned()
    with locked(segment(journal, held, lost, done, settled(done))):
        registry.load_journal()
        assert ids(registry.spawned.lost(GATEWAY, {held.call}, FUTURE_US)) == [lost.call]
        assert registry.spawned.lost(OTHER, set(), FUTURE_US) == []


def test_what_was_accepted_later_may_be_on_its_way(registry: Registry, journal: Path) -> None:
    with locked(segment(journal, spawned())):
        registry.load_journal()
        assert registry.spawned.lost(GATEWAY, set(), ACCEPTED_US) == []
        assert len(registry.spawned.lost(GATEWAY, set(), ACCEPTED_US + 1)) == 1


# Again


def test_a_call_is_run_again_as_a_new_one_of_whoever_asks(registry: Registry, journal: Path) -> None:
    kept = spawned(body="WzFd", retries=7, idempotency_key="k")
    load(registry, journal, kept, settled(kept))
    made = replayed(registry, kept.call, "bob", "blue", None)
    (row,) = registry.spawned.abandoned()
    assert made != kept.call
    assert (row["call"], row["parent"], row["principal"], row["team"]) == (made, kept.call, "bob", "blue")
    assert (row["body"], row["retries"], row["idempotency_key"]) == ("WzFd", 7, None)


def test_a_call_is_run_and_run_again_with_its_encodings(registry: Registry, journal: Path) -> None:
    kept = spawned(content_type="application/msgpack", accept="image/png")
    other = spawned()
    load(registry, journal, kept, other)
    (first, plain) = sorted(registry.spawned.abandoned(), key=lambda row: str(row["accept"]), reverse=True)
    load(registry, journal, settled(kept), settled(other), number=1)
    made = replayed(registry, kept.call, "bob", "blue", None)
    again = next(row for row in registry.spawned.abandoned() if row["call"] == made)
    for row in (first, again):
        assert (row["content_type"], row["accept"]) == ("application/msgpack", "image/png")
    assert plain["accept"] == ""


def test_only_what_was_kept_with_its_arguments_can_be_run_again(registry: Registry, journal: Path) -> None:
    call = started()
    load(registry, journal, call, ended(call))
    for call_id in (call.call, new_id()):
        with pytest.raises(NotFound):
            replayed(registry, call_id, "bob", "blue", None)


# Forgetting


def test_what_was_settled_long_ago_is_forgotten_and_nothing_else(registry: Registry, journal: Path) -> None:
    old, young, waiting = spawned(), spawned(), spawned()
    young_end = settled(young, ended_us=ACCEPTED_US + 1_000)
    load(registry, journal, old, young, waiting, settled(old, ended_us=ACCEPTED_US + 1), young_end)
    registry.spawned.purge(ACCEPTED_US + 1_000, 0)
    assert registry.spawned.call(old.call, None) is None
    assert registry.spawned.outcome(old.call) is None
    left = registry.query("SELECT call, state FROM spawned ORDER BY state", [], team=None).rows
    assert left == [[young.call, "SUCCEEDED"], [waiting.call, "WAITING"]]


def test_a_version_says_how_long_its_results_are_kept(registry: Registry, journal: Path) -> None:
    for name, spec in (("f", Spec()), ("brief", Spec(result_ttl_s=60)), ("long", Spec(result_ttl_s=7200))):
        registry.catalog.publish("red", name, publish(spec=spec), "ann", "e1")
    plain, brief, long = (spawned(function=f"red/{name}") for name in ("f", "brief", "long"))
    load(registry, journal, plain, brief, long, *(settled(call, ended_us=ACCEPTED_US) for call in (plain, brief, long)))

    def kept(after_s: float) -> list[str]:
        registry.spawned.purge(ACCEPTED_US + int(after_s * 1e6), 3600)
        return [row[0] for row in registry.query("SELECT function FROM spawned ORDER BY function", [], None).rows]

    assert kept(60) == ["red/brief", "red/f", "red/long"]
    assert kept(61) == ["red/f", "red/long"]
    assert kept(3601) == ["red/long"]
    assert kept(7201) == []


def test_a_key_holds_as_long_as_its_result(registry: Registry, journal: Path) -> None:
    registry.catalog.publish("red", "f", publish(spec=Spec(result_ttl_s=60)), "ann", "e1")
    call = spawned(idempotency_key="k")
    reserve(registry, call.call)
    load(registry, journal, call, settled(call, ended_us=FUTURE_US))
    registry.spawned.purge(FUTURE_US + 1, 0)
    assert reserve(registry, new_id()) == call.call


def test_a_key_is_free_again_when_it_is_forgotten(registry: Registry, database: Database, journal: Path) -> None:
    kept = spawned(idempotency_key="k")
    reserve(registry, kept.call)
    load(registry, journal, kept, settled(kept))
    registry.spawned.purge(FUTURE_US, 0)
    second = new_id()
    assert reserve(registry, second) == second


def test_the_method_is_kept_for_the_next_gateway_and_the_next_run(registry: Registry, journal: Path) -> None:
    kept = spawned(method="predict", target="Model.predict")
    load(registry, journal, kept)
    assert [row["method"] for row in registry.spawned.abandoned()] == ["predict"]
    again = replayed(registry, kept.call, "bob", "red", None)
    found = registry.spawned.call(again, "red")
    assert found is not None
    assert (found["method"], found["target"]) == ("predict", "Model.predict")


# Webhooks

HOOK = "https://example.com/done"


def told(call: str, state: str = "DELIVERED") -> Told:
    return Told(call, state, FUTURE_US, 1)


@pytest.mark.parametrize(("team", "hook"), [("blue", HOOK), (None, HOOK), ("red", None)])
def test_where_an_end_is_told_is_for_the_callers_team(
    registry: Registry, journal: Path, team: str | None, hook: str | None
) -> None:
    load(registry, journal, spawned(team="blue", function="red/f", webhook=HOOK))
    assert registry.query("SELECT webhook FROM spawned", [], team=team).rows == [[hook]]


@pytest.mark.parametrize(("team", "hook"), [("blue", HOOK), ("red", None)])
def test_who_runs_a_call_of_another_team_again_does_not_tell_that_teams_webhook(
    registry: Registry, journal: Path, team: str, hook: str | None
) -> None:
    kept = spawned(team="blue", function="red/f", webhook=HOOK)
    load(registry, journal, kept, settled(kept))
    again = replayed(registry, kept.call, "ann", team, None)
    found = registry.query("SELECT webhook FROM spawned WHERE call = ?", [again], team=None).rows
    assert found == [[hook]]


def test_an_end_is_told_until_it_is_recorded_that_it_was(registry: Registry, journal: Path) -> None:
    heard, unheard, waiting, quiet = (spawned(webhook=hook) for hook in (HOOK, HOOK, HOOK, None))
    load(registry, journal, heard, unheard, waiting, quiet, settled(heard), settled(unheard), settled(quiet))
    assert sorted(ids(registry.spawned.abandoned_ends())) == sorted([heard.call, unheard.call])
    load(registry, journal, told(heard.call), number=1)
    (end,) = registry.spawned.abandoned_ends()
    assert (end["call"], end["webhook"], end["state"], end["attempts"]) == (unheard.call, HOOK, "SUCCEEDED", 1)
    registry.spawned.purge(FUTURE_US + 1, 0)
    assert registry.spawned.abandoned_ends() == []


def test_a_gateway_that_lives_is_given_only_the_ends_that_it_does_not_know_of(
    registry: Registry, journal: Path
) -> None:
    known, lost = spawned(webhook=HOOK), spawned(webhook=HOOK)
    with locked(segment(journal, known, lost, settled(known), settled(lost))):
        registry.load_journal()
        assert registry.spawned.abandoned_ends() == []
        assert ids(registry.spawned.lost_ends(GATEWAY, {known.call}, FUTURE_US)) == [lost.call]
        assert registry.spawned.lost_ends(GATEWAY, {known.call}, 0) == []


def test_what_runs_again_is_as_urgent_and_tells_the_same_hook(registry: Registry, journal: Path) -> None:
    call = spawned(webhook=HOOK, priority=5)
    load(registry, journal, call, settled(call))
    again = replayed(registry, call.call, "ann", "red", None)
    (row,) = registry.spawned.abandoned()
    assert (row["call"], row["priority"], row["webhook"]) == (again, 5, HOOK)
    told_of = registry.query("SELECT priority, webhook, webhook_state FROM spawned ORDER BY call", [], None).rows
    assert told_of == [[5, HOOK, None]] * 2

"""A time that comes makes one call, whatever the clock, the controller and the disk do."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, cast

import msgspec
import pytest

from rayfaas.config import Home
from rayfaas.destination import Move
from rayfaas.errors import BadRequest, Conflict, InvalidArguments, NotFound
from rayfaas.link import Link
from rayfaas.names import new_id
from rayfaas.registry import schedules as registry_schedules
from rayfaas.schedule import Cron, Period, Schedule
from rayfaas.server import schedules as server_schedules
from rayfaas.server.journals import Journals
from rayfaas.server.limits import Limits
from rayfaas.server.schedules import SLEEP_S, Schedules
from rayfaas.server.store import Store
from rayfaas.spec import Spec
from tests.registry.builders import segment, settled, spawned
from tests.server.parts import NOON, made, member
from tests.server.test_deploys import Server

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
F = {"team": "red", "name": "f"}
HOURLY = {"cron": "0 * * * *"}


class Clockwork(Server):
    """A server whose clock goes as a test says, with a function red/f that ann deploys."""

    def __init__(self, home: Home, store: Store) -> None:
        super().__init__(home, store)
        self.home, self.journals, self.handed_out = home, Journals(store), asyncio.Event()

    async def _hand_out(self) -> None:
        self.handed_out.set()

    async def ask(self, method: str, **parameters: Any) -> Any:
        answer = self.schedules.methods[method](cast(Link, None), **parameters)
        return await cast(Any, answer)

    async def set(self, name: str = "hourly", actor: str = "ann", **wanted: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await self.ask(
            "set_schedule", **F, schedule=name, wanted=wanted or HOURLY, actor=actor
        )
        return answer

    async def change(self, method: str, name: str = "hourly", actor: str = "ann", reason: str = "") -> Any:
        return await self.ask(f"{method}_schedule", **F, schedule=name, actor=actor, reason=reason)

    async def at(self, seconds: float) -> None:
        """Let it be so much after noon, and what is due be handled."""
        self.hour.now = NOON + seconds
        await self.schedules.look()

    async def restart(self) -> None:
        """Another controller, with the same registry."""
        limits = Limits(self.store, self.journals, self.routing, lambda: ())
        self.schedules = Schedules(self.store, self.catalog, self.journals, limits, self._hand_out, self.hour)
        await self.schedules.read()

    async def calls(self, team: str | None = None) -> list[dict[str, Any]]:
        sql = "SELECT version, caller, team, state, target, idempotency_key, context, call FROM spawned ORDER BY call"
        found = await self.store.query(self.store.registry.query, sql, [], team)
        names = [name for name, _ in found.columns]
        return [dict(zip(names, row, strict=True)) for row in found.rows]

    async def due(self) -> list[str]:
        """The times of its calls."""
        return sorted(json.loads(call["context"])["schedule"]["due"][11:16] for call in await self.calls())

    async def times(self) -> list[tuple[str, str]]:
        sql = "SELECT strftime(due_at, '%H:%M'), outcome FROM schedule_times ORDER BY due_at"
        found = await self.store.query(self.store.registry.query, sql, [], None)
        return [(due, outcome) for due, outcome in found.rows]

    async def shown(self, name: str = "hourly") -> dict[str, Any]:
        listed: list[dict[str, Any]] = await self.ask("schedules", team=None)
        (found,) = [each for each in listed if each["schedule"] == name]
        return found

    async def end(self, call: str) -> None:
        record = spawned(call=call)
        segment(self.home.journal, settled(record))
        await self.journals.load()

    async def audited(self) -> list[tuple[str, str]]:
        sql = "SELECT actor, action FROM audit WHERE action LIKE 'schedule%' ORDER BY done_at"
        found = await self.store.query(self.store.registry.query, sql, [], None)
        return [(actor, action) for actor, action in found.rows]

    async def may(self, principal: str, role: str) -> None:
        await self.store.write(self.store.registry.members.put, "red", principal, role, "root", "")


@pytest.fixture
async def works(home: Home, store: Store) -> Clockwork:
    works = Clockwork(home, store)
    await works.fleet.join(member(works.warm))
    await works.store.write(store.registry.members.put, "ops", "root", "admin", "root", "")
    await works.may("ann", "deployer")
    await works.deploy(spec=Spec(timeout_s=77, retries=2))
    return works


NAMED = {**made(), "interface": {"kind": "sync", "arguments": {"properties": {"n": {}}, "additionalProperties": False}}}


async def test_arguments_that_the_function_does_not_take_are_told_when_it_is_set(works: Clockwork) -> None:
    works.warm.answers["spawn"] = NAMED
    await works.deploy("b")
    with pytest.raises(InvalidArguments, match="there is no 'm'"):
        await works.set(**HOURLY, arguments={"m": 1})
    assert (await works.set(**HOURLY, arguments={"n": 1}))["schedule"] == "hourly"


async def test_a_deploy_whose_schedule_can_not_call_it_changes_nothing(works: Clockwork) -> None:
    works.warm.answers["spawn"] = NAMED
    with pytest.raises(InvalidArguments, match="there is no 'm'"):
        await works.deploy("b", spec=Spec(schedule=Cron("0 * * * *", arguments={"m": 1})))
    assert await works.ask("schedules", team=None) == []
    assert str(works.catalog.existing("red/f").aliases["live"].destination) == "1"


# A time that comes


async def test_it_is_a_spawned_call_of_what_the_alias_leads_to(works: Clockwork) -> None:
    made = await works.set(**HOURLY, arguments={"n": 1}, overlap="allow")
    assert made["next"] == ["2026-11-28T13:00:00+00:00", "2026-11-28T14:00:00+00:00", "2026-11-28T15:00:00+00:00"]
    await works.at(HOUR - 1)
    assert await works.calls() == []
    await works.at(HOUR)
    await works.deploy("b")
    await works.at(2 * HOUR)
    first, second = await works.calls()
    assert (first["version"], second["version"]) == (1, 2)
    assert (first["caller"], first["team"], first["state"], first["target"]) == ("ann", "red", "WAITING", "red/f@live")
    told = {"function": "red/f", "name": "hourly", "due": "2026-11-28T13:00:00+00:00"}
    assert json.loads(first["context"]) == {"schedule": told}
    assert first["idempotency_key"].startswith("schedule/")
    assert first["idempotency_key"] != second["idempotency_key"]
    kept = await works.store.query(works.store.registry.spawned.kept, first["call"])
    assert kept is not None
    assert json.loads(base64.b64decode(kept["body"])) == {"n": 1}
    (job, _) = await works.store.write(works.store.registry.spawned.abandoned)
    assert (job["timeout_s"], job["retries"]) == (77, 2)


async def test_a_call_that_goes_on_keeps_the_next_one_from_beginning(works: Clockwork) -> None:
    await works.set()
    await works.at(HOUR)
    await works.at(2 * HOUR)
    assert await works.times() == [("13:00", "CALLED"), ("14:00", "SKIPPED")]
    shown = await works.shown()
    assert (shown["last_outcome"], shown["last_state"]) == ("SKIPPED", "WAITING")
    assert shown["last_call"] in shown["last_reason"]
    await works.end(shown["last_call"])
    await works.at(3 * HOUR)
    assert (await works.times())[-1] == ("15:00", "CALLED")


async def test_where_that_is_allowed_both_go_on(works: Clockwork) -> None:
    await works.set(**HOURLY, overlap="allow")
    for hour in (1, 2):
        await works.at(hour * HOUR)
    assert await works.due() == ["13:00", "14:00"]


async def test_of_an_alias_that_is_split_calls_go_to_both(works: Clockwork) -> None:
    await works.deploy("b")
    await works.releases.move("red", "f", "live", _split(1, 2), "ann")
    await works.set(cron="* * * * *", overlap="allow")
    for minute in range(1, 41):
        await works.at(minute * MINUTE)
    assert {call["version"] for call in await works.calls()} == {1, 2}


def _split(*versions: int) -> Any:
    return Move(split=dict.fromkeys(versions, 50))


async def test_a_time_whose_alias_is_gone_is_refused_with_the_reason(works: Clockwork) -> None:
    await works.set()
    del works.catalog.function("red/f").aliases["live"]
    await works.at(HOUR)
    shown = await works.shown()
    assert (shown["last_outcome"], shown["last_call"]) == ("REFUSED", None)
    assert "no alias 'live'" in shown["last_reason"]


# Once


async def test_after_any_end_no_time_is_called_twice_and_none_is_left_out(works: Clockwork) -> None:
    await works.set(**HOURLY, overlap="allow")
    for minute in range(0, 200, 7):
        await works.at(minute * MINUTE)
        await works.restart()
        await works.schedules.look()
    assert await works.due() == ["13:00", "14:00", "15:00"]


async def test_a_clock_that_is_set_back_calls_nothing_again(works: Clockwork) -> None:
    await works.set(**HOURLY, overlap="allow")
    for minute in (60, 120, 30, 60, 61, 120, 180):
        await works.at(minute * MINUTE)
    assert await works.due() == ["13:00", "14:00", "15:00"]


async def test_a_clock_that_was_a_year_ahead_for_a_moment_keeps_nothing_waiting(works: Clockwork) -> None:
    await works.set(**HOURLY, overlap="allow")
    await works.at(365 * DAY + 30 * MINUTE)
    await works.at(30 * MINUTE)
    assert works.schedules.pause_s() == SLEEP_S
    await works.at(HOUR)
    assert ("13:00", "CALLED") in await works.times()
    await works.at(365 * DAY)
    works.hour.now = NOON + 90 * MINUTE
    await works.restart()
    await works.at(2 * HOUR)
    assert ("14:00", "CALLED") in await works.times()


async def test_two_who_handle_the_same_time_make_one_call(works: Clockwork) -> None:
    await works.set(**HOURLY, overlap="allow")
    other = works.schedules
    await works.restart()
    works.hour.now = NOON + HOUR
    await asyncio.gather(works.schedules.look(), other.look())
    assert min(works.schedules.pause_s(), other.pause_s()) > 0
    await other.look()
    assert await works.due() == ["13:00"]


async def test_one_that_is_changed_as_its_time_is_handled_goes_on_as_it_was_changed(works: Clockwork) -> None:
    await works.set()
    works.hour.now = NOON + HOUR
    await asyncio.gather(works.schedules.look(), works.set(cron="30 * * * *"), works.schedules.changed("red", "f"))
    await works.schedules.look()
    assert works.schedules.pause_s() > 0
    assert (await works.shown())["next_at"] == "2026-11-28T13:30:00+00:00"


async def test_on_a_full_disk_it_is_made_when_there_is_room(works: Clockwork) -> None:
    await works.set()
    works.hour.now = NOON + HOUR

    def fail(dues: object) -> None:
        raise OSError("disk full")

    handle = works.schedules._schedules.handle
    works.schedules._schedules.handle = fail  # type: ignore[method-assign,assignment]
    with pytest.raises(OSError, match="disk full"):
        await works.schedules.look()
    works.schedules._schedules.handle = handle  # type: ignore[method-assign]
    await works.at(HOUR + 5)
    assert await works.due() == ["13:00"]


# Missed times


async def test_of_many_that_were_missed_the_latest_is_made_up_for(works: Clockwork) -> None:
    await works.set(cron="*/5 * * * *", overlap="allow")
    await works.at(10 * HOUR + 2 * MINUTE)
    assert await works.times() == [("22:00", "CALLED")]
    assert (await works.shown())["last_reason"] == "times before it had come, too: this one is for all of them"


@pytest.mark.parametrize(("late_s", "outcome"), [(300, "CALLED"), (301, "MISSED")])
async def test_it_is_made_up_for_within_its_deadline(works: Clockwork, late_s: float, outcome: str) -> None:
    await works.set(cron="0 13 * * *", start_within_s=300)
    works.hour.now = NOON + HOUR + late_s
    await works.restart()
    await works.schedules.look()
    assert await works.times() == [("13:00", outcome)]
    assert (await works.shown())["next_at"] == "2026-11-29T13:00:00+00:00"


async def test_what_passes_while_it_is_suspended_is_not_made_up_for(works: Clockwork) -> None:
    await works.set()
    suspended = await works.change("suspend", reason="the source is down")
    assert (suspended["next_at"], suspended["suspended_for"]) == (None, "the source is down")
    await works.at(2 * HOUR + 1)
    resumed = await works.change("resume", actor="root")
    assert (resumed["next_at"], resumed["principal"]) == ("2026-11-28T15:00:00+00:00", "root")
    await works.at(3 * HOUR)
    assert await works.due() == ["15:00"]
    assert [action for _, action in await works.audited()] == [
        "schedule set",
        "schedule suspended",
        "schedule resumed",
    ]


# Its life


async def test_it_sleeps_until_the_next_time_and_wakes_for_a_change(works: Clockwork) -> None:
    assert works.schedules.pause_s() == SLEEP_S
    task = asyncio.ensure_future(works.schedules.keep_looking())
    works.hour.now = NOON + HOUR - 10
    await works.set()
    assert works.schedules.pause_s() == 10.0
    works.hour.now = NOON + HOUR
    await works.set("other", cron="1 13 * * *")
    await asyncio.wait_for(works.handed_out.wait(), 20)
    assert await works.due() == ["13:00"]
    task.cancel()
    await asyncio.wait([task])


async def test_a_period_that_is_set_again_goes_on_from_its_beginning(works: Clockwork) -> None:
    await works.set("refresh", every_s=600)
    works.hour.now = NOON + 5 * MINUTE
    assert (await works.set("refresh", every_s=600, arguments=[1]))["next_at"] == "2026-11-28T12:10:00+00:00"
    assert (await works.set("refresh", every_s=660))["next_at"] == "2026-11-28T12:16:00+00:00"


async def test_a_zone_that_is_not_known_here_any_more_suspends_it(works: Clockwork) -> None:
    made = await works.set()
    row = works.schedules._find("red", "f", "hourly")
    assert row is not None
    broken = Schedule(cron=made["cron"], timezone="Mars/Base")
    await works.store.write(works.schedules._schedules.put, msgspec.structs.replace(row, plan=broken), "ann", "")
    await works.restart()
    shown = await works.shown()
    assert (shown["next_at"], shown["suspended_by"]) == (None, "schedule")
    with pytest.raises(BadRequest, match="Mars/Base"):
        await works.change("resume")


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"cron": "61 * * * *"}, "minute is not understood"),
        ({"every_s": 59}, "every_s: .*60"),
        ({"cron": "* * * * *", "every_s": 60}, "say when"),
        ({"cron": "* * * * *", "else": 1}, "else"),
        ({"cron": "* * * * *", "alias": "no/alias"}, "alias"),
    ],
)
async def test_what_is_no_schedule_changes_nothing(works: Clockwork, wanted: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        await works.set(**wanted)
    assert await works.ask("schedules", team=None) == []


@pytest.mark.parametrize(
    ("wanted", "why"),
    [({**HOURLY, "alias": "prod"}, "no alias 'prod'.*live"), ({**HOURLY, "method": "train"}, "by is itself")],
)
async def test_what_can_not_be_called_is_not_scheduled(works: Clockwork, wanted: dict[str, Any], why: str) -> None:
    with pytest.raises(NotFound, match=why):
        await works.set(**wanted)


async def test_there_may_be_so_many_and_not_more(works: Clockwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_schedules, "MOST_OF_FUNCTION", 2)
    for name in ("one", "two", "two"):
        await works.set(name)
    with pytest.raises(Conflict, match="has 2 schedules"):
        await works.set("three")
    await works.change("remove", "one")
    await works.set("three")
    with pytest.raises(NotFound, match="no schedule 'one'"):
        await works.change("remove", "one")


# Deploys and deletions


def nightly(hour: int = 13, **options: Any) -> Spec:
    return Spec(schedule=Cron(f"0 {hour} * * *", **options))


async def test_a_deploy_to_live_says_it_and_one_without_it_ends_it(works: Clockwork) -> None:
    await works.deploy(spec=nightly())
    assert (await works.shown("code"))["when"] == "0 13 * * *"
    await works.deploy("b", alias="staging")
    await works.deploy("b", alias="staging", spec=nightly(14))
    assert (await works.shown("code"))["when"] == "0 13 * * *"
    await works.deploy("c", spec=nightly(14))
    assert (await works.shown("code"))["when"] == "0 14 * * *"
    await works.at(2 * HOUR)
    assert await works.due() == ["14:00"]
    await works.deploy("d")
    assert await works.ask("schedules", team=None) == []


async def test_a_deploy_leaves_what_a_person_suspended(works: Clockwork) -> None:
    await works.deploy(spec=nightly())
    await works.change("suspend", "code")
    await works.deploy("b", spec=nightly(15))
    shown = await works.shown("code")
    assert (shown["when"], shown["suspended_by"]) == ("0 15 * * *", "ann")


async def test_a_deploy_with_one_that_has_no_times_fails_before_anything_is_done(works: Clockwork) -> None:
    with pytest.raises(BadRequest, match="hour is not understood"):
        await works.deploy("b", spec=nightly(25))
    assert [row.version for row in await works.versions()] == [1]


async def test_the_name_of_what_the_code_says_is_not_free(works: Clockwork) -> None:
    with pytest.raises(BadRequest, match="Take another name"):
        await works.set("code")


async def test_a_period_of_the_code_goes_on_over_deploys(works: Clockwork) -> None:
    spec = Spec(schedule=Period(hours=1))
    await works.deploy(spec=spec)
    works.hour.now = NOON + 30 * MINUTE
    await works.deploy("b", spec=spec)
    assert (await works.shown("code"))["next_at"] == "2026-11-28T13:00:00+00:00"


# Who may


async def test_who_may_not_deploy_any_more_calls_no_more_until_another_takes_it_over(works: Clockwork) -> None:
    await works.store.write(works.store.registry.alarms.set_webhook, "http://127.0.0.1/", "root")
    await works.set()
    await works.may("ann", "invoker")
    await works.at(HOUR)
    shown = await works.shown()
    assert (shown["suspended_by"], shown["last_outcome"]) == ("schedule", None)
    assert shown["suspended_for"] == "ann may not deploy the functions of team red any more"
    (alarm,) = await works.store.query(works.store.registry.alarms.due, 1 << 62, 9)
    assert (alarm["event"], alarm["node"]) == ("schedule suspended", "red/f/hourly")
    assert (await works.audited())[-1] == ("schedule", "schedule suspended")
    await works.may("bob", "deployer")
    await works.change("resume", actor="bob")
    await works.at(2 * HOUR)
    assert [call["caller"] for call in await works.calls()] == ["bob"]


async def test_a_deploy_by_another_takes_over_what_the_code_says(works: Clockwork) -> None:
    await works.deploy(spec=nightly())
    await works.may("ann", "viewer")
    await works.at(HOUR)
    assert (await works.shown("code"))["suspended_by"] == "schedule"
    await works.may("ann", "deployer")
    await works.deploy("b", spec=nightly())
    await works.at(DAY + HOUR)
    assert len(await works.calls()) == 1


async def test_a_team_sees_its_own(works: Clockwork) -> None:
    await works.set()
    await works.at(HOUR)
    assert [row["function"] for row in await works.ask("schedules", team="red")] == ["red/f"]
    assert await works.ask("schedules", team="blue") == []
    for view in ("schedules", "schedule_times"):
        rows = [
            len((await works.store.query(works.store.registry.query, f"SELECT * FROM {view}", [], team)).rows)
            for team in (None, "red", "blue")
        ]
        assert rows == [1, 1, 0]


async def test_more_than_one_transaction_takes_are_all_called(
    works: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_schedules, "BATCH", 50)
    monkeypatch.setattr(registry_schedules, "MOST_OF_FUNCTION", 200)
    await works.set()
    row = works.schedules._find("red", "f", "hourly")
    assert row is not None

    def many() -> None:
        with works.store.registry._database.transaction():
            for n in range(119):
                each = msgspec.structs.replace(row, id=new_id(), schedule=f"s{n}")
                works.schedules._schedules._put(each, "ann", "")

    await works.store.write(many)
    await works.restart()
    await works.at(HOUR)
    assert len(await works.times()) == 120
    await works.at(HOUR + 1)
    assert len(await works.times()) == 120

"""The keeper in a world without surprises, and with one at a time."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pytest

from rayfaas.cloud.errors import Ambiguous, Capacity, CloudError, Credentials, Quota, Throttled, Unreachable
from rayfaas.cloud.keeper import NEAR_S, RECONCILE_S
from rayfaas.cloud.machine import InstanceState, Machine
from rayfaas.worker_group import Placement, WorkerGroup
from tests.cloud.world import OWNER, World

PLACES = tuple(Placement(provider="memory", type="gpu", place=f"zone-{letter}") for letter in "ab")
GPU = WorkerGroup(name="gpu", gpus=1, max=2, keep_alive="60s", placements=PLACES)


def group(**changes: object) -> WorkerGroup:
    return WorkerGroup.model_validate(GPU.model_dump() | changes)


def states(world: World) -> list[str]:
    return sorted(each.state for each in world.ours())


def test_a_call_brings_a_machine_and_an_idle_one_is_stopped() -> None:
    world = World(GPU)
    world.run(60)
    assert world.ours() == []
    world.call()
    world.run(100)
    assert world.answered == 1
    assert states(world) == ["RUNNING"]
    world.run(120)
    assert states(world) == ["STOPPED"]
    world.call()
    world.run(100)
    assert world.answered == 2
    assert [event.event for event in world.events("create", "start")] == ["create", "start"]


def test_calls_bring_as_many_machines_as_they_need_and_no_more_than_allowed() -> None:
    world = World(GPU)
    for _ in range(5):
        world.call(200.0)
    world.run(120)
    assert states(world) == ["RUNNING", "RUNNING"]


def test_a_machine_with_a_call_on_it_is_not_stopped() -> None:
    world = World(group(keep_alive="1s"))
    world.call(500.0)
    world.run(400)
    assert states(world) == ["RUNNING"]
    world.run(400)
    assert (states(world), world.answered, world.wrong) == (["STOPPED"], 1, [])


def test_a_machine_on_its_way_down_comes_back_when_it_is_needed() -> None:
    world = World(GPU)
    world.call()
    world.run(145)
    for _ in range(200):
        world.tick()
        if states(world) == ["STOPPING"]:
            break
    world.call()
    world.run(150)
    assert (world.answered, states(world)) == (2, ["RUNNING"])


def test_where_there_is_no_capacity_the_next_placement_is_taken() -> None:
    world = World(GPU)
    world.cloud.fail(Capacity, "create", place="zone-a")
    world.call()
    world.run(100)
    assert [each.place for each in world.ours()] == ["zone-b"]
    assert world.answered == 1


def test_a_lost_answer_to_a_launch_gives_one_machine() -> None:
    world = World(GPU)
    world.cloud.fail(Ambiguous, "create", times=1, after=True)
    world.call()
    world.run(100)
    assert (len(world.ours()), world.answered) == (1, 1)


def test_a_machine_that_vanished_is_told_of_and_replaced_when_it_is_needed() -> None:
    world = World(GPU)
    world.call()
    world.run(100)
    world.cloud.vanish(world.ours()[0].id)
    world.run(70)
    assert [event.alarm for event in world.events("vanished")] == [True]
    world.call()
    world.run(100)
    assert world.answered == 2


def test_a_machine_that_ray_misses_is_looked_for_at_once() -> None:
    world = World(GPU)
    world.call(1000.0)
    world.run(100)
    world.cloud.vanish(world.ours()[0].id)
    world.call()
    world.run(95)
    assert world.answered == 1


def test_a_machine_on_which_ray_ended_is_started_again_for_who_waits() -> None:
    world = World(group(max=1))
    world.call(1000.0)
    world.run(100)
    (node,) = world.book.all()
    world.lose(node.attempt)
    world.call()
    world.run(150)
    assert (world.answered, len(world.events("create")), len(world.events("stop", "start"))) == (1, 1, 2)
    assert len(world.events("want stopped")) == 1


def test_a_machine_that_ray_knows_no_more_is_missed_until_it_joins_again() -> None:
    world = World(GPU)
    world.call(1000.0)
    world.run(100)
    (node,) = world.book.all()
    lost = world.raylets[node.attempt]
    world.lose(node.attempt)
    world.run(2)
    assert world.keeper.missed == frozenset()
    world.can_ask = False
    world.run(10)
    assert world.keeper.missed == frozenset()  # nobody could see it
    world.can_ask = True
    world.run(5)
    assert world.keeper.missed == {node.attempt}
    world.raylets[node.attempt] = lost
    world.tick()
    assert world.keeper.missed == frozenset()


def test_one_that_leaves_keeps_its_place_for_a_while() -> None:
    only = Placement(provider="memory", type="gpu", place="zone-a", spot=True)
    world = World(group(max=1, placements=[only.model_dump()]))
    world.cloud.capacity["zone-a"] = 1
    world.call(1000.0)
    world.run(100)
    (node,) = world.book.all()
    world.lose(node.attempt)
    world.call()
    world.drain_fails = "before"
    world.run(45)
    world.drain_fails = ""
    world.run(150)
    assert (world.answered, world.events("blocked")) == (1, [])


def test_a_machine_that_stops_before_it_joins_is_started_again_at_once() -> None:
    world = World(GPU)
    world.call()
    while states(world) != ["RUNNING"]:
        world.tick()
    world.cloud.change(world.ours()[0].id, "STOPPED")
    world.run(95)
    assert (world.answered, len(world.events("start"))) == (1, 1)


@pytest.mark.parametrize("end", ["STOPPED", "GONE"])
def test_machines_that_end_before_they_join_are_started_again_less_and_less_often(end: InstanceState) -> None:
    world = World(group(placements=PLACES[:1]))
    world.call()
    began = world.now
    while world.now < began + 3_600:
        for each in world.ours():
            if each.state == "RUNNING":
                world.cloud.change(each.id, end)
        world.tick()
    tries = [event.at - began for event in world.events("create", "start")]
    assert tries[1] < 120
    pauses = [later - sooner for sooner, later in pairwise(tries)]
    assert pauses == sorted(pauses)
    assert 5 <= len(tries) <= 10
    world.run(1_900)
    assert world.answered == 1


def test_machines_that_end_before_they_join_have_the_next_placement_taken() -> None:
    world = World(GPU)
    world.call()
    for _ in range(600):
        for each in world.cloud.up("zone-a"):
            world.cloud.change(each.id, "GONE")
        world.tick()
    assert world.answered == 1
    assert [each.place for each in world.ours()] == ["zone-b"]


def test_a_machine_with_our_tag_that_nobody_knows_is_terminated() -> None:
    world = World(GPU)
    world.call()
    world.run(60)
    world.journal.nodes.clear()
    world.rebuild()
    world.waiting.clear()
    world.run(400)
    assert world.ours() == []
    assert world.events("stray")[0].alarm


@pytest.mark.parametrize(("provider", "within_s"), [("memory", RECONCILE_S), ("local", NEAR_S)])
def test_what_somebody_else_ended_is_noticed(provider: str, within_s: float) -> None:
    world = World(group(placements=[{"provider": provider}]))
    world.call()
    world.run(400)
    assert states(world) == ["STOPPED"]
    world.cloud.change(world.ours()[0].id, "GONE")
    world.run(within_s + 2)
    assert [event.alarm for event in world.events("vanished")] == [True]


def test_a_provider_that_is_away_for_ten_minutes_leaves_all_as_it_is() -> None:
    world = World(GPU)
    world.call(1000.0)
    world.run(100)
    world.cloud.fail(Unreachable)
    world.run(600)
    assert states(world) == ["RUNNING"]
    world.cloud.heal()
    world.run(500)
    assert (world.answered, states(world)) == (1, ["STOPPED"])


def test_credentials_that_are_refused_are_an_alarm_once() -> None:
    world = World(GPU)
    world.cloud.fail(Credentials)
    world.call()
    world.run(200)
    assert len([event for event in world.events("cloud_credentials") if event.alarm]) == 1


def test_a_cluster_that_does_not_answer_counts_as_busy() -> None:
    world = World(GPU)
    world.call()
    world.run(100)
    world.can_ask = False
    world.run(1000)
    assert states(world) == ["RUNNING"]


def test_a_machine_that_never_joins_is_replaced_with_an_alarm() -> None:
    world = World(GPU)
    world.cloud.boot_s = 10_000.0
    world.call()
    world.run(650)
    assert world.events("late")[0].alarm
    world.cloud.boot_s = 10.0
    world.run(400)
    assert world.answered == 1


def test_some_are_up_whether_anybody_calls_or_not() -> None:
    world = World(group(min=1))
    world.run(600)
    assert states(world) == ["RUNNING"]


def test_warm_machines_are_up_until_a_moment() -> None:
    world = World(GPU)
    world.keeper.floors["local", "gpu"] = (2, world.now + 600)
    world.run(500)
    assert states(world) == ["RUNNING", "RUNNING"]
    world.run(300)
    assert states(world) == ["STOPPED", "STOPPED"]


def test_a_held_machine_is_not_stopped_before_its_time() -> None:
    world = World(GPU)
    world.call()
    world.run(100)
    world.keeper.hold(world.book.all()[0], world.now + 1000, "a notebook")
    world.run(900)
    assert states(world) == ["RUNNING"]
    world.run(300)
    assert states(world) == ["STOPPED"]


def test_the_lifetime_ends_a_busy_machine() -> None:
    world = World(group(lifetime="10m", max=1))
    world.call(10_000.0)
    world.run(100)
    world.run(1500)
    assert [event.reason for event in world.events("terminate")] == ["it is older than 10m"]


def test_a_stopped_machine_of_a_group_that_has_changed_goes_and_another_comes() -> None:
    world = World(GPU)
    world.call()
    world.run(300)
    (old,) = world.ours()
    world.groups["local", "gpu"] = group(gpus=2)
    world.call()
    world.run(200)
    assert world.answered == 2
    assert old.id not in {each.id for each in world.ours()}


def test_a_machine_that_nobody_needed_for_a_week_is_terminated() -> None:
    world = World(GPU)
    world.call()
    world.run(300)
    assert states(world) == ["STOPPED"]
    world.run(8 * 86_400, step_s=600.0)
    assert world.ours() == []


def test_it_knows_what_was_paid_for() -> None:
    world = World(GPU)
    world.call()
    world.run(1000)
    (node,) = world.book.all()
    assert 130 < node.up_s < 250
    assert node.up_since is None
    assert node.idle_s >= 60


def test_one_that_is_taken_back_goes_and_another_comes_from_elsewhere() -> None:
    world = World(GPU)
    world.call(600.0)
    world.run(100)
    (node,) = world.book.all()
    world.call(10.0)
    world.keeper.take_back(node, "its provider takes it back")
    world.run(200)
    assert sorted(each.place for each in world.ours()) == ["zone-a", "zone-b"]
    assert (world.answered, world.wrong) == (1, [])
    world.run(800)
    assert "gone" in [event.event for event in world.events("gone") if event.node == node.name]


def test_one_that_is_to_go_is_looked_at_often_so_that_it_goes_soon_after_its_last_call() -> None:
    world = World(GPU)
    world.call(300.0)
    world.run(100)
    (node,) = world.book.all()
    world.keeper.take_back(node, "its provider takes it back")
    while world.answered == 0:
        world.tick()
    world.run(12)
    assert [event.node for event in world.events("drained")] == [node.name]


def test_what_its_provider_lists_late_is_not_taken_for_gone() -> None:
    world = World(GPU)
    world.cloud.listed_s = 60.0
    world.call()
    world.run(150)
    assert (world.answered, len(world.events("create")), world.events("stray", "vanished")) == (1, 1, [])


def test_a_launch_that_made_two_leaves_one() -> None:
    world = World(GPU)
    world.call(1000.0)
    world.run(100)
    (first,) = world.ours()
    world.launch_another(first)
    world.run(200)
    assert [each.id for each in world.ours()] == [first.id]
    assert [event.alarm for event in world.events("stray")] == [True]
    assert world.wrong == []


def test_one_that_has_only_the_owners_tag_left_is_terminated_if_nobody_knows_it() -> None:
    world = World(GPU)
    stray = world.cloud.launch(Machine("gpu", "zone-a"), {"rayfaas-owner": OWNER})
    world.run(800)
    assert stray not in [each.id for each in world.ours()]


def test_one_that_is_known_is_kept_whatever_becomes_of_its_tags() -> None:
    world = World(GPU)
    world.call(1000.0)
    world.run(100)
    world.cloud.tag(world.ours()[0].id, {"rayfaas-owner": OWNER})
    world.run(300)
    assert (states(world), world.events("stray")) == (["RUNNING"], [])


@pytest.mark.parametrize("error", [Unreachable, Throttled, Ambiguous])
def test_where_nobody_answers_a_launch_the_next_placement_is_taken(error: type[CloudError]) -> None:
    world = World(GPU)
    world.cloud.fail(error, "create", place="zone-a")
    world.call()
    world.run(400)
    assert world.answered == 1
    assert "zone-b" in [each.place for each in world.ours()]
    world.run(1000)
    assert len(world.ours()) == 1


def test_where_there_is_no_other_placement_the_same_launch_is_asked_for_until_it_is_answered() -> None:
    world = World(group(placements=PLACES[:1]))
    world.cloud.fail(Ambiguous, "create", after=True)
    world.call()
    world.run(120)
    world.cloud.heal()
    world.run(120)
    assert (world.answered, len(world.ours()), world.events("stray")) == (1, 1, [])


@pytest.mark.parametrize("verb", ["stop", "terminate"])
def test_one_that_cannot_be_ended_for_a_quarter_of_an_hour_is_an_alarm(verb: Literal["stop", "terminate"]) -> None:
    world = World(group(when_idle=verb))
    world.call()
    world.run(100)
    world.cloud.fail(Throttled, verb)
    world.run(2000)
    assert [event.event for event in world.journal.events if event.alarm] == ["running"]


def test_one_that_never_ends_stopping_has_another_come_in_its_place_and_is_an_alarm() -> None:
    world = World(GPU)
    world.cloud.stop_s = 100_000.0
    world.call()
    world.run(200)
    assert states(world) == ["STOPPING"]
    world.call()
    world.run(500)
    assert world.answered == 2
    assert world.events("late")[0].alarm


def test_a_provider_that_is_silent_for_a_quarter_of_an_hour_is_an_alarm_once() -> None:
    world = World(GPU)
    world.call(5000.0)
    world.run(100)
    world.cloud.fail(Unreachable)
    world.run(800)
    assert world.events("silent") == []
    world.run(1000)
    assert [event.node for event in world.events("silent")] == ["memory"]


def test_machines_of_a_cluster_that_cannot_be_asked_for_a_quarter_of_an_hour_are_an_alarm_once() -> None:
    world = World(GPU)
    world.call()
    world.run(100)
    world.can_ask = False
    world.run(2000)
    assert [event.alarm for event in world.events("unseen")] == [True]


def test_a_clock_that_was_set_back_does_not_keep_a_machine_that_never_joins() -> None:
    world = World(GPU)
    world.cloud.boot_s = 10_000.0
    world.call()
    world.run(10)
    world.skew_s = -86_400.0
    world.run(700)
    assert world.events("late")[0].alarm


def test_a_quota_is_told_once_as_long_as_it_lasts() -> None:
    world = World(GPU)
    world.cloud.fail(Quota, "create")
    world.call()
    world.run(3000)
    reasons = [event.reason for event in world.events("cloud_quota")]
    assert len(reasons) == len(set(reasons)) == 2  # one for each zone


def test_who_waits_hears_what_is_wrong() -> None:
    world = World(GPU)
    world.cloud.fail(Quota, "create")
    world.call()
    world.run(10)
    (node,) = world.book.all()
    assert "create in zone-" in node.trouble
    world.cloud.heal()
    world.run(700)
    assert [node.trouble for node in world.book.all()] == [""]

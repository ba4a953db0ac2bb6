from __future__ import annotations

from rayfaas.cloud.demand import times, unmet
from rayfaas.worker_group import WorkerGroup


def test_what_has_room_is_no_demand() -> None:
    assert unmet([({"GPU": 1.0}, 2)], [{"GPU": 1.0}, {"GPU": 1.0, "CPU": 4.0}]) == []


def test_the_largest_are_placed_first() -> None:
    waiting = [({"GPU": 1.0}, 2), ({"GPU": 2.0}, 1)]
    assert unmet(waiting, [{"GPU": 2.0}]) == [({"GPU": 1.0}, 2)]


def test_memory_that_nobody_counted_is_no_hindrance() -> None:
    assert times({"GPU": 1.0, "memory": 8.0}, {"GPU": 2.0}) == 2
    assert times({"GPU": 1.0, "memory": 8.0}, {"GPU": 2.0, "memory": 8.0}) == 1


def test_fractions_add_up() -> None:
    assert times({"GPU": 0.1}, {"GPU": 1.0}) == 10


def test_what_asks_for_an_accelerator_has_no_room_where_there_is_another() -> None:
    asked = {"GPU": 1.0, "accelerator_type:A10G": 0.001}
    assert times(asked, WorkerGroup(name="gpu", gpus=1, accelerator="A10G").offers) == 1
    assert times(asked, WorkerGroup(name="gpu", gpus=1).offers) == 0


def test_a_room_that_says_nothing_of_memory_has_it_for_all() -> None:
    waiting = [({"CPU": 1.0, "memory": float(size)}, 1) for size in (100, 200, 300)]
    assert unmet(waiting, [{"CPU": 3.0}]) == []
    assert [each["memory"] for each, _ in unmet(waiting, [{"CPU": 2.0}])] == [100.0]


def test_what_is_full_of_one_thing_has_room_for_what_asks_for_another() -> None:
    rooms = [{"CPU": 0.0, "GPU": 1.0}, {"CPU": 1.0, "GPU": 0.0}]
    assert unmet([({"GPU": 1.0}, 1), ({"CPU": 1.0}, 1)], rooms) == []
    assert unmet([({"CPU": 1.0, "GPU": 1.0}, 1)], rooms) == [({"CPU": 1.0, "GPU": 1.0}, 1)]


def test_tenths_of_a_gpu_fill_it() -> None:
    waiting = [({"GPU": 0.1}, 4), ({"GPU": 0.1, "CPU": 0.1}, 7)]
    assert unmet(waiting, [{"CPU": 1.0, "GPU": 1.0}]) == [({"GPU": 0.1, "CPU": 0.1}, 1)]

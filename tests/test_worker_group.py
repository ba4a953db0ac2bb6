from __future__ import annotations

from datetime import datetime

import pytest

from rayfaas.errors import BadRequest
from rayfaas.spec import parse
from rayfaas.worker_group import WorkerGroup

MONDAY = "2026-11-23T"
SUNDAY = "2026-11-29T"


@pytest.mark.parametrize(
    ("up", "moment", "floor"),
    [
        ("mon-fri 08:00-18:00", f"{MONDAY}08:00", 1),
        ("mon-fri 08:00-18:00", f"{MONDAY}18:00", 0),
        ("mon-fri 08:00-18:00", f"{SUNDAY}12:00", 0),
        ("sun 22:00-06:00", f"{SUNDAY}23:00", 1),
        ("sun 22:00-06:00", "2026-11-30T05:59", 1),
        ("sun 22:00-06:00", f"{SUNDAY}05:59", 0),
        ("fri-mon 00:00-23:59", f"{MONDAY}12:00", 1),
        ("08:00-18:00", f"{SUNDAY}12:00", 1),
    ],
)
def test_hours_in_which_machines_are_up(up: str, moment: str, floor: int) -> None:
    assert WorkerGroup(name="gpu", up=(up,)).floor(datetime.fromisoformat(moment)) == floor


def test_without_hours_the_minimum_holds_always() -> None:
    assert WorkerGroup(name="gpu", min=2, max=3).floor(datetime(2026, 11, 29)) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "GPU"},
        {"name": "a" * 60},
        {"keep_alive": "soon"},
        {"lifetime": "1w"},
        {"up": ["weekdays"]},
        {"up": ["mon 25:00-26:99"]},
        {"max": -1},
        {"placements": []},
        {"colour": "red"},
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRequest, match=next(iter(wrong))):
        parse(WorkerGroup, {"name": "gpu", **wrong}, "The worker group")

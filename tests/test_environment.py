"""Equal wishes and equal locks have equal digests; what differs between two is said in a reader's words."""

from __future__ import annotations

import pytest

from rayfaas.environment import Locked, Wanted, differences
from rayfaas.spec import Shape


def test_a_shape_wants_an_environment_of_its_own_or_none() -> None:
    assert Shape(env={"A": "b"}, gpus=1, secrets=("s",), ray=True).wanted is None
    assert Shape(packages=("numpy",), python="3.12").wanted == Wanted(("numpy",), "3.12")


def test_the_order_of_packages_does_not_matter_and_that_of_commands_does() -> None:
    assert Wanted(("a", "b")).digest == Wanted(("b", "a")).digest
    assert Wanted(setup=("a", "b")).digest != Wanted(setup=("b", "a")).digest


def test_a_lock_is_told_by_what_is_installed_and_not_by_what_was_asked_for() -> None:
    assert Locked("asked", "3.12", ("a==1",)).digest == Locked("other", "3.12", ("a==1",)).digest
    assert Locked("asked", "3.12", ("a==1",)).digest != Locked("asked", "3.13", ("a==1",)).digest


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (Locked("w", "3.12", ("torch==2.5",)), ["torch 2.4 → 2.5"]),
        (Locked("w", "3.13", ("torch==2.4",)), ["Python 3.12 → 3.13"]),
        (Locked("w", "3.12", ()), ["torch 2.4 is gone"]),
        (Locked("w", "3.12", ("six==1", "torch==2.4")), ["six 1 is new"]),
        (Locked("w", "3.12", ("torch==2.4",), ("make",)), ["other setup commands"]),
        (Locked("w", "3.12", ("torch==2.4",)), []),
    ],
)
def test_differences(now: Locked, told: list[str]) -> None:
    assert differences(Locked("w", "3.12", ("torch==2.4",)), now) == told


def test_the_first_environment_differs_from_the_servers() -> None:
    assert differences(None, Locked("w", "3.12")) == ["an environment of its own"]

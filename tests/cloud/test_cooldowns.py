"""For how much of a provider a refusal holds."""

from __future__ import annotations

import pytest

from rayfaas.cloud.cooldowns import FIRST_S, Cooldowns
from rayfaas.cloud.errors import Capacity, Credentials, Quota, Unreachable
from rayfaas.cloud.machine import Machine

NOW = 1_800_000_000.0


def blocked(cooldowns: Cooldowns, provider: str, place: str, kind: str = "g5.xlarge") -> bool:
    return cooldowns.ends_at(provider, Machine(kind, place)) > NOW


@pytest.mark.parametrize(
    ("provider", "place", "same", "other"),
    [
        ("aws", "us-east-1a", "us-east-1", "us-east-2"),
        ("aws", "us-west-1", "us-west-1c", "us-west-2"),
        ("gcp", "us-central1-a", "us-central1-f", "us-central2-a"),
        ("azure", "eastus-1", "eastus", "eastus2"),
    ],
)
def test_a_quota_holds_for_its_region_and_for_no_other(provider: str, place: str, same: str, other: str) -> None:
    cooldowns = Cooldowns(lambda: NOW)
    cooldowns.block(provider, Machine("g5.xlarge", place), Quota("used up"))
    assert blocked(cooldowns, provider, same)
    assert not blocked(cooldowns, provider, other)
    assert not blocked(cooldowns, provider, same, "g4dn.xlarge")


def test_no_capacity_holds_for_a_zone_and_silence_for_a_region() -> None:
    cooldowns = Cooldowns(lambda: NOW)
    cooldowns.block("aws", Machine("g5.xlarge", "us-east-1a"), Capacity("none free"))
    assert not blocked(cooldowns, "aws", "us-east-1b")
    cooldowns.block("aws", Machine("g5.xlarge", "us-east-1a"), Unreachable("no answer"))
    assert blocked(cooldowns, "aws", "us-east-1b")


def test_refused_credentials_hold_for_the_provider_and_each_time_twice_as_long() -> None:
    cooldowns = Cooldowns(lambda: NOW)
    machine = Machine("g5.xlarge", "us-east-1")
    for length_s in (FIRST_S, 2 * FIRST_S):
        cooldowns.block("aws", machine, Credentials("no"))
        assert cooldowns.ends_at("aws", Machine("p4d", "eu-west-1")) == NOW + length_s
    cooldowns.forget("aws", machine)
    assert not blocked(cooldowns, "aws", "us-east-1")

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from rayfaas.cloud.machine import Machine
from rayfaas.cloud.prices import Price, Prices

TABLE = {
    "aws/us-east-1/g5.xlarge": Price(1.0, "2026-09-06", "table"),
    "gcp/us-central1/g2-standard-4": Price(0.7, "2026-09-06", "table"),
    "gcp/us-central1/g2-standard-4/spot": Price(0.3, "2026-09-06", "table"),
}


@pytest.mark.parametrize(
    ("provider", "machine", "usd"),
    [
        ("aws", Machine("g5.xlarge", "us-east-1"), 1.0),
        ("aws", Machine("g5.xlarge", "us-east-1b"), 1.0),
        ("aws", Machine("g5.xlarge", "us-east-2"), None),
        ("aws", Machine("g5.xlarge", "us-east-1", spot=True), None),
        ("gcp", Machine("g2-standard-4", "us-central1-a"), 0.7),
        ("gcp", Machine("g2-standard-4", "us-central1-a", spot=True), 0.3),
        ("azure", Machine("g5.xlarge", "us-east-1"), None),
    ],
)
def test_a_zone_costs_what_its_region_does(provider: str, machine: Machine, usd: float | None) -> None:
    price = Prices(table=TABLE).of(provider, machine)
    assert (price and price.usd_per_hour) == usd


def test_the_users_price_goes_first_and_the_exact_before_the_general() -> None:
    prices = Prices({"aws/*/g5.xlarge": 0.9, "aws/us-east-1a/g5.xlarge": 0.8}, TABLE)
    assert prices.of("aws", Machine("g5.xlarge", "us-east-1a")) == Price(0.8, "", "user")
    assert prices.of("aws", Machine("g5.xlarge", "us-east-1b")) == Price(0.9, "", "user")


def test_each_price_of_the_package_is_one_and_has_a_date() -> None:
    rows = (Path(__file__).parents[2] / "cloud" / "prices.csv").read_text().splitlines()[1:]
    price = Prices.dated().of("aws", Machine("g5.xlarge", "us-east-1"))
    assert price is not None
    assert price.source == "table"
    assert len({row.rsplit(",", 2)[0] for row in rows}) == len(rows)
    for row in rows:
        *_, usd, as_of = row.split(",")
        assert float(usd) > 0
        assert date.fromisoformat(as_of)

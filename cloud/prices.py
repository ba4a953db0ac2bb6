"""What machines cost: the user's own prices, else the provider's where it can be asked, else the package's dated table.

A price is for choosing between placements and for showing what was spent by and large; the invoice is the provider's.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from rayfaas.cloud.machine import Machine


@dataclass(frozen=True)
class Price:
    """US dollars for an hour of a running machine, without disk and traffic, and since when that is known."""

    usd_per_hour: float
    as_of: str  # an ISO 8601 date; empty for the user's own
    source: str  # "user", "provider" or "table"


class Prices:
    """The table, with the user's prices before it.

    >>> Prices({"aws/us-east-1/g5.xlarge": 0.85}).of("aws", Machine("g5.xlarge", "us-east-1"))
    Price(usd_per_hour=0.85, as_of='', source='user')
    """

    def __init__(self, own: Mapping[str, float] | None = None, table: Mapping[str, Price] | None = None) -> None:
        self._own = dict(own or {})
        self._table = table or {}

    @classmethod
    def dated(cls, own: Mapping[str, float] | None = None) -> Prices:
        """The package's table, `prices.csv`, with `own` before it: provider/place/type[/spot] → US dollars."""
        return cls(own, _table())

    def of(self, provider: str, machine: Machine) -> Price | None:
        """The price in the machine's zone, else in its region; a spot machine's is never that of another."""
        return self.own(provider, machine) or next(
            (self._table[key] for key in _keys(provider, machine) if key in self._table), None
        )

    def own(self, provider: str, machine: Machine) -> Price | None:
        """The user's price, before which nothing goes."""
        found = next((self._own[key] for key in _keys(provider, machine) if key in self._own), None)
        return None if found is None else Price(found, "", "user")


def _keys(provider: str, machine: Machine) -> list[str]:
    """From the exact to the general: zone, region (a zone without its last part), anywhere."""
    suffix = "/spot" if machine.spot else ""
    region = machine.place.rpartition("-")[0]
    places = dict.fromkeys([machine.place, region, machine.place.rstrip("abcdef"), "*"])
    return [f"{provider}/{place}/{machine.type}{suffix}" for place in places if place]


@cache
def _table() -> dict[str, Price]:
    text = resources.files("rayfaas.cloud").joinpath("prices.csv").read_text("utf-8")
    return {
        f"{row['provider']}/{row['place']}/{row['type']}{'/spot' if row['spot'] == 'true' else ''}": Price(
            float(row["usd_per_hour"]), row["as_of"], "table"
        )
        for row in csv.DictReader(text.splitlines())
    }

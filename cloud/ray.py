"""Ray clusters that exist already. There is nothing to start or stop here: whoever made them does that.

Their functions are served as everywhere; that no machine of theirs can be stopped is said, and not tried.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import NoReturn

from rayfaas.cloud.adapter import Capabilities, Finding
from rayfaas.cloud.errors import Unreachable, Unsupported
from rayfaas.cloud.machine import Claim, Instance, Machine
from rayfaas.cloud.prices import Price, Prices
from rayfaas.errors import BadRequest

CONNECT_S = 5.0


class RayAdapter:
    """Clusters by name: `{"shared": "10.0.0.5:6379"}`, the address of each one's head."""

    provider = "ray"
    capabilities = Capabilities(create=False, stop=False)

    def __init__(self, owner: str, clusters: Mapping[str, str], prices: Prices | None = None) -> None:
        self.owner = owner
        self._clusters = {name: _address(address) for name, address in clusters.items()}
        self._prices = prices or Prices()

    def check(self) -> list[Finding]:
        return [self._finding(name) for name in self._clusters]

    def create(self, machine: Machine, claim: Claim) -> Instance:
        self._refuse("create")

    def find(self) -> list[Instance]:
        """None: these clusters are not ours."""
        return []

    def get(self, instance_id: str) -> Instance:
        """RUNNING while its head answers. It carries no tags, so nothing else may ever be done with it."""
        if instance_id not in self._clusters:
            return Instance(instance_id, "GONE")
        host, port = self._clusters[instance_id]
        try:
            socket.create_connection((host, port), CONNECT_S).close()
        except OSError as error:
            raise Unreachable(f"Nobody answers at {host}:{port}, the head of {instance_id}: {error}") from error
        return Instance(instance_id, "RUNNING", {}, host, host, "ray", instance_id)

    def start(self, instance_id: str) -> Instance:
        self._refuse("start")

    def stop(self, instance_id: str) -> Instance:
        self._refuse("stop")

    def terminate(self, instance_id: str) -> Instance:
        self._refuse("terminate")

    def price(self, machine: Machine) -> Price | None:
        """The user's own, if there is one: nobody else knows."""
        return self._prices.own(self.provider, machine)

    def _finding(self, name: str) -> Finding:
        try:
            self.get(name)
        except Unreachable as error:
            advice = "Start it, or open its port to this machine: `ray status --address HOST:PORT`."
            return Finding(f"reach {name}", "failed", error.detail, advice)
        return Finding(f"reach {name}", "ok")

    def _refuse(self, verb: str) -> NoReturn:
        raise Unsupported(f"A Ray cluster that exists already is its owner's: there is nothing to {verb}.")


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise BadRequest(f"{text!r} is no address of a Ray head: write 10.0.0.5:6379.")
    return host, int(port)

"""What the cluster of this machine is needed for right now: calls, deploys, functions that must have replicas."""

from __future__ import annotations

from collections.abc import Callable, Sized

from rayfaas.server.catalog import Catalog
from rayfaas.server.clusters import LOCAL
from rayfaas.server.deploys import Deploys
from rayfaas.server.fleet import Fleet
from rayfaas.server.loads import Loads
from rayfaas.server.placement import Placement

_HERE = (None, LOCAL)


class Use:
    """In words, as reasons are told; "" for nothing. What can't be known counts as use."""

    def __init__(
        self,
        catalog: Catalog,
        fleet: Fleet,
        loads: Loads,
        placement: Placement,
        deploys: Deploys,
        gateways: Callable[[], Sized],
    ) -> None:
        self._catalog, self._fleet, self._loads = catalog, fleet, loads
        self._placement, self._deploys, self._gateways = placement, deploys, gateways

    def calls(self) -> str:
        if not self._gateways():
            return "no gateway tells what is called"
        called = next((key for key in self._loads.busy() | self._placement.starting() if self._is_here(key)), None)
        if called is not None:
            return f"{called} is called"
        if deployed := self._deploys.under_way():
            return f"{deployed} is deployed"
        return "it is waited for" if self._fleet.is_awaited(LOCAL) else ""

    def minimum(self) -> str:
        """Of functions that are to have replicas whether anybody calls or not."""
        for function in self._catalog:
            least = function.scaling.min_replicas
            if least > 0 and any(
                self._placement.deployments.cluster_of(version) in _HERE for version in function.served()
            ):
                return f"{function.team}/{function.name} is to have {least} replica(s)"
        return ""

    def _is_here(self, key: str) -> bool:
        """Whether it runs here, or nowhere yet and may."""
        if hosting := self._fleet.hosting(key):
            return any(member.cluster == LOCAL for member in hosting)
        version = self._catalog.version(key)
        return version is not None and self._placement.deployments.cluster_of(version) in _HERE

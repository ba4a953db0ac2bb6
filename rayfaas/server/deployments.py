"""Deployments of Ray Serve that functions have to themselves: which there are, on which cluster, and when they go."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Container, Iterable

from rayfaas.background import Background
from rayfaas.errors import RayfaasError
from rayfaas.link import Link
from rayfaas.server.capacity import Capacity
from rayfaas.server.catalog import Catalog, Function, Version
from rayfaas.server.fleet import WARM, Fleet, Member, Progress
from rayfaas.server.loads import Loads

_log = logging.getLogger("rayfaas.controller")

# A deployment without minimum goes after so long without a call: Ray's controller pays for each that exists.
IDLE_S = 3600.0
# One whose function had no call for so long may give way to another.
QUIET_S = 5.0
# A call that has waited so long gets another replica, though the function has as many as it aims at.
LONG_WAIT_S = 5.0
# How long a cluster with room for a deployment is waited for.
PLACE_S = 300.0
# How long an agent may take to say what its cluster runs.
AGENT_S = 30.0
# How long one may take to have Serve begin what is ordered.
ORDER_S = 120.0
# How long a shape that a warm replica could answer for is given to have a deployment, where the one before had.
BESIDE_S = 60.0


class Deployments:
    """Has them made, moved and deleted. Each is an application of its own in Serve; versions of one shape share it."""

    def __init__(self, fleet: Fleet, catalog: Catalog, loads: Loads) -> None:
        self._fleet, self._catalog, self._loads = fleet, catalog, loads
        self.capacity = Capacity(fleet)
        self._asked_for: dict[str, Version] = {}  # by application, with a version that it is for
        self._clusters: dict[str, str] = {}  # where each of them is
        self._waking: set[str] = set()  # those that are to have a replica, and have none yet
        self._background = Background()

    # What there is

    def cluster_of(self, version: Version) -> str | None:
        """Where its deployment is, if it has one; else where it has to be, if that is said."""
        return self._clusters.get(version.application, version.spec.shape.cluster)

    def is_waking(self, version: Version) -> bool:
        """Whether its first replica is on its way."""
        return version.application in self._waking

    def idle(self) -> dict[str, Version]:
        """Those of functions without minimum that nobody calls, the longest idle first."""
        since = {
            application: self._idle_s(version)
            for application, version in self._asked_for.items()
            if application not in self._waking and not self._has_minimum(version)
        }
        idle = sorted((app for app, idle_s in since.items() if idle_s > QUIET_S), key=since.__getitem__, reverse=True)
        return {application: self._asked_for[application] for application in idle}

    # Making

    def require(self, version: Version) -> None:
        """Make the one that its spec asks for, if it does, without waiting."""
        if self._is_needed(version):
            self._background.run(self.ensure(version, wake=False))

    def wake(self, version: Version) -> None:
        """Have one with a replica, without waiting."""
        self._background.run(self.ensure(version, wake=True))

    async def ensure(self, version: Version, wake: bool, replicas: int = 1) -> bool:
        """Whether its cluster has taken it. `replicas` is how many a new one begins with."""
        application = version.application
        self._asked_for[application] = version
        if wake:
            self._waking.add(application)
        shape = version.spec.shape.model_dump(mode="json")
        scaling = self._catalog.function(version.function).scaling.model_dump(mode="json")
        try:
            agent = await self._agent_for(version)
            given = {"application": application, "shape": shape, "scaling": scaling, "replicas": replicas}
            await agent.request("ensure", **given, timeout_s=ORDER_S)
            if wake:
                await agent.request("wake", application=application, timeout_s=ORDER_S)
        except (RayfaasError, asyncio.TimeoutError) as error:
            _log.warning("deployment %s: %s", application, error)
            return False
        return True

    async def stand_beside(
        self, before: Iterable[Version], version: Version, deadline_s: float, progress: Progress
    ) -> None:
        """Have one with as many replicas as those have that it takes the place of, as far as there is room."""
        replaced = {each.application for each in before} - {version.application}
        replicas = sum(len(self._fleet.members(application)) for application in replaced)
        if not replicas or self._fleet.members(version.application):
            return
        progress("replica", f"{replicas} replica(s) with {takes(version)} come up beside those of the version before")
        await self.ensure(version, wake=True, replicas=replicas)
        limit_s = min(deadline_s, BESIDE_S)
        try:
            await self._fleet.wait_for(version.application, limit_s, least=replicas)
        except asyncio.TimeoutError:
            _log.warning("%s has no room for %d replicas beside those before", version.application, replicas)

    async def rescale(self, function: Function) -> list[str]:
        """Have a function's follow its scaling. Returns the clusters that do so now; others will, when they come."""
        agents = self._fleet.agents()
        served = {version.application: version for version in function.served()}
        there = [
            (application, version)
            for application, version in served.items()
            if agents and self._clusters.get(application) in (None, *agents) and self._is_wanted(application, version)
        ]
        followed = await asyncio.gather(*(self.ensure(version, wake=False) for _, version in there))
        return sorted({self._clusters[name] for (name, _), does in zip(there, followed, strict=True) if does})

    # Clusters and replicas come

    async def agent_up(self, cluster: str, agent: Link) -> None:
        """A cluster is here, perhaps after it was away, or a new one in its place: it is to have what it should."""
        try:
            present, says = await agent.request("applications", timeout_s=AGENT_S), True
        except (RayfaasError, asyncio.TimeoutError) as error:
            _log.warning("the cluster %s does not say what it runs: %s", cluster, error)
            present, says = {}, False
        served = {version.application: version for function in self._catalog for version in function.served()}
        for application in present.keys() - served.keys() - self._asked_for.keys():
            self._background.run(self._delete_on(cluster, application))
        for application in present.keys() & served.keys() - self._clusters.keys():
            self._asked_for[application], self._clusters[application] = served[application], cluster
        for application, version in (served | self._asked_for).items():
            is_here = self._clusters.get(application, cluster) == cluster
            # One that is made begins with a replica, and perhaps a machine for it: what nobody calls has time.
            is_due = not says or application in present or self._is_due(version)
            if application in self._waking or (is_here and is_due and self._is_wanted(application, version)):
                self._background.run(self.ensure(version, wake=application in self._waking))

    def replica_up(self, member: Member) -> bool:
        """Whether it is where its deployment is to be; else that one goes."""
        self._waking.discard(member.application)
        if member.cluster == self._clusters.setdefault(member.application, member.cluster):
            return True
        _log.info("%s runs on another cluster than %s now", member.application, member.cluster)
        self._background.run(self._delete_on(member.cluster, member.application))
        return False

    def adopt(self, version: Version) -> None:
        """One is up that nobody here has asked for."""
        self._asked_for.setdefault(version.application, version)

    # From time to time

    def tell_loads(self) -> None:
        """The autoscaler of each learns of all calls of its function through its replicas."""
        keys: dict[str, list[str]] = {}
        for key in self._loads.busy():
            keys.setdefault(key.rpartition(":")[0], []).append(key)
        own = [member for member in self._fleet.members() if member.application != WARM]
        replicas = Counter(self._function_on(member) for member in own)
        for member in own:
            function = self._function_on(member)
            member.link.notify("load", calls=self._calls_of(function, keys.get(function, ()), replicas[function]))

    def _calls_of(self, function: str, keys: Iterable[str], replicas: int) -> float:
        """Those of its versions; more where it needs replicas that its target does not ask for: those that are full,
        and one more where a call has waited so long that it may wait for the end of a long one."""
        loads = {key: self._loads.of(key) for key in keys}
        needed = full = min(replicas, sum(load.in_flight // self._concurrency(key) for key, load in loads.items()))
        if full == replicas and any(load.waiting and load.longest_wait_s > LONG_WAIT_S for load in loads.values()):
            needed += 1  # where one is not full yet, it may be on its way
        calls = sum(load.calls for load in loads.values())
        return float(max(calls, needed * self._catalog.function(function).scaling.target_concurrency))

    def _concurrency(self, key: str) -> int:
        version = self._catalog.version(key)
        return version.spec.concurrency if version is not None else 1

    def move_lost(self) -> None:
        """Those that must have replicas go to another cluster where theirs is away."""
        agents = self._fleet.agents()
        for function in self._catalog:
            for version in function.served():
                place = self._clusters.get(version.application)
                is_lost = place is not None and place not in agents and not self._fleet.members(version.application)
                if is_lost and agents and function.scaling.min_replicas and version.spec.shape.cluster is None:
                    self.wake(version)

    def end_idle(self) -> None:
        for application, version in list(self._asked_for.items()):
            if self._idle_s(version) > IDLE_S and not self._has_minimum(version):
                self._background.run(self._delete(application))

    # Ends

    async def end(self, application: str) -> None:
        """Its calls finish first. The next call has it made again."""
        await self._delete(application)

    def retire(self, function: str, needed: Container[str]) -> None:
        """Delete those of a function (`team/name`) other than the applications that are needed, without waiting."""
        for application in self._others(function, needed):
            self._background.run(self._delete(application))

    async def clear(self, function: str, needed: Container[str]) -> None:
        """The same, and wait."""
        for application in self._others(function, needed):
            await self._delete(application)

    # Inside

    def _others(self, function: str, needed: Container[str]) -> list[str]:
        of_it = [application for application, version in self._asked_for.items() if version.function == function]
        return [application for application in of_it if application not in needed]

    def _idle_s(self, version: Version) -> float:
        """How long nobody has called its function. Of a first deploy the catalog knows no version yet."""
        versions = self._catalog.function(version.function).versions.values()
        return min((self._loads.idle_s(each.key) for each in versions), default=0.0)

    def _has_minimum(self, version: Version) -> bool:
        return self._catalog.function(version.function).scaling.min_replicas > 0

    def _is_needed(self, version: Version) -> bool:
        """Whether it is to have one though nobody calls."""
        return not version.spec.shape.fits_warm or self._has_minimum(version)

    def _is_wanted(self, application: str, version: Version) -> bool:
        return application in self._asked_for or self._is_needed(version)

    def _is_due(self, version: Version) -> bool:
        function = self._catalog.function(version.function)
        return function.scaling.min_replicas > 0 or any(self._loads.of(v.key).calls for v in function.versions.values())

    def _function_on(self, member: Member) -> str:
        """Whose replica it is."""
        if (version := self._asked_for.get(member.application)) is not None:
            return version.function
        return next(iter(member.hosted), "").rpartition(":")[0]

    async def _agent_for(self, version: Version) -> Link:
        """That of the cluster which is to have the deployment: the one that has it, unless another would do better."""
        application = version.application
        present = self._clusters.get(application)
        if present is not None and self._fleet.is_resting(present):
            chosen = present  # it is to wake for it
        else:
            chosen = await self.capacity.cluster_for(version.spec.shape, present, PLACE_S)
        self._clusters[application] = chosen
        if present not in (None, chosen):
            self._background.run(self._delete_on(str(present), application))
        return (await self._fleet.wait_for_agents(chosen, PLACE_S))[chosen]

    async def _delete(self, application: str) -> None:
        self._asked_for.pop(application, None)
        self._waking.discard(application)
        cluster = self._clusters.pop(application, None)
        for name in [cluster] if cluster is not None else list(self._fleet.agents()):
            await self._delete_on(name, application)

    async def _delete_on(self, cluster: str, application: str) -> None:
        """A cluster that is away is told when it comes back, by `replica_up`."""
        if (agent := self._fleet.agents().get(cluster)) is None:
            return
        try:
            await agent.request("delete", application=application, timeout_s=ORDER_S)
        except (RayfaasError, asyncio.TimeoutError) as error:
            _log.warning("deployment %s could not be deleted: %s", application, error)


def takes(version: Version) -> str:
    """What a replica of it takes, in words.

    Such as `1 CPU, 1 GPU, A10G on the cluster lab`.
    """
    shape = version.spec.shape
    parts = [f"{shape.cpus:g} CPU"]
    if shape.gpus:
        parts.append(f"{shape.gpus:g} GPU")
    if shape.memory_mb:
        parts.append(f"{shape.memory_mb} MB")
    if shape.accelerator:
        parts.append(shape.accelerator)
    parts += [f"{amount:g} {name}" for name, amount in shape.resources.items()]
    return ", ".join(parts) + (f" on the cluster {shape.cluster}" if shape.cluster else "")

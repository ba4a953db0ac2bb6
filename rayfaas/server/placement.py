"""Placement: where versions run. Starts executors for deploys and demand, gives a function that has outgrown Warm a
deployment of its own, ends what nobody calls."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec

from rayfaas.background import Background
from rayfaas.errors import DeployTimeout, NoCapacity, NotFound, RayfaasError, Unavailable
from rayfaas.server.catalog import Catalog, Function, Version
from rayfaas.server.deployments import Deployments, takes
from rayfaas.server.fleet import WARM, Fleet, Member, Progress
from rayfaas.server.handover import can_take_over, warm_executors
from rayfaas.server.loads import Loads
from rayfaas.server.room import CanBring, Room
from rayfaas.within import within

_log = logging.getLogger("rayfaas.controller")

TICK_S = 0.25
# How long calls may wait for Warm before the function gets a deployment of its own.
OUTGROWN_S = 0.25
# An executor of a version that no alias points at goes after so long without a call.
UNSERVED_IDLE_S = 30.0
# A warm replica keeps so many versions that nobody calls; beyond, those that were idle longest end before their time.
WARM_MOST = 100
# How long a version is waited for, at least: longer as long as calls wait for it.
DEMAND_S = 300.0
# A version whose executor could not be started is not tried again for this long.
FAILED_S = 2.0
# How long an executor that lives may take to dial a gateway again before another is started in its place.
REDIAL_S = 1.0

Refuse = Callable[[str, RayfaasError], None]
MakeOrder = Callable[[Version], dict[str, Any]]
WhyNever = Callable[[Version], Awaitable[str]]
"""Why no replica of a version can ever come up; "" where one may."""


async def _may_come(version: Version) -> str:
    return ""


class Placement:
    """Knows where each version runs, and where it should. `refuse(key, error)` tells gateways that none will come.

    `order` makes what a supervisor is told to run, with the secrets that the version names."""

    def __init__(
        self,
        fleet: Fleet,
        catalog: Catalog,
        loads: Loads,
        refuse: Refuse,
        order: MakeOrder = Version.order,
        can_bring: CanBring = lambda *_: False,
        why_never: WhyNever = _may_come,
    ) -> None:
        self._fleet, self._catalog, self._loads, self._refuse = fleet, catalog, loads, refuse
        self._order, self._why_never = order, why_never
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[str, tuple[float, RayfaasError]] = {}
        self.deployments = Deployments(fleet, catalog, loads)
        self._room = Room(fleet, self.deployments, can_bring)
        self.stages: dict[str, tuple[str, str]] = {}  # how far each start is: its phase, and what is done in it
        self._held: dict[str, set[str]] = {}  # functions that are being replaced, and versions demanded meanwhile
        self._background = Background()

    async def start(self, version: Version, deadline_s: float, progress: Progress) -> dict[str, Any]:
        """Have a new executor of it in every replica that serves its function, in one at least.

        Returns what the first of them reported. Raises `ImportFailed`, `EnvironmentFailed`, `DeployTimeout` or
        `Unavailable`.
        """
        try:
            return await self._start(version, time.monotonic() + deadline_s, self._noting(version, progress))
        finally:
            self.stages.pop(version.key, None)

    async def replace(
        self, before: Iterable[Version], version: Version, deadline_s: float, progress: Progress
    ) -> dict[str, Any]:
        """`start`, in a deployment with as many replicas as those have that it takes the place of.

        They answer until it does: a function of another shape is not put on one warm replica where it had many.
        """
        started = time.monotonic()
        await self.deployments.stand_beside(before, version, deadline_s, progress)
        return await self.start(version, max(0.1, deadline_s - (time.monotonic() - started)), progress)

    async def ready(
        self, function: Function, versions: Iterable[Version], deadline_s: float, before: Iterable[Version] = ()
    ) -> None:
        """Have executors of these versions, if the function runs at all: calls that an alias leads there are not to
        wait for one. `before` is where it leads now. A function at rest stays so until it is called. Raises as `start`
        does."""
        name = f"{function.team}/{function.name}"
        if all(key.rpartition(":")[0] != name for member in self._fleet.members() for key in member.hosted):
            return
        missing = [version for version in versions if not self._fleet.hosting(version.key)]
        for version in missing:
            self._loads.touch(version.key)
        await asyncio.gather(*(self.replace(before, each, deadline_s, lambda *_: None) for each in missing))

    def starting(self) -> set[str]:
        """The versions that are being started for calls."""
        return set(self._starting)

    def restart(self, version: Version) -> None:
        """Its executors finish their calls and end, and others come for those that wait."""
        for member in self._fleet.members():
            if version.key in member.hosted:
                member.drain(version.key)
                self.demand(version.key)

    def demand(self, key: str) -> None:
        """Calls wait for this version and no executor is connected where they wait."""
        version = self._catalog.version(key)
        if version is None:
            return self._refuse(key, NotFound(f"{key} was deleted."))
        if key in self._starting:
            return
        if version.function in self._held:
            self._held[version.function].add(key)
            return
        self._loads.touch(key)
        failed_at, error = self._failed.get(key, (0.0, None))
        if error is not None and time.monotonic() - failed_at < FAILED_S:
            return self._refuse(key, error)
        task = asyncio.ensure_future(self._meet_demand(version))
        self._starting[key] = task
        task.add_done_callback(lambda _: self._starting.pop(key, None))

    def retire(self, function: Function) -> None:
        """Aliases moved: executors that no alias leads to finish and end, and deployments of shapes that none needs."""
        served = {version.key for version in function.served()}
        applications = {version.application for version in function.served()}
        name = f"{function.team}/{function.name}"
        for member in self._fleet.members():
            for key in [k for k in member.hosted if k.rpartition(":")[0] == name and k not in served]:
                member.drain(key)
        self.deployments.retire(name, applications)

    # Replacing

    def running(self, function: Function, keep: set[str]) -> set[str]:
        """The versions of a function that have executors, or will, other than those to keep."""
        name = f"{function.team}/{function.name}"
        keys = self._fleet.keys() | set(self._starting)
        return {key for key in keys if key.rpartition(":")[0] == name} - keep

    def hold(self, function: Function) -> None:
        """Start no executor of it for calls that wait."""
        self._held[f"{function.team}/{function.name}"] = set()

    def resume(self, function: Function) -> None:
        """Start what calls waited for meanwhile, and what its aliases lead to."""
        for key in self._held.pop(f"{function.team}/{function.name}"):
            self.demand(key)
        for version in function.served():
            if not self._fleet.hosting(version.key):
                self.demand(version.key)

    async def clear(self, function: Function, version: Version, keep: set[str], timeout_s: float) -> None:
        """Returns when no executor of it runs but of the versions to keep, and `version` has the room. Raises
        TimeoutError."""
        going = self.running(function, keep)
        if starting := [task for key, task in self._starting.items() if key in going]:
            await asyncio.wait(starting, timeout=timeout_s)
        for member in self._fleet.members():
            for key in going & set(member.hosted):
                member.drain(key)
        await self._fleet.wait_gone(going, timeout_s)
        needed = {version.application} | {v.application for v in function.versions.values() if v.key in keep}
        await self.deployments.clear(version.function, needed)

    async def member_up(self, member: Member) -> None:
        """A replica of a function's own deployment is up: it takes over what the function's aliases lead to."""
        if member.application == WARM or not self.deployments.replica_up(member):
            return
        versions = [v for f in self._catalog for v in f.served() if v.application == member.application]
        await asyncio.gather(*(self._take_over(member, v) for v in versions if v.function not in self._held))

    async def _take_over(self, member: Member, version: Version) -> None:
        """One that does not start keeps no other waiting; its calls hear why when there are some."""
        self.deployments.adopt(version)
        try:
            if version.key not in member.hosted:
                await member.spawn(self._order(version), DEMAND_S)
        except RayfaasError as error:
            _log.warning("%s does not start on %s: %s", version.key, member.replica, error.detail)
        else:
            self._hand_over(version)

    async def tick(self, count: int) -> None:
        """Called every TICK_S."""
        self.deployments.tell_loads()
        for key in self._loads.busy():
            self._give_deployment(key)
        for key in {key for warm in self._fleet.members(WARM) for key in warm.hosted}:
            if (version := self._catalog.version(key)) is not None and self._catalog.is_served(key):
                self._hand_over(version)
        if count % 20 == 0:
            self._end_idle()
            self.deployments.end_idle()
            self.deployments.move_lost()

    # Where

    async def _start(self, version: Version, deadline: float, progress: Progress) -> dict[str, Any]:
        self._order(version)  # a secret that can't be opened is said now, and is no replica that went
        while True:
            members = await self._members(version, deadline, progress)
            try:
                await self._prepare(members, version, deadline - time.monotonic(), progress)
                self.stages[version.key] = "executor", f"the process of {version.key}"
                return await self._spawn(members, version, deadline - time.monotonic())
            except Unavailable:
                # The replica went while it was asked; Ray Serve replaces it.
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)

    def _noting(self, version: Version, progress: Progress) -> Progress:
        def note(phase: str, detail: str) -> None:
            self.stages[version.key] = phase, detail
            progress(phase, detail)

        return note

    async def _members(self, version: Version, deadline: float, progress: Progress) -> list[Member]:
        """The replicas that should run it; waits for the first where there is none yet."""
        own = self._fleet.members(version.application)
        if own:
            return own
        left_s = max(0.1, deadline - time.monotonic())
        try:
            if version.spec.shape.fits_warm:
                if not self._fleet.members(WARM, version.spec.shape.cluster):
                    progress("replica", "waiting for a warm replica")
                warm = await self._fleet.wait_for(WARM, left_s, version.spec.shape.cluster)
                return [m for m in warm if self._hosts_function(m, version)] or [min(warm, key=_burden)]
            if told := await self._why_never(version):
                raise NoCapacity(told)
            progress("replica", f"waiting for a replica with {takes(version)}")
            await self.deployments.ensure(version, wake=True)
            left_s, at = max(0.1, deadline - time.monotonic()), self.deployments.cluster_of(version)
            making = asyncio.ensure_future(self._room.make(version, progress))
            try:
                return await self._fleet.wait_for(version.application, left_s, at=at)
            finally:
                making.cancel()
        except asyncio.TimeoutError:
            has = await self.deployments.capacity.of_nodes(version.spec.shape.cluster)
            raise DeployTimeout(
                f"No replica with {takes(version)} came up within {left_s:.0f} s. "
                + (f"The nodes that are up have, {has}. " if has else "")
                + "`rayfaas status` shows what runs on them."
            ) from None

    def _hosts_function(self, member: Member, version: Version) -> bool:
        return any(key.rpartition(":")[0] == version.function for key in member.hosted)

    async def _prepare(self, members: list[Member], version: Version, left_s: float, progress: Progress) -> None:
        """Have its environment where it is to run."""
        if version.environment is None:
            return
        self.stages[version.key] = "environment", "its packages"
        environment = msgspec.to_builtins(version.environment)
        preparing = asyncio.gather(*(member.prepare(environment, progress) for member in members))
        try:
            await within(max(0.1, left_s), preparing)
        except asyncio.TimeoutError:
            raise DeployTimeout(
                f"The environment of {version.key} is not built after {left_s:.0f} s. Its node goes on: deploy again, "
                "or with more time, rayfaas deploy --timeout."
            ) from None

    async def _spawn(self, members: list[Member], version: Version, deadline_s: float) -> dict[str, Any]:
        order = self._order(version)
        spawns = [member.spawn(order, max(1.0, deadline_s)) for member in members]
        answers = await asyncio.gather(*spawns, return_exceptions=True)
        errors = [a for a in answers if isinstance(a, BaseException)]
        for error in errors:
            if not isinstance(error, Unavailable):
                for member in members:
                    member.drain(version.key)
                raise error
        if len(errors) == len(answers):
            raise errors[0]
        return next(a for a in answers if isinstance(a, dict))

    # Demand

    async def _meet_demand(self, version: Version) -> None:
        if self._fleet.hosting(version.key) and await self._dials_again(version.key):
            return
        try:
            await self._start_while_called(version)
            self._failed.pop(version.key, None)
        except RayfaasError as error:
            _log.warning("%s could not be started: %s", version.key, error.detail)
            reason = error if not isinstance(error, DeployTimeout) else NoCapacity(error.detail)
            self._failed[version.key] = (time.monotonic(), reason)
            self._refuse(version.key, reason)

    async def _start_while_called(self, version: Version) -> None:
        """A machine may take long to come: each call waits for it until its own deadline."""
        while True:
            try:
                await self.start(version, DEMAND_S, lambda *_: None)
            except DeployTimeout:
                if not self._loads.of(version.key).waiting:
                    raise
            else:
                return

    async def _dials_again(self, key: str) -> bool:
        """There is an executor, so it is on its way to the gateway, or we shall hear of its end."""
        for _ in range(int(REDIAL_S / 0.02)):
            await asyncio.sleep(0.02)
            if not self._fleet.hosting(key):
                return False
        load = self._loads.of(key)
        return load.waiting == 0 or load.in_flight > 0  # under constant load some always wait

    # Deployments

    def _give_deployment(self, key: str) -> None:
        """A function whose calls wait for Warm has outgrown it."""
        version = self._catalog.version(key)
        if version is None or self._fleet.members(version.application) or not self._catalog.is_served(key):
            return
        if self.deployments.is_waking(version) or version.function in self._held or not self._fleet.hosting(key):
            return
        if self._loads.of(key).longest_wait_s > OUTGROWN_S:
            _log.info("%s has outgrown the warm replica and gets a deployment", version.function)
            self._background.run(self._widen(version))
            self.deployments.wake(version)

    async def _widen(self, version: Version) -> None:
        """Have more executors of it where it is, until its deployment is up."""
        scaling = self._catalog.function(version.function).scaling
        wanted = warm_executors(version, scaling, self._loads.of(version.key).calls)
        for warm in self._fleet.members(WARM):
            try:
                for _ in range(wanted - len(warm.hosted.get(version.key, ()))) if version.key in warm.hosted else ():
                    await warm.spawn(self._order(version), DEMAND_S)
            except RayfaasError as error:
                _log.warning("no more executors of %s: %s", version.key, error.detail)

    def _hand_over(self, version: Version) -> None:
        """Its deployment answers alone, once it can."""
        replicas = len(self._fleet.members(version.application))
        scaling = self._catalog.function(version.function).scaling
        if can_take_over(replicas, scaling, self._loads.of(version.key).calls):
            for warm in self._fleet.members(WARM):
                if version.key in warm.hosted:
                    warm.drain(version.key)

    # Ends

    def _end_idle(self) -> None:
        for member in self._fleet.members():
            for key in list(member.hosted):
                if self._loads.idle_s(key) > self._idle_limit_s(member, key):
                    _log.info("%s is idle and ends", key)
                    member.drain(key)
            self._end_surplus(member)

    def _end_surplus(self, member: Member) -> None:
        """Whoever deploys a thousand functions at once is not to have a thousand processes."""
        if member.application == WARM and len(member.hosted) > WARM_MOST:
            idle = sorted((key for key in member.hosted if not self._loads.of(key).calls), key=self._loads.idle_s)
            for key in idle[WARM_MOST:]:
                member.drain(key)

    def _idle_limit_s(self, member: Member, key: str) -> float:
        if not self._catalog.is_served(key):
            return UNSERVED_IDLE_S
        if member.application != WARM:
            return float("inf")  # Ray Serve's autoscaler ends the replica
        return self._catalog.function(key.rpartition(":")[0]).scaling.scale_down_after_s


def _burden(member: Member) -> tuple[bool, int]:
    """Calls come in at the home server: what is near it answers them sooner."""
    return member.link.is_remote, sum(map(len, member.hosted.values()))

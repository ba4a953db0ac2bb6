"""Whatever fails, whoever is killed and however clocks jump: no machine is forgotten, none is stopped with a call on
it, none of others is touched, and what waits is served when the trouble is over."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rayfaas.cloud import errors
from rayfaas.worker_group import Placement, WorkerGroup
from tests.cloud.world import World

VERBS = ("create", "find", "get", "start", "stop", "terminate", None)
ERRORS = (
    errors.Capacity,
    errors.Quota,
    errors.Refused,
    errors.Credentials,
    errors.Throttled,
    errors.NotReady,
    errors.Unreachable,
    errors.Ambiguous,
    errors.CloudError,
)
PLACES = tuple(Placement(provider="memory", type="gpu", place=f"zone-{letter}") for letter in "ab")
STOPS = WorkerGroup(name="gpu", gpus=1, max=3, keep_alive="60s", placements=PLACES)
ENDS = STOPS.model_copy(update={"name": "spot", "when_idle": "terminate", "keep_alive": "learned"})


class Keeping(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World(STOPS, ENDS)
        self.foreign: list[str] = []

    @rule(seconds=st.sampled_from([0.5, 20.0, 300.0]))
    def call(self, seconds: float) -> None:
        self.world.call(seconds)

    @rule(seconds=st.sampled_from([1, 5, 30, 120]))
    def time_passes(self, seconds: int) -> None:
        self.world.run(seconds)

    @rule()
    def much_time_passes(self) -> None:
        self.world.run(1200, step_s=10.0)

    @rule(
        error=st.sampled_from(ERRORS),
        verb=st.sampled_from(VERBS),
        times=st.sampled_from([1, 3, None]),
        after=st.booleans(),
        place=st.sampled_from([None, "zone-a"]),
    )
    def provider_fails(
        self, error: type[errors.CloudError], verb: str | None, times: int | None, after: bool, place: str | None
    ) -> None:
        # What a provider did though it said no is what Ambiguous is for.
        was_done = after and error is errors.Ambiguous
        self.world.cloud.fail(error, verb, place=place, times=times, after=was_done)  # type: ignore[arg-type]

    @rule()
    def provider_heals(self) -> None:
        self.world.cloud.heal()

    @rule(pulses=st.integers(0, 30))
    def kill_soon(self, pulses: int) -> None:
        self.world.pulses_left = pulses

    @rule(can_ask=st.booleans())
    def agent(self, can_ask: bool) -> None:
        self.world.can_ask = can_ask

    @rule(when=st.sampled_from(["", "before", "after"]))
    def drains_fail(self, when: str) -> None:
        self.world.drain_fails = when

    @rule(seconds=st.sampled_from([-7200.0, -60.0, 60.0, 7200.0]))
    def clock_jumps(self, seconds: float) -> None:
        self.world.skew_s += seconds

    @rule(index=st.integers(0, 5))
    def machine_vanishes(self, index: int) -> None:
        ours = self.world.ours()
        if index < len(ours):
            self.world.cloud.vanish(ours[index].id)

    @rule(index=st.integers(0, 5))
    def somebody_launches_more_of_the_same(self, index: int) -> None:
        ours = self.world.ours()
        if index < len(ours):
            self.world.launch_another(ours[index])

    @rule(seconds=st.sampled_from([0.0, 5.0, 60.0]))
    def provider_tells_late(self, seconds: float) -> None:
        self.world.cloud.listed_s = seconds

    @rule(seconds=st.sampled_from([30.0, 3000.0]))
    def provider_stops_slowly(self, seconds: float) -> None:
        self.world.cloud.stop_s = seconds

    @rule(index=st.integers(0, 5))
    def nobody_can_tell_how_one_is(self, index: int) -> None:
        ours = self.world.ours()
        if index < len(ours) and ours[index].state == "RUNNING":
            self.world.cloud.change(ours[index].id, "UNKNOWN")

    @rule(index=st.integers(0, 5))
    def tags_are_lost(self, index: int) -> None:
        """All but that of the owner."""
        ours = self.world.ours()
        if index < len(ours):
            self.world.cloud.tag(ours[index].id, {"rayfaas-owner": ours[index].tags["rayfaas-owner"]})

    @rule()
    def somebody_launches(self) -> None:
        self.foreign.append(self.world.foreign())

    @rule(number=st.integers(0, 3), seconds=st.sampled_from([60.0, 3600.0]))
    def warm(self, number: int, seconds: float) -> None:
        self.world.keeper.floors["local", "gpu"] = (number, self.world.now + self.world.skew_s + seconds)

    @rule(index=st.integers(0, 5), stop=st.booleans())
    def somebody_ends_one(self, index: int, stop: bool) -> None:
        nodes = self.world.book.all()
        if index < len(nodes) and self.world.pulses_left is None:
            self.world.keeper.end(nodes[index], "asked for", stop=stop)

    @rule(has_group=st.booleans())
    def group_is_deleted_or_made(self, has_group: bool) -> None:
        self.world.groups.pop(("local", "spot"), None)
        if has_group:
            self.world.groups["local", "spot"] = ENDS

    @invariant()
    def nothing_wrong(self) -> None:
        assert self.world.wrong == []
        states = {each: self.world.cloud.instance(each).state for each in self.foreign}
        assert all(state in ("BOOTING", "RUNNING") for state in states.values())

    @invariant()
    def no_more_than_allowed_are_wanted(self) -> None:
        assert sum(node.want == "RUNNING" for node in self.world.book.all()) <= 6

    def teardown(self) -> None:
        """The trouble is over."""
        world = self.world
        world.cloud.heal()
        world.cloud.listed_s, world.cloud.stop_s = 0.0, 30.0
        for each in world.ours():
            if each.state == "UNKNOWN":
                world.cloud.change(each.id, "RUNNING")
        world.can_ask, world.drain_fails, world.pulses_left = True, "", None
        world.run(300)
        assert {each.id for each in world.ours()} <= {node.instance for node in world.book.all()}
        for _ in range(3 * 60):
            if not world.waiting:
                break
            world.run(120)
        assert not world.waiting
        world.groups.clear()
        for _ in range(3 * 60):
            if not world.ours() and not world.book.all():
                break
            world.run(120, step_s=2.0)
        assert world.ours() == []
        assert world.book.all() == []
        self.nothing_wrong()


Keeping.TestCase.settings = settings(
    max_examples=40, stateful_step_count=50, suppress_health_check=list(HealthCheck), derandomize=True
)
TestKeeping = Keeping.TestCase

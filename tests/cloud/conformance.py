"""What every adapter promises. An adapter's test inherits `Conformance` and says how its provider is stood in for.

class TestAws(Conformance):
    @pytest.fixture
    def provider(self) -> Iterator[Provider]:
        with FakeEc2() as ec2:
            yield ec2
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, Protocol
from uuid import uuid4

import pytest

from rayfaas.cloud.adapter import Adapter
from rayfaas.cloud.errors import (
    Ambiguous,
    Capacity,
    CloudError,
    Credentials,
    Foreign,
    NotReady,
    Quota,
    Throttled,
    Unreachable,
    Unsupported,
)
from rayfaas.cloud.machine import Claim, Instance, Machine

Failing = Literal["capacity", "quota", "credentials", "throttled", "down", "lost"]
OWNER = "0198f3a2-7c1e-7aaa-8bbb-000000000001"
STRANGER = "0198f3a2-7c1e-7aaa-8bbb-000000000002"

FAILURES: dict[Failing, type[CloudError]] = {
    "capacity": Capacity,
    "quota": Quota,
    "credentials": Credentials,
    "throttled": Throttled,
    "down": Unreachable,
}


class Provider(Protocol):
    """A stand-in for a provider, as the tests see it."""

    machine: Machine

    def adapter(self, owner: str = OWNER) -> Adapter:
        """An adapter on it; each call makes another, as a new process would."""

    def fail(self, failing: Failing) -> None:
        """From now on launches have no capacity or quota, or every request is refused or lost ("lost": only the answer
        to the next launch, which is done)."""

    def heal(self) -> None: ...

    def settle(self) -> None:
        """Whatever is on its way arrives: BOOTING is RUNNING, STOPPING is STOPPED, TERMINATING is GONE."""

    def vanish(self, instance_id: str) -> None:
        """Somebody else ends this machine."""

    def count(self) -> int:
        """How many machines there are that are not ended, by the provider's own books."""


def claim(owner: str = OWNER, node: str = "gpu-1") -> Claim:
    return Claim(owner, "train", node, str(uuid4()), 1_900_000_000)


class Conformance:
    """Inherited by the tests of each adapter; `never` are failures that its provider does not have."""

    never: frozenset[Failing] = frozenset()
    own_tags: Mapping[str, Any] = MappingProxyType({})  # options that give a machine the tag team: vision
    addressed = True  # its machines can be reached, and not only reach us

    @pytest.fixture
    def provider(self) -> Provider:
        raise NotImplementedError

    def launched(self, provider: Provider, owner: str = OWNER) -> Instance:
        adapter = provider.adapter(owner)
        made = adapter.create(provider.machine, claim(owner))
        provider.settle()
        return adapter.get(made.id)

    def stopped(self, provider: Provider) -> Instance:
        adapter = provider.adapter()
        made = self.launched(provider)
        adapter.stop(made.id)
        provider.settle()
        return adapter.get(made.id)

    def test_a_machine_carries_its_claim(self, provider: Provider) -> None:
        adapter, mine = provider.adapter(), claim()
        made = adapter.create(provider.machine, mine)
        assert made.state in ("REQUESTED", "BOOTING", "RUNNING")
        assert made.claim == mine
        assert adapter.get(made.id).claim == mine
        assert [each.id for each in adapter.find()] == [made.id]

    def test_it_carries_its_claim_whatever_else_is_said_of_it(self, provider: Provider) -> None:
        adapter, mine = provider.adapter(), claim()
        made = adapter.create(replace(provider.machine, options=dict(self.own_tags)), mine)
        assert made.claim == mine
        assert [each.claim for each in adapter.find()] == [mine]
        assert not self.own_tags or adapter.get(made.id).tags["team"] == "vision"

    def test_it_comes_up_with_an_address(self, provider: Provider) -> None:
        up = self.launched(provider)
        assert up.state == "RUNNING"
        assert bool(up.address or up.private_address) == self.addressed

    def test_create_again_gives_the_same_machine(self, provider: Provider) -> None:
        adapter, mine = provider.adapter(), claim()
        first = adapter.create(provider.machine, mine)
        provider.settle()
        assert adapter.create(provider.machine, replace(mine, expires=1_900_000_001)).id == first.id
        assert provider.count() == 1

    def test_create_for_another_owner_is_refused(self, provider: Provider) -> None:
        with pytest.raises(Foreign):
            provider.adapter().create(provider.machine, claim(STRANGER))
        assert provider.count() == 0

    def test_stop_and_start_may_be_repeated(self, provider: Provider) -> None:
        adapter = provider.adapter()
        self.needs_stop(adapter)
        made = self.launched(provider)
        assert adapter.stop(made.id).state in ("STOPPING", "STOPPED")
        assert adapter.stop(made.id).state in ("STOPPING", "STOPPED")
        provider.settle()
        assert adapter.stop(made.id).state == "STOPPED"
        assert [each.state for each in adapter.find()] == ["STOPPED"]
        assert adapter.start(made.id).state in ("BOOTING", "RUNNING")
        assert adapter.start(made.id).state in ("BOOTING", "RUNNING")
        provider.settle()
        up = adapter.start(made.id)
        assert (up.id, up.state, up.claim) == (made.id, "RUNNING", made.claim)

    def test_start_while_it_stops_is_not_ready_or_done(self, provider: Provider) -> None:
        adapter = provider.adapter()
        self.needs_stop(adapter)
        made = self.launched(provider)
        adapter.stop(made.id)
        try:
            started = adapter.start(made.id)  # one that is quick has stopped by now
        except NotReady:
            provider.settle()
            started = adapter.start(made.id)
        assert started.state in ("BOOTING", "RUNNING")

    def test_a_provider_that_cannot_stop_says_so(self, provider: Provider) -> None:
        adapter = provider.adapter()
        if adapter.capabilities.stop:
            return
        made = self.launched(provider)
        with pytest.raises(Unsupported):
            adapter.stop(made.id)
        assert adapter.get(made.id).state == "RUNNING"

    def test_terminate_may_be_repeated(self, provider: Provider) -> None:
        adapter = provider.adapter()
        made = self.launched(provider)
        assert adapter.terminate(made.id).state in ("TERMINATING", "GONE")
        assert adapter.terminate(made.id).state in ("TERMINATING", "GONE")
        provider.settle()
        assert adapter.terminate(made.id).state == "GONE"
        assert adapter.find() == []
        assert provider.count() == 0

    def test_a_stopped_machine_can_be_terminated(self, provider: Provider) -> None:
        self.needs_stop(provider.adapter())
        made = self.stopped(provider)
        try:
            provider.adapter().terminate(made.id)
        except NotReady:  # it has to be on for that
            provider.settle()
            provider.adapter().terminate(made.id)
        provider.settle()
        assert provider.count() == 0

    def test_a_foreign_machine_is_left_alone(self, provider: Provider) -> None:
        theirs = self.launched(provider, STRANGER)
        adapter = provider.adapter()
        for verb in (adapter.terminate, adapter.start, *([adapter.stop] if adapter.capabilities.stop else [])):
            with pytest.raises(Foreign):
                verb(theirs.id)
        assert adapter.get(theirs.id).state == "RUNNING"
        assert adapter.find() == []
        assert [each.id for each in provider.adapter(STRANGER).find()] == [theirs.id]

    @pytest.mark.parametrize("failing", ["capacity", "quota", "credentials", "throttled", "down"])
    def test_a_launch_that_fails_says_what_may_be_done_next(self, provider: Provider, failing: Failing) -> None:
        self.needs(failing)
        adapter, mine = provider.adapter(), claim()
        provider.fail(failing)
        with pytest.raises(FAILURES[failing]) as raised:
            adapter.create(provider.machine, mine)
        assert raised.value.then == ("again" if failing in ("throttled", "down") else "next")
        provider.heal()
        provider.settle()
        assert adapter.find() == []
        assert provider.count() == 0

    @pytest.mark.parametrize("failing", ["credentials", "throttled", "down"])
    def test_a_provider_that_cannot_be_asked_tells_of_no_machine(self, provider: Provider, failing: Failing) -> None:
        self.needs(failing)
        made = self.launched(provider)
        adapter = provider.adapter()
        provider.fail(failing)
        for ask in (adapter.find, lambda: adapter.get(made.id), lambda: adapter.terminate(made.id)):
            with pytest.raises(FAILURES[failing]):
                ask()
        provider.heal()
        assert [(each.id, each.state) for each in adapter.find()] == [(made.id, "RUNNING")]

    def test_a_stopped_machine_for_which_there_is_no_capacity_stays(self, provider: Provider) -> None:
        adapter = provider.adapter()
        self.needs_stop(adapter)
        self.needs("capacity")
        made = self.stopped(provider)
        provider.fail("capacity")
        with pytest.raises(Capacity):
            adapter.start(made.id)
        provider.heal()
        assert adapter.get(made.id).state == "STOPPED"
        assert adapter.start(made.id).state in ("BOOTING", "RUNNING")

    def test_a_lost_answer_leaves_one_machine(self, provider: Provider) -> None:
        self.needs("lost")
        adapter, mine = provider.adapter(), claim()
        provider.fail("lost")
        with pytest.raises(Ambiguous) as raised:
            adapter.create(provider.machine, mine)
        assert raised.value.then == "again"
        provider.heal()
        made = adapter.create(provider.machine, mine)
        assert made.claim == mine
        assert provider.count() == 1

    def test_who_died_before_the_answer_goes_on_with_the_same_machine(self, provider: Provider) -> None:
        mine = claim()
        self.needs("lost")
        provider.fail("lost")
        with pytest.raises(Ambiguous):
            provider.adapter().create(provider.machine, mine)
        provider.heal()
        (found,) = provider.adapter().find()
        assert found.claim == mine
        assert provider.adapter().create(provider.machine, mine).id == found.id
        assert provider.count() == 1

    def test_a_machine_that_vanished_is_gone(self, provider: Provider) -> None:
        adapter = provider.adapter()
        made = self.launched(provider)
        provider.vanish(made.id)
        provider.settle()
        assert adapter.get(made.id).state == "GONE"
        assert adapter.find() == []
        assert adapter.start(made.id).state == "GONE"
        assert adapter.terminate(made.id).state == "GONE"

    def test_check_finds_nothing_wrong(self, provider: Provider) -> None:
        findings = provider.adapter().check()
        assert findings
        assert [each for each in findings if each.result == "failed"] == []
        assert provider.count() == 0

    @pytest.mark.parametrize("failing", ["credentials", "down"])
    def test_check_tells_of_what_is_wrong_and_advises(self, provider: Provider, failing: Failing) -> None:
        self.needs(failing)
        provider.fail(failing)
        failed = [each for each in provider.adapter().check() if each.result == "failed"]
        assert failed
        assert all(each.detail and each.advice for each in failed)

    def needs(self, failing: Failing) -> None:
        if failing in self.never:
            pytest.skip("this provider does not fail like that")

    def needs_stop(self, adapter: Adapter) -> None:
        if not adapter.capabilities.stop:
            pytest.skip("this provider does not stop machines")

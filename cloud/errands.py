"""What the keeper decided, as requests to providers: sent one by one, and what came of each is noted.

No error of a provider is raised. Its class says what comes next (`rayfaas.cloud.errors`): the same again later, another
placement, or a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from rayfaas.cloud.adapter import Adapter
from rayfaas.cloud.cooldowns import Cooldowns, region_of
from rayfaas.cloud.errors import Capacity, CloudError
from rayfaas.cloud.machine import ATTEMPT, CLUSTER, NODE, Claim, Instance, Machine
from rayfaas.cloud.node import Node
from rayfaas.cloud.node_book import Key, NodeBook
from rayfaas.errors import RayfaasError
from rayfaas.names import new_id
from rayfaas.worker_group import Placement, WorkerGroup

# A launch whose answer was lost, and which nobody finds for so long, did not happen.
LOST_S = 600.0
# How long those that must go may take to finish their calls.
LEAVE_S = 600.0
# What fails or is refused is tried again after the first, then twice as long each time, up to the last.
AGAIN_S = (2.0, 300.0)
# How often Ray is asked at least whether the calls on one that is to go have ended: it is paid for until then.
BUSY_S = 10.0
ALARM_AFTER_S = 900.0
# So long a provider may not know what it has just made: https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
UNLISTED_S = 120.0
# And so long a launch may go without an answer, where another placement is free.
PATIENT_S = 30.0

Verb = Literal["find", "create", "start", "drain", "stop", "terminate"]
# Has Ray let a node end: (cluster, attempt, by force, reason). True when nothing is on it, and nothing will be. Raises
# where Ray can't be asked.
Drain = Callable[[str, str, bool, str], bool]
# What a machine is to do when it is up.
BootScript = Callable[[Node, WorkerGroup], str]


@dataclass(frozen=True)
class Order:
    """One request to a provider; about one node, by its id, where there is one."""

    verb: Verb
    provider: str
    node: str | None = None


class Errands:
    """Called from several threads, for different orders. `adapter` gives that of a provider."""

    def __init__(
        self, owner: str, book: NodeBook, adapter: Callable[[str], Adapter], drain: Drain, boot_script: BootScript
    ) -> None:
        self._owner, self._book, self._adapter = owner, book, adapter
        self._drain_ray, self._boot_script = drain, boot_script
        self._cooldowns = Cooldowns(book.clock)
        self._silent_since: dict[str, float] = {}  # providers that do not tell of their machines

    def can_stop(self, node: Node) -> bool:
        """Whether it can be stopped, and not only terminated."""
        return self._adapter(node.provider).capabilities.stop and not node.machine.spot

    def place(self, group: WorkerGroup, apart_from: Node | None = None) -> tuple[str, Machine] | None:
        """The first placement of its list that is not left alone; of those in other regions than a node's, if said."""
        found = [(each.provider, machine_of(group, each)) for each in group.placements]
        now = self._book.clock()
        if apart_from is not None:
            region = _region(apart_from.provider, apart_from.machine)
            found = [each for each in found if _region(*each) != region]
        return next((each for each in found if self._cooldowns.ends_at(*each) <= now), None)

    def leave_alone(self, node: Node, reason: str) -> None:
        """Its placement is not taken for a while: machines there do not last."""
        self._cooldowns.block(node.provider, node.machine, Capacity(reason))

    def joined(self, node: Node) -> None:
        """Machines of its placement do what they are for."""
        self._cooldowns.joined(node.provider, node.machine)

    def did_not_join(self, node: Node) -> None:
        """It ended, or is to end, and was never part of its cluster: if that goes on, its placement is left alone."""
        self._cooldowns.did_not_join(node.provider, node.machine)

    def first(self, group: WorkerGroup) -> tuple[str, Machine]:
        return group.placements[0].provider, machine_of(group, group.placements[0])

    def carry_out(self, order: Order, groups: Mapping[Key, WorkerGroup]) -> None:
        try:
            if order.verb == "find":
                return self._find(order.provider)
            if (node := self._book.get(order.node)) is not None:
                self._act(order.verb, node, groups.get((node.cluster, node.group)))
        except CloudError as error:
            with self._book.lock:
                self._failed(order, error, groups)
        except (RayfaasError, TimeoutError) as error:
            with self._book.lock:
                self._try_again(order, str(error) or type(error).__name__)
        finally:
            self._book.busy.discard(order.node or order.provider)

    def _act(self, verb: Verb, node: Node, group: WorkerGroup | None) -> None:
        if verb == "create":
            return self._create(node, group)
        if verb == "drain":
            return self._drain(node)
        if node.instance is None:
            return self._book.gone(node, "it was never asked for")
        self._book.tell(node, verb, node.reason)
        adapter = self._adapter(node.provider)
        if verb == "start":
            self._book.change(node, boot_at=self._book.clock(), drained=False, ray=None, old_ray=node.ray)
            self._take(node.id, adapter.start(node.instance))
            self._book.untroubled(node.id)
        else:
            self._take(node.id, adapter.stop(node.instance) if verb == "stop" else adapter.terminate(node.instance))
        self._book.calm(_doing(verb, node))

    def _create(self, node: Node, group: WorkerGroup | None) -> None:
        if group is None:
            return None  # it was deleted a moment ago
        now = self._book.clock()
        if not node.sent and self._cooldowns.ends_at(node.provider, node.machine) > now:
            return self._elsewhere(node, group, "its place is left alone for a while")
        adapter = self._adapter(node.provider)
        price = adapter.price(node.machine)
        usd = None if price is None else price.usd_per_hour
        node = self._book.change(node, sent=True, boot_at=now if not node.sent else node.boot_at, usd_per_hour=usd)
        self._book.tell(node, "create", f"{_place(node)}: {node.reason}")
        machine = replace(node.machine, boot_script=self._boot_script(node, group))
        made = adapter.create(machine, Claim(self._owner, node.cluster, node.name, node.attempt))
        self._cooldowns.forget(node.provider, node.machine)
        self._book.calm(_doing("create", node))
        with self._book.lock:
            if (now_is := self._book.get(node.id)) is not None:
                self._book.change(now_is, instance=made.id, tries=0, trouble="")
        self._take(node.id, made)

    def _drain(self, node: Node) -> None:
        is_empty = self._drain_ray(node.cluster, node.attempt, node.force, node.reason)
        with self._book.lock:
            now_is = self._book.get(node.id)
            if now_is is None:
                return
            if is_empty:
                now = self._book.clock()
                idle_s = now_is.idle_s + max(0.0, now - (now_is.idle_since or now))
                self._book.change(now_is, drained=True, idle_since=None, idle_s=idle_s)
                return self._book.tell(now_is, "drained", node.reason)
            if now_is.want == "STOPPED" or not (now_is.force or now_is.stray):
                self._book.tell(now_is, "refused", "Ray says that something is on it")
                return self._keep(now_is)
            self._try_again(Order("drain", node.provider, node.id), "something is on it", BUSY_S)

    def _keep(self, node: Node) -> None:
        """It was to be stopped for being idle, and is not: it stays. What is to go for good is asked again."""
        if node.want == "STOPPED" or node.reason.startswith("no call"):
            self._book.decide(node, "it is in use", want="RUNNING")
        else:
            self._try_again(Order("drain", node.provider, node.id), "something is on it", BUSY_S)

    # What is there

    def _find(self, provider: str) -> None:
        """Compare the provider's machines with the journal."""
        adapter = self._adapter(provider)
        before = {node.id: node for node in self._book.free() if node.provider == provider}
        known = self._known()
        found = adapter.find()
        self._book.calm(provider)
        self._silent_since.pop(provider, None)
        listed = {each.id for each in found}
        unlisted = [node.instance for node in before.values() if node.instance and node.instance not in listed]
        looked = [adapter.get(each) for each in unlisted]
        with self._book.lock:
            for node in before.values():
                if self._book.get(node.id) is node and node.id not in self._book.busy:
                    self._compare(node, _its_own(node, [*found, *looked]))
            known |= self._known()
            for instance in found:
                if instance.id not in known and instance.tags.get(ATTEMPT) not in known:
                    self._adopt(provider, instance)

    def _known(self) -> set[str]:
        """Machines by their ids, and by their attempts where their ids are not known yet. One that has the attempt of
        another is known to nobody: a launch that made two, or somebody who launched more of the same."""
        return {node.instance or node.attempt for node in self._book.all()}

    def _compare(self, node: Node, found: Instance | None) -> None:
        if found is not None:
            self._book.change(node, instance=found.id, sent=True, listed=node.listed or found.state != "GONE")
            self._take(node.id, found)
        elif node.sent and node.want != "RUNNING" and self._book.clock() - node.boot_at > LOST_S:
            self._book.gone(node, "nobody has a machine of this launch")

    def _adopt(self, provider: str, instance: Instance) -> None:
        """It has our tag and no row: a row is made for it, so that it is not forgotten before it is gone. Its other
        tags may be lost."""
        now, attempt = self._book.clock(), instance.tags.get(ATTEMPT, "")
        if instance.state in ("TERMINATING", "GONE"):
            return
        taken = {node.attempt for node in self._book.all()}
        stray = Node(
            id=new_id(),
            name=instance.tags.get(NODE, instance.id),
            cluster=instance.tags.get(CLUSTER, ""),
            group="",
            attempt=attempt if attempt and attempt not in taken else new_id(),
            provider=provider,
            machine=Machine(instance.type, instance.place, spot=instance.spot),
            made_at=now,
            changed_at=now,
            boot_at=now,
            want="GONE",
            instance=instance.id,
            sent=True,
            listed=True,
            stray=True,
        )
        stray = self._book.decide(stray.seen(instance.state, now), "it has our tag, and nobody knows it")
        self._book.tell(stray, "stray", f"{instance.id} has our tag, and nobody knows it: it is terminated", alarm=True)

    def _take(self, node_id: str, instance: Instance) -> None:
        """Note what the provider says of it."""
        with self._book.lock:
            node = self._book.get(node_id)
            if node is None:
                return
            if _is_unlisted(node, instance, self._book.clock()):
                self._book.change(node, not_before=self._book.clock() + AGAIN_S[0])
                return
            is_lame = instance.state in ("STOPPED", "GONE") and _is_lame(node)
            if is_lame:
                self.did_not_join(node)
            if instance.state == "GONE":
                return self._book.gone(node, node.reason if node.want == "GONE" else "somebody else ended it")
            new = node.seen(instance.state, self._book.clock())
            if new.state == "STOPPED" != node.state:
                new = _stopped(node, new)
                if is_lame and self._cooldowns.ends_at(node.provider, node.machine) > self._book.clock():
                    # One that takes its place waits until the placement is free.
                    new = msgspec.structs.replace(new, want="GONE", reason="it ended before it joined, as others did")
            self._book.save(new)
            if new.state != node.state:
                self._book.tell(new, new.state.lower(), instance.reason or new.reason)

    # What goes wrong

    def _failed(self, order: Order, error: CloudError, groups: Mapping[Key, WorkerGroup]) -> None:
        node = self._book.get(order.node)
        if error.person:
            # What is wrong with all of a provider is told once, whichever request it is that finds it.
            about = order.provider if node is None or error.blocks == "cloud" else _doing(order.verb, node)
            self._book.alarm_once(error.code, about, f"{order.verb} fails: {error.detail}", node)
        if node is None:
            return self._note_silence(order.provider, error)
        group = groups.get((node.cluster, node.group))
        if order.verb == "create" and error.then == "next" and group is not None:
            self._cooldowns.block(node.provider, node.machine, error)
            return self._elsewhere(node, group, error.detail)
        if order.verb == "start" and error.then == "next":
            # Its disk stays; another comes in its place.
            later = self._book.clock() + AGAIN_S[1]
            self._book.tell(node, "blocked", error.detail)
            self._book.change(node, want="STOPPED", reason=error.detail, not_before=later)
            return
        if order.verb == "create" and error.then == "again" and group is not None and self._is_late(node, group):
            # What was sent may have made a machine all the same: the row stays until it is known.
            self._cooldowns.block(node.provider, node.machine, error)
            self._book.tell(node, "blocked", f"{_place(node)}: {error.detail}")
            self._book.decide(node, f"its launch was not answered: {error.detail}", want="GONE", force=True)
            return
        self._try_again(order, error.detail)

    def _is_late(self, node: Node, group: WorkerGroup) -> bool:
        """Whether it was asked for long enough, and another may come from elsewhere."""
        late_s = self._book.clock() - node.boot_at
        return late_s > PATIENT_S and self.place(group, apart_from=node) is not None

    def _note_silence(self, provider: str, error: CloudError) -> None:
        """Nobody can tell what runs there, or end it."""
        now = self._book.clock()
        since = self._silent_since.setdefault(provider, now)
        if now - since > ALARM_AFTER_S:
            about = f"it has not told of its machines for {(now - since) / 60:.0f} min: {error.detail}"
            self._book.alarm_once("silent", provider, about)

    def _elsewhere(self, node: Node, group: WorkerGroup, reason: str) -> None:
        """The next placement, with an attempt of its own; the first that is free again where all are left alone."""
        self._book.tell(node, "blocked", f"{_place(node)}: {reason}")
        fresh: dict[str, Any] = {"attempt": new_id(), "sent": False, "instance": None, "let_in": False, "tries": 0}
        fresh |= {"listed": False, "trouble": f"{_place(node)}: {reason}"}
        place = self.place(group)
        if place is not None:
            fresh |= {"provider": place[0], "machine": place[1], "not_before": 0.0}
            self._book.save(_unsent(node, fresh, self._book))
            return
        every = [(each.provider, machine_of(group, each)) for each in group.placements]
        first = min(every, key=lambda each: self._cooldowns.ends_at(*each))
        free_at = min(self._cooldowns.ends_at(*first), self._book.clock() + LOST_S)
        fresh |= {"provider": first[0], "machine": first[1], "not_before": free_at}
        node = self._book.save(_unsent(node, fresh, self._book))
        self._book.alarm_once("nowhere", f"{node.cluster}/{node.group}", f"no placement is free: {reason}", node)

    def _try_again(self, order: Order, reason: str, most_s: float = AGAIN_S[1]) -> None:
        node = self._book.get(order.node)
        if node is None:
            return
        pause_s = min(AGAIN_S[0] * 2 ** min(node.tries, 20), most_s)
        self._book.tell(node, "again", f"{order.verb} in {pause_s:.0f} s: {reason}")
        trouble = node.trouble if order.verb == "drain" else reason
        self._book.change(node, tries=node.tries + 1, not_before=self._book.clock() + pause_s, trouble=trouble)
        if self._book.clock() - node.changed_at > ALARM_AFTER_S:
            if order.verb in ("stop", "terminate"):
                self._book.alarm_once("running", node.id, f"{order.verb} fails, it is paid for: {reason}", node)
            elif order.verb in ("create", "start"):
                self._book.alarm_once("late", node.id, f"{order.verb} fails: {reason}", node)


def machine_of(group: WorkerGroup, place: Placement) -> Machine:
    """What a provider is asked for, without what it is to do then."""
    # Where we fail to end it, the provider does.
    lifetime_s = None if group.lifetime_s is None else int(group.lifetime_s + 2 * LEAVE_S)
    stops = group.when_idle == "stop" and not place.spot
    return Machine(
        place.type,
        place.place,
        place.image,
        place.spot,
        place.disk_gb,
        lifetime_s,
        on_shutdown="stop" if stops else "terminate",
        options=place.options,
    )


def _its_own(node: Node, found: Sequence[Instance]) -> Instance | None:
    """The machine of a node: that which it had, else one that its attempt made."""
    if node.instance is not None:
        return next((each for each in found if each.id == node.instance), None)
    return next((each for each in found if each.tags.get(ATTEMPT) == node.attempt), None)


def _is_unlisted(node: Node, instance: Instance, now: float) -> bool:
    """Whether its provider has made it, and does not know it yet."""
    return instance.state == "GONE" and not instance.tags and not node.listed and now - node.boot_at < UNLISTED_S


def _region(provider: str, machine: Machine) -> tuple[str, str]:
    return provider, region_of(provider, machine.place)


def _is_lame(node: Node) -> bool:
    """Whether it is up to be part of its cluster, and never was since it was started."""
    return node.want == "RUNNING" and node.state in ("BOOTING", "RUNNING") and node.ray is None and not node.drained


def _stopped(before: Node, node: Node) -> Node:
    """One that stopped by itself is not started again before somebody needs it."""
    if before.want == "RUNNING" and before.state in ("BOOTING", "RUNNING") and not before.drained:
        node = msgspec.structs.replace(node, want="STOPPED", reason="it stopped by itself")
    return msgspec.structs.replace(node, drained=False, ray=None, old_ray=node.ray or node.old_ray)


def _unsent(node: Node, changes: dict[str, Any], book: NodeBook) -> Node:
    """Nothing is paid for any more."""
    return msgspec.structs.replace(msgspec.structs.replace(node, sent=False).seen("REQUESTED", book.clock()), **changes)


def _doing(verb: Verb, node: Node) -> str:
    return f"{verb} at {_place(node)}"


def _place(node: Node) -> str:
    return "/".join(each for each in (node.provider, node.machine.place, node.machine.type) if each)

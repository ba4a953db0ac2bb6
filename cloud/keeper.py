"""The keeper: which machines there should be, and what to do about those that there are.

`plan` decides, from what the clusters say, and sends nothing; `carry_out` sends one request. Each wish is in the
journal before it is sent, so another keeper made from the journal goes on where this one ended. What can't be known
counts as busy: nothing is stopped then.

    keeper = Keeper(NodeBook(journal, time.time, nodes), Errands(…), pauses)
    keeper.groups = {("local", "gpu"): WorkerGroup(name="gpu", gpus=1)}
    for order in keeper.plan({"local": view}):
        keeper.carry_out(order)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from rayfaas.cloud.demand import Resources, View, times, unmet
from rayfaas.cloud.errands import LEAVE_S, LOST_S, Errands, Order, Verb
from rayfaas.cloud.node import Node
from rayfaas.cloud.node_book import Key, NodeBook
from rayfaas.cloud.pauses import Pauses
from rayfaas.names import new_id
from rayfaas.worker_group import WorkerGroup

# A machine that was asked for is with Ray after so long, or it is replaced; one that was only stopped is sooner.
BOOT_S = 600.0
RESUME_S = 300.0
# One that Ray has lost is told so after so long, and ended if it does not come again.
MISSED_S = 3.0
ABSENT_S = 30.0
# How long one that leaves keeps its place: it may be all that its provider has.
LEAVING_S = 60.0
# A cluster with machines that can't be asked for so long is an alarm: they count as busy.
UNSEEN_S = 900.0
# The disk of a stopped one is paid for.
DISK_S = 7 * 86_400.0
# How often a provider is asked for its machines: at rest, at rest where they are processes of this one and asking costs
# nothing, and while one is on its way.
RECONCILE_S = 60.0
NEAR_S = 5.0
LOOK_S = 2.0

_MOVING = ("REQUESTED", "BOOTING", "STOPPING", "TERMINATING", "UNKNOWN")
_BACK = ("RUNNING", "BOOTING", "STOPPING", "STOPPED")


@dataclass
class _May:
    """How many more of a group there may be, and what each of them has."""

    group: WorkerGroup
    offers: Resources
    more: int


class Keeper:
    """`groups`, by cluster and name, may be changed at any time, and `floors`, too: how many of a group are to be up
    until a moment. A cluster that is `resting` gets no machines. `missed` are the attempts whose machines were part of
    their cluster, and which Ray there knows no more, as after its head was lost."""

    def __init__(self, book: NodeBook, errands: Errands, pauses: Pauses) -> None:
        self._book, self._errands, self._pauses = book, errands, pauses
        self.groups: dict[Key, WorkerGroup] = {}
        self.floors: dict[Key, tuple[int, float]] = {}
        self.resting: frozenset[str] = frozenset()
        self.missed: frozenset[str] = frozenset()
        self._found_at: dict[str, float] = {}
        self._present_at: dict[str, float] = {}
        self._unseen_since: dict[str, float] = {}  # by cluster

    # What people ask

    def end(self, node: Node, reason: str, *, stop: bool = False, force: bool = False) -> None:
        """It is to be stopped, or to go for good: when nothing is on it, or with `force` whatever is."""
        want = "STOPPED" if stop and self._errands.can_stop(node) else "GONE"
        self._book.decide(node, reason, want=want, force=force, until=0.0)

    def take_back(self, node: Node, reason: str) -> None:
        """Its provider takes it back: it goes when its calls have ended, and what needs one gets it elsewhere."""
        self._errands.leave_alone(node, reason)
        self._book.decide(node, reason, want="GONE", force=True, until=0.0)

    def hold(self, node: Node, until: float, reason: str) -> None:
        """It is not stopped before `until`."""
        self._book.decide(node, reason, want="RUNNING", until=until)

    def kept(self, group: WorkerGroup) -> int:
        """How many of a group are up whether anybody calls or not."""
        now = self._book.clock()
        number, until = self.floors.get((group.cluster, group.name), (0, 0.0))
        floor = group.floor(datetime.fromtimestamp(now, timezone.utc))
        return min(group.max, max(floor, number if now < until else 0))

    def keep_alive_s(self, group: WorkerGroup) -> float:
        """How long one of them is kept without a call."""
        if group.keep_alive == "never":
            return float("inf")
        fixed = group.keep_alive_s
        return self._pauses.learned_s((group.cluster, group.name)) if fixed is None else fixed

    # Deciding

    def plan(self, views: Mapping[str, View]) -> list[Order]:
        """What to do now. A cluster that is not in `views` can't be asked."""
        with self._book.lock:
            by_group: dict[Key, list[Node]] = defaultdict(list)
            self._trust_no_future()
            self._note_unseen(views)
            self._end_what_must(views)
            for node in self._book.all():
                self._note_presence(node, views.get(node.cluster))
                by_group[node.cluster, node.group].append(node)
            self.missed = frozenset(node.attempt for node in self._book.all() if self._is_missed(node, views))
            for key, group in self.groups.items():
                if key[0] in views:
                    self._let_go(group, views[key[0]])
            for cluster, view in views.items():
                if cluster not in self.resting:
                    self._bring(cluster, view)
            return [*self._orders_to_find(views), *self._orders(views)]

    def carry_out(self, order: Order) -> None:
        self._errands.carry_out(order, self.groups)

    def _trust_no_future(self) -> None:
        """A clock that was set back does not make anything wait until it is again where it was."""
        now = self._book.clock()
        for node in self._book.free():
            if max(node.made_at, node.changed_at, node.boot_at) > now:
                times = {name: min(getattr(node, name), now) for name in ("made_at", "changed_at", "boot_at")}
                self._book.change(node, **times)

    def _note_unseen(self, views: Mapping[str, View]) -> None:
        now, unseen = self._book.clock(), {node.cluster: node for node in self._book.all() if node.is_up}
        for cluster in [each for each in self._unseen_since if each in views or each not in unseen]:
            del self._unseen_since[cluster]
            self._book.calm(cluster)
        for cluster in unseen.keys() - views.keys():
            since = self._unseen_since.setdefault(cluster, now)
            if now - since > UNSEEN_S:
                about = f"the cluster can't be asked for {UNSEEN_S / 60:.0f} min, and its machines are paid for"
                self._book.alarm_once("unseen", cluster, about, unseen[cluster])

    def _note_presence(self, node: Node, view: View | None) -> None:
        seen = view.attempts.get(node.attempt) if view is not None else None
        if seen is None:
            return
        now = self._book.clock()
        self._present_at[node.id] = now
        if seen.id in (node.ray, node.old_ray) or node.drained or node.id in self._book.busy:
            return
        took_s = max(0.0, now - node.boot_at)
        self._pauses.woke((node.cluster, node.group), took_s)
        self._book.change(node, ray=seen.id)
        self._errands.joined(node)
        self._book.tell(node, "joined", f"{took_s:.0f} s after it was asked for")

    def _let_go(self, group: WorkerGroup, view: View) -> None:
        """Decide to stop what is idle for long enough."""
        key, now, keep_s = (group.cluster, group.name), self._book.clock(), self.keep_alive_s(group)
        running = [node for node in self._book.of(key) if node.want == "RUNNING"]
        spare = len(running) - self.kept(group)
        for node in running:
            seen = view.attempts.get(node.attempt)
            if seen is None or node.ray != seen.id or node.drained:
                continue
            self._pauses.used(key, now - seen.idle_s)
            if spare > 0 and seen.idle_s >= keep_s and now >= node.until and node.id not in self._book.busy:
                can_stop = group.when_idle == "stop" and self._errands.can_stop(node)
                why = f"no call for {seen.idle_s:.0f} s, and it is kept for {keep_s:.0f} s"
                want = "STOPPED" if can_stop else "GONE"
                self._book.decide(node, why, want=want, idle_since=now - seen.idle_s)
                spare -= 1

    def _bring(self, cluster: str, view: View) -> None:
        """Decide to start what is missing: up to what is kept, and for what waits."""
        groups = [group for (name, _), group in self.groups.items() if name == cluster]
        if not groups:
            return
        rooms: list[Resources] = [each.free for each in view.nodes if not each.is_draining]
        for group in groups:
            for _ in range(min(self.kept(group) - self._wanted(group), self._more(group))):
                self._wake(group, f"{self.kept(group)} of {group.name} are to be up")
            rooms += [group.offers] * self._coming(group, view)
        may = [_May(group, group.offers, self._more(group)) for group in groups]
        if any(each.more > 0 for each in may):
            for asked, number in unmet(view.waiting, rooms):
                self._bring_for(may, asked, number)

    def _bring_for(self, may: list[_May], asked: Resources, number: int) -> None:
        for each in may:
            # A machine with a GPU is too dear for what needs none.
            if each.more <= 0 or (each.group.gpus and not asked.get("GPU")):
                continue
            fit = times(asked, each.offers)
            while fit and number > 0 and each.more > 0:
                self._wake(each.group, f"{_told(asked)} waits for room")
                each.more -= 1
                number -= fit

    def _wanted(self, group: WorkerGroup) -> int:
        return sum(node.want == "RUNNING" for node in self._book.of((group.cluster, group.name)))

    def has_more(self, cluster: str, asked: Resources) -> bool:
        """Whether one more machine may come there that has what is asked for."""
        groups = [group for group in self.groups.values() if group.cluster == cluster and times(asked, group.offers)]
        return any(self._more(group) > 0 for group in groups)

    def _more(self, group: WorkerGroup) -> int:
        """How many more there may be."""
        now = self._book.clock()
        leaving = sum(
            node.want == "GONE" and node.is_up and not node.force and now - node.changed_at < LEAVING_S
            for node in self._book.of((group.cluster, group.name))
        )
        return group.max - self._wanted(group) - leaving

    def _coming(self, group: WorkerGroup, view: View) -> int:
        """How many are to be part of the cluster, and are not yet."""
        nodes = [node for node in self._book.of((group.cluster, group.name)) if node.want == "RUNNING"]
        return sum(node.drained or node.ray is None or not _is_in(node, view) for node in nodes)

    def _wake(self, group: WorkerGroup, reason: str) -> None:
        """One more: that which is on its way down, else a stopped one, else a new one."""
        now, key = self._book.clock(), (group.cluster, group.name)
        back = [
            node
            for node in self._book.of(key)
            if node.want == "STOPPED"
            and node.state in _BACK
            and node.shape == group.shape
            and node.not_before <= now
            and node.id not in self._book.busy
        ]
        if back:
            node = min(back, key=lambda each: _BACK.index(each.state))
            # One that Ray has lost is stopped first: what ran there does not come back by itself.
            self._book.decide(
                node, reason, want="RUNNING", boot_at=now, drained=node.drained or self._is_lost(node, ABSENT_S)
            )
        else:
            self._book.decide(self._new(group, now), reason)

    def _new(self, group: WorkerGroup, now: float) -> Node:
        taken = {node.name for node in self._book.all() if node.cluster == group.cluster}
        name = next(n for n in (f"{group.name}-{i}" for i in range(1, len(taken) + 2)) if n not in taken)
        provider, machine = self._errands.place(group) or self._errands.first(group)
        return Node(
            id=new_id(),
            name=name,
            cluster=group.cluster,
            group=group.name,
            attempt=new_id(),
            provider=provider,
            machine=machine,
            shape=group.shape,
            cpus=group.cpus,
            gpus=group.gpus,
            made_at=now,
            changed_at=now,
            boot_at=now,
        )

    def _end_what_must(self, views: Mapping[str, View]) -> None:
        now = self._book.clock()
        for node in self._book.free():
            group = self.groups.get((node.cluster, node.group))
            if node.want == "GONE":
                continue
            if group is None:
                self._book.decide(node, "its group was deleted", want="GONE")
            elif group.lifetime_s is not None and node.sent and now - node.made_at > group.lifetime_s:
                self._book.decide(node, f"it is older than {group.lifetime}", want="GONE", force=True)
            elif node.state == "STOPPED" == node.want and now - node.changed_at > DISK_S:
                self._book.decide(node, "it was stopped for 7 days", want="GONE")
            elif node.state == "STOPPED" == node.want and node.shape != group.shape:
                self._book.decide(node, "its group has changed", want="GONE")
            elif node.want == "RUNNING" and node.state in ("STOPPING", "UNKNOWN"):
                self._leave_stuck(node, views.get(node.cluster), now)
            elif node.want == "RUNNING" and not node.drained and node.is_up and node.instance is not None:
                self._end_late(node, views.get(node.cluster), now)

    def _end_late(self, node: Node, view: View | None, now: float) -> None:
        """It is up by the provider's word, and Ray knows nothing of it."""
        if view is None:
            self._present_at[node.id] = now  # nobody could see it
        elif not _is_in(node, view) and node.ray is not None:
            self._present_at.setdefault(node.id, now)
            if self._is_lost(node, ABSENT_S):
                want = "STOPPED" if self._errands.can_stop(node) else "GONE"
                self._book.decide(node, "Ray has lost it", want=want)
        elif node.ray is None and now - node.boot_at > (limit_s := RESUME_S if node.up_s else BOOT_S):
            self._errands.did_not_join(node)
            self._book.decide(node, f"it did not join within {limit_s:.0f} s", want="GONE")
            self._book.tell(node, "late", f"it did not join within {limit_s:.0f} s", alarm=True)

    def _leave_stuck(self, node: Node, view: View | None, now: float) -> None:
        """Another comes in its place, where it does not come out of a state in which nothing can be done about it."""
        if view is None or _is_in(node, view) or now - max(node.boot_at, node.changed_at) < RESUME_S:
            return
        want = "STOPPED" if self._errands.can_stop(node) else "GONE"
        told = f"its provider says {node.state} for {RESUME_S:.0f} s"
        self._book.tell(self._book.decide(node, told, want=want, not_before=now + RESUME_S), "late", told, alarm=True)

    def _is_missed(self, node: Node, views: Mapping[str, View]) -> bool:
        view = views.get(node.cluster)
        return view is not None and node.attempt not in view.attempts and self._is_lost(node, MISSED_S)

    def _is_lost(self, node: Node, for_s: float) -> bool:
        """Whether it was part of the cluster, and has not been for so long."""
        now = self._book.clock()
        return node.ray is not None and now - self._present_at.get(node.id, now) > for_s

    # Orders

    def _orders_to_find(self, views: Mapping[str, View]) -> list[Order]:
        now, nodes = self._book.clock(), self._book.all()
        moving = {node.provider for node in nodes if _is_moving(node, views.get(node.cluster))}
        used = {place.provider for group in self.groups.values() for place in group.placements}
        orders = []
        for provider in sorted(used | {node.provider for node in nodes}):
            since_s = now - self._found_at.get(provider, float("-inf"))
            calm_s = NEAR_S if provider == "local" else RECONCILE_S
            if provider not in self._book.busy and not 0 <= since_s < (LOOK_S if provider in moving else calm_s):
                self._found_at[provider] = now
                self._book.busy.add(provider)
                orders.append(Order("find", provider))
        return orders

    def _orders(self, views: Mapping[str, View]) -> list[Order]:
        now, orders = self._book.clock(), []
        for node in self._book.free():
            # A clock that was set back does not make a pause longer.
            if now < node.not_before <= now + LOST_S:
                continue
            verb = self._verb(node, node.cluster in views, now)
            if verb is not None:
                self._book.busy.add(node.id)
                orders.append(Order(verb, node.provider, node.id))
        return orders

    def _verb(self, node: Node, can_ask: bool, now: float) -> Verb | None:
        """The next step to what is wanted; None where there is none, or it is not known what is."""
        if node.instance is None:
            return "create" if node.want == "RUNNING" else None if node.sent else "terminate"
        if node.state in ("UNKNOWN", "STOPPING", "TERMINATING"):
            return None
        if node.state in ("STOPPED", "REQUESTED"):
            return "terminate" if node.want == "GONE" else self._verb_to_start(node)
        if node.drained:
            return "terminate" if node.want == "GONE" else "stop"
        if node.want == "RUNNING":
            return None
        # Ray is asked first. Where it can't be asked only those end that must, after some time.
        must = node.force or node.stray or not any(cluster == node.cluster for cluster, _ in self.groups)
        if must and now - node.changed_at > LEAVE_S and (node.force or not can_ask):
            return "terminate"
        return "drain" if can_ask else None

    def _verb_to_start(self, node: Node) -> Verb | None:
        return "start" if node.want == "RUNNING" and node.state == "STOPPED" else None


def _is_moving(node: Node, view: View | None) -> bool:
    """Whether it is soon to be in another state, or may be in one already that nobody told of."""
    if node.sent and node.want == "RUNNING" and view is not None and not _is_in(node, view):
        return True
    return node.sent and (node.state in _MOVING or node.instance is None)


def _is_in(node: Node, view: View) -> bool:
    seen = view.attempts.get(node.attempt)
    return seen is not None and seen.id == node.ray and not seen.is_draining


def _told(each: Resources) -> str:
    """As people say it.

    >>> _told({"CPU": 1.0, "GPU": 2.0})
    '1 CPU, 2 GPU'
    """
    counted = {name: amount / (1 << 20) if name == "memory" else amount for name, amount in each.items()}
    return ", ".join(f"{a:g} {'MB' if n == 'memory' else n}" for n, a in sorted(counted.items()) if a)

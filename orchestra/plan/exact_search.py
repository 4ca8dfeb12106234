"""What the exact planner computes, in whole numbers: the earliest time of every item, and the cheapest plan within a deadline.

Earliest times are a shortest-path problem, also with cycles (Knuth 1977, "A generalization of Dijkstra's algorithm"). The cheapest plan is
hard, because plans share items and time to spare can be traded for cost. A* finds it from the goal backwards. A state is the set of items
still to be made, each with the time by which it must be there; a step picks the rule for one of them. Items are taken in an order in which
everything that may need an item comes before it, so that its deadline is final when its turn comes; only where rules form a cycle are later
demands passed on to rules already picked. The bound is the weight of landmarks: items that every way to make the missing ones goes through,
each at its cheapest rule (Keyder, Richter and Helmert 2010, "Sound and complete landmarks for AND/OR graphs").
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple


class WholeRule(NamedTuple):
    sources: frozenset[str]
    """Without what is there at the start."""
    target: str
    time: int
    weight: int
    """At least 1, so that a plan of least weight has no superfluous rule."""


class Earliest(NamedTuple):
    time: int
    rule: int
    """Index of the rule that makes it then."""


def earliest_times(rules: Sequence[WholeRule]) -> dict[str, Earliest]:
    """Every item that can be made, in the order of its earliest time; the rules named in it form no cycle, even where they take no time."""
    users: dict[str, list[int]] = {}
    waiting = [len(rule.sources) for rule in rules]
    heap = [(rule.time, rule.target, k) for k, rule in enumerate(rules) if not rule.sources]
    heapq.heapify(heap)
    for k, rule in enumerate(rules):
        for item in rule.sources:
            users.setdefault(item, []).append(k)
    earliest: dict[str, Earliest] = {}
    while heap:
        now, item, maker = heapq.heappop(heap)
        if item in earliest:
            continue
        earliest[item] = Earliest(now, maker)
        for k in users.get(item, ()):
            waiting[k] -= 1
            if not waiting[k]:
                heapq.heappush(heap, (now + rules[k].time, rules[k].target, k))
    return earliest


def fastest_plan(goal: str, rules: Sequence[WholeRule], earliest: Mapping[str, Earliest]) -> list[int]:
    """Rules that make every item on the way to the goal at its earliest time."""
    wanted, plan = [goal], dict[str, int]()
    while wanted:
        item = wanted.pop()
        if item not in plan:
            plan[item] = earliest[item].rule
            wanted.extend(rules[plan[item]].sources)
    return list(plan.values())


class Maker(NamedTuple):
    """A rule that may be picked for an item, with items as numbers."""

    rule: int
    time: int
    weight: int
    finish: int
    """Its earliest."""
    sources: tuple[int, ...]


_OPEN = -1
_State = tuple[tuple[int, int, int], ...]
"""Item, deadline, and which of its makers was picked, sorted: all open items, and the picked ones on the cycle of the last open item."""


class CheapestPlan:
    """The search for the plan of least weight that makes the goal by a deadline, which must not be before the goal's earliest time."""

    def __init__(self, goal: str, deadline: int, rules: Sequence[WholeRule], earliest: Mapping[str, Earliest]) -> None:
        usable = _usable(goal, deadline, rules, earliest)
        names = [item for item in earliest if item in usable]
        place = {item: i for i, item in enumerate(names)}
        reach = _reach([{place[source] for k in usable[item] for source in rules[k].sources} for item in names])
        names.sort(key=lambda item: (reach[place[item]].bit_count(), reach[place[item]]))
        self.groups = [reach[place[item]] for item in names]
        """By item. Items on one cycle reach the same items, so they stand together."""
        sizes = Counter(self.groups)
        self.cyclic = [sizes[group] > 1 for group in self.groups]
        place = {item: i for i, item in enumerate(names)}
        self.earliest = [earliest[item].time for item in names]
        self.makers = [
            [self._maker(k, rules[k], [place[source] for source in rules[k].sources]) for k in usable[item]] for item in names
        ]
        self.latest = self._latest()
        self.landmarks = self._landmarks()
        self.cheapest = [min(maker.weight for maker in makers) for makers in self.makers]
        self.start: _State = ((place[goal], min(deadline, self.latest[place[goal]]), _OPEN),)
        self._bounds: dict[int, int] = {}

    def _maker(self, k: int, rule: WholeRule, sources: list[int]) -> Maker:
        ready = max((self.earliest[source] for source in sources), default=0)
        return Maker(k, rule.time, rule.weight, ready + rule.time, tuple(sources))

    def run(self, max_states: int) -> tuple[list[int] | None, int]:
        """The rules of the best plan, and a weight that no plan is below. After `max_states` states the plan is what always picking the
        rule that looks best leads to; where rules form cycles that may be none."""
        paid = {self.start: 0}
        came: dict[_State, tuple[_State, int]] = {}
        expanded: dict[tuple[tuple[int, int], ...], list[tuple[int, ...]]] = {}
        queue = [(self._bound(self.start), 0, self.start)]
        while True:
            bound, minus_paid, state = heapq.heappop(queue)
            if not state or max_states <= 0:
                break
            if -minus_paid > paid[state]:
                continue
            # The same items missing, no deadline earlier, no more paid: what was expanded before leads to all that this state does.
            deadlines = tuple(deadline for _, deadline, _ in state)
            alike = expanded.setdefault(tuple((item, picked) for item, _, picked in state), [])
            if any(all(map(int.__ge__, other, deadlines)) for other in alike):
                continue
            alike.append(deadlines)
            max_states -= 1
            for maker, after in self._successors(state):
                total = maker.weight - minus_paid
                if after not in paid or total < paid[after]:
                    paid[after] = total
                    came[after] = state, maker.rule
                    heapq.heappush(queue, (total + self._bound(after), -total, after))
        rest = self._complete(state)
        plan: list[int] = []
        while state != self.start:
            state, rule = came[state]
            plan.append(rule)
        return None if rest is None else plan + rest, bound

    def _complete(self, state: _State) -> list[int] | None:
        plan = []
        while state:
            choices = list(self._successors(state))
            if not choices:
                return None
            maker, state = min(choices, key=lambda choice: choice[0].weight + self._bound(choice[1]))
            plan.append(maker.rule)
        return plan

    def _successors(self, state: _State) -> Iterator[tuple[Maker, _State]]:
        """Every pick for the last open item."""
        item, deadline, _ = next(entry for entry in reversed(state) if entry[2] == _OPEN)
        for choice, maker in enumerate(self.makers[item]):
            if maker.finish > deadline:
                continue
            after = {other: (due, picked) for other, due, picked in state}
            if self.cyclic[item]:
                if self._needs(maker, item, after):
                    continue
                after[item] = deadline, choice
            else:
                del after[item]
            if not all(self._demand(source, deadline - maker.time, after) for source in maker.sources):
                continue
            if self.cyclic[item] and not any(
                picked == _OPEN and self.groups[other] == self.groups[item] for other, (_, picked) in after.items()
            ):
                after = {other: entry for other, entry in after.items() if entry[1] == _OPEN}  # the cycle is done with
            yield maker, tuple(sorted((other, due, picked) for other, (due, picked) in after.items()))

    def _demand(self, item: int, deadline: int, after: dict[int, tuple[int, int]]) -> bool:
        """Adds to `after` that an item must be there by a deadline, and what follows from it; False when that cannot be."""
        demands = [(item, deadline)]
        while demands:
            item, deadline = demands.pop()
            deadline = min(deadline, self.latest[item])  # no deadline at all: makes equal what need not be told apart
            due, picked = after.get(item, (deadline + 1, _OPEN))
            if deadline >= due:
                continue
            after[item] = deadline, picked
            if picked != _OPEN:
                maker = self.makers[item][picked]
                if maker.finish > deadline:
                    return False
                demands.extend((source, deadline - maker.time) for source in maker.sources)
        return True

    def _needs(self, maker: Maker, item: int, picked: Mapping[int, tuple[int, int]]) -> bool:
        """Whether a rule needs an item by way of what is picked."""
        seen: set[int] = set()
        ahead = list(maker.sources)
        while ahead:
            source = ahead.pop()
            if source == item:
                return True
            choice = picked.get(source, (0, _OPEN))[1]
            if choice != _OPEN and source not in seen:
                seen.add(source)
                ahead.extend(self.makers[source][choice].sources)
        return False

    def _bound(self, state: _State) -> int:
        """A weight that nothing which makes the open items is below."""
        open_, picked = 0, 0
        for item, _, choice in state:
            if choice == _OPEN:
                open_ |= self.landmarks[item]
            else:
                picked |= 1 << item
        missing = open_ & ~picked
        if missing not in self._bounds:
            self._bounds[missing] = sum(weight for item, weight in enumerate(self.cheapest) if missing >> item & 1)
        return self._bounds[missing]

    def _latest(self) -> list[int]:
        """By item, a time by which every plan without repetition has made it."""
        latest = [0] * len(self.makers)
        for _, members in groupby(range(len(self.makers)), key=self.groups.__getitem__):
            cycle = list(members)
            if len(cycle) == 1:
                makers = self.makers[cycle[0]]
                bound = max(max((latest[source] for source in maker.sources), default=0) + maker.time for maker in makers)
            else:
                below = (latest[source] for item in cycle for maker in self.makers[item] for source in maker.sources)
                bound = max(below, default=0) + sum(max(maker.time for maker in self.makers[item]) for item in cycle)
            for item in cycle:
                latest[item] = bound
        return latest

    def _landmarks(self) -> list[int]:
        """By item, those that every way to make it goes through, itself included, as the bits of a number."""
        everything = (1 << len(self.makers)) - 1
        landmarks = [everything] * len(self.makers)
        changed = True
        while changed:
            changed = False
            for item, makers in enumerate(self.makers):
                common = everything
                for maker in makers:
                    needed = 0
                    for source in maker.sources:
                        needed |= landmarks[source]
                    common &= needed
                changed |= landmarks[item] != common | 1 << item
                landmarks[item] = common | 1 << item
        return landmarks


def _usable(goal: str, deadline: int, rules: Sequence[WholeRule], earliest: Mapping[str, Earliest]) -> dict[str, list[int]]:
    """By item that a plan within the deadline may need, the rules that it may use for it."""
    finish = {
        k: max((earliest[source].time for source in rule.sources), default=0) + rule.time
        for k, rule in enumerate(rules)
        if rule.target not in rule.sources and all(source in earliest for source in rule.sources)
    }
    makers: dict[str, list[int]] = {}
    for k in finish:
        makers.setdefault(rules[k].target, []).append(k)
    usable: dict[str, list[int]] = {}
    heap = [(-deadline, goal)]
    while heap:  # by the latest time at which an item can still be of use
        minus_due, item = heapq.heappop(heap)
        if item not in usable:
            usable[item] = [k for k in makers[item] if finish[k] <= -minus_due]
            for k in usable[item]:
                for source in rules[k].sources:
                    heapq.heappush(heap, (minus_due + rules[k].time, source))
    return {item: [k for k in those if not any(_beats(rules, other, k) for other in those)] for item, those in usable.items()}


def _beats(rules: Sequence[WholeRule], k: int, other: int) -> bool:
    """Whether one of two rules for an item makes the other one pointless. Of two alike the first stays."""
    a, b = rules[k], rules[other]
    return a.sources <= b.sources and a.time <= b.time and a.weight <= b.weight and (a != b or k < other)


def _reach(below: Sequence[Iterable[int]]) -> list[int]:
    """By item, itself and everything below it, at any depth, as the bits of a number."""
    reach = [1 << i for i in range(len(below))]
    changed = True
    while changed:
        changed = False
        for i, direct in enumerate(below):
            mask = reach[i]
            for j in direct:
                mask |= reach[j]
            changed |= mask != reach[i]
            reach[i] = mask
    return reach

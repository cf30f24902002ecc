"""Match accesses with expectations: exact, in time proportional to accesses times expectations.

Expectations are a regular language but for `any order`, so they become an automaton (Thompson, 1968) whose states are
followed all at once; nothing is tried and undone. `any order` of n accesses would be a state for each of the 2^n
subsets. It takes a known number of accesses, so it is one edge that jumps over them, and whether they fit is the
question for a perfect matching of a bipartite graph (augmenting paths, n^3 at most).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import define, field, frozen

from mmio.records.access import Access
from mmio.traces.expected import Expected
from mmio.traces.grammar import AnyOrder, Count, Gap, Group, Item, Never, Step

MAX_STATES: Final = 1 << 16


class TooLarge(ValueError):
    """Counts multiply to more than can be followed."""


@frozen(slots=True, eq=False)
class Edge:
    """Way from one state to another that takes accesses.

    Attributes:
        number: the item's place among all, in the order in which they are written.
        item: what takes them: a `Step` or a `Gap` one, an `AnyOrder` as many as it has.
        forbidden: what must not be taken here.
        ends: what ends the repetition: such an access belongs to the next item.
        target: the state after it.
    """

    number: int
    item: Step | Gap | AnyOrder
    forbidden: tuple[Never, ...]
    ends: tuple[Expected, ...]
    target: int


@frozen(slots=True, eq=False)
class Taken:
    """Accesses `start` to `end` that an item has taken, after `before`."""

    before: "Taken | None"
    number: int
    item: Step | Gap | AnyOrder
    start: int
    end: int


@frozen(slots=True)
class Outcome:
    """Result of following all states to the end.

    Attributes:
        matched: whether the accesses are what was expected.
        path: the items that took accesses on the way that came furthest.
        stopped: the number of the first access that was not taken, or of all accesses.
        wanted: what might have come there.
        broken: the `never` that the access at `stopped` broke.
    """

    matched: bool
    path: tuple[Taken, ...] = ()
    stopped: int = 0
    wanted: tuple[Edge, ...] = ()
    broken: Never | None = None


@define(eq=False)
class Automaton:
    """Automaton of a list of items.

    Raises:
        TooLarge: it would have more than `MAX_STATES` states.
    """

    items: Sequence[Item]
    _edges: list[list[Edge]] = field(factory=list)
    _free: list[list[int]] = field(factory=list)  # states that are reached without an access
    _numbers: dict[int, int] = field(factory=dict)
    _final: int = 0

    def __attrs_post_init__(self) -> None:
        self._number(self.items)
        start = self._state()
        self._final = self._sequence(self.items, start, (), ())

    def run(self, accesses: Sequence[Access]) -> Outcome:
        """Follow all states over the accesses."""
        pending: dict[int, dict[int, Taken | None]] = {}
        reach = [max((edge.number for edge in edges), default=-1) for edges in self._edges]
        active = self._closed({0: None})
        last = furthest = 0, active
        reached = max(map(reach.__getitem__, active))
        for index, access in enumerate(accesses):
            if not active and not pending:
                break
            following = pending.pop(index + 1, {})
            for state, path in active.items():
                for edge in self._edges[state]:
                    if isinstance(edge.item, AnyOrder):
                        length = edge.item.length
                        if _in_any_order(edge, accesses[index : index + length]):
                            held = following if length == 1 else pending.setdefault(index + length, {})
                            held.setdefault(edge.target, _taken(path, edge, index, length))
                    elif edge.target not in following and takes(edge, access):
                        following[edge.target] = _taken(path, edge, index, 1)
            active = self._closed(following)
            if active:
                last = index + 1, active
                further = max(map(reach.__getitem__, active))
                if further >= reached:
                    reached, furthest = further, last
        if self._final in active:
            return Outcome(True, tuple(_way(active[self._final])))
        # A gap takes all that is left, and tells nothing: then what came furthest before does.
        idle = last[0] == len(accesses) and all(path and isinstance(path.item, Gap) for path in last[1].values())
        return self._failed(accesses, *(furthest if idle else last))

    def _failed(self, accesses: Sequence[Access], stopped: int, active: dict[int, Taken | None]) -> Outcome:
        reach = {state: max((edge.number for edge in self._edges[state]), default=-1) for state in active}
        furthest = max(active, key=lambda state: (reach[state], -1 if (path := active[state]) is None else path.number))
        way = active[furthest]  # other ways, such as that of a gap that continues, would only be noise
        wanted = {edge.number: edge for state, path in active.items() if path is way for edge in self._edges[state]}
        broken = None
        if stopped < len(accesses):
            access = accesses[stopped]
            nevers = (never for edge in wanted.values() for never in edge.forbidden)
            broken = next((never for never in nevers if never.expected.matches(access)), None)
        edges = tuple(edge for _, edge in sorted(wanted.items()) if not isinstance(edge.item, Gap))
        return Outcome(False, tuple(_way(way)), stopped, edges, broken)

    def _number(self, items: Iterable[Item]) -> None:
        for item in items:
            if isinstance(item, Group):
                self._number(item.items)
            else:
                self._numbers[id(item)] = len(self._numbers)

    def _state(self) -> int:
        if len(self._edges) == MAX_STATES:
            raise TooLarge(f"these counts make more than {MAX_STATES} accesses")
        self._edges.append([])
        self._free.append([])
        return len(self._edges) - 1

    def _sequence(
        self, items: Sequence[Item], state: int, forbidden: tuple[Never, ...], after: tuple[Expected, ...]
    ) -> int:
        """Add items after a state, and return the state after them. `after`: what may come next."""
        for index, item in enumerate(items):
            if isinstance(item, Never):
                forbidden = (*forbidden, item)
                continue
            rest = first(items[index + 1 :], after)
            if isinstance(item, Step | Group):
                state = self._repeated(item.count, item, state, forbidden, rest)
                continue
            target = self._state()
            if isinstance(item, Gap):  # any number of them, from a state of its own, which loops to itself
                loop = self._state()
                self._free[state].append(loop)
                self._join(loop, item, forbidden, (), loop)
                self._free[loop].append(target)
            else:
                self._join(state, item, forbidden, (), target)
            state = target
        return state

    def _repeated(
        self, count: Count, item: Step | Group, state: int, forbidden: tuple[Never, ...], rest: tuple[Expected, ...]
    ) -> int:
        ends = rest if count.until else ()
        for _ in range(count.least):
            state = self._once(item, state, forbidden, (), rest)
        if count.most is None:
            loop = self._state()
            self._free[state].append(loop)
            self._free[self._once(item, loop, forbidden, ends, rest)].append(loop)
            return loop
        skipped = []
        for _ in range(count.most - count.least):
            skipped.append(state)
            state = self._once(item, state, forbidden, (), rest)
        for earlier in skipped:
            self._free[earlier].append(state)
        return state

    def _once(
        self,
        item: Step | Group,
        state: int,
        forbidden: tuple[Never, ...],
        ends: tuple[Expected, ...],
        rest: tuple[Expected, ...],
    ) -> int:
        if isinstance(item, Step):
            target = self._state()
            self._join(state, item, forbidden, ends, target)
            return target
        start = self._state()
        again = first(item.items, ()) if item.count.most != 1 else ()
        end = self._sequence(item.items, start, forbidden, (*again, *rest))
        self._free[state].append(self._guarded(start, end, ends) if ends else start)
        return end

    def _guarded(self, start: int, end: int, ends: tuple[Expected, ...]) -> int:
        """Return a state that is like `start`, but its next access is none that ends the repetition."""
        guard = self._state()
        reached = self._reached(start)
        self._edges[guard] = [
            Edge(edge.number, edge.item, edge.forbidden, (*edge.ends, *ends), edge.target)
            for one in sorted(reached)
            for edge in self._edges[one]
        ]
        if end in reached:
            self._free[guard].append(end)
        return guard

    def _join(
        self,
        state: int,
        item: Step | Gap | AnyOrder,
        forbidden: tuple[Never, ...],
        ends: tuple[Expected, ...],
        target: int,
    ) -> None:
        self._edges[state].append(Edge(self._numbers[id(item)], item, forbidden, ends, target))

    def _reached(self, state: int) -> set[int]:
        reached: set[int] = set()
        waiting = [state]
        while waiting:
            state = waiting.pop()
            if state not in reached:
                reached.add(state)
                waiting += self._free[state]
        return reached

    def _closed(self, active: dict[int, Taken | None]) -> dict[int, Taken | None]:
        """Add the states that are reached without an access."""
        waiting = list(active)
        while waiting:
            state = waiting.pop()
            for target in self._free[state]:
                if target not in active:
                    active[target] = active[state]
                    waiting.append(target)
        return active


def first(items: Sequence[Item], after: tuple[Expected, ...]) -> tuple[Expected, ...]:
    """Return the accesses that may come first of items and of what comes `after`; nothing of a gap and behind one."""
    found: list[Expected] = []
    for item in items:
        if isinstance(item, Never):
            continue
        if isinstance(item, Gap):
            return tuple(found)
        if isinstance(item, Step):
            found.append(item.expected)
        elif isinstance(item, AnyOrder):
            found += (step.expected for step in item.steps)
        else:
            found += first(item.items, ())
        if not _may_be_empty(item):
            return tuple(found)
    return (*found, *after)


def takes(edge: Edge, access: Access) -> bool:
    """Return whether a step or a gap takes an access."""
    return (
        (isinstance(edge.item, Gap) or (isinstance(edge.item, Step) and edge.item.expected.matches(access)))
        and not any(never.expected.matches(access) for never in edge.forbidden)
        and not any(end.matches(access) for end in edge.ends)
    )


def assigned(item: AnyOrder, accesses: Sequence[Access]) -> list[int | None]:
    """Return for each access the number of a step that takes it, no step more often than it says; None for none.

    As many accesses from the start are given a step as can be.
    """
    slots = [index for index, step in enumerate(item.steps) for _ in range(step.count.least)]
    fitting: list[list[int]] = []
    holder: dict[int, int] = {}  # by slot, the access

    def give(number: int, tried: set[int]) -> bool:
        # Without recursion: a block may have thousands of accesses.
        stack: list[tuple[int, Iterator[int]]] = [(number, iter(fitting[number]))]
        chosen: list[int] = []
        while stack:
            slot = next((slot for slot in stack[-1][1] if slot not in tried), None)
            if slot is None:
                stack.pop()
                if chosen:
                    chosen.pop()
                continue
            tried.add(slot)
            chosen.append(slot)
            if slot not in holder:
                for (one, _), its in zip(stack, chosen, strict=True):
                    holder[its] = one
                return True
            stack.append((holder[slot], iter(fitting[holder[slot]])))
        return False

    for number, access in enumerate(accesses):
        fitting.append([slot for slot, index in enumerate(slots) if item.steps[index].expected.matches(access)])
        if not give(number, set()):
            break
    steps = {number: slots[slot] for slot, number in holder.items()}
    return [steps.get(number) for number in range(len(accesses))]


def _in_any_order(edge: Edge, accesses: Sequence[Access]) -> bool:
    item = edge.item
    assert isinstance(item, AnyOrder)
    if len(accesses) < item.length or any(end.matches(accesses[0]) for end in edge.ends):
        return False
    if any(never.expected.matches(access) for never in edge.forbidden for access in accesses):
        return False
    return None not in assigned(item, accesses)


def _may_be_empty(item: Item) -> bool:
    if isinstance(item, Step):
        return item.count.least == 0
    if isinstance(item, Group):
        return item.count.least == 0 or all(map(_may_be_empty, item.items))
    return isinstance(item, Gap | Never)


def _taken(path: Taken | None, edge: Edge, index: int, length: int) -> Taken:
    if path is not None and path.item is edge.item and not isinstance(edge.item, AnyOrder) and path.end == index:
        return Taken(path.before, edge.number, edge.item, path.start, index + length)
    return Taken(path, edge.number, edge.item, index, index + length)


def _way(path: Taken | None) -> Iterator[Taken]:
    """Iterate over the way to here from its beginning."""
    taken = []
    while path is not None:
        taken.append(path)
        path = path.before
    return reversed(taken)

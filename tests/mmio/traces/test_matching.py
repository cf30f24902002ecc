"""Matching accesses with expectations."""

from collections.abc import Iterator, Sequence
from itertools import permutations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from decode import READ, WRITE
from mmio.records.access import Access
from mmio.traces.expected import Expected
from mmio.traces.grammar import AnyOrder, Gap, Group, Item, Never, parse
from mmio.traces.matching import MAX_STATES, Automaton, TooLarge, assigned, first
from tests.mmio.sample_traces import access


def made(*words: str) -> list[Access]:
    """Return accesses such as "R A=1"."""
    found = []
    for number, word in enumerate(words):
        one = Expected.parse(word, partly=True)
        direction = READ if one.letter == "R" else WRITE
        offset = 4 * "ABCD".index(one.place)
        found.append(access(number, direction=direction, register=one.place, offset=offset, value=one.value or 0))
    return found


def ways(
    items: Sequence[Item], made: Sequence[Access], at: int, nevers: tuple[Never, ...], after: tuple[Expected, ...]
) -> Iterator[int]:
    """Iterate over the places where items can end: every way there is is tried."""
    if not items:
        yield at
        return
    item, *rest = items

    def allowed(start: int, end: int) -> bool:
        return not any(never.expected.matches(one) for never in nevers for one in made[start:end])

    if isinstance(item, Never):
        yield from ways(rest, made, at, (*nevers, item), after)
    elif isinstance(item, Gap):
        for end in range(at, len(made) + 1):
            if allowed(at, end):
                yield from ways(rest, made, end, nevers, after)
    elif isinstance(item, AnyOrder):
        steps = [step.expected for step in item.steps for _ in range(step.count.least)]
        end = at + len(steps)
        if end <= len(made) and allowed(at, end):
            for order in permutations(steps):
                if all(map(Expected.matches, order, made[at:end])):
                    yield from ways(rest, made, end, nevers, after)
                    break
    else:
        ends = first(rest, after)
        again = first(item.items, ()) if isinstance(item, Group) and item.count.most != 1 else ()

        def once(start: int) -> Iterator[int]:
            if isinstance(item, Group):
                yield from ways(item.items, made, start, nevers, (*again, *ends))
            elif start < len(made) and item.expected.matches(made[start]) and allowed(start, start + 1):
                yield start + 1

        def repeated(start: int, times: int) -> Iterator[int]:
            if times >= item.count.least:
                yield from ways(rest, made, start, nevers, after)
            if item.count.most is None or times < item.count.most:
                stop = item.count.until and times >= item.count.least
                stop = stop and start < len(made) and any(end.matches(made[start]) for end in ends)
                for end in set(once(start)):
                    if (end == start and times < item.count.least) or (end > start and not stop):
                        yield from repeated(end, times + 1)

        yield from repeated(at, 0)


def expectations() -> st.SearchStrategy[str]:
    """Texts of every kind of item, over two registers and two values."""
    one = st.builds("{}4 {}{}".format, st.sampled_from("RW"), st.sampled_from("AB"), st.sampled_from(("", "=0", "=1")))
    counts = st.sampled_from(("", "", "", " *", " +", " ?", " *2", " *1..2", " *0..1"))
    step = st.builds(str.__add__, one, counts)
    orders = st.lists(st.builds(str.__add__, one, st.sampled_from(("", "", " *2"))), min_size=1, max_size=2)
    leaf = st.one_of(
        step, step, st.just("…"), one.map("never {}".format), orders.map("; ".join).map("any order {{{}}}".format)
    )
    groups = st.lists(leaf, min_size=1, max_size=2).map("; ".join)
    return leaf | st.builds("{{{}}}{}".format, groups, counts)


CASES = st.lists(st.sampled_from(("R A=0", "R A=1", "W B=0", "W B=1")), max_size=5)


@given(st.lists(expectations(), min_size=1, max_size=4), CASES)
@example(["R4 A *", "R4 A=1"], ["R A=0", "R A=1", "R A=1"])
@example(["{R4 A *; W4 B ?} +", "W4 B=1"], ["R A=0", "W B=0", "W B=1"])
@example(["{…} *"], [])
def test_the_automaton_takes_what_trying_every_way_takes(lines: list[str], words: list[str]) -> None:
    """Law: the automaton takes accesses if and only if one of all the ways to take them does."""
    items, trace = parse(lines), made(*words)
    outcome = Automaton(items).run(trace)
    assert outcome.matched == (len(trace) in set(ways(items, trace, 0, (), ())))
    if outcome.matched:
        ends = [0, *(taken.end for taken in outcome.path)]
        assert [taken.start for taken in outcome.path] == ends[:-1]
        assert ends[-1] == len(trace)


@pytest.mark.parametrize(
    ("lines", "words", "matched"),
    [
        (["R4 A *3"], ["R A"] * 3, True),
        (["R4 A *3"], ["R A"] * 4, False),
        (["R4 A *2..3"], ["R A"], False),
        (["R4 A *2..3"], ["R A"] * 3, True),
        (["R4 A +"], [], False),
        (["R4 A +"], ["R A"] * 5, True),
        (["R4 A *"], [], True),
        (["R4 A ?", "W4 B"], ["W B"], True),
        (["…", "W4 B", "..."], ["R A", "W B", "R A"], True),
        (["W4 B", "…"], ["R A", "W B"], False),
        (["any order {W4 A; W4 B=1; R4 C *2}"], ["R C", "W B=1", "R C", "W A"], True),
        (["any order {W4 A; W4 B=1}"], ["W B", "W A"], False),
        (["any order {W4 A; W4 A=1}"], ["W A=1", "W A=2"], True),
        (["{W4 A; R4 B +} *2"], ["W A", "R B", "W A", "R B", "R B"], True),
        (["{R4 A; W4 B} +", "R4 A=1; W4 B"], ["R A=0", "W B", "R A=1", "W B"], True),
        (["{R4 A; W4 B} +", "R4 A=1; W4 B"], ["R A=0", "W B", "R A=1", "W B", "R A=1", "W B"], False),
        (["never W4 A=1", "…"], ["R A=1", "W A=2"], True),
        (["never W4 A=1", "…"], ["R A=1", "W A=1"], False),
        (["W4 A=1", "never W A=1", "…"], ["W A=1", "R B"], True),
        (["W4 A=1", "never W A=1", "…"], ["W A=1", "R B", "W A=1"], False),
    ],
)
def test_items(lines: list[str], words: list[str], matched: bool) -> None:
    """Counts, gaps, orders, groups and prohibitions take what the table in the manual says."""
    assert Automaton(parse(lines)).run(made(*words)).matched == matched


def test_a_poll_ends_where_the_next_expectation_holds() -> None:
    """A read that is one too many is an error, although the loop would take it."""
    automaton = Automaton(parse(["R4 A *", "R4 A=1"]))
    assert automaton.run(made("R A=0", "R A=0", "R A=1")).matched
    late = automaton.run(made("R A=0", "R A=1", "R A=1"))
    assert (late.matched, late.stopped) == (False, 2)


def test_what_would_be_tried_for_ever_is_not_tried() -> None:
    """Nested repetitions, and many accesses in any order, take a moment."""
    nested = Automaton(parse(["{{R4 A +} +} +", "W4 B"]))
    assert not nested.run(made(*["R A"] * 300)).matched
    steps = "; ".join(f"W4 A={n}" for n in range(60))
    order = Automaton(parse([f"any order {{{steps}; W4 A}}"]))
    assert order.run(made(*[f"W A={n}" for n in reversed(range(61))])).matched


def test_an_assignment_gives_back_what_it_took() -> None:
    """An access that only one step fits gets that step from one that others fit, too."""
    (item,) = parse(["any order {W4 A; W4 A=1; W4 A=2}"])
    assert isinstance(item, AnyOrder)
    assert assigned(item, made("W A=1", "W A=2", "W A=3")) == [1, 2, 0]
    assert assigned(item, made("W A=1", "W B", "W A=3")) == [0, None, None]


def test_a_failure_says_where_and_what_was_wanted() -> None:
    """The outcome has the items that matched, the first access that did not, and what might have come."""
    outcome = Automaton(parse(["W4 A", "R4 B +", "W4 C", "…"])).run(made("W A", "R B", "R B", "W D", "W C"))
    assert [(taken.item.source.text, taken.start, taken.end) for taken in outcome.path] == [
        ("W4 A", 0, 1),
        ("R4 B +", 1, 3),
    ]
    assert outcome.stopped == 3
    assert [edge.item.source.text for edge in outcome.wanted] == ["R4 B +", "W4 C"]


def test_a_gap_does_not_hide_what_failed() -> None:
    """Behind a gap, which takes everything, the way that came furthest says what was missing."""
    items = parse(["…", "W4 A", "W4 B", "…", "W4 C=1", "…"])
    outcome = Automaton(items).run(made("R D", "W A", "W B", "R D", "W C=2", "R D"))
    assert (outcome.matched, outcome.stopped) == (False, 6)
    assert "W4 C=1" in [edge.item.source.text for edge in outcome.wanted]
    outcome = Automaton(items).run(made("R D", "W A", "W C=1", "R D"))
    assert (outcome.matched, outcome.stopped) == (False, 2)
    assert [edge.item.source.text for edge in outcome.wanted] == ["W4 B"]


def test_counts_that_multiply_are_bounded() -> None:
    """Counts inside of counts are refused when there is no memory for them."""
    with pytest.raises(TooLarge, match=f"more than {MAX_STATES} accesses"):
        Automaton(parse(["{{R4 A *1000} *1000} *1000"]))

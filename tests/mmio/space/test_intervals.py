"""The set of overlapping ranges, against a plain list."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from mmio.space.intervals import Intervals

END = 60


@frozen(eq=False)
class Span:
    start: int
    end: int


spans = st.builds(lambda start, length: Span(start, start + length), st.integers(0, END - 1), st.integers(1, 30))


def _set(spans: Sequence[Span]) -> Intervals[Span]:
    intervals: Intervals[Span] = Intervals()
    for span in spans:
        intervals = intervals.added(span)
    return intervals


@given(st.lists(spans, max_size=30), st.integers(0, END), st.integers(1, 20))
def test_touching_is_what_a_look_at_every_range_finds(spans: list[Span], start: int, length: int) -> None:
    """The ranges found are those with a byte in common, in the order of their starts."""
    end = start + length
    found = _set(spans).touching(start, end)
    assert set(found) == {span for span in spans if span.start < end and start < span.end}
    assert len(found) == len(set(found))
    assert [span.start for span in found] == sorted(span.start for span in found)


@given(st.lists(spans, max_size=30), st.integers(0, END), st.integers(1, 40))
def test_covered_is_what_a_look_at_every_byte_finds(spans: list[Span], start: int, length: int) -> None:
    """The stretches tile the range, alternate, and say of each byte whether a range has it."""
    stretches = list(_set(spans).covered(start, start + length))
    bytewise = [watched for first, end, watched in stretches for _ in range(first, end)]
    assert bytewise == [any(s.start <= at < s.end for s in spans) for at in range(start, start + length)]
    assert all(one[2] != another[2] for one, another in pairwise(stretches))


@given(st.lists(spans, min_size=1, max_size=30), st.data())
def test_a_range_that_is_removed_is_gone_and_no_other(spans: list[Span], data: st.DataObject) -> None:
    """Removing some leaves the set of the others, whatever the order; equal bounds do not make two ranges one."""
    gone = data.draw(st.permutations(spans))[: data.draw(st.integers(0, len(spans)))]
    intervals = _set(spans)
    for span in gone:
        intervals = intervals.removed(span)
    left = set(spans) - set(gone)
    assert set(intervals.touching(0, 2 * END)) == left
    assert bool(intervals) == bool(left)


def test_a_set_never_changes() -> None:
    """A caller with an older set continues seeing what was in it."""
    span = Span(1, 5)
    empty: Intervals[Span] = Intervals()
    one = empty.added(span)
    assert (empty.touching(0, 9), one.touching(0, 9), one.removed(span).touching(0, 9)) == ([], [span], [])


def _nested(count: int) -> Iterator[Span]:
    return (Span(at, 3 * count - at) for at in range(count))


def _side_by_side(count: int) -> Iterator[Span]:
    return (Span(4 * at, 4 * at + 4) for at in range(count))


@pytest.mark.parametrize("make", [_nested, _side_by_side])
def test_it_stays_shallow(make: Callable[[int], Iterator[Span]]) -> None:
    """Thousands of ranges in ascending order, the worst for a tree, do not make it deep."""
    spans = list(make(5000))
    intervals = _set(spans)
    depth = _depth(intervals._root)
    assert depth < 60
    for span in spans[1:]:
        intervals = intervals.removed(span)
    assert intervals.touching(0, 1 << 20) == spans[:1]


def _depth(node: object) -> int:
    return 0 if node is None else 1 + max(_depth(node.left), _depth(node.right))  # type: ignore[attr-defined]

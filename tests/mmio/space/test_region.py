"""The range map: layers, what shows from above, and segments that go stale."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import MappingError, NoRegister
from mmio.space.policy import Policy
from mmio.space.region import RangeMap, Region
from mmio.space.void import Void
from tests.mmio.doubles import Spy

END = 0x100


def _region(start: int, length: int, name: str = "region", priority: int = 0, policy: Policy | None = None) -> Region:
    return Region(start, length, Spy(), name, policy or Policy(), priority)


def _map(*regions: Region) -> RangeMap:
    ranges = RangeMap(Region(0, END, Void(), "ground", Policy(), is_background=True))
    for region in regions:
        ranges.add(region)
    return ranges


def _segments(ranges: RangeMap) -> list[tuple[int, int, str]]:
    """Every segment from 0 to the end, by walking from one to the next."""
    found = []
    address = 0
    while address < END:
        segment = ranges.find(address)
        assert segment.start == address
        found.append((segment.start, segment.end, segment.region.name))
        address = segment.end
    return found


def test_the_ground_shows_where_nothing_is_mapped() -> None:
    """Segments cover the space without gaps: regions, and the ground between them."""
    ranges = _map(_region(0x20, 0x10, "a"), _region(0x30, 0x10, "b"), _region(0x80, 0x80, "c"))
    assert _segments(ranges) == [
        (0x00, 0x20, "ground"),
        (0x20, 0x30, "a"),
        (0x30, 0x40, "b"),
        (0x40, 0x80, "ground"),
        (0x80, 0x100, "c"),
    ]


def test_find_past_the_end() -> None:
    """Past the end of the space the last segment is returned; its end tells."""
    assert _map().find(END + 5).end == END


def test_overlap_names_both_ranges() -> None:
    """Two regions of one priority never overlap; the message has both, as ranges."""
    ranges = _map(_region(0x10, 0x10, "uart"))
    with pytest.raises(MappingError) as caught:
        ranges.add(_region(0x18, 0x20, "timer"))
    assert str(caught.value) == (
        "0x18..0x38 'timer' overlaps 0x10..0x20 'uart'; to lay one over the other give it a higher priority"
    )
    assert _segments(ranges) == [(0, 0x10, "ground"), (0x10, 0x20, "uart"), (0x20, 0x100, "ground")]


@pytest.mark.parametrize(("start", "length"), [(0, 0x11), (0x1F, 1), (0x12, 2), (0, 0x100), (0x10, 0x10)])
def test_every_kind_of_overlap(start: int, length: int) -> None:
    """From the left, from the right, inside, around and exactly on top."""
    with pytest.raises(MappingError, match="overlaps"):
        _map(_region(0x10, 0x10), _region(start, length))


def test_neighbours_do_not_overlap() -> None:
    """A range ends before its end address."""
    ranges = _map(_region(0x10, 0x10, "b"), _region(0, 0x10, "a"), _region(0x20, 0x10, "c"))
    assert [name for *_, name in _segments(ranges)] == ["a", "b", "c", "ground"]


def test_an_overlay_cuts_what_is_below_and_gives_it_back() -> None:
    """A higher priority shows through the lower one, which is whole again when it goes."""
    overlay = _region(0x40, 0x10, "device", priority=1)
    ranges = _map(_region(0, 0x80, "ram"), overlay)
    assert _segments(ranges)[:3] == [(0, 0x40, "ram"), (0x40, 0x50, "device"), (0x50, 0x80, "ram")]
    ranges.remove(overlay)
    assert _segments(ranges) == [(0, 0x80, "ram"), (0x80, 0x100, "ground")]


def test_a_region_below_does_not_show() -> None:
    """It does not matter which was mapped first."""
    ranges = _map(_region(0x40, 0x10, "device", priority=1), _region(0, 0x80, "ram"))
    assert _segments(ranges)[:3] == [(0, 0x40, "ram"), (0x40, 0x50, "device"), (0x50, 0x80, "ram")]


@pytest.mark.parametrize(("start", "length"), [(0x10, 0), (0x10, -1), (-1, 4), (0xF0, 0x11)])
def test_a_region_must_fit(start: int, length: int) -> None:
    """Empty ranges and ranges outside the space are refused."""
    with pytest.raises(MappingError, match=r"'x' is not a range within 0x0\.\.0x100"):
        _map(_region(start, length, "x"))


def test_what_is_not_mapped_cannot_be_removed() -> None:
    """Removing twice is an error, and so is removing from a layer that never was."""
    region = _region(0x10, 4, "x")
    ranges = _map(region)
    ranges.remove(region)
    for gone in (region, _region(0x10, 4, "x", priority=7)):
        with pytest.raises(MappingError, match=r"0x10\.\.0x14 'x' is not mapped"):
            ranges.remove(gone)


def test_iteration_is_from_the_top() -> None:
    """Highest priority first, then by address."""
    low, left, right = _region(0x10, 4), _region(0x20, 4, priority=2), _region(0x30, 4, priority=2)
    assert list(_map(right, low, left)) == [left, right, low]


def test_limits_are_the_last_plain_addresses() -> None:
    """An access is plain when it ends inside the segment and its width is one the policy does not look at."""
    segment = _map(_region(0x10, 0x10)).find(0x10)
    assert [segment.limits[width] for width in (1, 2, 4, 8)] == [0x1F, 0x1E, 0x1C, 0x18]
    assert segment.limits[16] == segment.limits[3] == -1
    picky = _map(_region(0x10, 0x10, policy=Policy({2, 4, 1}, unaligned="error"))).find(0x10)
    assert (picky.limits[1], picky.limits[2], picky.limits[4]) == (0x1F, -1, -1)


def test_a_replaced_segment_is_plain_nowhere() -> None:
    """A caller that kept a segment looks again once the map has changed there, and only there."""
    region = _region(0x80, 0x10)
    ranges = _map(_region(0, 0x10), _region(0x20, 0x10), region)
    far, near = ranges.find(0), ranges.find(0x80)
    ranges.remove(region)
    assert near.limits[1] == -1
    assert far.limits[1] == 0x0F


class Eye:
    """A watcher that is never told anything."""

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end

    def seen(self, *what: object) -> None:
        raise AssertionError(what)


def test_watched_bytes_have_segments_of_their_own() -> None:
    """They are plain nowhere, an access into them from before is not plain, and the region is one all the same."""
    ranges = _map(_region(0x10, 0x40, "a"))
    eye = Eye(0x20, 0x28)
    ranges.watch(eye)
    before, watched, after = (ranges.find(address) for address in (0x10, 0x20, 0x28))
    assert [(s.start, s.end, s.watched) for s in (before, watched, after)] == [
        (0x10, 0x20, False),
        (0x20, 0x28, True),
        (0x28, 0x50, False),
    ]
    assert (before.limits[4], watched.limits[1], after.limits[4]) == (0x1C, -1, 0x4C)
    assert ranges.stretch_end(before, 0x60) == 0x50
    ranges.unwatch(eye)
    assert (before.limits[4], ranges.find(0x20).end) == (-1, 0x50)


def test_an_overlay_ends_a_region_whose_bytes_are_watched() -> None:
    """Where a region stops being on top is asked of the map, and is right whichever changed last."""
    ranges = _map(_region(0x10, 0x40, "a"))
    ranges.watch(Eye(0x18, 0x20))
    ranges.add(_region(0x30, 4, "over", priority=1))
    assert ranges.stretch_end(ranges.find(0x10), END) == 0x30


def test_blocks_do_not_show() -> None:
    """With thousands of regions, mapped and unmapped in any order, each is found and the rest is ground."""
    ranges = RangeMap(Region(0, 1 << 20, Void(), "ground", Policy(), is_background=True))
    order = [number * 377 % 2000 for number in range(2000)]
    regions = {number: _region(0x100 * number, 0x80, str(number)) for number in order}
    for number in order:
        ranges.add(regions[number])
    assert all(ranges.find(0x100 * n + 0x7F).region is regions[n] for n in order)
    assert all(ranges.find(0x100 * n + 0x80).region is ranges.ground for n in order)
    for number in order[:1990]:
        ranges.remove(regions[number])
    left = order[1990:]
    assert {segment.region.name for _, block in ranges._table[1] for segment in block} == {"ground", *map(str, left)}
    assert sum(len(block) for _, block in ranges._table[1]) <= 2 * len(left) + 1
    assert ranges.starting_at(0x100 * left[0]) is regions[left[0]]
    assert ranges.starting_at(0x100 * order[0]) is None


def test_void_answers_nothing() -> None:
    """Where nothing is, every byte is a hole."""
    assert Void().holes(0x10, 2) == 0xFFFF
    with pytest.raises(NoRegister):
        Void().read(0x10, 2)
    with pytest.raises(NoRegister):
        Void().write(0x10, 2, 0)


@given(
    st.lists(
        st.tuples(st.integers(0, END - 1), st.integers(1, 0x60), st.integers(0, 2), st.booleans()),
        max_size=25,
    )
)
def test_segments_are_what_a_look_at_every_region_finds(changes: Sequence[tuple[int, int, int, bool]]) -> None:
    """After any maps and unmaps the highest region at an address is the one found, and segments are maximal."""
    ranges = _map()
    mapped: list[Region] = []
    for number, (start, length, priority, remove) in enumerate(changes):
        if remove and mapped:
            ranges.remove(mapped.pop(start % len(mapped)))
            continue
        region = _region(start, min(length, END - start), str(number), priority)
        if any(r.priority == priority and r.start < region.end and region.start < r.end for r in mapped):
            with pytest.raises(MappingError):
                ranges.add(region)
        else:
            ranges.add(region)
            mapped.append(region)
    for address in range(END):
        above = [region for region in mapped if region.start <= address < region.end]
        highest = max(above, key=lambda region: region.priority, default=ranges.ground)
        assert ranges.find(address).region is highest
    names = [name for *_, name in _segments(ranges)]
    assert all(one != next_one for one, next_one in pairwise(names))

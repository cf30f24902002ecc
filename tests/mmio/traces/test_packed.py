"""Accesses kept small."""

import tracemalloc
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from mmio import Access
from mmio.traces.packed import Packed, Stretch
from tests.mmio.sample_traces import MOV, access, accesses


@given(st.lists(accesses(), max_size=10))
def test_gives_back_what_it_takes(made: list[Access]) -> None:
    """Every access comes back equal, in any order of asking."""
    packed = Packed()
    for each in made:
        packed.append(each)
    assert len(packed) == len(made)
    assert [packed[n] for n in reversed(range(len(made)))] == made[::-1]


def test_descriptions_and_places_of_fields_come_back() -> None:
    """What a device said of a value, and where its fields are, comes back too."""
    packed = Packed()
    packed.append(access(describe=lambda offset, width, value: f"EN={value}", layout=(("EN", 1, 0),)))
    assert (packed[0].decoded, packed[0].layout) == ("EN=3", (("EN", 1, 0),))


def test_takes_little_memory() -> None:
    """An access takes less than 50 bytes, where a built one takes hundreds."""
    numbers = count()
    packed = Packed()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(20_000):
        packed.append(access(next(numbers), address=n % 64 * 4, offset=n % 64 * 4, value=n, instruction=MOV))
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used / 20_000 < 50


@given(st.lists(accesses(), max_size=10), st.data())
def test_a_stretch_is_as_a_list(made: list[Access], data: st.DataObject) -> None:
    """A stretch has the length, elements and slices of the list of its accesses, and is equal to it."""
    packed = Packed()
    for each in made:
        packed.append(each)
    stretch = Stretch(packed, range(len(packed)))
    part = data.draw(st.slices(len(made)))
    assert stretch == made
    assert stretch[part] == made[part]
    assert list(stretch[part]) == made[part]
    assert len(stretch[part]) == len(made[part])
    assert not made or stretch != made[1:]
    assert stretch != "accesses"

"""Accesses sorted into lanes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ_WRITE, WRITE
from mmio import Access
from mmio.pictures.lanes import Lanes, lanes, unit
from tests.mmio.sample_traces import START, access, accesses


def test_lanes_are_registers_in_address_order() -> None:
    """Each register is a lane, and an atomic is in it as a read and as a write."""
    found = lanes(
        [
            access(0, time=5),
            access(1, time=6, address=START, offset=0, register="CTRL", direction=WRITE),
            access(2, time=7, direction=READ_WRITE, old=1),
        ]
    )
    assert [(lane.first.place, dict(lane.reads), dict(lane.writes)) for lane in found] == [
        ("timer.CTRL", {}, {6: 1}),
        ("timer.STATUS", {5: 1, 7: 1}, {7: 1}),
    ]


def unnamed(n: int, offset: int) -> Access:
    return access(n, register=None, offset=offset, address=START + offset)


def test_arrays_share_a_lane() -> None:
    """If there are too many lanes, the elements of an array become one, its times in order."""
    made = [access(n, register=f"FIFO[{9 - n}]", offset=40 - 4 * n, time=n) for n in range(10)]
    (lane, status) = lanes([*made, access(10)], most=5)
    assert (lane.name, sorted(lane.reads.elements())) == ("timer.FIFO[…]", list(range(10)))
    assert status.name == "timer.STATUS"
    assert len(lanes([*made, access(10)], most=11)) == 11


def test_neighbours_without_names_share_a_lane() -> None:
    """If there are still too many, places without a name that lie near each other do, as few together as will do."""
    made = [unnamed(n, 4 * n) for n in range(64)]
    assert [lane.name for lane in lanes(made, most=16)] == [f"timer+{16 * n:#x}..{16 * n + 16:#x}" for n in range(16)]
    assert [lane.name for lane in lanes([*made, unnamed(64, 0x1000)], most=3)] == ["timer+0x0..0x100", "timer+0x1000"]


@given(st.lists(accesses(), max_size=30), st.integers(1, 5))
def test_nothing_is_lost(made: list[Access], most: int) -> None:
    """However lanes are shared, every read and write is in one, and registers with names of their own stay apart."""
    shared = lanes(made, most)
    reads = sorted(time for lane in shared for time in lane.reads.elements())
    assert reads == sorted(a.time for a in made if a.reads)
    writes = sorted(time for lane in shared for time in lane.writes.elements())
    assert writes == sorted(a.time for a in made if a.writes)
    names = {(a.space, a.place) for a in made if a.register is not None and "[" not in a.register}
    assert names <= {(lane.first.space, lane.name) for lane in shared}


@given(st.lists(accesses(), min_size=1, max_size=60), st.integers(1, 8))
def test_rounded_times_keep_every_access(made: list[Access], times: int) -> None:
    """With little room times are rounded down, all to the same multiple, and every access is still counted."""
    filled = Lanes(times)
    for one in made:
        filled.take(one)
    shown = filled.lanes()
    assert sum(lane.count for lane in shown) == sum(a.reads + a.writes for a in made)
    assert filled.accesses == len(made)
    assert (filled.start, filled.end) == (min(a.time for a in made), max(a.time for a in made))
    for lane in shown:
        own = [a for a in made if (a.space, a.place) == (lane.first.space, lane.name)]
        assert lane.reads.total() == sum(a.reads for a in own)
        assert all(any(time <= a.time for a in own) for time in (*lane.reads, *lane.writes))


@given(st.integers(1, 20), st.integers(1, 100), st.lists(st.integers(0, 1 << 40), min_size=1, max_size=300))
def test_lanes_take_bounded_room(registers: int, room: int, times: list[int]) -> None:
    """No more times are distinguished than there is room for, or four for each register."""
    filled = Lanes(room)
    for n, time in enumerate(times):
        filled.take(access(n, time=time, register=f"R{n % registers}"))
    assert sum(len(lane.reads) for lane in filled.lanes()) <= max(room, 4 * registers)


@pytest.mark.parametrize(("span", "name"), [(1, "ns"), (999, "ns"), (1000, "µs"), (10**6, "ms"), (10**9, "s")])
def test_times_use_the_largest_unit_that_fits(span: int, name: str) -> None:
    """Times are shown in the largest unit of which there is one."""
    assert unit(span)[1] == name

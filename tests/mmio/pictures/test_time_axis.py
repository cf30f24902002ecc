"""Places of times along a picture."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.pictures.time_axis import MANY, TimeAxis

TIMES = st.lists(st.integers(0, 1 << 50), min_size=1, max_size=50, unique=True).map(sorted)


@given(TIMES)
def test_later_is_further_right(times: list[int]) -> None:
    """Places run from 0 to 1 in the order of times, and each time is found again at its place."""
    axis = TimeAxis(reversed(times))
    places = [axis.place(time) for time in times]
    assert places == sorted(set(places))
    assert places[0] == 0
    assert len(times) == 1 or places[-1] == pytest.approx(1)
    assert [axis.time(place) for place in places] == pytest.approx([time - times[0] for time in times], abs=1 << 12)


def test_a_burst_is_wide_and_a_wait_is_seen() -> None:
    """Ten accesses in ten nanoseconds take more than half of the width, and the second before the last is a gap."""
    axis = TimeAxis([*range(10), 10**9])
    assert not axis.even
    assert axis.place(9) > 0.5
    assert axis.place(10**9) - axis.place(9) > 0.3


def test_a_trace_with_many_times_is_even() -> None:
    """From `MANY` times on distances are times."""
    axis = TimeAxis([*range(MANY), 10 * MANY])
    assert axis.even
    assert axis.place(MANY - 1) == pytest.approx(0.1, abs=0.001)


def test_times_beyond_the_ends_are_at_the_ends() -> None:
    """A mark before the first access is at the start, one after the last at the end."""
    axis = TimeAxis([5, 10])
    assert (axis.place(0), axis.place(99), axis.time(-1), axis.time(2)) == (0, 1, 0, 5)

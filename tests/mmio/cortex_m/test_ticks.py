"""Ticks of a frequency, and when they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.cortex_m.ticks import Ticks
from mmio.device.clock import Clock

frequencies = st.integers(1, 3_000_000_000)


@given(frequencies, frequencies, st.integers(0, 10**12), st.integers(0, 10**6))
def test_the_delay_is_to_the_first_ns_of_a_tick(before: int, frequency: int, start: int, ahead: int) -> None:
    """At the end of the delay the tick has come, and a ns before it had not; after a change of frequency too."""
    clock = Clock()
    ticks = Ticks(clock, before)
    clock.advance(start)
    ticks.frequency = frequency
    clock.run_for(start // 3)
    wanted = ticks.count + ahead
    delay = ticks.delay(wanted)
    if delay:
        clock.run_for(delay - 1)
        assert ticks.count < wanted
        clock.run_for(1)
    assert ticks.count >= wanted
    assert ticks.count == wanted or frequency > 10**9


@given(st.lists(st.tuples(frequencies, st.integers(0, 10**9)), max_size=6))
def test_a_change_of_frequency_keeps_the_ticks_so_far(steps: list[tuple[int, int]]) -> None:
    """The count continues from where it was, at the new rate; who counts is told."""
    clock = Clock()
    ticks = Ticks(clock, 1000)
    told: list[int] = []
    ticks.subscribe(lambda: told.append(ticks.frequency))
    expected = 0
    for frequency, duration in steps:
        ticks.frequency = frequency
        assert ticks.count == expected
        clock.run_for(duration)
        expected += duration * frequency // 10**9
        assert ticks.count == expected
    assert told == [frequency for frequency, _ in steps]


def test_a_frequency_is_positive() -> None:
    """Nothing counts at 0 Hz, and no float is a frequency; the old one stays."""
    ticks = Ticks(Clock(), 5)
    with pytest.raises(ValueError, match="frequency is an int, from 1 up, not 0"):
        ticks.frequency = 0
    with pytest.raises(TypeError, match="frequency"):
        Ticks(Clock(), 1e6)  # type: ignore[arg-type]
    assert ticks.frequency == 5

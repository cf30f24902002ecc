"""Folding while a trace is read, against folding with all of it in memory."""

from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, WRITE
from mmio import Access
from mmio.pictures import folding
from mmio.pictures.folding import MIN_REPEATS, MOST_VALUES, Run, folded
from mmio.pictures.table import lines
from mmio.records.loops import MAX_LOOP, kind
from tests.mmio.sample_traces import START, access

LOOPS = st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=MAX_LOOP), st.integers(1, 12))
"""Registers read in a turn, and how many turns."""


def whole(accesses: Sequence[Access]) -> Iterator[Run]:
    """Fold a trace that is in memory: at each access try every loop to its end, and take what saves most."""
    at = 0
    while at < len(accesses):
        saved, length, repeats = 0, 1, 1
        for n in range(1, MAX_LOOP + 1):
            turns, first = 1, [kind(one) for one in accesses[at : at + n]]
            while [kind(one) for one in accesses[at + turns * n : at + turns * n + n]] == first:
                turns += 1
            if turns >= MIN_REPEATS and n * (turns - 1) > saved:
                saved, length, repeats = n * (turns - 1), n, turns
        turn = accesses[at : at + length * repeats]
        values = tuple(len({one.value for one in turn[i::length]}) for i in range(length))
        yield Run(tuple(turn[-length:]), values, repeats)
        at += length * repeats


def trace(registers: Iterable[int]) -> list[Access]:
    """Return reads of registers, each with a value of its own."""
    return [access(n, address=START + 4 * number, value=n) for n, number in enumerate(registers)]


@given(st.lists(LOOPS, max_size=12), st.integers(1, 30))
def test_read_in_any_portions_a_trace_folds_as_in_memory(loops: list[tuple[list[int], int]], window: int) -> None:
    """However far is read ahead, the runs are those of a search through the whole trace."""
    accesses = trace(number for turn, repeats in loops for number in turn * repeats)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(folding, "WINDOW", window)
        assert list(folded(iter(accesses))) == list(whole(accesses))


@given(st.lists(st.integers(0, 2), max_size=60), st.integers(1, 30))
def test_few_registers_in_any_order_fold_as_in_memory(registers: list[int], window: int) -> None:
    """So are they where loops of several lengths overlap."""
    accesses = trace(registers)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(folding, "WINDOW", window)
        assert list(folded(iter(accesses))) == list(whole(accesses))


def test_a_loop_is_shown_before_the_trace_has_ended() -> None:
    """No more is read than shows that a loop has ended, and what is read ahead."""
    taken = 0

    def endless() -> Iterator[Access]:
        nonlocal taken
        while True:
            taken += 1
            yield access(taken, direction=READ if taken <= 5000 else WRITE, value=taken)

    assert next(folded(endless())).repeats == 5000
    assert taken == 5001


def test_many_values_are_not_counted_to_the_end() -> None:
    """Of a counter that is polled it is said that there were many values, which takes no memory for each."""
    few, many = (next(folded(trace([0] * count))) for count in (MOST_VALUES, 2 * MOST_VALUES))
    assert few.times(*few.values) == "1,000 times, 1,000 values, last"
    assert many.times(*many.values) == "2,000 times, over 1,000 values, last"


def test_a_row_of_a_long_loop_is_not_held_back() -> None:
    """A batch is of accesses, not of rows, so that the first line of a trace of polls comes as early as of others."""
    reads = iter(trace(n // 1000 for n in range(10_000)))
    assert "timer.STATUS" in list(zip(lines(reads, fold=True), range(2), strict=False))[1][0]
    assert next(reads).sequence < 5000

"""Which elements of two sequences belong together."""

from hypothesis import given
from hypothesis import strategies as st

from mmio.traces import alignment
from mmio.traces.alignment import matches

SEQUENCES = st.lists(st.integers(0, 3), max_size=12)


def longest_common(mine: list[int], other: list[int]) -> int:
    """The length of the longest common subsequence, the obvious way."""
    table = [[0] * (len(other) + 1) for _ in range(len(mine) + 1)]
    for i, left in enumerate(mine):
        for j, right in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if left == right else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


def check(mine: list[int], other: list[int]) -> int:
    """Check that matches are equal stretches in order, and return how much they match."""
    x = y = total = 0
    for start, begin, length in matches(mine, other):
        assert length > 0
        assert start >= x
        assert begin >= y
        assert mine[start : start + length] == other[begin : begin + length]
        x, y, total = start + length, begin + length, total + length
    return total


@given(SEQUENCES, SEQUENCES)
def test_matches_are_the_longest(mine: list[int], other: list[int]) -> None:
    """The matched elements are equal, in order, and as many as can be."""
    assert check(mine, other) == longest_common(mine, other)


def test_settles_for_less_when_little_is_common() -> None:
    """Sequences with more differences than the search has patience for are still matched, if not perfectly."""
    n = 8 * alignment.PATIENCE
    mine = [*range(n), *[-1] * 100, *range(n, 2 * n)]
    other = [*range(3 * n, 4 * n), *[-1] * 100, *range(4 * n, 5 * n)]
    assert check(mine, other) <= 100


def test_poll_loops_of_different_length() -> None:
    """Long loops, which repeat a few elements, are compared fast and exactly."""
    assert check([1, 2] * 20_000 + [3], [1, 2] * 20_050 + [3]) == 40_001

"""Lines of a diff: accesses of one side only, with some context of both."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from mmio.traces.alignment import matches

CONTEXT: Final = 3  # equal lines shown before and after each difference


def diff_lines(
    mine: Sequence[int],
    other: Sequence[int],
    mine_text: Callable[[int], str],
    other_text: Callable[[int], str],
    both_text: Callable[[int], str],
) -> Iterator[str]:
    """Iterate over the lines: "- …" of mine, "+ …" of other, "  …" of both.

    Args:
        mine: a number for each element of one side, the same for the same.
        other: those of the other side.
        mine_text: returns the text of an element that only mine has, by index.
        other_text: of one that only other has.
        both_text: of one that both have, by its index in other.
    """
    x = y = 0
    for start, begin, length in [*matches(mine, other), (len(mine), len(other), 0)]:
        yield from (f"- {mine_text(index)}" for index in range(x, start))
        yield from (f"+ {other_text(index)}" for index in range(y, begin))
        same = [f"  {both_text(index)}" for index in range(begin, begin + length)]
        head = CONTEXT if (x or y or start or begin) else 0
        tail = CONTEXT if start + length < len(mine) or begin + length < len(other) else 0
        if len(same) > head + tail + 1:
            same[head : len(same) - tail] = [f"  … {len(same) - head - tail:,} as expected"]
        yield from same
        x, y = start + length, begin + length

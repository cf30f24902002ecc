"""Align two sequences: the shortest edit script, within a bounded effort.

The algorithm is Myers' (An O(ND) Difference Algorithm, 1986): what it costs depends on how much differs, so two
long traces that differ in a few accesses are compared in a moment. difflib, whose cost depends on how often
elements repeat, takes minutes over a poll loop or calls its accesses junk. When traces hardly have anything in
common the search would be quadratic; so after `PATIENCE` edits it settles for the best beginning found and
starts again from there.
"""

from collections.abc import Iterator, Sequence
from typing import Final

PATIENCE: Final = 256


Match = tuple[int, int, int]
"""A stretch of equal elements: where it starts in mine and in other, and its length."""


def matches(mine: Sequence[int], other: Sequence[int]) -> Iterator[Match]:
    """Iterate over the stretches that are equal, in order."""
    x = y = 0
    while x < len(mine) and y < len(other):
        found, width, height = _search(mine[x:], other[y:])
        yield from ((x + start, y + begin, length) for start, begin, length in found)
        x, y = x + width, y + height


def _search(mine: Sequence[int], other: Sequence[int]) -> tuple[list[Match], int, int]:
    """Return equal stretches, and how much of each sequence they deal with.

    Diagonal k holds the points (x, y) with x - y = k: x elements of mine and y of other are dealt with.
    `furthest[k]` is the greatest x reached on it.
    """
    furthest = {1: 0}
    history: list[dict[int, int]] = []
    best = 0, 0, 0
    for edits in range(PATIENCE + 1):
        history.append(furthest.copy())
        for k in range(-edits, edits + 1, 2):
            x, _ = _entry(furthest, k, edits)
            y = x - k
            while x < len(mine) and y < len(other) and mine[x] == other[y]:
                x += 1
                y += 1
            furthest[k] = x
            if x <= len(mine) and y <= len(other) and x + y > best[0] + best[1]:
                best = x, y, edits
        if best[:2] == (len(mine), len(other)):
            break
    return _path(history, *best), best[0], best[1]


def _entry(furthest: dict[int, int], k: int, edits: int) -> tuple[int, int]:
    """Return the x at which diagonal k is entered, and 1 if an element of mine led there, 0 if one of other did."""
    if k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1]):
        return furthest[k + 1], 0
    return furthest[k - 1] + 1, 1


def _path(history: Sequence[dict[int, int]], x: int, y: int, edits: int) -> list[Match]:
    """Go back from a point to the beginning, and return the equal stretches on the way, in order."""
    found = []
    for round in range(edits, -1, -1):
        k = x - y
        start, of_mine = _entry(history[round], k, round)
        if x > start:
            found.append((start, start - k, x - start))
        x, y = start - of_mine, start - k - (1 - of_mine)
    return found[::-1]

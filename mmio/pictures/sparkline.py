"""Bars of a trace for the terminal: one row for each register, time from left to right.

It answers at a glance what the drawn timeline answers in detail: what happens when, and who is polled. Reads and
writes have rows of their own, and each row its own scale, for a busy register must not flatten the others.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mmio.pictures.columns import Column, aligned
from mmio.pictures.lanes import Lanes, unit
from mmio.records.access import Access

WIDTH: Final = 60
MOST: Final = 24  # lanes, of one or two rows: more than that no longer fits a terminal
BARS: Final = "▁▂▃▄▅▆▇█"


def sparkline(accesses: Iterable[Access], width: int = WIDTH) -> str:
    """Return the rows as aligned text, `width` bars each; of many registers several share rows."""
    filled = Lanes()
    for access in accesses:
        filled.take(access)
    return bars(filled, width)


def bars(filled: Lanes, width: int = WIDTH) -> str:
    """Return the rows of lanes that have been filled."""
    found = filled.lanes(MOST)
    if not found:
        return "no accesses"
    start, span = filled.start, max(filled.end - filled.start, 1)
    scale, name = unit(span)
    columns = Column("register"), Column("R/W"), Column("times", right=True), Column(f"in {span / scale:,.3f} {name}")
    rows: list[tuple[str, ...]] = []
    for lane in found:
        for letter, own in (("R", lane.reads), ("W", lane.writes)):
            if own:
                counts = [0] * width
                for time, count in own.items():  # the last moment belongs to the last column
                    counts[min(max(time - start, 0) * width // span, width - 1)] += count
                rows.append((lane.name, letter, f"{own.total():,}", "".join(_bars(counts))))
    return aligned(columns, rows)


def _bars(counts: Sequence[int]) -> Iterator[str]:
    """One bar a column, high as the accesses in it; only none is a blank."""
    most = max(counts)
    for count in counts:
        yield BARS[(count * len(BARS) - 1) // most] if count else " "

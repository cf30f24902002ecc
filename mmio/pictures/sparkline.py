"""Bars of a trace for the terminal: one row for each register, time from left to right.

It answers at a glance what the drawn timeline answers in detail: what happens when, and who is polled. Reads and
writes have rows of their own, and each row its own scale, for a busy register must not flatten the others.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mmio.pictures.columns import aligned
from mmio.pictures.lanes import Lane, Lanes, unit
from mmio.pictures.widths import GAP, Column, displayed
from mmio.records.access import Access
from mmio.records.printable import printable

WIDTH: Final = 60  # bars
LEAST: Final = 8
MOST: Final = 24  # lanes, of one or two rows: more than that no longer fits a terminal
BARS: Final = "▁▂▃▄▅▆▇█"


def sparkline(accesses: Iterable[Access], width: int | None = None) -> str:
    """Return the rows as aligned text; of many registers several share rows.

    `width`: of the widest line there may be; there are `WIDTH` bars in a row, or as many as there is room for.
    """
    filled = Lanes()
    for access in accesses:
        filled.take(access)
    return bars(filled, width)


def bars(filled: Lanes, width: int | None = None) -> str:
    """Return the rows of lanes that have been filled, `width` as of `sparkline`."""
    found = filled.lanes(MOST)
    if not found:
        return "no accesses"
    start, span = filled.start, max(filled.end - filled.start, 1)
    scale, name = unit(span)
    columns = (
        Column("register", rank=0, least=12, cut="start"),
        Column("R/W", rank=2),
        Column("times", right=True, rank=3),
        Column(f"in {span / scale:,.3f} {name}", rank=1, least=LEAST),
    )
    places = WIDTH if width is None else min(max(width - _beside(found), LEAST), WIDTH)
    rows: list[tuple[str, ...]] = []
    for lane in found:
        for letter, own in (("R", lane.reads), ("W", lane.writes)):
            if own:
                counts = [0] * places
                for time, count in own.items():  # the last moment belongs to the last column
                    counts[min(max(time - start, 0) * places // span, places - 1)] += count
                rows.append((lane.name, letter, f"{own.total():,}", "".join(_bars(counts))))
    return aligned(columns, rows, width=width)


def _beside(found: Sequence[Lane]) -> int:
    """Return how wide the columns are that stand before the bars."""
    name = max(displayed(printable(lane.name)) for lane in found)
    times = max(len(f"{lane.count:,}") for lane in found)
    return max(name, len("register")) + len("R/W") + max(times, len("times")) + 3 * len(GAP)


def _bars(counts: Sequence[int]) -> Iterator[str]:
    """One bar a column, high as the accesses in it; only none is a blank."""
    most = max(counts)
    for count in counts:
        yield BARS[(count * len(BARS) - 1) // most] if count else " "

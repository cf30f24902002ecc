"""A picture of a trace for the terminal: a row of bars for each register, time from left to right.

It answers at a glance what the drawn timeline answers in detail: what happens when, and who is polled. Reads and
writes have rows of their own, and each row its own scale, for a busy register must not flatten the others.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from mmio.pictures.columns import Column, aligned
from mmio.pictures.lanes import lanes, unit
from mmio.records.access import Access

WIDTH: Final = 60
MOST: Final = 24  # lanes, of one or two rows: more than that no longer fits a terminal
BARS: Final = "▁▂▃▄▅▆▇█"


def sparkline(accesses: Iterable[Access], width: int = WIDTH) -> str:
    """Return the rows as aligned text, `width` bars each; of many registers several share rows."""
    found = lanes(accesses, MOST)
    if not found:
        return "no accesses"
    times = [time for lane in found for time in (*lane.reads, *lane.writes)]
    start, span = min(times), max(max(times) - min(times), 1)
    scale, name = unit(span)
    columns = Column("register"), Column("R/W"), Column("times", right=True), Column(f"in {span / scale:,.3f} {name}")
    rows: list[tuple[str, ...]] = []
    for lane in found:
        for letter, own in (("R", lane.reads), ("W", lane.writes)):
            if own:
                # The last moment belongs to the last column.
                at = (min((time - start) * width // span, width - 1) for time in own)
                rows.append((lane.name, letter, f"{len(own):,}", "".join(_bars(at, width))))
    return aligned(columns, rows)


def _bars(columns: Iterable[int], width: int) -> Iterator[str]:
    """One bar a column, high as the accesses in it; nothing but none is a blank."""
    counts = [0] * width
    for column in columns:
        counts[column] += 1
    most = max(counts)
    for count in counts:
        yield BARS[(count * len(BARS) - 1) // most] if count else " "

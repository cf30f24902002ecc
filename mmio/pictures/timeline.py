"""A picture of a trace: one lane a register, time from left to right, reads and writes apart.

What one looks for is rhythm: who is polled, how long the device kept the driver waiting, which registers go
together. So lanes are in address order, reads stand in the upper half of a lane and writes in the lower, and
what is finer than the picture becomes one bar, so that a million polls cost no more than a few.
"""

from collections.abc import Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from attrs import Factory, define

from mmio.records.access import Access

if TYPE_CHECKING:
    from matplotlib.axes import Axes

READS: Final = "#1f77b4"
WRITES: Final = "#d95f02"
MAX_LANES: Final = 60
HEIGHT: Final = 0.34  # of a mark, where a lane is 1 high
COLUMNS: Final = 1000  # of time; about a pixel each

_UNITS: Final = ((10**9, "s"), (10**6, "ms"), (10**3, "µs"), (1, "ns"))


@define
class _Lane:
    """The times, in ns, at which one register was read and written."""

    first: Access
    reads: list[int] = Factory(list)
    writes: list[int] = Factory(list)

    @property
    def order(self) -> tuple[str, str, int]:
        """Lanes stand by space, region and address."""
        return self.first.space, self.first.region or "", self.first.address

    @property
    def count(self) -> int:
        """How many accesses the lane shows."""
        return len(self.reads) + len(self.writes)


def lanes(accesses: Iterable[Access]) -> list[_Lane]:
    """Sort accesses into lanes, the lowest address first."""
    found: dict[tuple[str, str], _Lane] = {}
    for access in accesses:
        lane = found.setdefault((access.space, access.place), _Lane(access))
        if access.reads:
            lane.reads.append(access.time)
        if access.writes:
            lane.writes.append(access.time)
    return sorted(found.values(), key=lambda lane: lane.order)


def draw(accesses: Iterable[Access], path: str | PathLike[str]) -> None:
    """Draw a trace to a PNG, SVG or PDF file, by its suffix.

    Of more than `MAX_LANES` registers the busiest are drawn, and the title says so.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: there is nothing to draw, or the suffix is of no picture format.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        reason = "drawing a timeline needs matplotlib: pip install 'pagetrap[plot]'"
        raise ImportError(reason, name=error.name) from error
    every = lanes(accesses)
    if not every:
        raise ValueError("the trace has no accesses to draw")
    busiest = sorted(every, key=lambda lane: -lane.count)[:MAX_LANES]
    shown = sorted(busiest, key=lambda lane: lane.order)
    # A Figure of its own, without pyplot: no window, no state that outlives the call.
    figure = Figure(figsize=(12, 1.6 + 0.38 * len(shown)), layout="constrained")
    axes: Axes = figure.add_subplot()
    _draw_lanes(axes, shown)
    total = sum(lane.count for lane in every)
    title = f"{total:,} access{'es'[: 2 * (total != 1)]} to {len(every)} register{'s'[: len(every) != 1]}"
    axes.set_title(title if len(shown) == len(every) else f"{title}, the busiest {len(shown)} shown", loc="left")
    figure.savefig(path, dpi=120)


def _draw_lanes(axes: Any, shown: list[_Lane]) -> None:
    start = min(min(lane.reads + lane.writes) for lane in shown)
    end = max(max(lane.reads + lane.writes) for lane in shown)
    span = max(end - start, 1)
    scale, unit = next((scale, unit) for scale, unit in _UNITS if span >= scale)
    column = span / COLUMNS / scale
    for row, lane in enumerate(shown):
        if row % 2 == 0:
            axes.axhspan(row - 0.5, row + 0.5, color="#f4f4f4", zorder=0)
        for times, top, colour in ((lane.reads, row - HEIGHT, READS), (lane.writes, row, WRITES)):
            at = {(time - start) * COLUMNS // span for time in times}
            bars = [(first * column, (length + 0.5) * column) for first, length in _runs(sorted(at))]
            axes.broken_barh(bars, (top, HEIGHT), facecolors=colour)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks(range(len(shown)), [lane.first.place for lane in shown], family="monospace")
    axes.set_xlim(-10 * column, (COLUMNS + 10) * column)
    axes.set_xlabel(f"{unit} since the first access")
    _label_counts(axes, shown)
    axes.tick_params(axis="both", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)


def _label_counts(axes: Any, shown: list[_Lane]) -> None:
    """Write at the right edge how often each register was read and written; the colours are the legend."""
    edge = axes.get_yaxis_transform()
    for row, lane in [(-0.75, None), *enumerate(shown)]:
        reads, writes = ("reads", "writes") if lane is None else (_count(lane.reads), _count(lane.writes))
        axes.text(1.06, row, reads, color=READS, transform=edge, ha="right", va="center", clip_on=False)
        axes.text(1.12, row, writes, color=WRITES, transform=edge, ha="right", va="center", clip_on=False)


def _count(times: list[int]) -> str:
    return f"{len(times):,}" if times else ""


def _runs(columns: list[int]) -> Iterator[tuple[int, int]]:
    """Join neighbouring columns: iterate over (first, how many)."""
    first = length = 0
    for column in columns:
        if length and column == first + length:
            length += 1
            continue
        if length:
            yield first, length
        first, length = column, 1
    if length:
        yield first, length

"""Timeline of a trace: one lane a register, time from left to right, reads and writes apart.

What one looks for is rhythm: who is polled, how long the device kept the driver waiting, which registers go
together. So lanes are in address order, reads stand in the upper half of a lane and writes in the lower, and
what is finer than the picture becomes one bar, so that a million polls cost no more than a few.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from mmio.pictures.file import picture, write
from mmio.pictures.lanes import Lane, Lanes, unit
from mmio.records.access import Access

if TYPE_CHECKING:
    from matplotlib.axes import Axes

READS: Final = "#1f77b4"
WRITES: Final = "#d95f02"
MAX_LANES: Final = 60
HEIGHT: Final = 0.34  # of a mark, where a lane is 1 high
COLUMNS: Final = 1000  # of time; about a pixel each
TIMES: Final = 4 * COLUMNS * MAX_LANES  # that are distinguished


class Timeline:
    """A timeline while it is being filled, of a trace of any length.

    Raises:
        ImportError: matplotlib is missing.
    """

    def __init__(self) -> None:
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            reason = "drawing a timeline needs matplotlib: pip install 'pagetrap[plot]'"
            raise ImportError(reason, name=error.name) from error
        self._figure = Figure
        self._filled = Lanes(TIMES)
        self.take = self._filled.take

    def save(self, path: str | PathLike[str]) -> None:
        """Draw what was taken to a PNG, SVG or PDF file, by its suffix.

        Raises:
            ValueError: there is nothing to draw, or the suffix is of no picture format.
            TypeError: it is no path.
        """
        picture(path)  # before anything is drawn
        every = self._filled.lanes(MAX_LANES)
        if not every:
            raise ValueError("the trace has no accesses to draw")
        busiest = sorted(every, key=lambda lane: -lane.count)[:MAX_LANES]
        shown = sorted(busiest, key=lambda lane: lane.order)
        # A Figure of its own, without pyplot: no window, no state that outlives the call.
        lane_height = max(0.22, 0.4 - 0.004 * len(shown))  # inches; many lanes are narrower, so that the whole is seen
        figure = self._figure(figsize=(13, 1.5 + lane_height * len(shown)), layout="constrained")
        axes: Axes = figure.add_subplot()
        _draw_lanes(axes, shown)
        axes.set_title(_title(self._filled, every, shown), loc="left", pad=14)
        write(figure, path)


def draw(accesses: Iterable[Access], path: str | PathLike[str]) -> None:
    """Draw a trace to a PNG, SVG or PDF file, by its suffix.

    Of more than `MAX_LANES` registers, arrays and neighbours without names share lanes. If there are still more lanes
    the busiest are drawn, and the title says so.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: there is nothing to draw, or the suffix is of no picture format.
        TypeError: the path is none.
    """
    picture(path)  # before all accesses are looked at
    timeline = Timeline()
    for access in accesses:
        timeline.take(access)
    timeline.save(path)


def _title(filled: Lanes, every: list[Lane], shown: list[Lane]) -> str:
    registers = filled.registers
    title = f"{_counted(filled.accesses, 'access', 'es')} to {_counted(registers, 'register', 's')}"
    if len(every) < registers:
        title += f" in {_counted(len(every), 'lane', 's')}"
    return title if len(shown) == len(every) else f"{title}, the busiest {len(shown)} shown"


def _counted(number: int, noun: str, plural: str) -> str:
    return f"{number:,} {noun}{plural if number != 1 else ''}"


def _draw_lanes(axes: Any, shown: list[Lane]) -> None:
    start = min(time for lane in shown for time in (*lane.reads, *lane.writes))
    end = max(time for lane in shown for time in (*lane.reads, *lane.writes))
    span = max(end - start, 1)
    scale, unit_name = unit(span)
    column = span / COLUMNS / scale
    for row, lane in enumerate(shown):
        if row % 2 == 0:
            axes.axhspan(row - 0.5, row + 0.5, color="#f4f4f4", zorder=0)
        for times, top, colour in ((lane.reads, row - HEIGHT, READS), (lane.writes, row, WRITES)):
            at = {(time - start) * COLUMNS // span for time in times}
            bars = [(first * column, (length + 0.5) * column) for first, length in _runs(sorted(at))]
            axes.broken_barh(bars, (top, HEIGHT), facecolors=colour)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks(range(len(shown)), [lane.name for lane in shown], family="monospace", size=_size(shown))
    axes.set_xlim(-10 * column, (COLUMNS + 10) * column)
    axes.set_xlabel(f"time since the first access ({unit_name})")
    _label_counts(axes, shown)
    axes.tick_params(axis="both", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)


def _size(shown: list[Lane]) -> int:
    """The size of what is written at each lane, in points."""
    return 10 if len(shown) <= 30 else 8


def _label_counts(axes: Any, shown: list[Lane]) -> None:
    """Write at the right edge how often each register was read and written, under the legend."""
    edge = axes.get_yaxis_transform()
    style = {"transform": edge, "ha": "right", "va": "center", "clip_on": False}
    # The half block says where in the lane to look, for those who do not tell the colours apart.
    axes.text(1.075, -0.95, "▀ reads", color=READS, **style)
    axes.text(1.155, -0.95, "▄ writes", color=WRITES, **style)
    for row, lane in enumerate(shown):
        axes.text(1.075, row, _count(lane.reads), color=READS, size=_size(shown), **style)
        axes.text(1.155, row, _count(lane.writes), color=WRITES, size=_size(shown), **style)


def _count(times: Counter[int]) -> str:
    return f"{times.total():,}" if times else ""


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

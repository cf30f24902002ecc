"""Timeline of a trace: one lane a register, time from left to right, reads and writes apart.

What one looks for is rhythm: who is polled, how long the device kept the driver waiting, which registers go
together. So lanes are in address order, reads stand in the upper half of a lane and writes in the lower, and
what is finer than the picture becomes one bar, so that a million polls cost no more than a few. Behind a bar stands
the value where there is room for it. Above the lanes are the marks of the trace, as phases, and the function at work.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from mmio.pictures.file import picture, write
from mmio.pictures.lanes import Lane, Lanes, unit
from mmio.pictures.notes import Notes
from mmio.pictures.time_axis import TimeAxis
from mmio.pictures.writing import FUNCTION, LANES, PHASE, READS, WRITES, Writing, place_phases
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.records.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LANES: Final = 60
HEIGHT: Final = 0.34  # of a mark, where a lane is 1 high
COLUMNS: Final = 1000  # of time; about a pixel each
TIMES: Final = 4 * COLUMNS * MAX_LANES  # that are distinguished
TICKS: Final = 9
WIDTH: Final = 13  # inches
_POINT: Final = 1 / (72 * 0.77 * WIDTH)  # about, of the axis of times, before anything is drawn


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
        self._notes = Notes()

    def take(self, record: Record) -> None:
        """Take an access, a mark, or where an instruction is."""
        if isinstance(record, Access):
            self._filled.take(record)
        self._notes.take(record)

    def save(self, path: str | PathLike[str]) -> None:
        """Draw what was taken to a PNG, SVG or PDF file, by its suffix.

        Raises:
            ValueError: there is nothing to draw, or the suffix is of no picture format.
            TypeError: it is no path.
        """
        picture(path)  # before anything is drawn
        write(self.figure(), path)

    def figure(self) -> "Figure":
        """Return the picture of what was taken. Raises ValueError when there are no accesses."""
        every = self._filled.lanes(MAX_LANES)
        if not every:
            raise ValueError("the trace has no accesses to draw")
        busiest = sorted(every, key=lambda lane: -lane.count)[:MAX_LANES]
        shown = sorted(busiest, key=lambda lane: lane.order)
        axis = TimeAxis(time for lane in shown for time in (*lane.reads, *lane.writes))
        lane = max(0.22, 0.42 - 0.004 * len(shown))  # inches; many lanes are narrower, so that the whole is seen
        functions, phases = self._notes.functions, self._notes.phases
        functions_height = FUNCTION * bool(functions)
        rows = 1 + max((one.row for one in place_phases(phases, axis, _POINT)), default=-1)
        above = functions_height + PHASE * rows
        # A Figure of its own, without pyplot: no window, no state that outlives the call.
        figure = self._figure(figsize=(WIDTH, 1.6 + above + lane * len(shown)), layout="constrained", facecolor="white")
        axes: Axes = figure.add_subplot()
        axes.set_title(_title(self._filled, every, shown), loc="left", pad=8, size=13)
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(len(shown) - 0.5, -0.5 - above / lane)
        _draw_lanes(axes, shown, axis)
        _label_lanes(axes, shown, -0.5 - FUNCTION / lane / 2 if functions else None)
        _label_times(axes, axis)
        _label_counts(axes, shown)
        figure.draw_without_rendering()  # only now it is known how wide the axes are
        writing = Writing(axes, axis, lane)
        writing.functions(functions)
        writing.phases(place_phases(phases, axis, writing.point, rows), functions_height, len(shown))
        for row, one in enumerate(shown):
            writing.values(self._notes, one, row)
        return figure


def draw(accesses: Iterable[Access], path: str | PathLike[str]) -> None:
    """Draw a trace to a PNG, SVG or PDF file, by its suffix.

    Of more than `MAX_LANES` registers, arrays and neighbours without names share lanes. If there are still more lanes
    the busiest are drawn, and the title says so. Phases and functions are those of a trace with marks and locations.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: there is nothing to draw, or the suffix is of no picture format.
        TypeError: the path is none.
    """
    picture(path)  # before all accesses are looked at
    timeline = Timeline()
    records = getattr(accesses, "records", None)  # of a trace; a list has no events
    for record in accesses if records is None else records():
        timeline.take(record)
    timeline.save(path)


def _title(filled: Lanes, every: list[Lane], shown: list[Lane]) -> str:
    registers = filled.registers
    title = f"{_counted(filled.accesses, 'access', 'es')} to {_counted(registers, 'register', 's')}"
    if len(every) < registers:
        title += f" in {_counted(len(every), 'lane', 's')}"
    return title if len(shown) == len(every) else f"{title}, the busiest {len(shown)} shown"


def _counted(number: int, noun: str, plural: str) -> str:
    return f"{number:,} {noun}{plural if number != 1 else ''}"


def _draw_lanes(axes: Any, shown: list[Lane], axis: TimeAxis) -> None:
    column = 1 / COLUMNS
    for row, lane in enumerate(shown):
        axes.axhspan(row - 0.5, row + 0.5, color=LANES[row % 2], zorder=0)
        for times, top, colour in ((lane.reads, row - HEIGHT, READS), (lane.writes, row, WRITES)):
            at = {int(axis.place(time) * COLUMNS) for time in times}
            bars = [(first * column, (length + 1) * column) for first, length in _runs(sorted(at))]
            axes.broken_barh(bars, (top, HEIGHT), facecolors=colour)


def _label_lanes(axes: Any, shown: list[Lane], functions: float | None) -> None:
    rows: list[float] = [*range(len(shown))]
    names = [printable(lane.name) for lane in shown]
    if functions is not None:
        rows, names = [functions, *rows], ["function", *names]
    axes.set_yticks(rows, names, family="monospace", size=_size(shown), parse_math=False)
    axes.tick_params(axis="both", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)


def _label_times(axes: Any, axis: TimeAxis) -> None:
    scale, name = unit(max(axis.end - axis.start, 1))
    places = [tick / (TICKS - 1) for tick in range(TICKS)] if axis.end > axis.start else [0.0]
    axes.set_xticks(places, [f"{axis.time(place) / scale:,.4g}" for place in places])
    uneven = "" if axis.even else ", stretched where there are more accesses"
    axes.set_xlabel(f"time since the first access ({name}){uneven}")


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

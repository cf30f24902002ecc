"""Heat map of one region: accesses by address and time.

A timeline has a lane for each register, which suits a card with forty. A heat map suits what has no registers or too
many: packet buffers, rings, video memory, a device without a description. Offsets run upwards and time to the
right; reads and writes are apart, on one scale of colour, each with its sum over all time at the margin. What is never
touched has no place in the picture; a dashed line is where that is left out.
"""

from collections import Counter
from collections.abc import Iterable
from math import ceil, nan
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from mmio.pictures.file import picture, write
from mmio.pictures.grid import COLUMNS, ROWS, Filled, Grid
from mmio.pictures.lanes import unit
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.records.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELLED: Final = 40  # rows, of which each can have a label
LABEL: Final = 0.18  # inches, of a label
LONGEST: Final = 28  # characters of a register's name
_ROW: Final = 0.22  # inches, of a row that has a label
_THIN: Final = 6 / ROWS  # inches, of a row where not all have one


class HeatMap:
    """A heat map while it is being filled, of a trace of any length.

    Raises:
        ImportError: matplotlib is missing.
    """

    def __init__(self) -> None:
        try:
            from matplotlib.colors import LogNorm
            from matplotlib.figure import Figure
        except ImportError as error:
            reason = "drawing a heat map needs matplotlib: pip install 'pagetrap[plot]'"
            raise ImportError(reason, name=error.name) from error
        self._scale, self._figure = LogNorm, Figure
        self._filled = Filled()
        self._regions: set[str] = set()

    def take(self, access: Record) -> None:
        """Count an access; where nothing is mapped the region is the address space. Events are not shown."""
        if not isinstance(access, Access):
            return
        self._regions.add(access.space if access.region is None else access.region)
        if len(self._regions) == 1:
            self._filled.add(access)

    def save(self, path: str | PathLike[str]) -> None:
        """Draw what was taken to a PNG, SVG or PDF file, by its suffix.

        Raises:
            ValueError: there is nothing to draw, or it is of several regions, or the suffix is of no picture format.
            TypeError: it is no path.
        """
        picture(path)  # before anything is drawn
        write(self.figure(), path)

    def figure(self) -> "Figure":
        """Return the picture of what was taken. Raises ValueError as `save` does."""
        if len(self._regions) != 1:
            names = ", ".join(sorted(self._regions))
            found = f"got {names}; choose one with trace.filter(region=…)" if names else "got no accesses"
            raise ValueError(f"a heat map is of one region, {found}")
        (region,) = self._regions
        grid = self._filled.grid()
        few = len(grid.rows) <= LABELLED
        height = 1.3 + _ROW * len(grid.rows) if few else 2.5 + _THIN * len(grid.rows)
        figure = self._figure(figsize=(14, max(height, 2.5)), layout="constrained", facecolor="white")
        panels: Any = figure.subplots(1, 4, sharey=True, width_ratios=(6, 1, 6, 1))
        most = max((*grid.reads.values(), *grid.writes.values(), 2))
        colours = self._scale(1, most)
        sides = (("reads", grid.reads, panels[:2]), ("writes", grid.writes, panels[2:]))
        images = [_draw(verb, region, grid, counts, colours, *axes) for verb, counts, axes in sides]
        rows = labelled(grid, 1 if few else ceil(LABEL / _THIN))
        panels[0].set_yticks(rows, [label(grid, row) for row in rows], parse_math=False)
        panels[0].set_ylabel(f"offset, {grid.size} byte{'s'[: grid.size > 1]} a row")
        bar = figure.colorbar(
            images[0], ax=panels.tolist(), label="accesses in one cell", ticks=[1, most], format="{x:,.0f}", pad=0.01
        )
        bar.minorticks_off()
        return figure


def labelled(grid: Grid, apart: int) -> list[int]:
    """Return the rows that get a label, at least so many rows apart: those with a register's name go first."""
    chosen: list[int] = []
    for named in (True, False):
        for row, offset in enumerate(grid.rows):
            if bool(grid.names.get(offset)) == named and all(abs(row - other) >= apart for other in chosen):
                chosen.append(row)
    return sorted(chosen)


def label(grid: Grid, row: int) -> str:
    """Return the offset of a row, and the name of the register there, without its middle if it is long."""
    offset = grid.rows[row]
    name = printable(grid.names.get(offset, ""))
    if len(name) > LONGEST:
        name = f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 + 1 :]}"
    return f"{name} {offset:#x}".strip()


def heatmap(accesses: Iterable[Access], path: str | PathLike[str]) -> None:
    """Draw the accesses of one region to a PNG, SVG or PDF file, by its suffix.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: there is nothing to draw, or it is of several regions, or the suffix is of no picture format.
        TypeError: the path is none.
    """
    picture(path)  # before all accesses are looked at
    filled = HeatMap()
    for access in accesses:
        filled.take(access)
    filled.save(path)


def _draw(
    verb: str, region: str, grid: Grid, counts: Counter[tuple[int, int]], colours: Any, panel: Any, margin: Any
) -> Any:
    """Draw one direction into a panel, and its sums into the margin."""
    # What is not a number stays white, which is not the colour of one access.
    cells = [[counts.get((row, column), nan) for column in range(COLUMNS)] for row in range(len(grid.rows))]
    scale, name = unit(grid.span)
    extent = (0, grid.span / scale, -0.5, len(grid.rows) - 0.5)
    style = {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}
    image = panel.imshow(cells, norm=colours, extent=extent, **style)
    panel.set_title(f"{verb} of {region}", loc="left")
    panel.set_xlabel(f"time since the first access ({name})")
    for border in grid.gaps():
        panel.axhline(border, color="#bbbbbb", linewidth=0.6, linestyle="--")
    sums = Counter[int]()
    for (row, _), count in counts.items():
        sums[row] += count
    margin.barh(list(sums), list(sums.values()), height=1, color="#888888")
    most = max(sums.values(), default=0)
    margin.set_xticks([most], [f"{most:,}"], ha="right")
    margin.set_xlim(0, 1.05 * max(most, 1))
    margin.tick_params(axis="y", left=False)
    margin.set_xlabel("sum")
    return image

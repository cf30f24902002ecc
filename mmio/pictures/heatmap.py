"""A picture of one region: where it was accessed, when, and how often.

A timeline has a lane for each register, which suits a card with forty. A heat map suits what has no registers or too
many: packet buffers, rings, video memory, a device without a description. Offsets run upwards and time to the
right; reads and writes are apart, on one scale of colour, each with its sum over all time at the margin. What is never
touched has no place in the picture; a dashed line is where that is left out.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import nan
from os import PathLike
from typing import Any, Final

from attrs import frozen

from mmio.pictures.lanes import unit
from mmio.records.access import Access

ROWS: Final = 128  # at most
LABELLED: Final = 40  # rows, of which each can have a label
COLUMNS: Final = 150


@frozen(slots=True)
class Grid:
    """Counts of accesses: a row for each `size` bytes, a column for each of `COLUMNS` stretches of `span` ns.

    `rows` are the offsets of the rows that are touched at all. `names` are those of the registers that begin in
    a row alone, by offset. `reads` and `writes` are keyed by (index of the row, column).
    """

    size: int
    rows: tuple[int, ...]
    names: dict[int, str]
    span: int
    reads: Counter[tuple[int, int]]
    writes: Counter[tuple[int, int]]

    @classmethod
    def of(cls, accesses: Sequence[Access]) -> "Grid":
        """Count accesses.

        A row is the least power of two of bytes with which there are no more than `ROWS`, and no less than the
        width of the accesses if they are all aligned to it.
        """
        size = 1
        while all(not (_offset(access) | access.width) % (2 * size) for access in accesses):
            size *= 2
        touched = {row for access in accesses for row in _touched(access, size)}
        while len(touched) > ROWS:
            size *= 2
            touched = {number // 2 for number in touched}
        numbers = sorted(touched)
        index = {number: row for row, number in enumerate(numbers)}
        began = min(access.time for access in accesses)
        span = max(access.time for access in accesses) - began + 1
        reads, writes = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
        for access in accesses:
            column = (access.time - began) * COLUMNS // span
            cells = [(index[number], column) for number in _touched(access, size)]
            if access.reads:
                reads.update(cells)
            if access.writes:
                writes.update(cells)
        begins: dict[int, set[str]] = {}
        for access in accesses:
            begins.setdefault(_offset(access) // size * size, set()).add(access.register or "")
        names = {row: registers.pop() for row, registers in begins.items() if len(registers) == 1}
        return cls(size, tuple(number * size for number in numbers), names, span, reads, writes)

    def label(self, row: float, _: object = None) -> str:
        """Return the offset of a row for the axis, and the register there."""
        if not 0 <= round(row) < len(self.rows):
            return ""
        offset = self.rows[round(row)]
        return f"{self.names.get(offset, '')} {offset:#x}".strip()

    def gaps(self) -> list[float]:
        """Return the borders between rows that are not neighbours."""
        return [row + 0.5 for row, (low, high) in enumerate(pairwise(self.rows)) if low + self.size < high]


def heatmap(accesses: Iterable[Access], path: str | PathLike[str]) -> None:
    """Draw the accesses of one region to a PNG, SVG or PDF file, by its suffix.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: there is nothing to draw, or it is of several regions, or the suffix is of no picture format.
    """
    try:
        from matplotlib.colors import LogNorm
        from matplotlib.figure import Figure
    except ImportError as error:
        reason = "drawing a heat map needs matplotlib: pip install 'pagetrap[plot]'"
        raise ImportError(reason, name=error.name) from error
    own = list(accesses)
    region = _region(own)
    grid = Grid.of(own)
    few = len(grid.rows) <= LABELLED
    height = 1.3 + 0.22 * len(grid.rows) if few else 2.5 + 6 * len(grid.rows) / ROWS
    figure = Figure(figsize=(14, max(height, 2.5)), layout="constrained")
    panels: Any = figure.subplots(1, 4, sharey=True, width_ratios=(6, 1, 6, 1))
    most = max((*grid.reads.values(), *grid.writes.values(), 2))
    colours = LogNorm(1, most)
    sides = (("reads", grid.reads, panels[:2]), ("writes", grid.writes, panels[2:]))
    images = [_draw(verb, region, grid, counts, colours, *axes) for verb, counts, axes in sides]
    if few:
        panels[0].set_yticks(range(len(grid.rows)))
    panels[0].yaxis.set_major_formatter(grid.label)
    if not few:
        panels[0].yaxis.get_major_locator().set_params(integer=True)
    panels[0].set_ylabel(f"offset, {grid.size} byte{'s'[: grid.size > 1]} a row")
    figure.colorbar(
        images[0], ax=panels.tolist(), label="accesses in one cell", ticks=[1, most], format="{x:,.0f}", pad=0.01
    )
    figure.savefig(path, dpi=120)


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


def _region(accesses: Sequence[Access]) -> str:
    """Return the name of the one region; where nothing is mapped it is the address space."""
    names = {access.space if access.region is None else access.region for access in accesses}
    if len(names) != 1:
        found = (
            f"got {', '.join(sorted(names))}; choose one with trace.filter(region=…)" if names else "got no accesses"
        )
        raise ValueError(f"a heat map is of one region, {found}")
    return names.pop()


def _touched(access: Access, size: int) -> range:
    """The numbers of the rows of `size` bytes that an access touches."""
    offset = _offset(access)
    return range(offset // size, (offset + access.width - 1) // size + 1)


def _offset(access: Access) -> int:
    return access.address if access.offset is None else access.offset

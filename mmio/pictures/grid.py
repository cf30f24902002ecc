"""Counts of accesses to one region by offset and time: the data of a heat map.

They are made while a trace is read. Rows begin as one byte each and are joined in pairs while there are too many, which
gives the rows that knowing all accesses beforehand would: more accesses never touch fewer rows. Times are rounded, see
`Histogram`; a rounded stretch of time that lies in several columns is divided among them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from attrs import frozen

from mmio.pictures.histogram import Histogram
from mmio.records.access import Access

ROWS: Final = 128  # at most
COLUMNS: Final = 150
TIMES: Final = 8 * ROWS * COLUMNS  # that are distinguished: some 15 MiB
_SEVERAL: Final = 2  # names of registers that begin in a row; how many more there are does not matter


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
    def of(cls, accesses: Iterable[Access]) -> "Grid":
        """Count accesses; of none it cannot be made."""
        filled = Filled()
        for access in accesses:
            filled.add(access)
        return filled.grid()

    def gaps(self) -> list[float]:
        """Return the borders between rows that are not neighbours."""
        return [row + 0.5 for row, (low, high) in enumerate(pairwise(self.rows)) if low + self.size < high]


class Filled:
    """A grid while it is being filled.

    A row is the least power of two of bytes with which there are no more than `ROWS`, and no less than the width of the
    accesses if they are all aligned to it.

    Args:
        times: how many times to distinguish.
    """

    def __init__(self, times: int = TIMES) -> None:
        self._size = 1
        self._bits = 0  # that are set in any offset or width
        self._touched: set[int] = set()  # numbers of rows
        self._names: dict[int, set[str]] = {}  # of registers, by the number of the row they begin in
        self._counts = Histogram[tuple[int, int]](times)  # by the numbers of the first and the last row touched

    def add(self, access: Access) -> None:
        """Count an access."""
        offset = access.address if access.offset is None else access.offset
        self._bits |= offset | access.width
        while access.width > ROWS * self._size:
            self._join()
        first, last = offset // self._size, (offset + access.width - 1) // self._size
        self._touched.update(range(first, last + 1))
        names = self._names.setdefault(first, set())
        if len(names) < _SEVERAL:
            names.add(access.register or "")
        self._counts.add((first, last), access)
        while len(self._touched) > ROWS:
            self._join()

    def grid(self) -> Grid:
        """Return what was counted, once all has been: rows grow to the width of the accesses."""
        while self._size < self._bits & -self._bits:
            self._join()
        numbers = sorted(self._touched)
        index = {number: row for row, number in enumerate(numbers)}
        reads, writes = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
        for (first, last), times in self._counts.found.items():
            rows = [index[number] for number in range(first, last + 1)]
            for own, cells in ((times.reads, reads), (times.writes, writes)):
                for time, count in own.items():
                    for column, part in self._columns(time, count):
                        for row in rows:
                            cells[row, column] += part
        names = {row * self._size: min(names) for row, names in self._names.items() if len(names) < _SEVERAL}
        return Grid(self._size, tuple(number * self._size for number in numbers), names, self._span, reads, writes)

    @property
    def _span(self) -> int:
        return self._counts.end - self._counts.start + 1

    def _columns(self, time: int, count: int) -> Iterator[tuple[int, int]]:
        """Divide the accesses of a rounded time among the columns it lies in, as long as it lies in each."""
        start, span = self._counts.start, self._span
        begin, end = max(time - start, 0), min(time + self._counts.grain - start, span)
        last = (end - 1) * COLUMNS // span
        given = 0
        for column in range(begin * COLUMNS // span, last):
            border = -(-(column + 1) * span // COLUMNS)
            due = count * (border - begin) // (end - begin)
            if due > given:
                yield column, due - given
            given = due
        if count > given:
            yield last, count - given

    def _join(self) -> None:
        """Make one row of two."""
        self._size *= 2
        self._touched = {number // 2 for number in self._touched}
        joined: dict[int, set[str]] = {}
        for number, names in self._names.items():
            joined.setdefault(number // 2, set()).update(names)
        self._names = joined
        self._counts.merge(lambda rows: (rows[0] // 2, rows[1] // 2))

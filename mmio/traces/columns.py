"""Accesses as columns of a table, without an `Access` for each row.

Numbers, times and values are arrays; all else belongs to a row's spot, and a driver has few of these. A trace that was
recorded here takes its columns out of the packed rows byte by byte: slices with a step, which cost nanoseconds a row.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from attrs import Factory, define

from mmio.records.access import Access
from mmio.records.rows import ROW
from mmio.records.spot import Spot, Spots

LARGEST: Final = (1 << 64) - 1  # of a value in a column

_TIME, _ADDRESS, _VALUE, _SITE = (0, 8), (8, 8), (16, 8), (24, 4)  # where in a row, and bytes

Placed = Callable[[tuple[int, int]], tuple[Spot, bool]]
"""Returns the spot of a site and an address, and whether its values are at the side."""


@define
class Columns:
    """Columns of equal length.

    Attributes:
        sequences: the accesses' numbers.
        times: their times, from `began` on.
        values: their values, the lowest 64 bits of them.
        spot_numbers: which of the `spots` each has.
        spots: everything else.
        wide: value and old value, by row, of those whose value or old value has no place in `values`.
        began: what is to be taken from each time.
    """

    sequences: "array[int]" = Factory(lambda: array("Q"))
    times: "array[int]" = Factory(lambda: array("Q"))
    values: "array[int]" = Factory(lambda: array("Q"))
    spot_numbers: "array[int]" = Factory(lambda: array("i"))
    spots: list[Spot] = Factory(list)
    wide: dict[int, tuple[int, int | None]] = Factory(dict)
    began: int = 0

    @classmethod
    def of(cls, accesses: Iterable[Access]) -> "Columns":
        """Return the columns of any accesses."""
        columns, finder, numbers = cls(), Spots(), dict[Spot, int]()
        for access in accesses:
            spot = finder.of(access)
            columns.append(spot, numbers, access.sequence, access.time, access.value, access.old)
        return columns

    def append(
        self, spot: Spot, numbers: dict[Spot, int], sequence: int, time: int, value: int, old: int | None
    ) -> None:
        """Append an access; `numbers` has the number of each spot."""
        number = numbers.get(spot)
        if number is None:
            number = numbers[spot] = len(self.spots)
            self.spots.append(spot)
        if old is not None or value > LARGEST:
            self.wide[len(self)] = value, old
            value &= LARGEST
        self.sequences.append(sequence)
        self.times.append(time)
        self.values.append(value)
        self.spot_numbers.append(number)

    def __len__(self) -> int:
        return len(self.sequences)

    def chosen(self, rows: Sequence[int]) -> "Columns":
        """Return the columns of some rows, in order."""
        if isinstance(rows, range) and rows == range(len(self)):
            return self

        def cut(column: "array[int]") -> "array[int]":
            if isinstance(rows, range) and rows.step > 0:
                return column[rows.start : rows.stop : rows.step]
            return array(column.typecode, map(column.__getitem__, rows))

        wide = {n: self.wide[row] for n, row in enumerate(rows) if row in self.wide} if self.wide else {}
        numbers = cut(self.sequences), cut(self.times), cut(self.values), cut(self.spot_numbers)
        return Columns(*numbers, self.spots, wide, self.began)


class Store(Protocol):
    """Source of accesses by number that has their columns, too."""

    def __call__(self, number: int) -> Access:
        """Return an access."""

    def columns(self, numbers: Sequence[int]) -> Columns:
        """Return the columns of some accesses, in order."""


class PackedRows:
    """The rows of a trace, as they are now or as they were.

    Args:
        rows: bytes; as they were if these do not change.
        first: the sequence number of the first row.
        built: returns the access of a sequence number and a row.
        placed: returns the spot of a site and an address.
        extras: values that fit no row, by number.
        began: when the trace began.
    """

    def __init__(
        self,
        rows: bytes | bytearray,
        first: int,
        built: Callable[[int, tuple[int, int, int, int]], Access],
        placed: Placed,
        extras: dict[int, tuple[int, int | None]],
        began: int,
    ) -> None:
        self._rows = rows
        self._first = first
        self._built = built
        self._placed = placed
        self._extras = extras
        self._began = began

    def __call__(self, number: int) -> Access:
        """Return an access."""
        return self._built(number, ROW.unpack_from(self._rows, (number - self._first) * ROW.size))

    def columns(self, numbers: Sequence[int]) -> Columns:
        """Return the columns of some accesses."""
        first, last = sorted((numbers[0], numbers[-1])) if len(numbers) else (self._first, self._first - 1)
        start, stop = (first - self._first) * ROW.size, (last + 1 - self._first) * ROW.size
        rows = bytes(self._rows[start:stop])  # a bytearray whose buffer is in use cannot grow
        sites, addresses = _column(rows, *_SITE), _column(rows, *_ADDRESS)
        found: list[tuple[Spot, bool]] = []
        known = _Numbered(self._placed, found)
        spot_numbers = array("i", map(known.__getitem__, zip(sites, addresses, strict=True)))
        values = _column(rows, *_VALUE)
        aside = {number for number, (_, extra) in enumerate(found) if extra}
        wide = {}
        if aside:
            for row, number in enumerate(spot_numbers):
                if number in aside:
                    value, old = wide[row] = self._extras[values[row]]
                    values[row] = value & LARGEST
                    if old is None and value <= LARGEST:
                        del wide[row]
        columns = Columns(
            array("Q", range(first, last + 1)),
            _column(rows, *_TIME),
            values,
            spot_numbers,
            [spot for spot, _ in found],
            wide,
            self._began,
        )
        shifted = numbers if not first else _shifted(numbers, first)
        return columns.chosen(shifted)


class _Numbered(dict[tuple[int, int], int]):
    """Numbers of the spots of sites and addresses; new ones are added to `found`."""

    def __init__(self, placed: Placed, found: list[tuple[Spot, bool]]) -> None:
        super().__init__()
        self._placed = placed
        self._found = found

    def __missing__(self, key: tuple[int, int]) -> int:
        number = self[key] = len(self._found)
        self._found.append(self._placed(key))
        return number


def _column(rows: bytes, offset: int, width: int) -> "array[int]":
    """Return one number of each row."""
    column = bytearray(len(rows) // ROW.size * width)
    for byte in range(width):
        column[byte::width] = rows[offset + byte :: ROW.size]
    return array({4: "I", 8: "Q"}[width], bytes(column))


def _shifted(numbers: Sequence[int], by: int) -> Sequence[int]:
    if isinstance(numbers, range):
        return range(numbers.start - by, numbers.stop - by, numbers.step)
    return [number - by for number in numbers]

"""Compact storage of accesses from a trace file, of which there may be millions.

A built `Access` takes half a kilobyte. Here each is three numbers and its spot, and is built again when it is looked
at.
"""

from collections.abc import Collection, Sequence
from typing import overload

from mmio.records.access import Access
from mmio.records.spot import Spot, Spots
from mmio.traces.columns import Columns


class Packed:
    """A list of accesses that can only grow; an element is equal to what was appended."""

    def __init__(self) -> None:
        self._columns = Columns()
        self._finder = Spots()
        self._numbers: dict[Spot, int] = {}

    def __len__(self) -> int:
        return len(self._columns)

    def append(self, access: Access) -> None:
        """Take an access."""
        spot = self._finder.of(access)
        self._columns.append(spot, self._numbers, access.sequence, access.time, access.value, access.old)

    def __getitem__(self, index: int) -> Access:
        columns = self._columns
        value, old = columns.wide.get(index) or (columns.values[index], None)
        spot = columns.spots[columns.spot_numbers[index]]
        return spot.access(columns.sequences[index], columns.times[index], value, old)

    __call__ = __getitem__

    def columns(self, numbers: Sequence[int]) -> Columns:
        """Return the columns of some accesses, by index, in order."""
        return self._columns.chosen(numbers)


class Stretch(Sequence[Access]):
    """Some of packed accesses, each built when it is looked at.

    Args:
        accesses: the packed ones.
        numbers: which of them, by index.
    """

    def __init__(self, accesses: Packed, numbers: range) -> None:
        self._accesses = accesses
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Access: ...
    @overload
    def __getitem__(self, index: slice) -> "Stretch": ...
    def __getitem__(self, index: int | slice) -> "Access | Stretch":
        if isinstance(index, slice):
            return Stretch(self._accesses, self._numbers[index])
        return self._accesses[self._numbers[index]]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Collection):  # a trace is no Sequence, see `TraceView`
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

"""Built accesses, kept small: those of a trace file, of which there may be millions.

A built `Access` takes half a kilobyte. Here each is three numbers and its spot, and is built again when it is looked
at.
"""

from array import array
from collections.abc import Sequence
from typing import overload

from mmio.records.access import Access
from mmio.records.spot import Spot, Spots

_LARGEST = (1 << 64) - 1


class Packed:
    """A list of accesses that can only grow; an element is equal to what was appended."""

    def __init__(self) -> None:
        self._sequences, self._times, self._values = array("Q"), array("Q"), array("Q")
        self._spot_numbers = array("L")
        self._finder = Spots()
        self._spots: list[Spot] = []
        self._numbers: dict[Spot, int] = {}
        self._wide: dict[int, tuple[int, int | None]] = {}  # value and old value of those that do not fit, by index

    def __len__(self) -> int:
        return len(self._sequences)

    def append(self, access: Access) -> None:
        """Take an access."""
        spot = self._finder.of(access)
        number = self._numbers.get(spot)
        if number is None:
            number = self._numbers[spot] = len(self._spots)
            self._spots.append(spot)
        if access.old is not None or access.value > _LARGEST:
            self._wide[len(self)] = access.value, access.old
        self._spot_numbers.append(number)
        self._times.append(access.time)
        self._values.append(access.value & _LARGEST)
        self._sequences.append(access.sequence)

    def __getitem__(self, index: int) -> Access:
        value, old = self._wide.get(index) or (self._values[index], None)
        return self._spots[self._spot_numbers[index]].access(self._sequences[index], self._times[index], value, old)


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
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

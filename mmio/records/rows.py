"""Records as rows of 28 bytes each, and those of a block all at once."""

import struct
from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from decode import Direction
from mmio.records.region import RecordedRegion

ROW: Final = struct.Struct("<QQQI")  # time, address, value (or the number of the extra), site
_ADDRESS, _VALUE = 8, 16  # where they are in a row


@frozen
class Block:
    """Elements that were moved in one piece, each with the same accesses.

    Attributes:
        places: of each access the direction, the address for the first element, and the region.
        step: from one element's address to the next one's, negative when they went down.
        width: bytes of an element.
        data: the elements, in the order in which they were moved.
    """

    places: Sequence[tuple[Direction, int, RecordedRegion | None]]
    step: int
    width: int
    data: bytes

    def __iter__(self) -> "Iterator[tuple[Direction, int, RecordedRegion | None, int]]":
        """Return direction, address, region and value of each access, in order."""
        for start in range(0, len(self.data), self.width):
            value, moved = int.from_bytes(self.data[start : start + self.width], "little"), start // self.width
            for direction, first, region in self.places:
                yield direction, first + moved * self.step, region, value

    def rows(self, time: int, sites: Sequence[int]) -> bytes:
        """Return the rows of all accesses, at the same time in nanoseconds, given the site of each place.

        What repeats is copied, and the bytes that do not are put in place column by column: some tens of nanoseconds a
        row.
        """
        count = len(self.data) // self.width
        rows = bytearray(b"".join(ROW.pack(time, 0, 0, site) for site in sites) * count)
        stride = ROW.size * len(sites)
        for number, (_, first, _) in enumerate(self.places):
            row = number * ROW.size
            addresses = array("Q", range(first, first + self.step * count, self.step)).tobytes()
            for byte in range(8):
                rows[row + _ADDRESS + byte :: stride] = addresses[byte::8]
            for byte in range(self.width):
                rows[row + _VALUE + byte :: stride] = self.data[byte :: self.width]
        return bytes(rows)

"""Records as rows of 28 bytes each: one at a time, and all those of a block at once."""

import struct
from array import array
from collections.abc import Sequence
from typing import Final

ROW: Final = struct.Struct("<QQQI")  # time, address, value (or the number of the extra), site
_ADDRESS, _VALUE = 8, 16  # where they are in a row


def block(time: int, places: Sequence[tuple[int, int]], step: int, width: int, data: bytes) -> bytes:
    """Return the rows of elements that were moved in one piece, all at the same time.

    Each element has a row in each place, in their order. What repeats is copied, and the bytes that do not are put in
    place column by column: some tens of nanoseconds a row.

    Args:
        time: in nanoseconds.
        places: the address of the first element, and the site.
        step: from one element's address to the next one's.
        width: bytes of an element.
        data: the elements, in the order in which they were moved.
    """
    count = len(data) // width
    rows = bytearray(b"".join(ROW.pack(time, 0, 0, site) for _, site in places) * count)
    stride = ROW.size * len(places)
    for number, (first, _) in enumerate(places):
        row = number * ROW.size
        addresses = array("Q", range(first, first + step * count, step)).tobytes()
        for byte in range(8):
            rows[row + _ADDRESS + byte :: stride] = addresses[byte::8]
        for byte in range(width):
            rows[row + _VALUE + byte :: stride] = data[byte::width]
    return bytes(rows)

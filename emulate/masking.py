"""Element-wise memory access and blending, for masked vector moves.

A masked-off element is never touched (SDM vol. 2A, 2.7.4 and 15.6.1): each element whose bit is set is one access.
"""

from emulate.bus import Bus


def load(bus: Bus, address: int, element: int, selected: int) -> int:
    """Read the selected elements of `element` bytes from `address` on; the others are zero in the result."""
    value = 0
    while selected:
        lowest = selected & -selected
        offset = (lowest.bit_length() - 1) * element
        value |= bus.read(address + offset, element) << 8 * offset
        selected ^= lowest
    return value


def store(bus: Bus, address: int, element: int, selected: int, value: int) -> None:
    """Write the selected elements of `value`, lowest first."""
    mask = (1 << 8 * element) - 1
    while selected:
        lowest = selected & -selected
        offset = (lowest.bit_length() - 1) * element
        bus.write(address + offset, element, value >> 8 * offset & mask)
        selected ^= lowest


def signs(value: int, element: int, count: int) -> int:
    """Return the top bits of `count` elements as a mask, bit 0 for the lowest element."""
    bits = 8 * element
    return sum((value >> bits * (i + 1) - 1 & 1) << i for i in range(count))


def spread(selected: int, element: int) -> int:
    """Return the bits of the selected elements: all ones in each of them."""
    ones = (1 << 8 * element) - 1
    bits = 0
    while selected:
        lowest = selected & -selected
        bits |= ones << 8 * element * (lowest.bit_length() - 1)
        selected ^= lowest
    return bits


def blend(old: int, new: int, selected: int, element: int) -> int:
    """Return `new` in the selected elements and `old` in the others (merging-masking)."""
    bits = spread(selected, element)
    return old & ~bits | new & bits


def zero(new: int, selected: int, element: int) -> int:
    """Return `new` in the selected elements and zero in the others (zeroing-masking)."""
    return new & spread(selected, element)

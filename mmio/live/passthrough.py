"""Real memory of this process as a device: each access is made there at the same width.

What is behind the memory may care (a register file mapped from /dev/mem or a UIO device), so a value of 1, 2, 4 or 8
bytes is one load or store, and a wider one is made of eight bytes at a time.
"""

import ctypes
from ctypes import c_char, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Any, Final, NamedTuple

from mmio.errors import NoRegister

_WORDS: Final[dict[int, Any]] = {1: c_uint8, 2: c_uint16, 4: c_uint32, 8: c_uint64}


class RealMemory:
    """Memory at an address of this process. The caller must keep it mapped."""

    def __init__(self, address: int) -> None:
        self._address = address

    def read(self, offset: int, width: int) -> int:
        """Read `width` bytes: in one piece up to eight, in pieces of eight above."""
        word = _WORDS.get(width)
        if word is not None:
            value: int = word.from_address(self._address + offset).value
            return value
        return sum(RealMemory.read(self, offset + at, piece) << 8 * at for at, piece in _pieces(width))

    def write(self, offset: int, width: int, value: int) -> None:
        """Write `width` bytes, in the same pieces."""
        word = _WORDS.get(width)
        if word is not None:
            word.from_address(self._address + offset).value = value
            return
        for at, piece in _pieces(width):
            RealMemory.write(self, offset + at, piece, value >> 8 * at & (1 << 8 * piece) - 1)


class Passthrough(RealMemory):
    """A device whose registers are real memory: what is mapped from a file or a device, or any buffer.

        with open("/dev/uio0", "r+b") as file:
            card = mmio.Passthrough(mmap.mmap(file.fileno(), 0x1000))
        with mmio.ioremap(card) as mapping:
            driver.start(mapping)  # works the real card, and mapping.trace has every access

    Args:
        buffer: a ctypes object, an mmap, a bytearray, a writable memoryview or array, or `(address, length)`.

    Raises:
        TypeError, ValueError: it is none of these, cannot be written, or is empty.
    """

    def __init__(self, buffer: Any) -> None:
        found = extent_of(buffer)
        super().__init__(found.address)
        self.length = found.length
        self._owner = found.owner

    def read(self, offset: int, width: int) -> int:
        """Read `width` bytes. Raises NoRegister beyond the end of the buffer."""
        if not 0 <= offset <= self.length - width:
            raise NoRegister(self, offset, width)
        return super().read(offset, width)

    def write(self, offset: int, width: int, value: int) -> None:
        """Write `width` bytes. Raises NoRegister beyond the end of the buffer."""
        if not 0 <= offset <= self.length - width:
            raise NoRegister(self, offset, width)
        super().write(offset, width, value)

    def holes(self, offset: int, width: int) -> int:
        """Return the mask of the bytes beyond the end of the buffer."""
        there = min(max(self.length - offset, 0), width)
        return (1 << 8 * width) - (1 << 8 * there)


class Extent(NamedTuple):
    """Address range of a buffer, and the objects that keep it in place."""

    address: int
    length: int
    owner: Any


def extent_of(buffer: Any) -> Extent:
    """Return where a buffer lies in memory.

    While the owner is kept, a bytearray cannot be resized and an mmap not be closed. An address and a length are taken
    at their word.

    Raises:
        TypeError, ValueError: it is no buffer, cannot be written, is not in one piece, or is empty.
    """
    if isinstance(buffer, tuple):
        if len(buffer) != 2 or not all(type(number) is int and number >= 0 for number in buffer):
            raise TypeError(f"a place in memory is (address, length), two ints, not {buffer!r}")
        extent = Extent(*buffer, None)
    elif isinstance(buffer, ctypes._Pointer | ctypes.c_void_p | ctypes.c_char_p):
        raise TypeError(f"{type(buffer).__name__} is a pointer, which knows no length; say (address, length)")
    else:
        try:
            view = memoryview(buffer)
        except TypeError as error:
            raise TypeError(
                f"{type(buffer).__name__} is not a buffer: expected a ctypes object, an mmap, a bytearray, a writable "
                f"memoryview or array, or (address, length)"
            ) from error
        with view:
            if view.readonly or not view.c_contiguous:
                lack = "cannot be written" if view.readonly else "is not in one piece"
                raise TypeError(f"this {type(buffer).__name__} {lack}")
            length = view.nbytes
        owner = (c_char * length).from_buffer(buffer)
        extent = Extent(ctypes.addressof(owner), length, owner)
    if not extent.length:
        raise ValueError("there is nothing to it: its length is 0")
    return extent


def _pieces(width: int) -> list[tuple[int, int]]:
    """Cut a width into the words a CPU moves: place and width of each."""
    found = []
    at = 0
    while at < width:
        piece = 8
        while piece > width - at:
            piece //= 2
        found.append((at, piece))
        at += piece
    return found

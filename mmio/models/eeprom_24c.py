"""Serial EEPROMs of the 24Cxx family (data sheets of AT24C02 and 24LC256).

The chip has a pointer, which a write sets with its first one or two bytes. The bytes behind those go into one page and
wrap around in it; at the stop condition a write cycle begins, during which the chip answers to nothing. Reads continue
from the pointer, and around at the end of the memory.
"""

from typing import Final

from mmio.arguments import integer, shortened
from mmio.models.chip import Chip

_PAGES: Final = ((256, 8), (8192, 32), (32768, 64), (65536, 128))  # bytes of the memory up to which a page has so many


class Eeprom24C(Chip):
    """An EEPROM at an I2C bus, usually at address 0x50.

    Up to 256 bytes it has a pointer of one byte, above of two. (Those of 512 to 2048 bytes, which have some bits of
    the pointer in their address, are not modelled.)

    Args:
        size: of the memory in bytes, a power of two: 128 and 256, and 4096 to 65536.
        page: of a page in bytes; as the data sheets have it for the size when left out.
        write_time: of a write cycle in ns.
        contents: at the start; erased, which is 0xFF, when left out.

    Attributes:
        contents: the memory. It may be changed at any time.
        protected: whether the write-protect pin is high: bytes are taken and forgotten.
        cycles: how many write cycles there have been.

    Raises:
        TypeError: a number is no int.
        ValueError: there is no such chip, or the contents have another size.
    """

    def __init__(
        self, size: int = 256, *, page: int | None = None, write_time: int = 5_000_000, contents: bytes | None = None
    ) -> None:
        self.size = integer("size", size, 1, 65536)
        if size & size - 1 or 256 < size < 4096:
            raise ValueError(f"size is a power of two up to 256 or from 4096, not {size}")
        self.page = next(page for limit, page in _PAGES if size <= limit) if page is None else integer("page", page, 1)
        if self.page & self.page - 1 or self.page > size:
            raise ValueError(f"page is a power of two up to the size, {size}, not {page}")
        self.write_time = integer("write_time", write_time, least=0)
        if contents is not None and len(contents) != size:
            raise ValueError(f"contents are {size} bytes, not {len(contents)}: {shortened(contents)}")
        self.contents = bytearray(b"\xff" * size if contents is None else contents)
        self.protected = False
        self.cycles = 0
        self._pointer = 0
        self._missing = 0  # bytes of the pointer that are still to come
        self._given = 0  # what has come of it
        self._taken: dict[int, int] = {}
        self._ready_at = 0

    @property
    def busy(self) -> bool:
        """Return whether a write cycle is under way."""
        return self.clock.now < self._ready_at

    def start(self, read: bool) -> bool:
        """Acknowledge the address, but not during a write cycle. Bytes that no stop has followed are forgotten."""
        self._taken.clear()
        if self.busy:
            return False
        self._missing = 0 if read else 1 if self.size <= 256 else 2
        self._given = 0
        return True

    def write(self, byte: int) -> bool:
        """Take a byte of the pointer, then data."""
        if self._missing:
            self._missing -= 1
            self._given = self._given << 8 | byte
            if not self._missing:
                self._pointer = self._given % self.size
            return True
        self._taken[self._pointer] = byte
        start = self._pointer & -self.page
        self._pointer = start | (self._pointer + 1) % self.page
        return True

    def read(self) -> int:
        """Return the byte at the pointer, and continue."""
        byte = self.contents[self._pointer]
        self._pointer = (self._pointer + 1) % self.size
        return byte

    def stop(self) -> None:
        """Begin the write cycle, if there is anything to write."""
        taken, self._taken = self._taken, {}
        if taken and not self.protected:
            for address, byte in taken.items():
                self.contents[address] = byte
            self.cycles += 1
            self._ready_at = self.clock.now + self.write_time

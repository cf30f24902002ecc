"""A serial NOR flash chip with the common commands (W25Q80DV data sheet, chapter 8).

A byte that is erased is 0xFF, and programming clears bits only. A command that changes something is carried out when
the chip is deselected, if it is complete and a write enable came before. While it is busy the chip takes only a
read of the status register. A rule that is not kept has no other effect than that nothing happens.

Not modelled: protection and the writing of the status register, dual and quad commands, power-down.
"""

from typing import Final

from mmio.arguments import integer, shortened
from mmio.models.chip import Chip

PAGE: Final = 1 << 8  # bytes
SECTOR: Final = 1 << 12
BLOCK: Final = 1 << 16
WIP, WEL = 0x01, 0x02  # of the status register
_IDENTIFY, _STATUS, _ENABLE, _DISABLE = 0x9F, 0x05, 0x06, 0x04
_READ, _FAST_READ, _PROGRAM, _ERASE_SECTOR, _ERASE_BLOCK = 0x03, 0x0B, 0x02, 0x20, 0xD8
_ERASE_CHIP: Final = (0xC7, 0x60)
_ADDRESSED: Final = (_READ, _FAST_READ, _PROGRAM, _ERASE_SECTOR, _ERASE_BLOCK)
_SILENCE: Final = 0xFF  # on the line while the chip has nothing to say


class SpiFlash(Chip):
    """A flash chip at an SPI bus.

    Args:
        size: of the memory in bytes, a power of two from 64 KiB to 16 MiB.
        maker: the first two bytes of the answer to 9F; the third is the size, as its logarithm.
        contents: at the start; erased when left out.
        program_time: of a page in ns.
        sector_time: of the erasure of a sector (4 KiB) in ns.
        block_time: of a block (64 KiB).
        chip_time: of all.

    Attributes:
        contents: the memory. It may be changed at any time.

    Raises:
        TypeError: a number is no int.
        ValueError: there is no such chip, or the contents have another size.
    """

    def __init__(
        self,
        size: int = 1 << 20,
        *,
        maker: bytes = b"\xef\x40",
        contents: bytes | None = None,
        program_time: int = 700_000,
        sector_time: int = 45_000_000,
        block_time: int = 150_000_000,
        chip_time: int = 2_000_000_000,
    ) -> None:
        self.size = integer("size", size, BLOCK, 1 << 24)
        if size & size - 1:
            raise ValueError(f"size is a power of two from 64 KiB to 16 MiB, not {size}")
        if len(maker) != 2:
            raise ValueError(f"maker is two bytes, such as b'\\xef\\x40', not {shortened(maker)}")
        if contents is not None and len(contents) != size:
            raise ValueError(f"contents are {size} bytes, not {len(contents)}: {shortened(contents)}")
        self.contents = bytearray(b"\xff" * size if contents is None else contents)
        self._identity = bytes(maker) + bytes([size.bit_length() - 1])
        self._program_time = integer("program_time", program_time, least=0)
        self._sector_time = integer("sector_time", sector_time, least=0)
        self._block_time = integer("block_time", block_time, least=0)
        self._chip_time = integer("chip_time", chip_time, least=0)
        self._enabled = False
        self._ready_at = 0
        self.select()

    @property
    def busy(self) -> bool:
        """Return whether the chip is programming or erasing."""
        return self.clock.now < self._ready_at

    @property
    def status(self) -> int:
        """Return the status register: WIP (0) and WEL (1), which goes when what it allowed is done."""
        return WIP | WEL if self.busy else WEL * self._enabled

    def select(self) -> None:
        """Wait for a command."""
        self._command: int | None = None
        self._count = 0  # bytes of the command so far
        self._address = 0
        self._taken: dict[int, int] = {}

    def exchange(self, byte: int) -> int:
        """Begin a command with its first byte, continue with it with the others."""
        count = self._count
        self._count += 1
        if count == 0:
            self._command = None if self.busy and byte != _STATUS else byte
            return _SILENCE
        command = self._command
        if command == _STATUS:
            return self.status
        if command == _IDENTIFY:
            return self._identity[(count - 1) % 3]
        if command not in _ADDRESSED:
            return _SILENCE
        if count <= 3:
            self._address = (self._address << 8 | byte) % self.size
            return _SILENCE
        if command == _READ or (command == _FAST_READ and count > 4):
            answer = self.contents[self._address]
            self._address = (self._address + 1) % self.size
            return answer
        if command == _PROGRAM:
            self._taken[self._address] = byte
            self._address = self._address & -PAGE | (self._address + 1) % PAGE
        return _SILENCE

    def deselect(self) -> None:
        """Carry out the command, if it changes something."""
        command, count = self._command, self._count
        if command in (_ENABLE, _DISABLE) and count == 1:
            self._enabled = command == _ENABLE
        elif self._enabled and command == _PROGRAM and self._taken:
            for address, byte in self._taken.items():
                self.contents[address] &= byte
            self._begin(self._program_time)
        elif self._enabled and command == _ERASE_SECTOR and count == 4:
            self._erase(SECTOR, self._sector_time)
        elif self._enabled and command == _ERASE_BLOCK and count == 4:
            self._erase(BLOCK, self._block_time)
        elif self._enabled and command in _ERASE_CHIP and count == 1:
            self._erase(self.size, self._chip_time)
        self.select()

    def _erase(self, size: int, time: int) -> None:
        start = self._address & -size
        self.contents[start : start + size] = b"\xff" * size
        self._begin(time)

    def _begin(self, time: int) -> None:
        self._enabled = False
        self._ready_at = self.clock.now + time

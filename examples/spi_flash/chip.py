"""A serial flash chip: the MX25L512, 64 KiB.

After its data sheet (Macronix): the commands, their rules, and what happens when a rule is not kept, which is that
nothing happens. Two simplifications: how long the chip is busy is counted in reads of the status register, not in
milliseconds; and any block protection bit protects all of the chip.
"""

from collections.abc import Generator
from contextlib import suppress
from mmap import mmap
from typing import Final, TypeAlias

from wires import SpiChip

Command: TypeAlias = Generator[int, int | None, None]  # gets bytes and gives bytes; None when the chip is deselected

IDENTITY: Final = bytes((0xC2, 0x20, 0x10))  # Macronix, serial flash, 2^16 bytes
ELECTRONIC: Final = 0x05  # what the older commands RES and REMS tell
SIZE: Final = 1 << 16
SECTOR: Final = 1 << 12
PAGE: Final = 1 << 8
BUSY, WRITE_ENABLED, PROTECTED, STATUS_WRITABLE = 0x01, 0x02, 0x0C, 0x8C
BUSY_READS: Final = 2


class SpiFlash(SpiChip):
    """The chip. A byte that is erased is 0xFF, and programming can only clear bits.

    Args:
        memory: the contents, which may be a file that is mapped. Erased when left out.

    Attributes:
        memory: the contents.
        status: the status register.
    """

    def __init__(self, memory: bytearray | mmap | None = None) -> None:
        super().__init__()
        self.memory = bytearray(b"\xff" * SIZE) if memory is None else memory
        if len(self.memory) != SIZE:
            raise ValueError(f"an MX25L512 has {SIZE} bytes, the contents given have {len(self.memory)}")
        self.status = 0
        self._busy = 0
        self._asleep = False
        self._command: Command | None = None
        self._whole = True
        self._commands = {
            0x01: self._write_status,
            0x02: self._page_program,
            0x03: self._read,
            0x04: self._write_disable,
            0x05: self._read_status,
            0x06: self._write_enable,
            0x0B: self._fast_read,
            0x20: self._sector_erase,
            0x52: self._block_erase,
            0xD8: self._block_erase,
            0x60: self._chip_erase,
            0xC7: self._chip_erase,
            0x90: self._read_manufacturer,
            0x9F: self._read_identification,
            0xAB: self._release,
            0xB9: self._deep_power_down,
        }

    def selected(self) -> None:
        """Wait for a command."""
        self._command = None

    def exchange(self, byte: int) -> int:
        """Begin a command with its first byte, continue with it with the others."""
        try:
            if self._command is not None:
                return self._command.send(byte)
            self._command = self._begin(byte)
            return next(self._command)
        except StopIteration:
            self._command = self._ignored()
            return next(self._command)

    def deselected(self, whole: bool) -> None:
        """Carry out what waits for the end of its transaction."""
        self._whole = whole
        if self._command is not None:
            with suppress(StopIteration):
                self._command.send(None)
            self._command = None

    def _begin(self, code: int) -> Command:
        known = self._commands.get(code, self._ignored)
        if (self._busy and code != 0x05) or (self._asleep and code != 0xAB):
            known = self._ignored
        return known()

    def _ignored(self) -> Command:
        while (yield 0xFF) is not None:
            pass

    def _read_identification(self) -> Command:
        while True:
            for byte in IDENTITY:
                if (yield byte) is None:
                    return

    def _read_manufacturer(self) -> Command:
        address = yield from self._address()
        if address is None:
            return
        pair = (IDENTITY[0], ELECTRONIC)
        while (yield pair[address & 1]) is not None:
            address += 1

    def _release(self) -> Command:
        """Wake up, at the end; before it, three bytes of nothing and the electronic signature."""
        signature = 0xFF
        taken = 0
        while (yield signature) is not None:
            taken += 1
            if taken >= 3:
                signature = ELECTRONIC
        self._asleep = False

    def _deep_power_down(self) -> Command:
        if (yield 0xFF) is None and self._whole:
            self._asleep = True

    def _read_status(self) -> Command:
        while (yield self._status_now()) is not None:
            pass

    def _status_now(self) -> int:
        if self._busy:
            self._busy -= 1
            return self.status | BUSY
        return self.status

    def _write_status(self) -> Command:
        value = yield 0xFF
        if value is not None and (yield 0xFF) is None and self._may_write():
            self.status = value & STATUS_WRITABLE
            self._busy = BUSY_READS

    def _write_enable(self) -> Command:
        if (yield 0xFF) is None and self._whole:
            self.status |= WRITE_ENABLED

    def _write_disable(self) -> Command:
        if (yield 0xFF) is None and self._whole:
            self.status &= ~WRITE_ENABLED

    def _read(self, dummies: int = 0) -> Command:
        address = yield from self._address()
        if address is None:
            return
        for _ in range(dummies):
            if (yield 0xFF) is None:
                return
        while (yield self.memory[address]) is not None:
            address = (address + 1) % SIZE

    def _fast_read(self) -> Command:
        return self._read(dummies=1)

    def _page_program(self) -> Command:
        """Take bytes for one page, the last 256 of them if there are more, which wrap around inside it."""
        address = yield from self._address()
        if address is None:
            return
        page = address & -PAGE
        taken: dict[int, int] = {}
        while (byte := (yield 0xFF)) is not None:
            taken[address] = byte
            address = page | (address + 1) % PAGE
        if taken and self._may_change():
            for address, byte in taken.items():
                self.memory[address] &= byte
            self._changed()

    def _sector_erase(self) -> Command:
        yield from self._erase(SECTOR)

    def _block_erase(self) -> Command:
        yield from self._erase(SIZE)  # its only block is the whole chip

    def _erase(self, size: int) -> Command:
        address = yield from self._address()
        if address is not None and (yield 0xFF) is None and self._may_change():
            self._fill(address & -size, size)

    def _chip_erase(self) -> Command:
        if (yield 0xFF) is None and self._may_change():
            self._fill(0, SIZE)

    def _fill(self, start: int, size: int) -> None:
        self.memory[start : start + size] = b"\xff" * size
        self._changed()

    def _may_write(self) -> bool:
        """Whether a transaction of whole bytes has ended, and a write enable came before it."""
        return self._whole and bool(self.status & WRITE_ENABLED)

    def _may_change(self) -> bool:
        return self._may_write() and not self.status & PROTECTED

    def _changed(self) -> None:
        self.status &= ~WRITE_ENABLED
        self._busy = BUSY_READS

    def _address(self) -> Generator[int, int | None, int | None]:
        """Take three bytes, the highest first; None when the transaction ends before."""
        address = 0
        for _ in range(3):
            byte = yield 0xFF
            if byte is None:
                return None
            address = address << 8 | byte
        return address % SIZE

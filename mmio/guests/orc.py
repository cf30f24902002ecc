"""The kernel's tables for unwinding its stack, from its ELF file (Documentation/arch/x86/orc-unwinder.rst).

They say, for each address of its code, where the caller's stack pointer is, and where its rbp was saved. The return
address is the word below that stack pointer.
"""

import struct
from array import array
from bisect import bisect_right
from pathlib import Path
from typing import Final

from attrs import frozen

from mmio.records.elf import ElfFile, Malformed

_ENTRY: Final = struct.Struct("<hhH")  # struct orc_entry: offsets of sp and bp, registers and type
_MOST: Final = 1 << 26  # bytes of a section
_PREVIOUS_SP, _BP, _SP = 1, 4, 5  # ORC_REG_*
_UNCHANGED: Final = 0
_CALLS: Final = (0, 2)  # types of a frame that a call has made: ORC_TYPE_CALL before Linux 6.3, and since


class UnwindError(Exception):
    """The caller cannot be found here."""


@frozen
class Frame:
    """A place in the code, with the registers there that unwinding needs.

    Attributes:
        ip: the address of the instruction, or the one at which a call returns.
        sp: the stack pointer.
        bp: rbp.
        returned: 1 if a call returns there; the call may be the last instruction of its function.
    """

    ip: int
    sp: int
    bp: int
    returned: int = 0

    @property
    def place(self) -> int:
        """An address inside of the instruction that runs, or calls."""
        return self.ip - self.returned


@frozen(eq=False)
class Orc:
    """Tables of a kernel.

    Attributes:
        start: the address of the table of addresses.
        distances: of the code from each of its entries.
        entries: what is said of the code there.
    """

    start: int
    distances: "array[int]"
    entries: bytes

    @classmethod
    def of(cls, image: Path) -> "Orc | None":
        """Return the tables of a kernel, None when there are none.

        Args:
            image: its ELF file.
        """
        try:
            elf = ElfFile(str(image))
            distances, entries = elf.data(".orc_unwind_ip", _MOST), elf.data(".orc_unwind", _MOST)
            start = elf.address(".orc_unwind_ip")
        except (OSError, Malformed, MemoryError):
            return None
        if not distances or not entries or len(distances) // 4 != len(entries) // _ENTRY.size:
            return None
        return cls(start, array("i", distances[: len(distances) & ~3]), entries)

    def _index(self, ip: int) -> int:
        """Return the number of the last entry that begins at an address or before, -1 if none does."""
        return bisect_right(range(len(self.distances)), ip, key=self._begins) - 1

    def _begins(self, index: int) -> int:
        """Return the address of the code that an entry begins with, which its distance counts from the entry."""
        return self.start + 4 * index + self.distances[index]

    def caller(self, frame: Frame, stack: bytes, bottom: int) -> Frame:
        """Return where the caller of a frame continues.

        Args:
            frame: a place in the kernel.
            stack: bytes of the stack.
            bottom: the address of the first of them.

        Raises:
            UnwindError: the tables, or the bytes, do not say.
        """
        index = self._index(frame.place)
        if index < 0:
            raise UnwindError
        sp_offset, bp_offset, rest = _ENTRY.unpack_from(self.entries, index * _ENTRY.size)
        base, saved, kind = rest & 0xF, rest >> 4 & 0xF, rest >> 8 & 3
        if base not in (_SP, _BP) or kind not in _CALLS:
            raise UnwindError
        sp = (frame.sp if base == _SP else frame.bp) + sp_offset

        def word(address: int) -> int:
            at = address - bottom
            if not 0 <= at <= len(stack) - 8:
                raise UnwindError
            return int.from_bytes(stack[at : at + 8], "little")

        bp = frame.bp
        if saved == _PREVIOUS_SP:
            bp = word(sp + bp_offset)
        elif saved != _UNCHANGED:
            raise UnwindError
        return Frame(word(sp - 8), sp, bp, 1)

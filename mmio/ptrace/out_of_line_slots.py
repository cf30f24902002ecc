"""Allocate out-of-line slots in a traced process.

There are two kinds of pages, one to run and one to write, so that no page is ever both. A word of each copy's data says
that the copy is in use. The copy of a load clears it itself on its way out, touching no register and no flag. The slot
of the operand is aligned: where the operand is not and must be, the CPU has raised #GP before it looked for the page.
"""

import os
from typing import Final

from attrs import define, field

from decode import WRITE, Instruction, MemoryTouch
from decode.redirect import redirect
from mmio.linux.libc import PAGE
from mmio.live.completion import operand_of

_CODE: Final = 64  # bytes for each copy
_DATA: Final = 1024  # bytes for its words and its slot
_COUNT: Final = PAGE // _CODE
SIZE: Final = PAGE + _COUNT * _DATA
"""Bytes of address space for all copies of a process: one page of code, then their data."""
RETURN: Final = 0
TAKEN: Final = 8
_SLOT: Final = 64
_HLT: Final = b"\xf4"


@define(eq=False)
class Copy:
    """A place for copies, and what it was last used for.

    Attributes:
        start: where the copy begins; end: where it ends, before the way out.
        data: the address of its words.
        instruction: the original, ip: where it stands, address: where its operand is.
        stores: what it writes.
        taken: some thread has gone in; of a load's copy, the word in the process says whether it is out again.
    """

    start: int
    data: int
    end: int = 0
    instruction: Instruction | None = None
    ip: int = 0
    address: int = 0
    stores: list[MemoryTouch] = field(factory=list)
    taken: bool = False

    @property
    def slot(self) -> int:
        """The address of the operand."""
        return self.data + _SLOT


class Copies:
    """The copies in one process.

    Args:
        memory: a descriptor of its /proc/PID/mem, by which the page of code is written though it is mapped read-only.
        start: where our pages are.
    """

    def __init__(self, memory: int, start: int) -> None:
        self._memory = memory
        self.start = start
        self._copies = [Copy(start + _CODE * i, start + PAGE + _DATA * i) for i in range(_COUNT)]

    def at(self, ip: int) -> Copy | None:
        """Return the copy an address lies in."""
        return self._copies[(ip - self.start) // _CODE] if self.start <= ip < self.start + PAGE else None

    def take(self, instruction: Instruction) -> Copy:
        """Return a copy of an instruction that no thread is in.

        Raises:
            MemoryError: there is a thread in each of them.
        """
        fit = None
        for copy in self._copies:
            if copy.taken and not copy.stores and not self._word(copy.data + TAKEN):
                copy.taken = False
            if copy.taken:
                continue
            if copy.instruction is instruction:
                return copy
            fit = copy if fit is None or (fit.instruction is not None and copy.instruction is None) else fit
        if fit is None:
            raise MemoryError(f"all {_COUNT} natively completed instructions of a process are in use")
        fit.instruction = instruction
        code = redirect(instruction, fit.start, fit.slot)
        fit.end = fit.start + len(code)
        code += _HLT if operand_of(instruction).direction & WRITE else _way_out(instruction.bits, fit)
        os.pwrite(self._memory, code, fit.start)
        return fit

    def put(self, address: int, data: bytes) -> None:
        """Write into a copy's data."""
        os.pwrite(self._memory, data, address)

    def get(self, address: int, length: int) -> bytes:
        """Read from a copy's data."""
        return os.pread(self._memory, length, address)

    def _word(self, address: int) -> int:
        return int.from_bytes(os.pread(self._memory, 8, address), "little")


def _way_out(bits: int, copy: Copy) -> bytes:
    """Return the end of a copy that only loads: say that it is free, and jump.

    Its words are named relative to the end of each instruction in 64-bit code, absolutely in 32-bit code.
    """

    def word(place: int, end: int) -> bytes:
        return (copy.data + place - (end if bits == 64 else 0) & 0xFFFFFFFF).to_bytes(4, "little")

    wide = b"\x48" if bits == 64 else b""
    clear = wide + b"\xc7\x05" + word(TAKEN, copy.end + 11) + bytes(4)  # mov [taken],0
    jump = b"\xff\x25" + word(RETURN, copy.end + 11 + 6)  # jmp [return]
    return clear + jump

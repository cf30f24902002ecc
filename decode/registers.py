"""Table of all registers, and the rule for writing a part of one.

A register is a window into a *file*: an array of equally wide words (the sixteen general registers, the thirty-two
vector registers, …). `AH` is bits 8 to 15 of word 0 of the general file. Everything that reads, writes, names or
tests a register uses this table, so that no second copy of the rules can drift from it.
"""

from typing import Final

from attrs import field, frozen

GENERAL: Final = "general"  # 16 words of 64 bits: rax rcx rdx rbx rsp rbp rsi rdi r8 … r15
POINTER: Final = "pointer"  # rip
FLAGS: Final = "flags"  # rflags
SEGMENT: Final = "segment"  # 6 selectors: es cs ss ds fs gs
VECTOR: Final = "vector"  # 32 words of 512 bits
MASK: Final = "mask"  # 8 words of 64 bits: k0 … k7
MMX: Final = "mmx"  # the low 64 bits of the 8 x87 words
X87: Final = "x87"  # 8 words of 80 bits; st0 … st7 count from the top of the stack
SYSTEM: Final = "system"  # control, debug, test, bound and tile registers: named, never modelled

FILE_WIDTH: Final = {
    GENERAL: 8,
    POINTER: 8,
    FLAGS: 8,
    SEGMENT: 2,
    VECTOR: 64,
    MASK: 8,
    MMX: 10,
    X87: 10,
    SYSTEM: 16,
}
"""Bytes in one word of each register file."""


@frozen(slots=True)
class Register:
    """One architectural register name.

    Attributes:
        name: lower case, as an assembler writes it: "eax", "ah", "xmm3".
        file: the register file it is a window into, for instance `GENERAL`.
        index: which word of the file.
        width: bytes.
        shift: where it begins in the word, in bits: 8 for AH, CH, DH and BH, otherwise 0.
        mask: the value of a register of this width with every bit set.
        keep: the bits of the word that survive a write to this register (see `merge`).
        fill: the bits of the word that a write to this register sets besides its own.
    """

    name: str
    file: str
    index: int
    width: int
    shift: int = 0
    mask: int = field(init=False, repr=False, eq=False)
    keep: int = field(init=False, repr=False, eq=False)
    fill: int = field(init=False, repr=False, eq=False)

    @mask.default
    def _mask(self) -> int:
        return (1 << 8 * self.width) - 1

    @keep.default
    def _keep(self) -> int:
        # SDM vol. 1, 3.4.1.1: a 32-bit result is zero-extended to 64 bits, 8- and 16-bit results leave the rest.
        if self.file == GENERAL and self.width == 4:
            return 0
        whole: int = (1 << 8 * FILE_WIDTH[self.file]) - 1
        return whole & ~(self.mask << self.shift)

    @fill.default
    def _fill(self) -> int:
        # SDM vol. 1, 9.6.2: writing an MMX register sets the exponent and sign of the x87 register it lies in.
        return 0xFFFF << 64 if self.file == MMX else 0

    def __str__(self) -> str:
        return self.name


def merge(word: int, register: Register, value: int, *, zero_upper: bool = False) -> int:
    """Return the file word after writing `value` to `register`, its word having been `word`.

    Writing 8 or 16 bits of a general register keeps the others, 32 bits clears the upper half (SDM vol. 1, 3.4.1.1).
    Legacy SSE keeps the vector bits above the operand; VEX and EVEX instructions clear them (SDM vol. 2A, 2.3.10),
    which their caller asks for with `zero_upper`.

    Args:
        word: the whole word of the register file, unsigned.
        register: the destination.
        value: unsigned, at most `register.width` bytes.
        zero_upper: clear what the write does not cover.
    """
    return (0 if zero_upper else word & register.keep) | register.fill | value << register.shift


def read(word: int, register: Register) -> int:
    """Return the value of `register` out of the whole file word `word`."""
    return word >> register.shift & register.mask


def _table() -> dict[str, Register]:
    """Build the table, keyed by name."""
    legacy = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
    registers: list[Register] = []
    for index, name in enumerate(legacy):
        registers += [
            Register(f"r{name}", GENERAL, index, 8),
            Register(f"e{name}", GENERAL, index, 4),
            Register(name, GENERAL, index, 2),
        ]
    registers += [Register(name, GENERAL, index, 1) for index, name in enumerate(("al", "cl", "dl", "bl"))]
    registers += [Register(name, GENERAL, index, 1, 8) for index, name in enumerate(("ah", "ch", "dh", "bh"))]
    registers += [Register(name, GENERAL, index, 1) for index, name in enumerate(("spl", "bpl", "sil", "dil"), start=4)]
    for index in range(8, 16):
        for suffix, width in (("", 8), ("d", 4), ("w", 2), ("b", 1)):
            registers.append(Register(f"r{index}{suffix}", GENERAL, index, width))
    registers += [Register(f"{p}ip", POINTER, 0, width) for p, width in (("r", 8), ("e", 4), ("", 2))]
    registers += [Register(f"{p}flags", FLAGS, 0, width) for p, width in (("r", 8), ("e", 4), ("", 2))]
    registers += [Register(name, SEGMENT, index, 2) for index, name in enumerate(SEGMENT_NAMES)]
    for index in range(32):
        registers += [Register(f"{p}mm{index}", VECTOR, index, w) for p, w in (("x", 16), ("y", 32), ("z", 64))]
    for index in range(8):
        registers += [
            Register(f"k{index}", MASK, index, 8),
            Register(f"mm{index}", MMX, index, 8),
            Register(f"st{index}", X87, index, 10),
            Register(f"tmm{index}", SYSTEM, index, 8),
            Register(f"tr{index}", SYSTEM, index, 4),
        ]
    registers += [Register(f"{kind}{index}", SYSTEM, index, 8) for kind in ("cr", "dr") for index in range(16)]
    registers += [Register(f"bnd{index}", SYSTEM, index, 16) for index in range(4)]
    return {register.name: register for register in registers}


SEGMENT_NAMES: Final = ("es", "cs", "ss", "ds", "fs", "gs")
"""Segment registers in their encoding order, the index of their selector and base."""

REGISTERS: Final = _table()
"""Every register by name."""

"""CLC STC CMC CLD STD, LAHF SAHF, SALC, SMSW: flags and status words as operands."""

from typing import Final

from decode.registers import REGISTERS
from emulate.builder import Builder
from emulate.flags import AF, CF, DF, PF, SF, WORD, ZF
from emulate.recipes import recipe

_CHANGES: Final = {
    "clc": f"& {WORD ^ CF:#x}",
    "stc": f"| {CF:#x}",
    "cmc": f"^ {CF:#x}",
    "cld": f"& {WORD ^ DF:#x}",
    "std": f"| {DF:#x}",
}
_IN_AH: Final = SF | ZF | AF | PF | CF


@recipe(*_CHANGES)
def change_flag(b: Builder) -> None:
    """Clear, set or invert one flag."""
    b.set_flags(f"{b.flags} {_CHANGES[b.instruction.mnemonic]}")


@recipe("lahf")
def lahf(b: Builder) -> None:
    """Load AH with the low byte of the flags."""
    b.set_register(REGISTERS["ah"], f"{b.flags} & 0xff")


@recipe("sahf")
def sahf(b: Builder) -> None:
    """Store AH into SF ZF AF PF CF."""
    b.set_flags(f"{b.flags} & {WORD ^ _IN_AH:#x} | {b.register(REGISTERS['ah'])} & {_IN_AH:#x}")


@recipe("salc")
def salc(b: Builder) -> None:
    """Fill AL with CF, which no manual mentions and every CPU does."""
    b.set_register(REGISTERS["al"], f"-({b.flags} & {CF:#x}) & 0xff")


@recipe("smsw")
def smsw(b: Builder) -> None:
    """Store the machine status word; a wider register takes as much of CR0 (SDM vol. 2B, SMSW)."""
    (destination,) = b.instruction.operands
    b.write(destination, f"cpu.cr0 & {(1 << 8 * destination.width) - 1:#x}")

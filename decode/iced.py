"""Numbers of iced-x86's enumerations, with their meaning for this package."""

import re
from typing import Final

from iced_x86 import Code, CodeSize, EncodingKind, Mnemonic, OpAccess
from iced_x86 import Register as IcedRegister

from decode.operands import NONE, READ, READ_WRITE, WRITE
from decode.registers import REGISTERS


def names(enumeration: object) -> dict[int, str]:
    """Map the bare ints of an iced-x86 enumeration back to their names."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


FORMS: Final = names(Code)
MNEMONICS: Final = {value: name.lower() for value, name in names(Mnemonic).items()}
ICED_REGISTERS: Final = {
    # iced-x86 writes r8l for the low byte of r8, the manual r8b.
    value: REGISTERS[re.sub(r"^(r\d+)l$", r"\1b", name.lower())]
    for value, name in names(IcedRegister).items()
    if value != IcedRegister.NONE
}
ENCODINGS: Final = {
    EncodingKind.LEGACY: "legacy",
    EncodingKind.VEX: "vex",
    EncodingKind.EVEX: "evex",
    EncodingKind.XOP: "xop",
    EncodingKind.D3NOW: "3dnow",
    EncodingKind.MVEX: "mvex",  # Knights Corner: in the list of forms, never decoded
}
ADDRESS_WIDTHS: Final = {CodeSize.CODE16: 2, CodeSize.CODE32: 4, CodeSize.CODE64: 8}
DIRECTIONS: Final = {
    OpAccess.NONE: NONE,
    OpAccess.NO_MEM_ACCESS: NONE,
    OpAccess.READ: READ,
    OpAccess.COND_READ: READ,
    OpAccess.WRITE: WRITE,
    OpAccess.COND_WRITE: WRITE,
    OpAccess.READ_WRITE: READ_WRITE,
    OpAccess.READ_COND_WRITE: READ_WRITE,
}


def signed(value: int, width: int) -> int:
    """Return the low `width` bytes of `value` as a signed int."""
    half = 1 << 8 * width - 1
    return (value + half & (half << 1) - 1) - half

"""Flag bits, and which flags an instruction leaves undefined.

The undefined ones are a table and not a comment, because the comparison with the real CPU reads it too.
"""

from collections.abc import Callable
from typing import Final

from decode import ImmediateOperand, Instruction

CF: Final = 1 << 0
PF: Final = 1 << 2
AF: Final = 1 << 4
ZF: Final = 1 << 6
SF: Final = 1 << 7
TF: Final = 1 << 8
IF: Final = 1 << 9
DF: Final = 1 << 10
OF: Final = 1 << 11
IOPL: Final = 3 << 12
NT: Final = 1 << 14
RF: Final = 1 << 16
VM: Final = 1 << 17
AC: Final = 1 << 18
ID: Final = 1 << 21

STATUS: Final = CF | PF | AF | ZF | SF | OF
"""The six flags that arithmetic sets (SDM vol. 1, 3.4.3.1)."""

WORD: Final = (1 << 64) - 1
"""Every bit of rflags: `WORD ^ CF` is what an instruction that clears CF keeps."""

RESERVED_ONE: Final = 1 << 1
"""Bit 1 of EFLAGS, which always reads as one."""

BITS: Final = {"cf": CF, "pf": PF, "af": AF, "zf": ZF, "sf": SF, "tf": TF, "if": IF, "df": DF, "of": OF, "ac": AC}
"""Flag names as attributes of a `Cpu` have them."""

PARITY: Final = tuple(0 if value.bit_count() & 1 else PF for value in range(256))
"""PF for each low result byte: set when the number of ones is even."""


def status(result: int, width: int) -> int:
    """Return SF, ZF and PF of a result of `width` bytes."""
    return PARITY[result & 0xFF] | (0 if result else ZF) | result >> 8 * width - 8 & SF


def shift_count(count: int, width: int) -> int:
    """Return what shifts and rotates make of a count: 5 bits, 6 for 64-bit operands (SDM vol. 2B, SAL/SAR/SHL/SHR)."""
    return count & (63 if width == 8 else 31)


def _by_shift(count: int, width: int) -> int:
    """SHL and SHR: OF but for one step, CF when everything is shifted out; nothing changes for a count of zero."""
    beyond = CF if count >= 8 * width else 0
    return _by_arithmetic_shift(count, width) | beyond


def _by_arithmetic_shift(count: int, width: int) -> int:
    """SAR: AF, and OF but for one step."""
    return (AF | _by_rotate(count, width)) if count else 0


def _by_rotate(count: int, width: int) -> int:
    """ROL ROR RCL RCR: OF but for one step."""
    return OF if count > 1 else 0


def _by_double_shift(count: int, width: int) -> int:
    """SHLD and SHRD: every flag when the count exceeds the operand."""
    return STATUS if count > 8 * width else _by_arithmetic_shift(count, width)


UNDEFINED: Final[dict[str, int | Callable[[int, int], int]]] = {
    **dict.fromkeys(("and", "or", "xor", "test"), AF),
    **dict.fromkeys(("shl", "sal", "shr"), _by_shift),
    "sar": _by_arithmetic_shift,
    **dict.fromkeys(("rol", "ror", "rcl", "rcr"), _by_rotate),
    **dict.fromkeys(("shld", "shrd"), _by_double_shift),
    **dict.fromkeys(("mul", "imul"), SF | ZF | AF | PF),
    **dict.fromkeys(("div", "idiv"), STATUS),
    **dict.fromkeys(("bt", "bts", "btr", "btc"), OF | SF | AF | PF),
    **dict.fromkeys(("bsf", "bsr"), STATUS & ~ZF),
    **dict.fromkeys(("lzcnt", "tzcnt"), OF | SF | PF | AF),
    **dict.fromkeys(("andn", "blsi", "blsmsk", "blsr", "bzhi"), AF | PF),
    "bextr": AF | SF | PF,
    **dict.fromkeys(("aam", "aad"), OF | AF | CF),
    **dict.fromkeys(("aaa", "aas"), OF | SF | ZF | PF),
    **dict.fromkeys(("daa", "das"), OF),
}
"""Flags each mnemonic leaves undefined (SDM vol. 1, appendix A, and the pages of vol. 2). Absent: none.

Where the count of a shift or rotate decides, a function of the masked count and the operand's width; `undefined` asks.
"""


def undefined(instruction: Instruction, cl: int) -> int:
    """Return the flags an instruction leaves undefined.

    Args:
        instruction: which one.
        cl: the register CL before it, the count of some shifts.
    """
    entry = UNDEFINED.get(instruction.mnemonic, 0)
    if isinstance(entry, int):
        return entry
    width, count = instruction.operands[0].width, instruction.operands[-1]
    return entry(shift_count(count.value if isinstance(count, ImmediateOperand) else cl, width), width)

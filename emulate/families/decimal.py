"""AAA AAS AAM AAD DAA DAS: decimal arithmetic in AL and AX.

Flags the manual leaves undefined are as Intel's CPUs have them: those of the result, and AAD's those of its addition.
"""

from collections.abc import Callable
from typing import Final

from decode.registers import REGISTERS
from emulate.builder import Builder
from emulate.families.arithmetic import add
from emulate.faults import DivideError
from emulate.flags import AF, CF, STATUS, status
from emulate.recipes import recipe


def aaa(ax: int, flags: int) -> tuple[int, int]:
    """Return AX after an unpacked addition."""
    return _unpacked(ax, 1, flags)


def aas(ax: int, flags: int) -> tuple[int, int]:
    """Return AX after an unpacked subtraction."""
    return _unpacked(ax, -1, flags)


def _unpacked(ax: int, sign: int, flags: int) -> tuple[int, int]:
    """Correct the digit in AL by six if it is beyond nine or was carried out of, and carry into AH."""
    carry = ax & 0xF > 9 or flags & AF
    result = (ax + sign * 0x106 if carry else ax) & 0xFF0F
    return result, flags & ~STATUS | status(result & 0xFF, 1) | (AF | CF if carry else 0)


def daa(ax: int, flags: int) -> tuple[int, int]:
    """Return AX with AL packed after an addition."""
    return _packed(ax, 1, flags)


def das(ax: int, flags: int) -> tuple[int, int]:
    """Return AX with AL packed after a subtraction."""
    return _packed(ax, -1, flags)


def _packed(ax: int, sign: int, flags: int) -> tuple[int, int]:
    """Correct both digits of AL by six, each if it is beyond nine or was carried out of."""
    al = ax & 0xFF
    low, high = al & 0xF > 9 or flags & AF, al > 0x99 or flags & CF
    corrected = al + sign * ((6 if low else 0) + (0x60 if high else 0))
    # DAS alone carries when the correction of the low digit borrows (SDM vol. 2A, DAS).
    carry = high or (sign < 0 and low and al < 6)
    result = corrected & 0xFF
    return ax & 0xFF00 | result, flags & ~STATUS | status(result, 1) | (AF if low else 0) | (CF if carry else 0)


_ADJUSTMENTS: Final[dict[str, Callable[[int, int], tuple[int, int]]]] = {"aaa": aaa, "aas": aas, "daa": daa, "das": das}


@recipe(*_ADJUSTMENTS)
def adjust(b: Builder) -> None:
    """Correct AL, and AH of unpacked numbers, after an addition or subtraction."""
    _convert(b, _ADJUSTMENTS[b.instruction.mnemonic])


def _convert(b: Builder, function: Callable[..., tuple[int, int]], *arguments: str) -> None:
    """Build AX and the flags from AX and the flags."""
    ax = REGISTERS["ax"]
    value, flags = b.name("t"), b.name("f")
    b.act(f"{value}, {flags} = {b.call(function, b.register(ax), *arguments, b.flags)}")
    b.set_register(ax, value)
    b.set_flags(flags)


def aam(ax: int, base: int, flags: int) -> tuple[int, int]:
    """Return AX with the two digits of AL, and the flags; any base will do.

    Raises:
        DivideError: the base is zero.
    """
    if not base:
        raise DivideError("AAM by zero")
    high, low = divmod(ax & 0xFF, base)
    return high << 8 | low, flags & ~STATUS | status(low, 1)


def aad(ax: int, base: int, flags: int) -> tuple[int, int]:
    """Return AX with the number that its two digits make in AL, and the flags."""
    return add(ax & 0xFF, (ax >> 8) * base & 0xFF, flags, 1)


@recipe("aam", "aad")
def convert_digits(b: Builder) -> None:
    """Split AL into digits, or join them."""
    (base,) = b.instruction.operands
    _convert(b, aam if b.instruction.mnemonic == "aam" else aad, b.read(base))

"""AAA AAS AAM AAD DAA DAS: decimal arithmetic in AL and AX; flags the manual leaves undefined are as on Intel's CPUs."""

from collections.abc import Callable
from typing import Final

from decode.operands import ImmediateOperand
from decode.registers import REGISTERS
from emulate.builder import Builder
from emulate.faults import DivideError
from emulate.flags import AF, CF, STATUS, WORD, status
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
    ax = REGISTERS["ax"]
    value, flags = b.name("t"), b.name("f")
    b.act(f"{value}, {flags} = {b.call(_ADJUSTMENTS[b.instruction.mnemonic], b.register(ax), b.flags)}")
    b.set_register(ax, value)
    b.set_flags(flags)


def aam(al: int, base: int) -> int:
    """Return AX with the two digits of AL; any base will do.

    Raises:
        DivideError: the base is zero.
    """
    if not base:
        raise DivideError("AAM by zero")
    return al // base << 8 | al % base


def aad(ax: int, base: int) -> int:
    """Return AX with the number that its two digits make in AL."""
    return (ax >> 8) * base + ax & 0xFF


@recipe("aam", "aad")
def convert_digits(b: Builder) -> None:
    """Split AL into digits, or join them."""
    (base,) = b.instruction.operands
    assert isinstance(base, ImmediateOperand)
    split = b.instruction.mnemonic == "aam"
    source = b.register(REGISTERS["al" if split else "ax"])
    value = b.local(b.call(aam if split else aad, source, base.value))
    b.set_register(REGISTERS["ax"], value)
    b.set_flags(f"{b.flags} & {WORD ^ STATUS:#x} | {b.call(status, f'{value} & 0xff', 1)}")

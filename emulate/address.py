"""Checks of an address before any access: canonical, within its segment, aligned."""

from collections.abc import Sequence
from typing import Final

from decode.registers import Register
from emulate.cpu import RegisterFile
from emulate.faults import AlignmentCheck, GeneralProtection, StackFault
from emulate.flags import WORD

CANONICAL_TOP: Final = (1 << 47) - 1
"""Highest address of the lower canonical half with 48-bit virtual addresses."""


def canonical(address: int, width: int, stack: bool = False) -> int:
    """Return an address modulo 2^64.

    Raise #GP, or #SS through the stack segment, unless all `width` bytes are canonical (SDM vol. 1, 3.3.7.1).
    """
    address &= WORD
    if CANONICAL_TOP - width + 1 < address < WORD - CANONICAL_TOP:
        fault = StackFault if stack else GeneralProtection
        raise fault(f"the address is not canonical ({width} bytes)", error_code=0, address=address)
    return address


def check_limit(limits: Sequence[int] | None, segment: Register, offset: int, width: int) -> None:
    """Raise #GP, or #SS through the stack segment, for bytes beyond the segment's limit (SDM vol. 3A, 5.3).

    Args:
        limits: the highest offset of each segment, None not to check.
        segment: through which one.
        offset: of the first byte.
        width: bytes.
    """
    if limits is not None and offset + width - 1 > limits[segment.index]:
        fault = StackFault if segment.name == "ss" else GeneralProtection
        limit = limits[segment.index]
        raise fault(f"{width} bytes at {segment}:{offset:#x} lie beyond the limit {limit:#x}", error_code=0)


def check_alignment(address: int, width: int) -> None:
    """Raise #AC for an access that is not naturally aligned, up to 16 bytes (SDM vol. 3A, table 6-7)."""
    alignment = 8 if width == 10 else min(width & -width, 16)
    if address & alignment - 1:
        raise AlignmentCheck(f"the address is not a multiple of {alignment}", error_code=0, address=address)


def misaligned(address: int, alignment: int) -> None:
    """Raise #GP for an access that must be aligned, whatever EFLAGS.AC says (SDM vol. 2A, 2.4)."""
    raise GeneralProtection(f"the address is not a multiple of {alignment}", error_code=0, address=address)


def linear(cpu: RegisterFile, segment: Register, offset: int, width: int) -> int:
    """Return the checked linear address of `width` bytes at an offset in a segment.

    This is for addresses a loop computes; for all others `Builder.place` writes the same down ahead.
    """
    if cpu.bits == 64:
        address = offset + cpu.bases[segment.index] if segment.index >= 4 else offset
        return canonical(address, width, segment.name == "ss")
    check_limit(cpu.limits, segment, offset, width)
    return offset + cpu.bases[segment.index] & 0xFFFFFFFF

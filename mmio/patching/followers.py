"""Select instructions behind a short one that may be executed elsewhere, because a jump stands over them.

Such an instruction computes with general registers only. It depends on nothing that is other elsewhere: not on its own
address, nor on memory. It raises no exception, so its address is never reported. And it continues with the next one.
"""

from typing import Final

from decode import DecodeError, Instruction, decode
from decode.operands import ImmediateOperand, MemoryOperand, RegisterOperand
from decode.refusal import MAX_LENGTH
from decode.registers import GENERAL
from mmio.linux.libc import PAGE
from mmio.patching.jumps import JUMP

MOST: Final = JUMP - 1 + MAX_LENGTH
"""Bytes from an instruction's start on, at most, to the end of the last one that its jump stands over."""

_MOVES: Final = frozenset({"mov", "movzx", "movsx", "movsxd", "lea", "cdqe", "cwde", "bswap", "nop"})
_ARITHMETIC: Final = frozenset(
    {"add", "sub", "adc", "sbb", "and", "or", "xor", "cmp", "test", "inc", "dec", "neg", "not", "shl", "shr", "sar"}
)
_CONDITIONAL: Final = "cmov", "set"  # and a condition


def starts_of_followers(site: int, code: bytes) -> tuple[int, ...]:
    """Return where the instructions start and end that a jump of five bytes stands over.

    Args:
        site: the address of the first.
        code: bytes from there on; `MOST` are enough.

    Returns:
        Offsets from the site: of the first, 0, of each that follows, of the end of the last. Nothing when one of
        them cannot be executed elsewhere, or when they are not all in one page, and so perhaps not in one mapping.
    """
    offsets = [0]
    while offsets[-1] < JUMP:
        try:
            instruction = decode(code[offsets[-1] :][:MAX_LENGTH], 64)
        except DecodeError:
            return ()
        if offsets[-1] and not is_movable(instruction):
            return ()
        offsets.append(offsets[-1] + instruction.length)
    return tuple(offsets) if site % PAGE + offsets[-1] <= PAGE else ()


def is_movable(instruction: Instruction) -> bool:
    """Return whether an instruction does the same wherever it is."""
    conditional = instruction.mnemonic.startswith(_CONDITIONAL) and instruction.operands  # SETSSBSY has none
    if not (conditional or instruction.mnemonic in _MOVES | _ARITHMETIC) or instruction.accesses or instruction.lock:
        return False
    for operand in instruction.operands:
        if isinstance(operand, RegisterOperand):
            if operand.register.file != GENERAL:
                return False
        elif isinstance(operand, MemoryOperand):  # of LEA and NOP
            if operand.is_rip_relative:
                return False
        elif not isinstance(operand, ImmediateOperand):
            return False
    return True

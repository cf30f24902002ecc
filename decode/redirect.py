"""Encode an instruction again with its memory operand at another place.

An instruction that is completed natively runs as a copy whose operand is a scratch slot. The copy addresses the slot by
no register: relative to its own position in 64-bit code, by its absolute address in 32-bit code. Whatever base, index
and segment the original had, all registers keep the program's values.
"""

from typing import Any

from iced_x86 import Code, Decoder, Encoder, OpKind
from iced_x86 import Register as IcedRegister

from decode.any_alignment import ANY_ALIGNMENT
from decode.instruction import Instruction
from decode.operands import RegisterOperand
from decode.registers import GENERAL, Register
from decode.vendors import OPTIONS


class NotMovable(ValueError):
    """An instruction cannot have its memory operand elsewhere; says why.

    A class of its own, as a signal handler of Python's may raise any other while an instruction is looked at.
    """


def redirect(instruction: Instruction, at: int, slot: int) -> bytes:
    """Return the instruction re-encoded to stand at `at`, with its memory operand at `slot`.

    Args:
        instruction: 64- or 32-bit code, with one memory operand it names by ModRM.
        at: the address the copy will have.
        slot: the absolute address of the operand, within 2 GiB of the copy, or below 4 GiB for 32-bit code.

    Raises:
        NotMovable: the instruction has no such operand, or the slot is out of reach.
    """
    if instruction.bits == 32 and slot >> 32:
        raise NotMovable(f"'{instruction}' is 32-bit code and cannot reach {slot:#x}")
    base = IcedRegister.RIP if instruction.bits == 64 else IcedRegister.NONE
    return _encoded(instruction, at, base, instruction.bits // 8, slot)


def redirect_to_stack(instruction: Instruction, displacement: int = 0) -> bytes:
    """Return the instruction re-encoded with its memory operand on the stack, which need not be aligned there.

    A move whose operand must be aligned becomes one whose operand need not be: MOVAPS becomes MOVUPS.

    Args:
        instruction: 64-bit code, with one memory operand it names by ModRM.
        displacement: where its operand is to be, from the stack pointer.

    Raises:
        NotMovable: the instruction has no such operand, or another of its operands is RSP.
    """
    if any(isinstance(each, RegisterOperand) and _is_rsp(each.register) for each in instruction.operands):
        raise NotMovable(f"'{instruction}' may have the stack pointer for another operand")
    return _encoded(instruction, 0, IcedRegister.RSP, bool(displacement), displacement % (1 << 64))


def _is_rsp(register: Register) -> bool:
    return register.file == GENERAL and register.index == IcedRegister.RSP - IcedRegister.RAX


def _encoded(instruction: Instruction, at: int, base: Any, size: int, displacement: int) -> bytes:
    """Return the instruction with an operand of a base, and a displacement of some bytes."""
    raw = Decoder(instruction.bits, instruction.code, options=OPTIONS[instruction.vendor]).decode()
    named = sum(raw.op_kind(index) == OpKind.MEMORY for index in range(raw.op_count))
    if instruction.bits == 16 or named != 1 or raw.is_vsib:
        raise NotMovable(f"'{instruction}' has no single memory operand that could be moved")
    if base == IcedRegister.RSP:
        raw.code = getattr(Code, ANY_ALIGNMENT.get(instruction.form, instruction.form))
    raw.segment_prefix = IcedRegister.NONE
    raw.memory_base = base
    raw.memory_index = IcedRegister.NONE
    raw.memory_index_scale = 1
    raw.memory_displ_size = size
    raw.memory_displacement = displacement
    encoder = Encoder(instruction.bits)
    try:
        encoder.encode(raw, at)
    except ValueError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:  # a signal handler's
            raise
        raise NotMovable(f"'{instruction}' cannot have its operand at {displacement:#x}: {error}") from error
    return encoder.take_buffer()

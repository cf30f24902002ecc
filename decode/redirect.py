"""The same instruction with its memory operand somewhere else.

An instruction that is completed natively runs as a copy whose operand is a scratch slot. The copy addresses the slot by
no register: relative to its own position in 64-bit code, by its absolute address in 32-bit code. Whatever base, index
and segment the original had, all registers keep the program's values.
"""

from iced_x86 import Decoder, Encoder, OpKind
from iced_x86 import Register as IcedRegister

from decode.instruction import Instruction
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
    raw = Decoder(instruction.bits, instruction.code, options=OPTIONS[instruction.vendor]).decode()
    named = sum(raw.op_kind(index) == OpKind.MEMORY for index in range(raw.op_count))
    if instruction.bits == 16 or named != 1 or raw.is_vsib:
        raise NotMovable(f"'{instruction}' has no single memory operand that could be moved")
    if instruction.bits == 32 and slot >> 32:
        raise NotMovable(f"'{instruction}' is 32-bit code and cannot reach {slot:#x}")
    raw.segment_prefix = IcedRegister.NONE
    raw.memory_base = IcedRegister.RIP if instruction.bits == 64 else IcedRegister.NONE
    raw.memory_index = IcedRegister.NONE
    raw.memory_index_scale = 1
    raw.memory_displ_size = instruction.bits // 8
    raw.memory_displacement = slot
    encoder = Encoder(instruction.bits)
    try:
        encoder.encode(raw, at)
    except ValueError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:  # a signal handler's
            raise
        raise NotMovable(f"'{instruction}' cannot have its operand at {slot:#x}: {error}") from error
    return encoder.take_buffer()

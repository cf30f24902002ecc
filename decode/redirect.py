"""The same instruction with its memory operand somewhere else.

An instruction that is completed natively runs as a copy whose operand is a scratch slot. The copy addresses the slot
relative to its own position, so that it needs no register: whatever base, index and segment the original had, all
registers keep the program's values.
"""

from iced_x86 import Decoder, Encoder, OpKind
from iced_x86 import Register as IcedRegister

from decode.instruction import Instruction


def redirect(instruction: Instruction, at: int, slot: int) -> bytes:
    """Return the instruction re-encoded to stand at `at`, with its memory operand at `slot`.

    Args:
        instruction: 64-bit code, with one memory operand it names by ModRM.
        at: the address the copy will have.
        slot: the absolute address of the operand, within 2 GiB of the copy.

    Raises:
        ValueError: the instruction has no such operand, or the slot is out of reach.
    """
    raw = Decoder(instruction.bits, instruction.code).decode()
    named = sum(raw.op_kind(index) == OpKind.MEMORY for index in range(raw.op_count))
    if instruction.bits != 64 or named != 1 or raw.is_vsib:
        raise ValueError(f"'{instruction}' has no single memory operand that could be moved")
    raw.segment_prefix = IcedRegister.NONE
    raw.memory_base = IcedRegister.RIP
    raw.memory_index = IcedRegister.NONE
    raw.memory_index_scale = 1
    raw.memory_displ_size = 8
    raw.memory_displacement = slot
    encoder = Encoder(64)
    encoder.encode(raw, at)
    return encoder.take_buffer()

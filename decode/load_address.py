"""Generate code that computes the address of a memory operand, for a stub that checks it before the access."""

from typing import Final

from iced_x86 import Code, Decoder, Encoder, MemoryOperand, OpKind
from iced_x86 import Instruction as IcedInstruction
from iced_x86 import Register as IcedRegister

from decode.instruction import Instruction
from decode.vendors import OPTIONS

_STACK_POINTERS: Final = (IcedRegister.RSP, IcedRegister.ESP)
_WITH_BASES: Final = (IcedRegister.FS, IcedRegister.GS)


def load_address(instruction: Instruction, pushed: int) -> bytes:
    """Return code that loads the address of the instruction's memory operand into RAX, and changes nothing else.

    Args:
        instruction: 64-bit code, with one memory operand.
        pushed: bytes by which RSP is lower than where the instruction stood.

    Raises:
        ValueError: there is no such operand, or its address depends on more than general registers: on RIP, on a
            segment's base, on a vector; or it is a constant of more than 32 bits.
    """
    raw = Decoder(instruction.bits, instruction.code, options=OPTIONS[instruction.vendor]).decode()
    named = sum(raw.op_kind(index) == OpKind.MEMORY for index in range(raw.op_count))
    base, index = raw.memory_base, raw.memory_index
    if instruction.bits != 64 or named != 1 or raw.is_vsib or raw.is_ip_rel_memory_operand:
        raise ValueError(f"'{instruction}' has no single memory operand that general registers address")
    if raw.segment_prefix in _WITH_BASES:
        raise ValueError(f"'{instruction}' adds the base of a segment to its address")
    displacement = (raw.memory_displacement + (1 << 63)) % (1 << 64) - (1 << 63)
    encoder = Encoder(64)
    if not (base or index):  # firmware names its registers so
        if not 0 <= displacement < 1 << 32:
            raise ValueError(
                f"'{instruction}' addresses {displacement % (1 << 64):#x}, a constant of more than 32 bits"
            )
        encoder.encode(IcedInstruction.create_reg_u32(Code.MOV_R32_IMM32, IcedRegister.EAX, displacement), 0)
        return encoder.take_buffer()
    narrow = _of_32_bits(base) or _of_32_bits(index)
    if narrow:
        displacement = (displacement + (1 << 31)) % (1 << 32) - (1 << 31)
    if base in _STACK_POINTERS:
        displacement += pushed
    if not -(1 << 31) <= displacement < 1 << 31:
        raise ValueError(f"'{instruction}' addresses {displacement:#x} from the stack pointer")
    operand = MemoryOperand(base, index, raw.memory_index_scale, displacement, 4 if narrow else 8)
    encoder.encode(IcedInstruction.create_reg_mem(Code.LEA_R64_M, IcedRegister.RAX, operand), 0)
    return encoder.take_buffer()


def _of_32_bits(register: int) -> bool:
    return IcedRegister.EAX <= register <= IcedRegister.R15D

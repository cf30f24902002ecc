"""List every form of every instruction that can access memory or a port, with an example of each.

iced-x86 has a `Code` for each opcode with its operand kinds, 4,936 of them. A hand-written list of what there is to
handle would have holes that go unnoticed; this one is generated from that table, so that what the emulator does not do
can be counted and named. The examples are generated too, from the operand kinds alone: memory wherever a form allows
it, at `[rsi+0x10]`, and different registers for different operands.
"""

from functools import cache
from typing import Any, Final

from attrs import frozen
from iced_x86 import Code, CpuidFeature, Encoder, InstructionInfoFactory, OpCodeInfo, OpKind
from iced_x86 import Instruction as IcedInstruction
from iced_x86 import OpCodeOperandKind as Kind
from iced_x86 import Register as IcedRegister

from decode.decoder import decode
from decode.iced import ENCODINGS, MNEMONICS, names
from decode.memory import UNTOUCHED


@frozen(slots=True)
class Form:
    """One opcode with its operand kinds.

    Attributes:
        name: as `Instruction.form` has it: "MOV_R32_RM32".
        syntax: as the manual has it: "MOV r32, r/m32".
        mnemonic: lower case.
        encoding: "legacy", "vex", "evex", "xop", "3dnow" or "mvex".
        features: the CPUID features it needs, such as "SSE4_1"; "INTEL8086" and similar names for what every CPU has.
        privileged: in ring 0 only.
        examples: the bytes of an example for each mode it exists in. None at all when `decode` does not read the form:
            the instruction of an obsolete CPU, whose opcode is free or means something else today.
    """

    name: str
    syntax: str
    mnemonic: str
    encoding: str
    features: tuple[str, ...]
    privileged: bool
    examples: dict[int, bytes]


_FEATURES: Final = names(CpuidFeature)
_KINDS: Final = names(Kind)

# The first register of each file, by the prefix of the operand kinds that take one, and the number taken by their role.
_FIRST: Final = {
    "R8": IcedRegister.AL,
    "R16": IcedRegister.AX,
    "R32": IcedRegister.EAX,
    "R64": IcedRegister.RAX,
    "MM": IcedRegister.MM0,
    "XMM": IcedRegister.XMM0,
    "YMM": IcedRegister.YMM0,
    "ZMM": IcedRegister.ZMM0,
    "K": IcedRegister.K0,
    "TMM": IcedRegister.TMM0,
    "BND": IcedRegister.BND0,
}
_NUMBER: Final = {"REG": 2, "OPCODE": 2, "REG_MEM": 2, "RM": 1, "VVVV": 3, "IS4": 5, "IS5": 5}
_FIXED: Final = ("ES", "CS", "SS", "DS", "FS", "GS", "AL", "CL", "AX", "DX", "EAX", "RAX", "ST0")
_REGISTERS: Final[dict[int, Any]] = {
    **{
        getattr(Kind, f"{file}_{role}"): first + number
        for file, first in _FIRST.items()
        for role, number in _NUMBER.items()
        if hasattr(Kind, f"{file}_{role}")
    },
    **{getattr(Kind, name): getattr(IcedRegister, name) for name in _FIXED},
    Kind.SEG_REG: IcedRegister.DS,
    Kind.KP1_REG: IcedRegister.K2,
    Kind.XMMP3_VVVV: IcedRegister.XMM4,
    Kind.ZMMP3_VVVV: IcedRegister.ZMM4,
}
_IMMEDIATES: Final[dict[int, Any]] = {
    Kind.IMM4_M2Z: OpKind.IMMEDIATE8,
    Kind.IMM8: OpKind.IMMEDIATE8,
    Kind.IMM8_CONST_1: OpKind.IMMEDIATE8,
    Kind.IMM8SEX16: OpKind.IMMEDIATE8TO16,
    Kind.IMM8SEX32: OpKind.IMMEDIATE8TO32,
    Kind.IMM8SEX64: OpKind.IMMEDIATE8TO64,
    Kind.IMM16: OpKind.IMMEDIATE16,
    Kind.IMM32: OpKind.IMMEDIATE32,
    Kind.IMM32SEX64: OpKind.IMMEDIATE32TO64,
    Kind.IMM64: OpKind.IMMEDIATE64,
}
_BRANCHES: Final[dict[int, Any]] = {
    Kind.BR16_2: OpKind.NEAR_BRANCH16,
    Kind.BR32_4: OpKind.NEAR_BRANCH32,
    Kind.BR64_4: OpKind.NEAR_BRANCH64,
    Kind.FARBR2_2: OpKind.FAR_BRANCH16,
    Kind.FARBR4_2: OpKind.FAR_BRANCH32,
}
_STRINGS: Final[dict[int, Any]] = {
    Kind.SEG_RSI: (OpKind.MEMORY_SEG_SI, OpKind.MEMORY_SEG_ESI, OpKind.MEMORY_SEG_RSI),
    Kind.SEG_RDI: (OpKind.MEMORY_SEG_DI, OpKind.MEMORY_SEG_EDI, OpKind.MEMORY_SEG_RDI),
    Kind.ES_RDI: (OpKind.MEMORY_ESDI, OpKind.MEMORY_ESEDI, OpKind.MEMORY_ESRDI),
}
_VSIB: Final[dict[int, Any]] = {
    Kind.MEM_VSIB32X: IcedRegister.XMM7,
    Kind.MEM_VSIB64X: IcedRegister.XMM7,
    Kind.MEM_VSIB32Y: IcedRegister.YMM7,
    Kind.MEM_VSIB64Y: IcedRegister.YMM7,
    Kind.MEM_VSIB32Z: IcedRegister.ZMM7,
    Kind.MEM_VSIB64Z: IcedRegister.ZMM7,
}
_BASES: Final = {16: IcedRegister.SI, 32: IcedRegister.ESI, 64: IcedRegister.RSI}
_TABLES: Final = {16: IcedRegister.BX, 32: IcedRegister.EBX, 64: IcedRegister.RBX}
_DISPLACEMENT: Final = 0x10

_info = InstructionInfoFactory().info


@cache
def forms() -> tuple[Form, ...]:
    """Return every form that names memory, touches it without naming it (the stack), or accesses a port."""
    found = ((name, OpCodeInfo(getattr(Code, name))) for name in names(Code).values())
    return tuple(_form(name, code) for name, code in found if _touches(name, code))


def example(name: str, bits: int) -> IcedInstruction:
    """Return an example of a form as iced-x86's instruction, to be varied and passed to `encode`.

    Args:
        name: the form's name.
        bits: the mode.
    """
    code = OpCodeInfo(getattr(Code, name))
    instruction = IcedInstruction()
    instruction.code = code.code
    if code.require_op_mask_register:
        instruction.op_mask = IcedRegister.K1
    for index, kind in enumerate(code.op_kinds()):
        _set_operand(instruction, index, kind, code.address_size or bits)
    return instruction


def encode(instruction: IcedInstruction, bits: int) -> bytes:
    """Return the bytes of an instruction standing at address 0.

    Raises:
        ValueError: it has no encoding in this mode.
    """
    encoder = Encoder(bits)
    encoder.encode(instruction, 0)
    return encoder.take_buffer()


def _touches(name: str, code: OpCodeInfo) -> bool:
    """Return whether the form belongs into the list."""
    if not code.is_instruction:
        return False
    if code.is_input_output or any(_is_memory(kind) for kind in code.op_kinds()):
        return True
    mnemonic = MNEMONICS[code.mnemonic]
    if mnemonic == "clzero":  # iced-x86 lists no memory for it
        return True
    return mnemonic not in UNTOUCHED and bool(_info(example(name, _modes(code)[-1])).used_memory())


def _is_memory(kind: int) -> bool:
    """Return whether an operand of this kind may be, or is, in memory."""
    return "MEM" in _KINDS[kind].removesuffix("REG_MEM") or kind in _STRINGS or kind == Kind.SEG_RBX_AL


def _modes(code: OpCodeInfo) -> tuple[int, ...]:
    return tuple(bits for bits in (16, 32, 64) if code.is_available_in_mode(bits))


def _form(name: str, code: OpCodeInfo) -> Form:
    """Describe one form."""
    return Form(
        name=name,
        syntax=code.instruction_string,
        mnemonic=MNEMONICS[code.mnemonic],
        encoding=ENCODINGS[code.encoding],
        features=tuple(_FEATURES[feature] for feature in example(name, _modes(code)[-1]).cpuid_features()),
        privileged=code.must_be_cpl0,
        examples={bits: found for bits in _modes(code) if (found := _example_bytes(name, bits))},
    )


def _example_bytes(name: str, bits: int) -> bytes:
    """Return an example's bytes; none when `decode` would not read them as this form."""
    try:
        code = encode(example(name, bits), bits)
        return code if decode(code, bits).form == name else b""
    except ValueError:  # it cannot be encoded in this mode, or decode calls it an InvalidInstruction
        return b""


def _set_operand(instruction: IcedInstruction, index: int, kind: int, address_bits: int) -> None:
    """Give the example its operand `index`."""
    if _is_memory(kind):
        _set_memory(instruction, index, kind, address_bits)
    elif kind in _REGISTERS:
        instruction.set_op_kind(index, OpKind.REGISTER)
        instruction.set_op_register(index, _REGISTERS[kind])
    elif kind in _BRANCHES:
        instruction.set_op_kind(index, _BRANCHES[kind])
    elif kind in _IMMEDIATES:
        if index and instruction.op_kind(index - 1) in _IMMEDIATES.values():  # ENTER and EXTRQ have two
            instruction.set_op_kind(index, OpKind.IMMEDIATE8_2ND)
            instruction.immediate8_2nd = 1
        else:
            instruction.set_op_kind(index, _IMMEDIATES[kind])
            instruction.set_immediate_u64(index, 1)


def _set_memory(instruction: IcedInstruction, index: int, kind: int, address_bits: int) -> None:
    """Give the example its memory operand."""
    if kind in _STRINGS:
        instruction.set_op_kind(index, _STRINGS[kind][(16, 32, 64).index(address_bits)])
        return
    instruction.set_op_kind(index, OpKind.MEMORY)
    if kind == Kind.SEG_RBX_AL:
        instruction.memory_base = _TABLES[address_bits]
        instruction.memory_index = IcedRegister.AL
        return
    instruction.memory_displacement = _DISPLACEMENT
    if kind == Kind.MEM_OFFS:
        instruction.memory_displ_size = address_bits // 8
        return
    if kind in _VSIB:
        address_bits = max(address_bits, 32)  # there is no SIB byte in 16-bit addressing
        instruction.memory_index = _VSIB[kind]
    instruction.memory_base = _BASES[address_bits]
    instruction.memory_displ_size = 1

"""Decode bytes into an `Instruction`.

iced-x86's answers are taken as they are, except where they are unknown or depend on the address: REP accesses have no
size there, masked accesses are given at full width, RIP-relative displacements come out absolute. Those are put right
here, once, so that nothing downstream needs to know.
"""

from contextlib import suppress
from typing import Final

from attrs import evolve
from iced_x86 import (
    CodeSize,
    Decoder,
    DecoderError,
    InstructionInfo,
    InstructionInfoFactory,
    MemorySizeExt,
    OpKind,
)
from iced_x86 import Instruction as IcedInstruction
from iced_x86 import Register as IcedRegister

from decode.cache import Cache
from decode.errors import DecodeError
from decode.iced import DIRECTIONS, ENCODINGS, FORMS, ICED_REGISTERS, MNEMONICS, signed
from decode.instruction import Instruction
from decode.memory import UNTOUCHED, accesses_of
from decode.operands import (
    NONE,
    READ,
    READ_WRITE,
    WRITE,
    BranchOperand,
    Direction,
    FarPointerOperand,
    ImmediateOperand,
    MemoryOperand,
    Operand,
    PortOperand,
    RegisterOperand,
)
from decode.refusal import MAX_LENGTH, refusal
from decode.registers import REGISTERS, Register
from decode.vendors import OPTIONS, VENDORS, Vendor, check_vendor

_IMMEDIATE_WIDTHS: Final = {
    OpKind.IMMEDIATE8: 1,
    OpKind.IMMEDIATE8_2ND: 1,
    OpKind.IMMEDIATE16: 2,
    OpKind.IMMEDIATE32: 4,
    OpKind.IMMEDIATE64: 8,
    OpKind.IMMEDIATE8TO16: 2,
    OpKind.IMMEDIATE8TO32: 4,
    OpKind.IMMEDIATE8TO64: 8,
    OpKind.IMMEDIATE32TO64: 8,
}
_BRANCH_WIDTHS: Final = {OpKind.NEAR_BRANCH16: 2, OpKind.NEAR_BRANCH32: 4, OpKind.NEAR_BRANCH64: 8}
# The implicit operands of string instructions and MASKMOV, by iced-x86's kind: base register and address width.
_IMPLICIT_BASES: Final = {
    OpKind.MEMORY_SEG_SI: ("si", 2),
    OpKind.MEMORY_SEG_ESI: ("esi", 4),
    OpKind.MEMORY_SEG_RSI: ("rsi", 8),
    OpKind.MEMORY_SEG_DI: ("di", 2),
    OpKind.MEMORY_SEG_EDI: ("edi", 4),
    OpKind.MEMORY_SEG_RDI: ("rdi", 8),
    OpKind.MEMORY_ESDI: ("di", 2),
    OpKind.MEMORY_ESEDI: ("edi", 4),
    OpKind.MEMORY_ESRDI: ("rdi", 8),
}
_ES_KINDS: Final = (OpKind.MEMORY_ESDI, OpKind.MEMORY_ESEDI, OpKind.MEMORY_ESRDI)
# One object for all instructions: there are few, and each would be an object for the garbage collector to look at.
_REGISTER_OPERANDS: Final = {
    (register.name, direction): RegisterOperand(register, direction)
    for register in ICED_REGISTERS.values()
    for direction in (NONE, READ, WRITE, READ_WRITE)
}
_STRING_WIDTHS: Final = {"b": 1, "w": 2, "d": 4, "q": 8}

_info = InstructionInfoFactory().info
_caches: Final = {(bits, vendor): Cache[bytes, Instruction]() for bits in (16, 32, 64) for vendor in VENDORS}
_recent: Final = {mode: cache.recent for mode, cache in _caches.items()}


def decode(code: bytes | bytearray | memoryview, bits: int = 64, vendor: Vendor = "intel") -> Instruction:
    """Decode the instruction at the start of `code`.

    Equal bytes in the same mode give the same `Instruction` object while it is in the cache, which keeps
    `decode.cache.SIZE` byte strings a mode. The same bytes with others after them take one more entry.

    Args:
        code: at least the instruction's bytes; more may follow and are ignored.
        bits: the mode: 16, 32 or 64.
        vendor: whose CPUs decode: "intel" or "amd". Where they agree, the `Instruction` is the same object.

    Raises:
        TruncatedInstruction: the bytes end before the instruction does.
        InvalidInstruction: no instruction has this encoding; `vector` is what the CPU raises.
        ValueError: `bits` is not a mode, or `vendor` not a maker.
        TypeError: `code` is not bytes-like.
    """
    try:
        return _recent[bits, vendor][code]  # type: ignore[index]  # bytes that cannot be a key are looked up below
    except (KeyError, TypeError):
        pass
    if bits not in (16, 32, 64):
        raise ValueError(f"bits is 16, 32 or 64, not {bits!r}")
    check_vendor(vendor)
    if not isinstance(code, bytes | bytearray | memoryview):
        raise TypeError(f"code is bytes, not {type(code).__name__}; bytes.fromhex makes bytes of hexadecimal digits")
    window, cache = bytes(code[:MAX_LENGTH]), _caches[bits, vendor]
    instruction = cache.find(window)
    if instruction is not None:
        return instruction
    decoder = Decoder(bits, window, options=OPTIONS[vendor])
    raw = decoder.decode()
    if decoder.last_error != DecoderError.NONE:
        raise refusal(decoder, window, bits)
    exact = window[: raw.len]
    instruction = cache.find(exact)
    if instruction is None:
        instruction = _shared(_build(raw, exact, bits, vendor))
        cache.keep(exact, instruction)
    if window != exact:
        cache.keep(window, instruction)
    return instruction


def _shared(instruction: Instruction) -> Instruction:
    """Return the instruction that Intel's CPUs make of the same bytes when it is the same one."""
    if instruction.vendor != "intel":
        with suppress(DecodeError):
            theirs = decode(instruction.code, instruction.bits)
            if theirs == evolve(instruction, vendor=theirs.vendor):
                return theirs
    return instruction


def _build(raw: IcedInstruction, code: bytes, bits: int, vendor: Vendor) -> Instruction:
    """Convert iced-x86's instruction into an `Instruction`."""
    info = _info(raw)
    mnemonic = MNEMONICS[raw.mnemonic]
    string = _string_operation(raw, mnemonic)
    operands = tuple(_operand(raw, info, index, mnemonic) for index in range(raw.op_count))
    if vendor == "amd" and mnemonic == "movsxd" and operands[0].width == 2:
        # Four bytes are read, of which two count; Intel's CPUs read two (SDM vol. 2B, MOVSX/MOVSXD).
        operands = tuple(evolve(o, width=4) if isinstance(o, MemoryOperand) else o for o in operands)
    rep = ""
    if string and (raw.has_rep_prefix or raw.has_repne_prefix):
        rep = "rep"
        if string in ("cmps", "scas"):
            rep = "repne" if raw.has_repne_prefix else "repe"
    opmask = ICED_REGISTERS[raw.op_mask] if raw.has_op_mask else None
    return Instruction(
        code=code,
        bits=bits,
        mnemonic=mnemonic,
        form=FORMS[raw.code],
        encoding=ENCODINGS[raw.encoding],
        operands=operands,
        accesses=accesses_of(raw, info, mnemonic, operands, opmask, string, bool(rep), vendor),
        lock=raw.has_lock_prefix,
        rep=rep,
        string=string,
        opmask=opmask,
        zeroing=raw.zeroing_masking,
        vendor=vendor,
    )


def _string_operation(raw: IcedInstruction, mnemonic: str) -> str:
    """Return "movs" for MOVSB … MOVSQ and so on, "" for anything else (the SSE2 MOVSD and CMPSD among it)."""
    return mnemonic[:-1] if raw.is_string_instruction else ""


def _operand(raw: IcedInstruction, info: InstructionInfo, index: int, mnemonic: str) -> Operand:
    """Return operand `index`."""
    kind = raw.op_kind(index)
    direction = NONE if mnemonic in UNTOUCHED else DIRECTIONS[info.op_access(index)]
    if kind == OpKind.REGISTER:
        register = ICED_REGISTERS[raw.op_register(index)]
        if mnemonic in ("in", "out") and register.name == "dx":
            return PortOperand(register, 0, _port_width(raw, mnemonic), WRITE if mnemonic == "out" else READ)
        if mnemonic.startswith(("ins", "outs")) and raw.is_string_instruction:
            out = mnemonic.startswith("outs")
            return PortOperand(register, 0, _STRING_WIDTHS[mnemonic[-1]], WRITE if out else READ)
        return _REGISTER_OPERANDS[register.name, direction]
    if kind in _IMMEDIATE_WIDTHS:
        width = _IMMEDIATE_WIDTHS[kind]
        value = raw.immediate(index) & (1 << 8 * width) - 1
        if mnemonic in ("in", "out"):
            return PortOperand(None, value, _port_width(raw, mnemonic), WRITE if mnemonic == "out" else READ)
        return ImmediateOperand(value, width)
    if kind in _BRANCH_WIDTHS:
        # Decoded at address 0, so the target less the length is the displacement from the next instruction.
        width = _BRANCH_WIDTHS[kind]
        return BranchOperand(signed(raw.near_branch_target - raw.len, width), width)
    if kind in (OpKind.FAR_BRANCH16, OpKind.FAR_BRANCH32):
        short = kind == OpKind.FAR_BRANCH16
        offset = raw.far_branch16 if short else raw.far_branch32
        return FarPointerOperand(raw.far_branch_selector, offset, 4 if short else 6)
    if kind == OpKind.MEMORY:
        return _memory_operand(raw, direction)
    base, address_width = _IMPLICIT_BASES[kind]
    segment = REGISTERS["es"] if kind in _ES_KINDS else _segment(raw, None)
    width = _STRING_WIDTHS[mnemonic[-1]] if raw.is_string_instruction else MemorySizeExt.size(raw.memory_size)
    return MemoryOperand(REGISTERS[base], None, 1, 0, segment, address_width, width, direction)


def _port_width(raw: IcedInstruction, mnemonic: str) -> int:
    """Return the bytes an IN or OUT moves: the width of its accumulator."""
    return ICED_REGISTERS[raw.op_register(0 if mnemonic == "in" else 1)].width


def _memory_operand(raw: IcedInstruction, direction: Direction) -> MemoryOperand:
    """Return the ModRM, moffs or XLAT memory operand."""
    base = ICED_REGISTERS.get(raw.memory_base)
    index = ICED_REGISTERS.get(raw.memory_index)
    if raw.memory_base in (IcedRegister.RIP, IcedRegister.EIP):
        address_width = 8 if raw.memory_base == IcedRegister.RIP else 4
    elif base is not None or (index is not None and index.file == "general" and index.name != "al"):
        address_width = (base or index).width
    else:
        address_width = max(raw.memory_displ_size, 2)
    displacement = raw.memory_displacement
    if raw.is_ip_rel_memory_operand:
        displacement -= raw.len
    size = MemorySizeExt.info(raw.memory_size)
    return MemoryOperand(
        base,
        index,
        raw.memory_index_scale if index else 1,
        signed(displacement, address_width),
        _segment(raw, base),
        address_width,
        size.element_size if raw.is_broadcast else size.size,
        direction,
        raw.is_broadcast,
    )


def _segment(raw: IcedInstruction, base: Register | None) -> Register:
    """Return the segment register in force; 64-bit code ignores overrides but FS and GS (SDM vol. 1, 3.3.7.1)."""
    named = ICED_REGISTERS[raw.memory_segment]
    if raw.code_size != CodeSize.CODE64 or named.index >= 4:
        return named
    return REGISTERS["ss" if base is not None and base.name in ("rsp", "rbp", "esp", "ebp") else "ds"]

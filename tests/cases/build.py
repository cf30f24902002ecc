"""A case for any instruction form: fill the operands in, encode, and give every register it reads a telling value.

What an instruction reads is iced-x86's knowledge, so nothing here is per instruction, but for the few whose results
would otherwise hardly ever be interesting: string counts, dividends, comparands, bit offsets.
"""

from __future__ import annotations

import random

from iced_x86 import (
    Code_,
    CpuidFeature,
    Decoder,
    Encoder,
    EncodingKind,
    Instruction,
    InstructionInfoFactory,
    MemorySize,
    MemorySizeExt,
    Mnemonic,
    OpAccess,
    OpCodeInfo,
    OpKind,
    Register,
    Register_,
    RegisterExt,
    RoundingControl,
)

from decode.vendors import OPTIONS
from tests.cases.address import (
    Place,
    full_name,
    line_operand,
    memory_operand,
    moffs_operand,
    pointer_operand,
    string_operand,
    xlat_operand,
)
from tests.cases.chooser import Chooser, RandomChooser, flags, mask, real, vector, word
from tests.cases.forms import CODE_NAMES, FILES, HIGH_BYTES, Slot, Unbuildable, slots
from tests.oracle.case import PAGE, Case, VectorState, Window
from tests.oracle.cell import BLOCK

_READS = (OpAccess.READ, OpAccess.COND_READ, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE)
_MNEMONICS = {value: name for name, value in vars(Mnemonic).items() if isinstance(value, int)}
_FEATURES = {value: name for name, value in vars(CpuidFeature).items() if isinstance(value, int)}
_VECTOR_FEATURES = ("SSE", "SSSE", "AVX", "MMX", "FPU", "FXSR", "XSAVE", "D3NOW")
_X87_FEATURES = ("MMX", "FPU", "FXSR", "XSAVE", "D3NOW")
_BIT_OFFSETS = ("BT", "BTS", "BTR", "BTC")
_ROUNDINGS = (
    *(RoundingControl.NONE, RoundingControl.NONE, RoundingControl.ROUND_TO_NEAREST),
    *(RoundingControl.ROUND_DOWN, RoundingControl.ROUND_UP, RoundingControl.ROUND_TOWARD_ZERO),
)
_PLAIN_IMMEDIATES = (OpKind.IMMEDIATE8, OpKind.IMMEDIATE16, OpKind.IMMEDIATE32, OpKind.IMMEDIATE64)
_COMPARAND = {"CMPXCHG": ("rax",), "CMPXCHG8B": ("rax", "rdx"), "CMPXCHG16B": ("rax", "rdx")}
_WINDOWS_64 = (0x400000, 0x90000000, 0x7F1234567000)
_WINDOW_16 = 0x20000
_BASES_16 = (_WINDOW_16, _WINDOW_16 - 0x1230, _WINDOW_16 - 0xD800)  # by the last, the limit 0xffff is in the window
# The four roundings; flush to zero, denormals are zeros, both; no exception masked. Others are made up.
_MXCSR = (0x1F80, 0x3F80, 0x5F80, 0x7F80, 0x9F80, 0x1FC0, 0x9FC0, 0)
_REALS = {MemorySize.FLOAT32: 32, MemorySize.FLOAT64: 64}
_info = InstructionInfoFactory()


def build_case(code: Code_, bits: int, chooser: Chooser) -> Case:
    """Make up a case for an iced-x86 code that is `buildable` in this mode.

    Raises:
        Unbuildable: The choices do not go together; other choices will.
    """
    opcode = OpCodeInfo(code)
    place = _choose_place(opcode, bits, chooser)
    instruction = Instruction()
    instruction.code = code
    for index, slot in enumerate(slots(code)):
        _fill(place, instruction, opcode, index, slot)
    if opcode.mnemonic == Mnemonic.CLZERO:
        line_operand(place, instruction)
    _decorate(place, instruction, opcode)
    encoded = _encode(instruction, place)
    return _state(place, instruction, opcode, encoded)


def random_case(source: random.Random, code: Code_, bits: int = 64) -> Case:
    """Make up a case with a random generator: no shrinking, and ten times as fast as with hypothesis.

    Raises:
        Unbuildable: No choices went together in a hundred tries.
    """
    for _ in range(100):
        try:
            return build_case(code, bits, RandomChooser(source))
        except Unbuildable as error:
            last = error
    raise last


def _choose_place(opcode: OpCodeInfo, bits: int, chooser: Chooser) -> Place:
    """Pick address size, window, segment bases and where the instruction stands."""
    pointer = next((slot.file for slot in slots(opcode.code) if slot.kind == "pointer"), "R0")
    other = 32 if bits != 32 or any(slot.kind == "vsib" for slot in slots(opcode.code)) else 16
    width = opcode.address_size or int(pointer[1:]) or chooser.pick((bits, bits, bits, other))
    if bits == 16 and any(slot.kind == "vsib" for slot in slots(opcode.code)):
        width = 32
    extended = bits == 64 and (_has_bytes(opcode) is False or chooser.pick((True, False)))
    if bits == 64:
        window = chooser.pick(_WINDOWS_64 if width == 64 else _WINDOWS_64[:2])
        bases = {name: chooser.pick((0x1000, 0x10008, window - 0x5430)) for name in ("fs", "gs")}
        ip = (window - 0x100000 & -BLOCK) + chooser.pick((0x100, PAGE - 1))
    elif 16 in (bits, width):
        window, ip = _WINDOW_16, 0x100
        data = chooser.pick(_BASES_16)
        bases = {"cs": 0x10000, "fs": chooser.pick(_BASES_16), "gs": _WINDOW_16}
        bases |= {"es": chooser.pick((data, _WINDOW_16)), "ss": data, "ds": data}
    else:
        window, ip = chooser.pick(_WINDOWS_64[:2]), 0x10100
        flat = {"fs": 0x1000, "gs": window - 0x5430}
        bases = chooser.pick((flat, flat, {**flat, "cs": 0x4000, "ds": 0x3F0000, "es": 0x7FFFF000, "ss": 0x123000}))
    return Place(chooser, bits, width, Window(window), ip, dict(bases), extended)


def _has_bytes(opcode: OpCodeInfo) -> bool:
    return any(slot.file == "R8" for slot in slots(opcode.code))


def _memory_size(opcode: OpCodeInfo) -> int:
    return int(MemorySizeExt.size(opcode.memory_size))


def _fill(place: Place, instruction: Instruction, opcode: OpCodeInfo, index: int, slot: Slot) -> None:
    """Choose operand `index`."""
    chooser, size = place.chooser, _memory_size(opcode)
    kind = slot.kind
    if kind == "register or memory":
        memory = opcode.op_count == 1 or chooser.pick((True, True, False))
        kind = "memory" if memory else "register"
    if kind == "register":
        instruction.set_op_register(index, chooser.pick(_choices(place, opcode, slot.file)))
    elif kind == "fixed":
        instruction.set_op_register(index, slot.register)
    elif kind == "pointer":
        register = chooser.pick(place.registers())
        instruction.set_op_register(index, register)
        pointer_operand(place, register, 64)
    elif kind == "immediate":
        instruction.set_op_kind(index, slot.op_kind)
        if (
            slot.op_kind == OpKind.IMMEDIATE8
            and index
            and instruction.op_kind(index - 1)
            in (
                OpKind.IMMEDIATE8,
                OpKind.IMMEDIATE16,
            )
        ):
            instruction.set_op_kind(index, OpKind.IMMEDIATE8_2ND)
        value = word(chooser, slot.width) if slot.width else 1
        if slot.op_kind not in _PLAIN_IMMEDIATES:  # then the operand is what the instruction extends it to
            value = (value - (value >> slot.width - 1 << slot.width)) & 2**64 - 1
        instruction.set_immediate_u64(index, value)
    elif kind == "branch":
        instruction.set_op_kind(index, slot.op_kind)
        instruction.near_branch64 = place.ip + chooser.integer(-100, 100) & (1 << place.bits) - 1
    elif kind == "string":
        string_operand(place, instruction, index, slot.file, size)
    elif slot.file == "XLAT":
        xlat_operand(place, instruction, index)
    elif kind == "moffs":
        moffs_operand(place, instruction, index, size)
    elif kind == "vsib":
        memory_operand(place, instruction, index, size, slot.file)
    else:
        if opcode.can_broadcast and chooser.pick((False, True)):
            instruction.is_broadcast = True
            size = MemorySizeExt.size(opcode.broadcast_memory_size) // MemorySizeExt.element_count(
                opcode.broadcast_memory_size
            )
        memory_operand(place, instruction, index, size)


def _choices(place: Place, opcode: OpCodeInfo, file: str) -> tuple[Register_, ...]:
    """The registers of a file that this instruction can name."""
    if file == "R8":
        return FILES["R8"][:4] + FILES["R8"][4:16] if place.extended else HIGH_BYTES
    if file in ("R16", "R32", "R64"):
        return FILES[file][: 16 if place.extended else 8]
    if file in ("XMM", "YMM", "ZMM"):
        return FILES[file][: 8 if place.bits != 64 else 32 if opcode.encoding == EncodingKind.EVEX else 16]
    return FILES[file]


def _decorate(place: Place, instruction: Instruction, opcode: OpCodeInfo) -> None:
    """Add what is not an operand: LOCK, REP, opmask, rounding."""
    pick = place.chooser.pick
    in_memory = instruction.op_count > 0 and instruction.op0_kind == OpKind.MEMORY
    if opcode.can_use_lock_prefix and in_memory:
        instruction.has_lock_prefix = pick((False, True))
    if opcode.can_use_rep_prefix or opcode.can_use_repne_prefix:
        prefix = pick(("rep", "repne", None))
        instruction.has_rep_prefix, instruction.has_repne_prefix = prefix == "rep", prefix == "repne"
    if opcode.can_use_op_mask_register:
        choices = FILES["K"][1:] if opcode.require_op_mask_register else (Register.NONE, *FILES["K"][1:])
        instruction.op_mask = Register.NONE if pick((True, False)) and choices[0] == Register.NONE else pick(choices)
        if opcode.can_use_zeroing_masking and not in_memory and instruction.op_mask != Register.NONE:
            instruction.zeroing_masking = pick((False, True))
    if opcode.can_use_rounding_control and _all_registers(instruction):
        instruction.rounding_control = pick(_ROUNDINGS)


def _all_registers(instruction: Instruction) -> bool:
    return all(instruction.op_kind(i) != OpKind.MEMORY for i in range(instruction.op_count))


def _encode(instruction: Instruction, place: Place) -> bytes:
    encoder = Encoder(place.bits)
    try:
        encoder.encode(instruction, place.ip)
    except ValueError as error:
        raise Unbuildable(f"{CODE_NAMES[instruction.code]}: {error}") from error
    encoded = bytes(encoder.take_buffer())
    decoded = [Decoder(place.bits, encoded, options=options, ip=place.ip).decode() for options in OPTIONS.values()]
    if (instruction.code, len(encoded)) not in [(each.code, each.len) for each in decoded]:
        raise Unbuildable(f"{CODE_NAMES[instruction.code]}: {encoded.hex()} is {CODE_NAMES[decoded[0].code]}")
    return encoded


def _state(place: Place, instruction: Instruction, opcode: OpCodeInfo, encoded: bytes) -> Case:
    """Give values to what the instruction reads, and put the case together."""
    chooser = place.chooser
    mnemonic = _MNEMONICS[instruction.mnemonic]
    used = _info.info(instruction).used_registers()
    regs = dict(place.fixed)
    if instruction.is_string_instruction and (instruction.has_rep_prefix or instruction.has_repne_prefix):
        place.set_address_register(FILES["R64"][1], chooser.pick((0, 1, 2, 3, 5, 17, 64, chooser.integer(0, 1000))))
        regs["rcx"] = place.fixed["rcx"]
    if mnemonic in ("DIV", "IDIV"):  # a dividend of twice the divisor's width nearly always overflows
        regs.setdefault("rdx", chooser.pick((0, word(chooser), 2**64 - 1)))
    if mnemonic in _BIT_OFFSETS and instruction.op1_kind == OpKind.REGISTER and chooser.pick((True, False)):
        regs.setdefault(full_name(instruction.op1_register), chooser.integer(-10000, 10000) & 2**64 - 1)
    if instruction.is_stack_instruction and chooser.pick((False, True)):
        regs.setdefault("rsp", place.spot(8) - place.base("ss") & (1 << place.bits) - 1)
    for register in used:
        if RegisterExt.is_gpr(register.register) and register.access in _READS:
            name = full_name(register.register)
            if name != "rsp" and name not in regs:
                regs[name] = word(chooser)
    narrow = 2**64 - 1 if place.bits == 64 else 2**32 - 1
    regs = {name: value & narrow for name, value in regs.items()}
    return Case(
        encoded,
        bits=place.bits,
        regs=regs,
        rflags=flags(chooser),
        window=Window(place.window.base, patches=_contents(place, instruction, opcode, regs, mnemonic)),
        vectors=_vectors(place, instruction, {r.register for r in used}),
        bases=place.bases,
        ip=place.ip,
    )


def _contents(
    place: Place, instruction: Instruction, opcode: OpCodeInfo, regs: dict[str, int], mnemonic: str
) -> dict[int, bytes]:
    """Bytes for the window: a telling value where the operand is; uniform stretches for strings to compare."""
    chooser = place.chooser
    if instruction.is_string_instruction:
        if chooser.pick((False, True)):
            return {}
        byte = chooser.pick((regs.get("rax", 0) & 0xFF, 0, 0x55))
        odd = chooser.integer(0, len(place.window.contents) - 1)
        return {0: bytes([byte]) * len(place.window.contents), odd: bytes([byte ^ 1])}
    size = _memory_size(opcode)
    target = place.spots.get("operand")
    if target is None or not 0 < size <= 64 or not place.window.holds(target, size):
        return {}
    comparand = _COMPARAND.get(mnemonic)
    if comparand and chooser.pick((False, True)):
        part = size // len(comparand)
        value = b"".join((regs[name] & (1 << 8 * part) - 1).to_bytes(part, "little") for name in comparand)
    elif opcode.memory_size in _REALS and chooser.pick((True, True, False)):
        value = real(chooser, 8 * size).to_bytes(size, "little")
    elif size <= 8:
        value = word(chooser, 8 * size).to_bytes(size, "little")
    elif chooser.pick((False, True)):
        value = (vector(chooser, 0) & (1 << 8 * size) - 1).to_bytes(size, "little")
    else:
        return {}
    return {target - place.window.base: value}


def _vectors(place: Place, instruction: Instruction, used: set[Register_]) -> VectorState | None:
    """The vector state, if the instruction has anything to do with it; telling values in what it names."""
    chooser = place.chooser
    features = {_FEATURES[feature] for feature in instruction.cpuid_features()}
    named = [r for r in used if RegisterExt.is_vector_register(r) or RegisterExt.is_k(r)]
    x87 = any(feature.startswith(_X87_FEATURES) for feature in features)
    if not named and not any(feature.startswith(_VECTOR_FEATURES) for feature in features):
        return None
    state = VectorState()
    changes: dict[str, int] = {}
    for register in sorted(named):
        number = RegisterExt.number(register)
        if RegisterExt.is_k(register):
            changes[f"k{number}"] = mask(chooser)
        elif instruction.is_vsib and register == instruction.memory_index:
            changes[f"zmm{number}"] = _indexes(place, 8 if instruction.is_vsib64 else 4, instruction.memory_index_scale)
        else:
            changes[f"zmm{number}"] = vector(chooser, state.vector[number])
    if x87:
        changes["fsw"] = chooser.pick((0, 0, chooser.integer(0, 7))) << 11
        changes["ftw"] = chooser.pick((0xFF, 0, 0xA5))
        for number in range(8):
            changes[f"r{number}"] = vector(chooser, state.x87[number]) & (1 << 80) - 1
    if not x87 or "SSE" in features:
        changes["mxcsr"] = chooser.pick((*_MXCSR, chooser.integer(0, 0xFFFF)))
    return state.replaced(**changes)


def _indexes(place: Place, width: int, scale: int) -> int:
    """Vector indexes of `width` bytes each that stay around the middle of the window."""
    spread = PAGE // 2 // scale
    elements = [place.chooser.integer(-spread, spread) for _ in range(64 // width)]
    return int.from_bytes(b"".join(element.to_bytes(width, "little", signed=True) for element in elements), "little")

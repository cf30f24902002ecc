"""Bytes to instructions: operands, directions, accesses in order, and what is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from iced_x86 import Register as IcedRegister

from decode import (
    NONE,
    READ,
    READ_WRITE,
    WRITE,
    BranchOperand,
    DecodeError,
    FarPointerOperand,
    ImmediateOperand,
    Instruction,
    InvalidInstruction,
    MemoryAccess,
    MemoryOperand,
    PortOperand,
    RegisterOperand,
    TruncatedInstruction,
    decode,
    decoder,
    forms,
)
from decode.cache import SIZE
from decode.forms import encode
from decode.forms import example as example_of

MODES = (16, 32, 64)


def insn(code: str, bits: int = 64) -> Instruction:
    """Decode hexadecimal."""
    return decode(bytes.fromhex(code), bits)


def memory(code: str, bits: int = 64) -> MemoryOperand:
    """The memory operand of an instruction."""
    return next(o for o in insn(code, bits).operands if isinstance(o, MemoryOperand))


def touched(code: str, bits: int = 64) -> list[tuple[str, str, int]]:
    """The accesses of an instruction as (direction, place, width)."""
    return [(a.direction.name, str(a.operand), a.width) for a in insn(code, bits).accesses]


def signed(value: int, bits: int) -> int:
    """Two's complement."""
    return value - (1 << bits) if value >> bits - 1 & 1 else value


def test_a_load() -> None:
    """mov eax,[rdi+10h]: mnemonic, length, operands with widths and directions, one read of four bytes."""
    load = insn("8b4710")
    assert (load.mnemonic, load.length, load.form, load.encoding) == ("mov", 3, "MOV_R32_RM32", "legacy")
    register, place = load.operands
    assert isinstance(register, RegisterOperand)
    assert isinstance(place, MemoryOperand)
    assert (register.register.name, register.direction) == ("eax", WRITE)
    assert (place.base and place.base.name, place.index, place.displacement) == ("rdi", None, 0x10)
    assert (place.segment.name, place.address_width, place.width, place.direction) == ("ds", 8, 4, READ)
    assert load.accesses == (MemoryAccess(READ, 4, place, 4),)


# --- addressing forms -----------------------------------------------------------------------------------------------

# SDM vol. 2A, table 2-1: the base and index of each 16-bit r/m value.
BASES_16: tuple[tuple[str, str | None], ...] = (
    *(("bx", "si"), ("bx", "di"), ("bp", "si"), ("bp", "di")),
    *(("si", None), ("di", None), ("bp", None), ("bx", None)),
)


@given(st.integers(0, 2), st.integers(0, 7), st.integers(0, 7), st.binary(min_size=2, max_size=2))
def test_16_bit_addressing(mod: int, reg: int, rm: int, displacement: bytes) -> None:
    """All 24 forms of 16-bit ModRM: base, index, sign-extended displacement, SS for those with BP."""
    operand = memory(bytes((0x8A, mod << 6 | reg << 3 | rm)).hex() + displacement.hex(), 16)
    base: str | None
    base, index = BASES_16[rm]
    value = signed(int.from_bytes(displacement[:mod], "little"), 8 * mod) if mod else 0
    if (mod, rm) == (0, 6):
        base, value = None, signed(int.from_bytes(displacement, "little"), 16)
    assert (operand.base and operand.base.name, operand.index and operand.index.name) == (base, index)
    assert (operand.displacement, operand.scale, operand.address_width) == (value, 1, 2)
    assert operand.segment.name == ("ss" if base == "bp" else "ds")


def sib_form(rex: int, mod: int, rm: int, sib: int, prefix: str) -> tuple[str | None, str | None, int]:
    """Base, index and scale of a 32- or 64-bit ModRM as SDM vol. 2A, tables 2-2 and 2-3, has them."""
    names = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
    suffix = "" if prefix == "r" else "d"

    def name(number: int) -> str:
        return f"{prefix}{names[number]}" if number < 8 else f"r{number}{suffix}"

    if rm != 4:
        return (None, None, 1) if (mod, rm) == (0, 5) else (name(rm | rex << 3 & 8), None, 1)
    base, index = sib & 7, sib >> 3 & 7 | rex << 2 & 8
    return (
        None if (mod, base) == (0, 5) else name(base | rex << 3 & 8),
        None if index == 4 else name(index),
        1 if index == 4 else 1 << (sib >> 6),
    )


@example(64, False, 0, 0, 4, 0x60, bytes(4))  # a scale without an index is no scale
@given(
    st.sampled_from((32, 64)),
    st.booleans(),
    st.integers(0, 15),
    st.integers(0, 2),
    st.integers(0, 7),
    st.integers(0, 255),
    st.binary(min_size=4, max_size=4),
)
def test_32_and_64_bit_addressing(
    bits: int, resized: bool, rex: int, mod: int, rm: int, sib: int, displacement: bytes
) -> None:
    """Every ModRM and SIB byte, with REX and an address-size prefix: base, index, scale, displacement, segment."""
    if bits == 32:
        rex, resized = 0, False
    code = b"\x67" * resized + (bytes((0x40 | rex,)) if rex else b"") + bytes((0x8A, mod << 6 | rm))
    code += bytes((sib,)) if rm == 4 else b""
    operand = memory(code.hex() + displacement.hex(), bits)
    prefix = "r" if bits == 64 and not resized else "e"
    base, index, scale = sib_form(rex, mod, rm, sib, prefix)
    length = (0, 1, 4)[mod]
    if base is None:
        length = 4
        if bits == 64 and rm == 5:
            base = f"{prefix}ip"
    value = signed(int.from_bytes(displacement[:length], "little"), 8 * length) if length else 0
    assert (operand.base and operand.base.name, operand.index and operand.index.name) == (base, index)
    assert (operand.scale, operand.displacement) == (scale, value)
    assert operand.address_width == (8 if prefix == "r" else 4)
    assert operand.segment.name == ("ss" if base and base[1:] in ("sp", "bp") else "ds")


def test_every_register_of_an_operand_has_its_name() -> None:
    """The reg field and REX.R name all sixteen registers at every width; SPL needs a REX prefix, AH has none."""
    legacy = ("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh")
    assert tuple(str(insn(f"8a{reg << 3:02x}").operands[0]) for reg in range(8)) == legacy
    low = ("al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", *(f"r{number}b" for number in range(8, 16)))
    assert tuple(str(insn(f"4{reg >> 1 & 4}8a{reg % 8 << 3:02x}").operands[0]) for reg in range(16)) == low


def test_rip_relative_operands_do_not_depend_on_the_place() -> None:
    """The displacement counts from the next instruction, so an immediate behind it changes nothing."""
    assert memory("8b05 f0ffffff").displacement == -0x10
    assert memory("c605 f0ffffff 12").displacement == -0x10
    assert memory("81 05 f0ffffff 12345678").displacement == -0x10
    assert memory("67 8b05 f0ffffff").displacement == -0x10


@pytest.mark.parametrize(
    ("code", "bits", "width", "address"),
    [
        ("a1 efcdab8967452301", 64, 8, 0x0123456789ABCDEF),
        ("67a1 efcdab89", 64, 4, 0x89ABCDEF),
        ("a1 efcdab89", 32, 4, 0x89ABCDEF),
        ("67a1 efcd", 32, 2, 0xCDEF),
        ("a1 efcd", 16, 2, 0xCDEF),
        ("67a1 efcdab89", 16, 4, 0x89ABCDEF),
    ],
)
def test_absolute_moves_have_an_offset_of_the_address_size(code: str, bits: int, width: int, address: int) -> None:
    """MOV to and from moffs: neither base nor index, the offset as wide as an address."""
    operand = memory(code, bits)
    assert (operand.base, operand.index, operand.address_width) == (None, None, width)
    assert operand.displacement & (1 << 8 * width) - 1 == address


@pytest.mark.parametrize(
    ("code", "bits", "segment"),
    [
        ("8b07", 32, "ds"),
        ("8b4500", 32, "ss"),
        ("8b0424", 32, "ss"),
        ("368b07", 32, "ss"),
        ("3e8b4500", 32, "ds"),
        ("268b07", 32, "es"),
        ("2e8b07", 32, "cs"),
        ("648b07", 32, "fs"),
        ("658b07", 16, "gs"),
        ("2ea1 3412", 16, "cs"),
        ("648b4500", 64, "fs"),
        ("65a1 0000000000000000", 64, "gs"),
        ("2e8b07", 64, "ds"),
        ("368b07", 64, "ds"),
        ("3e8b4500", 64, "ss"),
        ("268b0424", 64, "ss"),
        ("2641 8b4500", 64, "ds"),
        ("64a4", 64, "fs"),
        ("36a4", 64, "ds"),
        ("36d7", 32, "ss"),
    ],
)
def test_segments(code: str, bits: int, segment: str) -> None:
    """SS for addresses based on stack registers, DS for others, or the override; 64-bit code heeds FS and GS only."""
    segments = {o.segment.name for o in insn(code, bits).operands if isinstance(o, MemoryOperand)}
    assert segments - {"es"} == {segment} - {"es"}
    assert segment in segments


def test_the_destination_of_string_instructions_is_always_in_es() -> None:
    """An override of a string instruction is the source's; the destination stays in ES."""
    for code in ("64a4", "64a6", "64aa", "64ae", "646c"):
        destination = next(o for o in insn(code, 32).operands if isinstance(o, MemoryOperand) and "di" in str(o.base))
        assert destination.segment.name == "es"


# --- directions and widths ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "direction", "width"),
    [
        ("8a07", READ, 1),
        ("668b07", READ, 2),
        ("8b07", READ, 4),
        ("488b07", READ, 8),
        ("8807", WRITE, 1),
        ("488907", WRITE, 8),
        ("c70712345678", WRITE, 4),
        ("48c70712345678", WRITE, 8),
        ("0fb607", READ, 1),
        ("480fbf07", READ, 2),
        ("486307", READ, 4),
        ("0107", READ_WRITE, 4),
        ("0307", READ, 4),
        ("3907", READ, 4),
        ("8507", READ, 4),
        ("fe07", READ_WRITE, 1),
        ("48f71f", READ_WRITE, 8),
        ("8707", READ_WRITE, 4),
        ("f00fb107", READ_WRITE, 4),
        ("0fc70f", READ_WRITE, 8),
        ("480fc70f", READ_WRITE, 16),
        ("0f4407", READ, 4),
        ("0f9407", WRITE, 1),
        ("668c1f", WRITE, 2),
        ("488c1f", WRITE, 2),
        ("8e1f", READ, 2),
        ("0f6f07", READ, 8),
        ("0f2807", READ, 16),
        ("c5fe7f07", WRITE, 32),
        ("62f17c481107", WRITE, 64),
        ("db2f", READ, 10),
        ("dd37", WRITE, 108),
        ("0fae07", WRITE, 512),
        ("0fb407", READ, 6),
        ("8d07", NONE, 0),
        ("0f1f07", NONE, 4),
        ("0f180f", NONE, 1),
        ("0fae3f", NONE, 1),
        ("660fae3f", NONE, 1),
        ("660fae37", NONE, 1),
        ("0f1c07", NONE, 1),
        ("0f01 3f", NONE, 0),
    ],
)
def test_directions_and_widths(code: str, direction: int, width: int) -> None:
    """Loads read, stores write and never read, a CMOV reads whatever its condition, prefetches do neither."""
    operand = memory(code)
    assert (operand.direction, operand.width) == (direction, width)
    assert [a.operand for a in insn(code).accesses] == ([operand] if direction else [])


def test_immediates_are_sign_extended_to_the_width_they_are_used_at() -> None:
    """An imm8 of ff is ffffffff to a doubleword ADD; an immediate that is not extended keeps its own width."""
    assert insn("83c0ff").operands[1] == ImmediateOperand(0xFFFFFFFF, 4)
    assert insn("6683c0ff").operands[1] == ImmediateOperand(0xFFFF, 2)
    assert insn("4883c0ff").operands[1] == ImmediateOperand(0xFFFFFFFFFFFFFFFF, 8)
    assert insn("48c7c000000080").operands[1] == ImmediateOperand(0xFFFFFFFF80000000, 8)
    assert insn("48b8efcdab8967452301").operands[1] == ImmediateOperand(0x0123456789ABCDEF, 8)
    assert insn("b0ff").operands[1] == ImmediateOperand(0xFF, 1)
    assert insn("c8341205").operands == (ImmediateOperand(0x1234, 2), ImmediateOperand(5, 1))


def test_branch_targets_are_relative() -> None:
    """Near targets are displacements from the next instruction; far ones are selector and offset."""
    assert insn("ebfe").operands == (BranchOperand(-2, 8),)
    assert insn("e900010000").operands == (BranchOperand(0x100, 8),)
    assert insn("e9 ffff", 16).operands == (BranchOperand(-1, 2),)
    assert insn("0f84 00000080", 32).operands == (BranchOperand(-0x80000000, 4),)
    assert insn("ea 78563412 2300", 32).operands == (FarPointerOperand(0x23, 0x12345678, 6),)
    assert insn("ea 3412 0010", 16).operands == (FarPointerOperand(0x1000, 0x1234, 4),)


# --- ports ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "port", "width", "direction"),
    [
        ("e470", "0x70", 1, READ),
        ("66e570", "0x70", 2, READ),
        ("e5ff", "0xff", 4, READ),
        ("ec", "dx", 1, READ),
        ("66ed", "dx", 2, READ),
        ("48ed", "dx", 4, READ),
        ("e670", "0x70", 1, WRITE),
        ("e770", "0x70", 4, WRITE),
        ("ee", "dx", 1, WRITE),
        ("66ef", "dx", 2, WRITE),
        ("f3ec", "dx", 1, READ),
    ],
)
def test_ports(code: str, port: str, width: int, direction: int) -> None:
    """IN reads and OUT writes a port of its own byte or of DX, as wide as the accumulator; F3 means nothing."""
    operand = next(o for o in insn(code).operands if isinstance(o, PortOperand))
    assert (str(operand), operand.width, operand.direction) == (port, width, direction)
    assert [(a.direction, a.width, a.operand) for a in insn(code).accesses] == [(direction, width, operand)]
    assert insn(code).rep == ""


# --- string instructions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "string", "rep", "accesses"),
    [
        ("a4", "movs", "", [("READ", "[rsi]", 1), ("WRITE", "es:[rdi]", 1)]),
        ("f3a5", "movs", "rep", [("READ", "[rsi]", 4), ("WRITE", "es:[rdi]", 4)]),
        ("f2a5", "movs", "rep", [("READ", "[rsi]", 4), ("WRITE", "es:[rdi]", 4)]),
        ("f348ab", "stos", "rep", [("WRITE", "es:[rdi]", 8)]),
        ("66f3ad", "lods", "rep", [("READ", "[rsi]", 2)]),
        ("f3a6", "cmps", "repe", [("READ", "es:[rdi]", 1), ("READ", "[rsi]", 1)]),
        ("f2a6", "cmps", "repne", [("READ", "es:[rdi]", 1), ("READ", "[rsi]", 1)]),
        ("f3af", "scas", "repe", [("READ", "es:[rdi]", 4)]),
        ("f2af", "scas", "repne", [("READ", "es:[rdi]", 4)]),
        ("f36d", "ins", "rep", [("READ", "dx", 4), ("WRITE", "es:[rdi]", 4)]),
        ("f26e", "outs", "rep", [("READ", "[rsi]", 1), ("WRITE", "dx", 1)]),
        ("67f3a4", "movs", "rep", [("READ", "[esi]", 1), ("WRITE", "es:[edi]", 1)]),
    ],
)
def test_string_instructions(code: str, string: str, rep: str, accesses: list[tuple[str, str, int]]) -> None:
    """What is read comes before what is written; REP does not hide the width; only CMPS and SCAS tell F2 from F3."""
    instruction = insn(code)
    assert (instruction.string, instruction.rep) == (string, rep)
    assert touched(code) == accesses
    assert {access.repeats for access in instruction.accesses} == {bool(rep)}


@pytest.mark.parametrize("code", ["f20f1007", "660f2f07", "f20fc20701", "f20fd6c1", "f390", "f3c3"])
def test_a_rep_prefix_is_not_always_rep(code: str) -> None:
    """MOVSD and CMPSD of SSE2 are no string instructions, and F2 and F3 have other meanings elsewhere."""
    assert (insn(code).string, insn(code).rep) == ("", "")


# --- implicit accesses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "bits", "accesses"),
    [
        ("50", 64, [("WRITE", "[rsp-0x8]", 8)]),
        ("6650", 64, [("WRITE", "[rsp-0x2]", 2)]),
        ("50", 32, [("WRITE", "[esp-0x4]", 4)]),
        ("50", 16, [("WRITE", "[sp-0x2]", 2)]),
        ("06", 16, [("WRITE", "[sp-0x2]", 2)]),
        ("06", 32, [("WRITE", "[esp-0x4]", 2)]),
        ("0fa0", 64, [("WRITE", "[rsp-0x8]", 8)]),
        ("ff30", 64, [("READ", "[rax]", 8), ("WRITE", "[rsp-0x8]", 8)]),
        ("ff3424", 64, [("READ", "[rsp]", 8), ("WRITE", "[rsp-0x8]", 8)]),
        ("58", 64, [("READ", "[rsp]", 8)]),
        ("8f00", 64, [("READ", "[rsp]", 8), ("WRITE", "[rax]", 8)]),
        ("8f0424", 64, [("READ", "[rsp]", 8), ("WRITE", "[rsp]", 8)]),
        ("8f442408", 64, [("READ", "[rsp]", 8), ("WRITE", "[rsp+0x8]", 8)]),
        ("ff10", 64, [("READ", "[rax]", 8), ("WRITE", "[rsp-0x8]", 8)]),
        ("e800000000", 64, [("WRITE", "[rsp-0x8]", 8)]),
        ("9a 00000000 0500", 32, [("WRITE", "[esp-0x4]", 4), ("WRITE", "[esp-0x8]", 4)]),
        ("ff20", 64, [("READ", "[rax]", 8)]),
        ("c3", 64, [("READ", "[rsp]", 8)]),
        ("c9", 64, [("READ", "[rbp]", 8)]),
        ("c8100000", 64, [("WRITE", "[rsp-0x8]", 8)]),
        ("c8100001", 64, [("WRITE", "[rsp-0x8]", 8), ("WRITE", "[rsp-0x10]", 8)]),
        ("9c", 64, [("WRITE", "[rsp-0x8]", 8)]),
        ("660f38f807", 64, [("READ", "[rdi]", 64), ("WRITE", "es:[rax]", 64)]),
    ],
)
def test_implicit_accesses(code: str, bits: int, accesses: list[tuple[str, str, int]]) -> None:
    """The stack and other memory an instruction does not name, in architectural order with what it names."""
    assert touched(code, bits) == accesses


def test_every_named_operand_is_accessed_once() -> None:
    """The operand an instruction names and touches is the operand of exactly one of its accesses, in every form."""
    for instruction in (decode(code, bits) for form in forms() for bits, code in form.examples.items()):
        for operand in instruction.operands:
            if isinstance(operand, MemoryOperand):
                accesses = [a for a in instruction.accesses if a.operand is operand]
                assert [a.direction for a in accesses] == [operand.direction] * bool(operand.direction), instruction


# --- what is refused ------------------------------------------------------------------------------------------------


@given(st.sampled_from([(form.examples[bits], bits) for form in forms() for bits in form.examples]), st.data())
def test_no_more_bytes_are_demanded_than_needed(case: tuple[bytes, int], data: st.DataObject) -> None:
    """A strict prefix of an instruction is truncated, or another and shorter instruction; never more than it is."""
    code, bits = case
    cut = data.draw(st.integers(0, len(code) - 1))
    assert decode(code, bits).length == len(code)
    try:
        length = decode(code[:cut], bits).length
    except TruncatedInstruction:
        length = 0
    assert length <= cut


@given(st.binary(max_size=20), st.sampled_from(MODES))
@example(b"\x62" * 15, 64)
@example(b"\xf0\x0f\xae\x07", 64)
def test_arbitrary_bytes_raise_documented_errors_only(code: bytes, bits: int) -> None:
    """Whatever the bytes are, they are an instruction of at most 15 of them, truncated, or invalid."""
    try:
        instruction = decode(code, bits)
    except DecodeError:
        return
    assert instruction.code == code[: instruction.length]
    assert 1 <= instruction.length <= 15


@pytest.mark.parametrize("code", ["f08b07", "f00307", "f089c0", "f0f3a4", "f0ec", "f00fa307"])
def test_lock_where_it_is_not_allowed_is_invalid(code: str) -> None:
    """LOCK goes with a read-modify-write of memory and nothing else."""
    with pytest.raises(InvalidInstruction):
        insn(code)


def test_lock_is_told() -> None:
    """An instruction says whether it has a LOCK prefix."""
    assert insn("f00107").lock
    assert not insn("0107").lock
    assert not insn("8707").lock  # XCHG is indivisible without one


@pytest.mark.parametrize("bits", [0, 8, 63, 128, "64", None])
def test_bits_is_a_mode(bits: int) -> None:
    """Only 16, 32 and 64 are modes."""
    with pytest.raises(ValueError, match=f"bits is 16, 32 or 64, not {bits!r}"):
        decode(b"\x90", bits)


@pytest.mark.parametrize("code", ["90", 0x90, None, [0x90]])
def test_code_is_bytes(code: bytes) -> None:
    """Anything but bytes, a bytearray or a memoryview is a TypeError that names what came."""
    with pytest.raises(TypeError, match=f"code is bytes, not {type(code).__name__}"):
        decode(code)


# --- the cache ------------------------------------------------------------------------------------------------------


def test_equal_bytes_are_one_instruction() -> None:
    """The same bytes in the same mode are the same object, whatever follows them and of whatever type they are."""
    first = insn("8b4710")
    assert insn("8b4710") is first
    assert insn("8b4710 9090") is first
    assert decode(bytearray.fromhex("8b4710")) is first
    assert decode(memoryview(b"\x8b\x47\x10\xcc")) is first
    assert insn("8b4710", 32) is not first
    assert insn("8b4711") is not first


def test_the_cache_is_bounded() -> None:
    """It keeps `SIZE` byte strings a mode; what was evicted is decoded again, to an equal instruction."""
    first = insn("b800000000")
    for value in range(1, SIZE + 2):
        decode(b"\xb8" + value.to_bytes(4, "little"))
    assert len(decoder._caches[64, "intel"]) == SIZE
    assert insn("b800000000") is not first
    assert insn("b800000000") == first


# --- EVEX ------------------------------------------------------------------------------------------------------------


def test_masking_is_told() -> None:
    """The opmask register and zeroing are attributes; k0 means unmasked."""
    assert insn("62f17c481007").opmask is None
    masked = insn("62f17cc91007")
    assert (masked.opmask and masked.opmask.name, masked.zeroing) == ("k1", True)
    assert not insn("62f17c491007").zeroing


def test_a_broadcast_reads_one_element() -> None:
    """An embedded broadcast is one element wide and says so."""
    operand = memory("62f17c585807")
    assert (operand.broadcast, operand.width) == (True, 4)
    wide = example_of("EVEX_VADDPD_ZMM_K1Z_ZMM_ZMMM512B64_ER", 64)
    wide.is_broadcast = True
    wide.op_mask = IcedRegister.K1
    assert memory(encode(wide, 64).hex()).width == 8

"""BT and its kin, bit scans and counts, BMI1, BMI2, CRC32."""

import pytest

from emulate import Cpu, GeneralProtection
from emulate.families import bits
from emulate.flags import AF, CF, OF, PF, SF, STATUS, ZF
from emulate.recipes import Binary, Unary
from tests.emulate.everywhere import Locking
from tests.emulate.families.executing import execute, reads, refused, word, writes


@pytest.mark.parametrize(
    ("code", "value", "carry"),
    [
        ("0fba2f02", 0b1111, 1),  # bts dword [rdi],2 … the bit is set already: still written
        ("0fba3702", 0b1011, 1),  # btr
        ("0fba3f03", 0b0111, 1),  # btc
        ("0fba2f25", 0b101111, 0),  # bts by 37: bit 5 of the same element
    ],
)
def test_an_immediate_offset_stays_in_its_element(code: str, value: int, carry: int) -> None:
    """It counts modulo the operand size; BTS, BTR and BTC read and write once."""
    cpu = Cpu(rdi=0x1000, rflags=STATUS | 2)
    touches = execute(code, cpu, {0x1000: word(0b1111, 4)})
    assert touches == [reads(0x1000, 4, 0b1111), writes(0x1000, 4, value)]
    assert cpu.rflags == STATUS & ~CF | carry | 2


@pytest.mark.parametrize(
    ("code", "rdi", "rcx", "address", "width"),
    [
        ("480fa30f", 0x1000, 64, 0x1008, 8),  # bt [rdi],rcx
        ("480fa30f", 0x1000, 63, 0x1000, 8),
        ("480fa30f", 0x1000, (1 << 64) - 1, 0xFF8, 8),
        ("0fa30f", 0x1000, 0xFFFFFFFF, 0xFFC, 4),  # bt [rdi],ecx
        ("0fa30f", 0x1000, 0x1_0000_0020, 0x1004, 4),
        ("660fa30f", 0x1000, 0x8000, 0, 2),  # bt [rdi],cx: 2**15 bits back
        ("480fa30f", (1 << 60) + 0x1000, 1 << 63, 0x1000, 8),  # 2**60 bytes back
        ("67480fa30f", 0xFFFFFFF0, 0x20 << 3, 0x10, 8),  # wraps at the address size
        ("64480fa30f", 0x10, (1 << 64) - 64, 0x5008, 8),  # the segment base comes after
    ],
)
def test_a_register_offset_moves_the_address(code: str, rdi: int, rcx: int, address: int, width: int) -> None:
    """It is signed, and may lead 2**60 bytes either way (SDM vol. 2A, BT)."""
    cpu = Cpu(rdi=rdi, rcx=rcx, fs_base=0x5000)
    touches = execute(code, cpu)
    assert [(t.address, t.width) for t in touches] == [(address, width)]
    assert cpu.cf == touches[0].value >> rcx % (8 * width) & 1


def test_a_register_offset_to_a_non_canonical_address_faults_before_any_access() -> None:
    """The address that counts is the one the offset leads to."""
    assert refused(GeneralProtection, "480fab0f", Cpu(rdi=0x1000, rcx=1 << 62)).log == []


def test_lock_bts_is_one_indivisible_update() -> None:
    """The bit at the address the offset leads to is set by the bus's `update`."""
    bus, cpu = Locking(), Cpu(rdi=0x1000, rcx=65)
    touches = execute("f0480fab0f", cpu, {0x1008: word(0x10, 8)}, bus)
    assert touches == [reads(0x1008, 8, 0x10), writes(0x1008, 8, 0x12)]
    assert (bus.updates, cpu.cf) == (1, 0)


def test_register_operands_take_the_offset_modulo_their_size() -> None:
    """BTC AX,CX with CX 17 inverts bit 1."""
    cpu = Cpu(rax=0xF0000, rcx=17)
    execute("660fbbc8", cpu)
    assert (cpu.rax, cpu.cf) == (0xF0002, 0)


@pytest.mark.parametrize(
    ("code", "rcx", "rax", "zf"),
    [
        ("0fbcc1", 0x50, 4, 0),  # bsf eax,ecx
        ("0fbdc1", 0x50, 6, 0),  # bsr eax,ecx
        ("0fbcc1", 0, 0x1122334455667788, 1),
        ("0fbdc1", 0, 0x1122334455667788, 1),
        ("660fbdc1", 0x8000, 0x112233445566000F, 0),
        ("660fbcc1", 0x10000, 0x1122334455667788, 1),
        ("480fbdc1", 1 << 63, 63, 0),
    ],
)
def test_a_bit_scan_of_zero_leaves_the_destination(code: str, rcx: int, rax: int, zf: int) -> None:
    """It is left whole: not even the upper half of a 32-bit destination is cleared."""
    cpu = Cpu(rax=0x1122334455667788, rcx=rcx)
    execute(code, cpu)
    assert (cpu.rax, cpu.zf) == (rax, zf)


@pytest.mark.parametrize(
    ("function", "a", "width", "result", "flags"),
    [
        (bits.tzcnt, 0x50, 4, 4, 0),
        (bits.tzcnt, 1, 2, 0, ZF),
        (bits.tzcnt, 0, 2, 16, CF),
        (bits.lzcnt, 0x50, 4, 25, 0),
        (bits.lzcnt, 1 << 63, 8, 0, ZF),
        (bits.lzcnt, 0, 8, 64, CF),
        (bits.popcnt, 0xF1, 4, 5, 0),
        (bits.popcnt, 0, 8, 0, ZF),
        (bits.blsi, 0b1100, 4, 0b0100, CF),
        (bits.blsi, 0, 4, 0, ZF),
        (bits.blsi, 1 << 31, 4, 1 << 31, CF | SF),
        (bits.blsr, 0b1100, 4, 0b1000, 0),
        (bits.blsr, 0, 8, 0, CF | ZF),
        (bits.blsmsk, 0b1100, 4, 0b0111, 0),
        (bits.blsmsk, 0, 8, (1 << 64) - 1, CF | SF),
    ],
)
def test_functions_of_one_source(function: Unary, a: int, width: int, result: int, flags: int) -> None:
    """Counts and lowest-bit functions with the flags that tell of an empty source."""
    assert function(a, STATUS, width) == (result, flags)


@pytest.mark.parametrize(
    ("function", "a", "b", "width", "result", "flags"),
    [
        (bits.andn, 0b0011, 0b0101, 4, 0b0100, 0),
        (bits.andn, 0xF0000000, 0x80000000, 4, 0, ZF),
        (bits.andn, 0, 1 << 63, 8, 1 << 63, SF),
        (bits.bextr, 0x12345678, 0x0804, 4, 0x67, 0),
        (bits.bextr, 0x12345678, 0xFF1C, 4, 0x1, 0),
        (bits.bextr, 0x12345678, 0x0800, 8, 0x78, 0),
        (bits.bextr, 0x12345678, 0x0840, 4, 0, ZF),
        (bits.bzhi, 0xFFFFFFFF, 4, 4, 0xF, 0),
        (bits.bzhi, 0xFFFFFFFF, 0x120, 4, 0xFFFFFFFF, CF | SF),
        (bits.bzhi, 0xFF, 0, 8, 0, ZF),
        (bits.pdep, 0b101, 0b11010, 4, 0b10010, STATUS),
        (bits.pext, 0b10010, 0b11010, 4, 0b101, STATUS),
        (bits.pext, 0xFFFFFFFF, 0xF000000F, 4, 0xFF, STATUS),
    ],
)
def test_functions_of_two_sources(function: Binary, a: int, b: int, width: int, result: int, flags: int) -> None:
    """ANDN BEXTR BZHI set flags of the result; PDEP and PEXT leave all flags."""
    assert function(a, b, STATUS, width) == (result, flags)


def test_bt_leaves_the_flags_the_manual_calls_undefined() -> None:
    """ZF is defined to stay; OF SF AF PF stay as well, as on Intel's CPUs."""
    assert bits.bt(0, 0, STATUS, 4) == (0, OF | SF | ZF | AF | PF)


@pytest.mark.parametrize("widths", [(1,) * 9, (2, 2, 2, 2, 1), (4, 4, 1), (8, 1)])
def test_crc32_is_the_castagnoli_checksum(widths: tuple[int, ...]) -> None:
    """The checksum of "123456789" is E3069283h, in whatever pieces; a 64-bit destination is zero-extended."""
    codes = {1: "f20f38f0c1", 2: "66f20f38f1c1", 4: "f20f38f1c1", 8: "f2480f38f1c1"}
    cpu, data = Cpu(rax=0xFFFFFFFFFFFFFFFF), b"123456789"
    for width in widths:
        cpu.rcx, data = int.from_bytes(data[:width], "little"), data[width:]
        execute(codes[width], cpu)
    assert cpu.rax == 0xE3069283 ^ 0xFFFFFFFF

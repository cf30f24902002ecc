"""The table of registers, and the rule for writing part of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import REGISTERS, Register, merge
from decode.registers import FILE_WIDTH, SEGMENT_NAMES, read

registers = st.sampled_from([REGISTERS[name] for name in sorted(REGISTERS)])


def words(register: Register) -> st.SearchStrategy[int]:
    """Any content of the word a register lies in."""
    return st.integers(0, (1 << 8 * FILE_WIDTH[register.file]) - 1)


def test_every_name_of_a_general_register() -> None:
    """Word 0 of the general file is rax, eax, ax, al and ah; word 4 has spl, which needs a REX prefix."""
    assert [(r.name, r.width, r.shift) for r in REGISTERS.values() if (r.file, r.index) == ("general", 0)] == [
        ("rax", 8, 0),
        ("eax", 4, 0),
        ("ax", 2, 0),
        ("al", 1, 0),
        ("ah", 1, 8),
    ]
    assert [r.name for r in REGISTERS.values() if (r.file, r.index) == ("general", 4)] == ["rsp", "esp", "sp", "spl"]
    assert [r.name for r in REGISTERS.values() if (r.file, r.index) == ("general", 8)] == ["r8", "r8d", "r8w", "r8b"]


def test_indexes_follow_the_encoding() -> None:
    """Indexes follow the encoding, not the alphabet: cx dx bx, and es cs ss ds fs gs."""
    assert [REGISTERS[name].index for name in ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")] == [*range(8)]
    assert [REGISTERS[name].index for name in SEGMENT_NAMES] == [*range(6)]


def test_vector_registers_share_words() -> None:
    """xmm3, ymm3 and zmm3 are the low 16, 32 and all 64 bytes of one word."""
    assert [(REGISTERS[n].index, REGISTERS[n].width) for n in ("xmm3", "ymm3", "zmm3")] == [(3, 16), (3, 32), (3, 64)]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("al", 0xFF, 0x11223344556677FF),
        ("ah", 0xFF, 0x112233445566FF88),
        ("ax", 0xFFFF, 0x112233445566FFFF),
        ("eax", 0xFFFFFFFF, 0x00000000FFFFFFFF),
        ("rax", 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF),
    ],
)
def test_a_narrow_write_keeps_the_upper_bits_and_a_32_bit_write_clears_them(
    name: str, value: int, expected: int
) -> None:
    """Writing 8 or 16 bits keeps the other ones, writing 32 clears the upper half."""
    assert merge(0x1122334455667788, REGISTERS[name], value) == expected


def test_a_vector_write_keeps_or_clears_the_upper_bits() -> None:
    """Legacy SSE keeps the bits above the operand, VEX and EVEX clear them."""
    word = 7 << 256 | 5
    assert merge(word, REGISTERS["xmm0"], 9) == 7 << 256 | 9
    assert merge(word, REGISTERS["xmm0"], 9, zero_upper=True) == 9


def test_an_mmx_write_fills_the_exponent() -> None:
    """Writing mm0 sets the sign and exponent of the x87 register it lies in."""
    assert merge(0, REGISTERS["mm0"], 1) == 0xFFFF_0000000000000001


@given(st.data(), registers)
def test_a_register_reads_what_was_written(data: st.DataObject, register: Register) -> None:
    """Whatever the word held, a register holds the value it was given."""
    word = data.draw(words(register))
    value = data.draw(st.integers(0, register.mask))
    merged = merge(word, register, value)
    assert read(merged, register) == value
    assert merged < 1 << 8 * FILE_WIDTH[register.file]


@given(st.data(), registers)
def test_no_other_bit_is_invented(data: st.DataObject, register: Register) -> None:
    """The bits beside a written register are kept, cleared, or (MMX) set; never anything else."""
    word = data.draw(words(register))
    beside = merge(word, register, 0) & ~(register.mask << register.shift)
    assert beside in (word & ~(register.mask << register.shift), 0, register.fill)


def test_a_register_prints_as_its_name() -> None:
    """A register reads as an assembler writes it."""
    assert str(REGISTERS["r8d"]) == "r8d"
    assert repr(REGISTERS["ah"]) == "Register(name='ah', file='general', index=0, width=1, shift=8)"

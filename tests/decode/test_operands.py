"""Operands as values, and how they read."""

import pytest

from decode import (
    NONE,
    READ,
    READ_WRITE,
    REGISTERS,
    WRITE,
    BranchOperand,
    FarPointerOperand,
    ImmediateOperand,
    MemoryOperand,
    PortOperand,
    RegisterOperand,
    decode,
)


def memory(code: str, bits: int = 64) -> MemoryOperand:
    """The memory operand of an instruction."""
    return next(o for o in decode(bytes.fromhex(code), bits).operands if isinstance(o, MemoryOperand))


def test_directions_are_flags() -> None:
    """READ and WRITE together are READ_WRITE; a direction prints as its name."""
    assert READ | WRITE == READ_WRITE
    assert not NONE
    assert [repr(direction) for direction in (NONE, READ, WRITE, READ_WRITE)] == ["NONE", "READ", "WRITE", "READ_WRITE"]


@pytest.mark.parametrize(
    ("code", "bits", "text"),
    [
        ("8b4710", 64, "[rdi+0x10]"),
        ("8b47f0", 64, "[rdi-0x10]"),
        ("8b07", 64, "[rdi]"),
        ("8b848f00010000", 64, "[rdi+rcx*4+0x100]"),
        ("8b040f", 64, "[rdi+rcx]"),
        ("8b048d00000000", 64, "[rcx*4]"),
        ("8b0500010000", 64, "[rip+0x100]"),
        ("648b07", 64, "fs:[rdi]"),
        ("8b4500", 64, "[rbp]"),
        ("268b07", 32, "es:[edi]"),
        ("8b00", 16, "[bx+si]"),
        ("a100fe", 16, "[0xfe00]"),
        ("a1000000fe", 32, "[0xfe000000]"),
        ("8b0425000000fe", 64, "[0xfffffffffe000000]"),
        ("d7", 64, "[rbx+al]"),
    ],
)
def test_memory_operands_read_like_an_assembler_writes_them(code: str, bits: int, text: str) -> None:
    """Base, index, scale and signed displacement; a segment only when it is not the usual one."""
    assert str(memory(code, bits)) == text


def test_the_other_operands_read_like_an_assembler_writes_them() -> None:
    """Registers by name, numbers in hexadecimal, branches relative to the next instruction."""
    assert str(RegisterOperand(REGISTERS["eax"], READ)) == "eax"
    assert str(ImmediateOperand(255, 1)) == "0xff"
    assert str(PortOperand(REGISTERS["dx"], 0, 4, READ)) == "dx"
    assert str(PortOperand(None, 0x70, 1, WRITE)) == "0x70"
    assert str(BranchOperand(-2, 8)) == "-0x2"
    assert str(FarPointerOperand(0x23, 0x1000, 6)) == "0x23:0x1000"


def test_a_register_operand_is_as_wide_as_its_register() -> None:
    """Width in bytes comes from the register."""
    assert RegisterOperand(REGISTERS["ah"], READ).width == 1
    assert RegisterOperand(REGISTERS["ymm1"], WRITE).width == 32


def test_only_ip_relative_operands_say_so() -> None:
    """rip and eip as base count from the next instruction, nothing else does."""
    assert memory("8b0500010000").is_rip_relative
    assert memory("678b0500010000").is_rip_relative
    assert not memory("8b4710").is_rip_relative
    assert not memory("8b0425000000fe").is_rip_relative

"""Bitwise logic on vectors."""

import pytest

from emulate import Cpu, GeneralProtection, MathFault
from tests.emulate.families.executing import execute, reads, refused, word

A = 0x00FF00FF_0F0F0F0F_33333333_55555555
B = 0xFFFFFFFF_00000000_F0F0F0F0_12345678
HIGH = 0xAB << 256


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("660fdb0f", A & B),  # pand xmm1,[rdi]
        ("660f540f", A & B),  # andpd xmm1,[rdi]
        ("660fdf0f", B & ~A),  # pandn xmm1,[rdi]
        ("0f550f", B & ~A),  # andnps xmm1,[rdi]
        ("660feb0f", A | B),  # por xmm1,[rdi]
        ("660f560f", A | B),  # orpd xmm1,[rdi]
        ("660fef0f", A ^ B),  # pxor xmm1,[rdi]
        ("0f570f", A ^ B),  # xorps xmm1,[rdi]
    ],
)
def test_legacy(code: str, result: int) -> None:
    """One aligned read of 16 bytes; ANDN inverts the destination; the upper part of the register stays."""
    cpu = Cpu(rdi=0x1000, zmm1=HIGH | A)
    assert execute(code, cpu, {0x1000: word(B, 16)}) == [reads(0x1000, 16, B)]
    assert cpu.zmm1 == HIGH | result
    refused(GeneralProtection, code, Cpu(rdi=0x1008, zmm1=A))


@pytest.mark.parametrize(
    ("code", "width", "result"),
    [
        ("c5e9550f", 16, B & ~A),  # vandnpd xmm1,xmm2,[rdi]
        ("c5edef0f", 32, A ^ (B | B << 128)),  # vpxor ymm1,ymm2,[rdi]
    ],
)
def test_vex(code: str, width: int, result: int) -> None:
    """The first source may be another register, memory may lie anywhere, and the rest of the register is cleared."""
    cpu = Cpu(rdi=0x1001, zmm1=HIGH, zmm2=A)
    assert len(execute(code, cpu, {0x1001: word(B, 16) * (width // 16)})) == 1
    assert cpu.zmm1 == result


def test_registers() -> None:
    """Nothing is touched; a register against itself is cleared."""
    cpu = Cpu(zmm1=HIGH | A, zmm2=A, zmm3=B)
    assert execute("c5e9ebcb", cpu) == []  # vpor xmm1,xmm2,xmm3
    assert cpu.zmm1 == A | B
    assert execute("0f57c9", cpu) == []  # xorps xmm1,xmm1
    assert cpu.zmm1 == 0


def test_mmx() -> None:
    """Eight bytes, anywhere, and the x87 stack is left."""
    cpu = Cpu(rdi=0x1001, mm1=A & (1 << 64) - 1)
    execute("0fdb0f", cpu, {0x1001: word(B & (1 << 64) - 1, 8)})  # pand mm1,[rdi]
    assert (cpu.mm1, cpu.ftw) == (A & B & (1 << 64) - 1, 0xFF)
    refused(MathFault, "0fdb0f", Cpu(rdi=0x1000, fsw=0x8081, fcw=0x37E))


def test_opmask() -> None:
    """Only chosen elements are read; the others are kept or zeroed, as wide as the mnemonic says."""
    cpu = Cpu(rdi=0x1000, zmm1=HIGH | B, zmm2=A, k1=0b0010)
    touched = execute("62f16d09db0f", cpu, {0x1000: word(B, 16)})  # vpandd xmm1{k1},xmm2,[rdi]
    assert touched == [reads(0x1004, 4, 0xF0F0F0F0)]
    assert cpu.zmm1 == B & ~(0xFFFFFFFF << 32) | 0x30303030 << 32
    execute("62f1ed89ef0f", cpu, {0x1000: word(B, 16)})  # vpxorq xmm1{k1}{z},xmm2,[rdi]
    assert cpu.zmm1 == (A ^ B) >> 64 << 64


def test_broadcast() -> None:
    """One element is read and used for all; with none of them chosen it is not read."""
    cpu = Cpu(rdi=0x1000, zmm1=B, zmm2=A, k1=0b10)
    touched = execute("62f16c18540f", cpu, {0x1000: word(0xF0F0F0F0, 4)})  # vandps xmm1,xmm2,[rdi]{1to4}
    assert touched == [reads(0x1000, 4, 0xF0F0F0F0)]
    assert cpu.zmm1 == A & 0xF0F0F0F0_F0F0F0F0_F0F0F0F0_F0F0F0F0
    execute("62f1ed19560f", cpu, {0x1000: word(1 << 63, 8)})  # vorpd xmm1{k1},xmm2,[rdi]{1to2}
    assert cpu.zmm1 == (A | 1 << 127) >> 64 << 64 | A & 0xF0F0F0F0_F0F0F0F0
    assert execute("62f1ed19560f", Cpu(rdi=0x1000)) == []

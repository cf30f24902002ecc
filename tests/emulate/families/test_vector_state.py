"""MXCSR, and clearing registers or halves of them."""

import pytest

from emulate import Cpu, GeneralProtection, MathFault
from tests.emulate.families.executing import execute, reads, refused, word, writes

OLD = (1 << 512) - 1


@pytest.mark.parametrize("code", ["0fae17", "c5f8ae17"])
def test_ldmxcsr(code: str) -> None:
    """MXCSR gets the four bytes read."""
    cpu = Cpu(rdi=0x1000)
    assert execute(code, cpu, {0x1000: word(0xFFC0, 4)}) == [reads(0x1000, 4, 0xFFC0)]
    assert cpu.mxcsr == 0xFFC0


def test_reserved_bits_of_mxcsr_fault() -> None:
    """Any of the upper sixteen bits is #GP, after the read and before anything changes."""
    refused(GeneralProtection, "0fae17", Cpu(rdi=0x1000), {0x1000: word(0x11F80, 4)})


def test_stmxcsr() -> None:
    """MXCSR goes to memory."""
    assert execute("0fae1f", Cpu(rdi=0x1000, mxcsr=0x9FC0)) == [writes(0x1000, 4, 0x9FC0)]


@pytest.mark.parametrize(("bits", "count"), [(64, 16), (32, 8)])
@pytest.mark.parametrize(("code", "left"), [("c5f877", OLD >> 384), ("c5fc77", 0)])
def test_vzero(code: str, left: int, bits: int, count: int) -> None:
    """VZEROUPPER and VZEROALL concern the registers VEX can name in the mode."""
    cpu = Cpu(bits)
    cpu.vector[:] = [OLD] * 32
    execute(code, cpu)
    assert cpu.vector == [left] * count + [OLD] * (32 - count)


def test_emms() -> None:
    """All tags are empty and TOP is zero; a pending exception is raised first."""
    cpu = Cpu(ftw=0xFF, fsw=0x7901)
    execute("0f77", cpu)
    assert (cpu.ftw, cpu.fsw) == (0, 0x4101)
    refused(MathFault, "0f77", Cpu(fsw=0x8081, fcw=0x37E))

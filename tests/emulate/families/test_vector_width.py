"""Extending and truncating moves."""

import pytest

from emulate import Cpu
from emulate.families.vector_width import extend, truncate
from tests.emulate.families.executing import execute, reads, writes

OLD = (1 << 512) - 1
BYTES = bytes((0x01, 0x80, 0x7F, 0xFF, 0x02, 0x81, 0x7E, 0xFE))


@pytest.mark.parametrize(
    ("code", "width", "low"),
    [
        ("660f38300f", 8, 0x00FE_007E_0081_0002_00FF_007F_0080_0001),  # pmovzxbw xmm1,[rdi]
        ("660f38210f", 4, 0xFFFFFFFF_0000007F_FFFFFF80_00000001),  # pmovsxbd xmm1,[rdi]
        ("660f38220f", 2, 0xFFFFFFFFFFFFFF80_0000000000000001),  # pmovsxbq xmm1,[rdi]
        ("660f38350f", 8, 0x00000000FE7E8102_00000000FF7F8001),  # pmovzxdq xmm1,[rdi]
    ],
)
def test_extending(code: str, width: int, low: int) -> None:
    """Just the elements that fit are read, at once; the sign is repeated or zeros are added."""
    cpu = Cpu(rdi=0x1000, zmm1=OLD)
    assert execute(code, cpu, {0x1000: BYTES}) == [reads(0x1000, width, int.from_bytes(BYTES[:width], "little"))]
    assert cpu.zmm1 == OLD >> 128 << 128 | low


def test_masked_extending_reads_narrow_elements() -> None:
    """An opmask bit stands for an element of the source, as narrow as it is there."""
    cpu = Cpu(rdi=0x1000, zmm1=OLD, k1=0b1010)
    touched = execute("62f27dc9310f", cpu, {0x1000: BYTES})  # vpmovzxbd zmm1{k1}{z},[rdi]
    assert touched == [reads(0x1001, 1, 0x80), reads(0x1003, 1, 0xFF)]
    assert cpu.zmm1 == 0xFF << 96 | 0x80 << 32


@pytest.mark.parametrize(
    ("code", "zmm2", "zmm1"),
    [
        ("62f27e0832d1", 0x11 << 64 | 0xABCD, 0x11CD),  # vpmovqb xmm1,xmm2
        ("62f27e0821d1", 0x7F << 96 | 0x80 << 64 | 0xFFFFFF7F << 32 | 0xFFFFFF80, 0x7F_7F_80_80),  # vpmovsdb
        ("62f27e0811d1", 0xFFFFFFFF << 64 | 0x100 << 32 | 0xFF, 0xFF_FF_FF),  # vpmovusdb
        ("62f27e0820d1", 0x8000 << 16 | 0x1234, 0x80_7F),  # vpmovswb
    ],
)
def test_truncating(code: str, zmm2: int, zmm1: int) -> None:
    """Elements are cut or saturated, side by side at the low end; the rest of the destination is zeroed."""
    cpu = Cpu(zmm1=OLD, zmm2=zmm2)
    execute(code, cpu)
    assert cpu.zmm1 == zmm1


@pytest.mark.parametrize(("code", "zmm1"), [("62f27e0932d1", 0xFF55), ("62f27e8932d1", 0x0055)])
def test_masked_truncating_zeroes_what_is_above(code: str, zmm1: int) -> None:
    """Merging concerns the elements the result has, two bytes here; above them are zeros, with {z} or without."""
    cpu = Cpu(zmm1=OLD, zmm2=0x66 << 64 | 0x55, k1=0b01)
    execute(code, cpu)  # vpmovqb xmm1{k1},xmm2
    assert cpu.zmm1 == zmm1


def test_truncating_stores() -> None:
    """A store is as wide as the result, or one for each selected element."""
    quads = 0x1_0000_0000 << 192 | 5 << 128 | 0xFFFFFFFF << 64 | 7
    assert execute("62f27e281517", Cpu(rdi=0x1000, zmm2=quads)) == [  # vpmovusqd [rdi],ymm2
        writes(0x1000, 16, 0xFFFFFFFF_00000005_FFFFFFFF_00000007)
    ]
    assert execute("62f27e09320f", Cpu(rdi=0x1000, zmm1=0xAB << 64, k1=0b10)) == [writes(0x1001, 1, 0xAB)]


def test_extend() -> None:
    """Each element by itself."""
    assert extend(0x80FF, 1, 2, 2, True) == 0xFF80_FFFF
    assert extend(0x80FF, 1, 2, 2, False) == 0x0080_00FF


def test_truncate() -> None:
    """Limits of zero cut; else the nearer limit stands for what is beyond, signed when the lower one is negative."""
    assert truncate(0x1234_FFFF, 2, 1, 2, 0, 0) == 0x34_FF
    assert truncate(0x1234_FFFF, 2, 1, 2, -128, 127) == 0x7F_FF
    assert truncate(0x1234_FFFF, 2, 1, 2, 0, 255) == 0xFF_FF

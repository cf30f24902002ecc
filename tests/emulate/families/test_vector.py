"""Plain vector moves: widths, alignment, and what becomes of the rest of a register."""

import pytest

from emulate import Cpu, GeneralProtection, MathFault
from tests.emulate.families.executing import execute, reads, refused, writes

DATA = bytes(range(1, 65))
OLD = (1 << 512) - 1
HIGH = OLD >> 128 << 128


def loaded(width: int) -> int:
    """The first bytes of `DATA` as a value."""
    return int.from_bytes(DATA[:width], "little")


@pytest.mark.parametrize(
    ("code", "width", "zmm1"),
    [
        ("0f100f", 16, HIGH | loaded(16)),  # movups
        ("0f280f", 16, HIGH | loaded(16)),  # movaps
        ("f20ff00f", 16, HIGH | loaded(16)),  # lddqu
        ("660f382a0f", 16, HIGH | loaded(16)),  # movntdqa
        ("c5f8100f", 16, loaded(16)),  # vmovups xmm
        ("c5fc100f", 32, loaded(32)),  # vmovups ymm
        ("62f17c48280f", 64, loaded(64)),  # vmovaps zmm
        ("f30f100f", 4, HIGH | loaded(4)),  # movss
        ("f20f100f", 8, HIGH | loaded(8)),  # movsd
        ("f30f7e0f", 8, HIGH | loaded(8)),  # movq
        ("62f57d086e0f", 2, loaded(2)),  # vmovw
        ("0f120f", 8, HIGH | 0xFFFFFFFFFFFFFFFF << 64 | loaded(8)),  # movlps
        ("0f160f", 8, HIGH | loaded(8) << 64 | 0xFFFFFFFFFFFFFFFF),  # movhps
    ],
)
def test_loads(code: str, width: int, zmm1: int) -> None:
    """One read of the operand's width; legacy SSE keeps bits 128 and up, VEX and EVEX clear them."""
    cpu = Cpu(rdi=0x1000, zmm1=OLD)
    assert execute(code, cpu, {0x1000: DATA}) == [reads(0x1000, width, loaded(width))]
    assert cpu.zmm1 == zmm1


@pytest.mark.parametrize(
    ("code", "width", "value"),
    [
        ("0f110f", 16, loaded(16)),  # movups
        ("62f17d48e70f", 64, loaded(64)),  # vmovntdq zmm
        ("f30f110f", 4, loaded(4)),  # movss
        ("f20f2b0f", 8, loaded(8)),  # movntsd
        ("660fd60f", 8, loaded(8)),  # movq
        ("0f130f", 8, loaded(8)),  # movlps
        ("0f170f", 8, loaded(16) >> 64),  # movhps
        ("660f7e0f", 4, loaded(4)),  # movd
        ("62f57d087e0f", 2, loaded(2)),  # vmovw
    ],
)
def test_stores(code: str, width: int, value: int) -> None:
    """One write of the operand's width, and nothing is read."""
    assert execute(code, Cpu(rdi=0x1000, zmm1=loaded(64))) == [writes(0x1000, width, value)]


@pytest.mark.parametrize("code", ["0f280f", "0f290f", "660f6f0f", "0f2b0f", "62f17c48280f", "62f17d48e70f"])
def test_aligned_moves(code: str) -> None:
    """An address that is not a multiple of the operand's width is #GP before anything is touched."""
    assert refused(GeneralProtection, code, Cpu(rdi=0x1008)).log == []


@pytest.mark.parametrize(
    ("code", "zmm1"),
    [
        ("f30f10ca", HIGH | (1 << 128) - (1 << 32) | 0x04030201),  # movss xmm1,xmm2
        ("c5ea10cb", loaded(16) >> 32 << 32 | 0xA3A2A1A0),  # vmovss xmm1,xmm2,xmm3
        ("62f56e0810cb", loaded(16) >> 16 << 16 | 0xA1A0),  # vmovsh xmm1,xmm2,xmm3
        ("0f12ca", HIGH | 0xFFFFFFFFFFFFFFFF << 64 | loaded(16) >> 64),  # movhlps xmm1,xmm2
        ("0f16ca", HIGH | loaded(8) << 64 | 0xFFFFFFFFFFFFFFFF),  # movlhps xmm1,xmm2
        ("62f57d086ec8", 0x5678),  # vmovw xmm1,eax
        ("660f6ec8", HIGH | 0x12345678),  # movd xmm1,eax
        ("f30fd6c9", HIGH | 0x1122334455667788),  # movq2dq xmm1,mm1
    ],
)
def test_between_registers(code: str, zmm1: int) -> None:
    """The low elements come from the last operand, the rest of a scalar from the first source."""
    cpu = Cpu(zmm1=OLD, zmm2=loaded(64), zmm3=0xA7A6A5A4A3A2A1A0, rax=0x12345678, mm1=0x1122334455667788)
    assert execute(code, cpu) == []
    assert cpu.zmm1 == zmm1


@pytest.mark.parametrize(
    ("code", "k1", "zmm1"),
    [
        ("62f17f096fca", 0b101, (OLD & (1 << 128) - 1) ^ 0xFF00FF | 0x030001),  # vmovdqu8 xmm1{k1},xmm2
        ("62f17f896fca", 0b101, 0x030001),  # {z}
        ("62f1ef8910cb", 1, loaded(16) >> 64 << 64 | 0xA3A2A1A0),  # vmovsd xmm1{k1}{z},xmm2,xmm3
        ("62f1ef8910cb", 2, loaded(16) >> 64 << 64),
        ("62f1ef0910cb", 0, loaded(16) >> 64 << 64 | 0xFFFFFFFFFFFFFFFF),  # vmovsd xmm1{k1},xmm2,xmm3
    ],
)
def test_opmask_between_registers(code: str, k1: int, zmm1: int) -> None:
    """Masked-off elements are kept or zeroed; of a scalar, only the lowest can be."""
    cpu = Cpu(zmm1=OLD, zmm2=loaded(64), zmm3=0xA3A2A1A0, k1=k1)
    execute(code, cpu)
    assert cpu.zmm1 == zmm1


@pytest.mark.parametrize(
    ("code", "k1", "low"), [("62f17e09100f", 0, 0xFFFFFFFF), ("62f17e89100f", 0, 0), ("62f17e09100f", 1, loaded(4))]
)
def test_a_masked_scalar_load_clears_the_rest(code: str, k1: int, low: int) -> None:
    """VMOVSS from memory zeroes everything above its element, masked off or not."""
    cpu = Cpu(rdi=0x1000, zmm1=OLD, k1=k1)
    assert len(execute(code, cpu, {0x1000: DATA})) == k1
    assert cpu.zmm1 == low


def test_opmask_registers() -> None:
    """KMOV zero-extends to 64 bits, and moves as much as its name says."""
    cpu = Cpu(rdi=0x1000, rax=0x12345678, k1=OLD >> 448)
    execute("c5f892c8", cpu)  # kmovw k1,eax
    assert cpu.k1 == 0x5678
    assert execute("c5f9910f", cpu) == [writes(0x1000, 1, 0x78)]  # kmovb [rdi],k1
    assert execute("c5f8900f", cpu, {0x1000: DATA}) == [reads(0x1000, 2, 0x0201)]  # kmovw k1,[rdi]
    execute("c4e1fb93c1", cpu)  # kmovq rax,k1
    assert cpu.rax == 0x0201


@pytest.mark.parametrize("code", ["0f6f0f", "0f7f0f", "f20fd6c9", "0fe70f", "0fc40f05", "0fd7c1", "0ff7ca", "0fc5c102"])
def test_mmx_takes_over_the_x87_registers(code: str) -> None:
    """Every MMX instruction sets TOP to zero and all tags to valid, and raises #MF for a pending exception."""
    cpu = Cpu(rdi=0x1000, fsw=0x7D00, ftw=0x18)
    execute(code, cpu)
    assert (cpu.fsw, cpu.ftw) == (0x4500, 0xFF)
    refused(MathFault, code, Cpu(rdi=0x1000, fsw=0x8081, fcw=0x37E))


def test_an_mmx_result_looks_like_a_nan() -> None:
    """Sign and exponent of the x87 register become ones."""
    cpu = Cpu(rdi=0x1000)
    execute("0f6f0f", cpu, {0x1000: DATA})
    assert cpu.x87[1] == 0xFFFF << 64 | loaded(8)

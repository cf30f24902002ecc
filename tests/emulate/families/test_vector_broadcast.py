"""Broadcasts and duplicating moves."""

import pytest

from emulate import Cpu, GeneralProtection
from emulate.families.vector_broadcast import ones
from tests.emulate.families.executing import execute, reads, refused

DATA = bytes(range(1, 33))
OLD = (1 << 512) - 1


def value(*pieces: bytes) -> int:
    """Bytes in memory order as a value."""
    return int.from_bytes(b"".join(pieces), "little")


@pytest.mark.parametrize(
    ("code", "width", "zmm1"),
    [
        ("c4e279780f", 1, value(b"\1" * 16)),  # vpbroadcastb xmm1,[rdi]
        ("c4e27d180f", 4, value(DATA[:4] * 8)),  # vbroadcastss ymm1,[rdi]
        ("c4e27d1a0f", 16, value(DATA[:16] * 2)),  # vbroadcastf128 ymm1,[rdi]
        ("62f2fd481b0f", 32, value(DATA * 2)),  # vbroadcastf64x4 zmm1,[rdi]
        ("c5fb120f", 8, value(DATA[:8] * 2)),  # vmovddup xmm1,[rdi]
        ("c5ff120f", 32, value(DATA[:8] * 2, DATA[16:24] * 2)),  # vmovddup ymm1,[rdi]
        ("c5fa120f", 16, value(DATA[:4] * 2, DATA[8:12] * 2)),  # vmovsldup xmm1,[rdi]
        ("c5fa160f", 16, value(DATA[4:8] * 2, DATA[12:16] * 2)),  # vmovshdup xmm1,[rdi]
        ("f20f120f", 8, OLD >> 128 << 128 | value(DATA[:8] * 2)),  # movddup xmm1,[rdi]
    ],
)
def test_from_memory(code: str, width: int, zmm1: int) -> None:
    """The piece is read once, however often it is repeated."""
    cpu = Cpu(rdi=0x1000, zmm1=OLD)
    assert execute(code, cpu, {0x1000: DATA}) == [reads(0x1000, width, value(DATA[:width]))]
    assert cpu.zmm1 == zmm1


@pytest.mark.parametrize(
    ("code", "zmm1"),
    [
        ("c4e27978ca", value(b"\1" * 16)),  # vpbroadcastb xmm1,xmm2
        ("62f27d087ac8", value(b"\x88" * 16)),  # vpbroadcastb xmm1,eax
        ("62f2fd087cc8", 0x1122334455667788_1122334455667788),  # vpbroadcastq xmm1,rax
        ("62f27d0959ca", (OLD >> 384) - (0xFFFFFFFF << 64) | value(DATA[:4]) << 64),  # vbroadcasti32x2 xmm1{k1},xmm2
        ("62f2fe082ac9", 0x84_0000000000000084),  # vpbroadcastmb2q xmm1,k1
        ("62f27e083ac9", 0x1084_00001084_00001084_00001084),  # vpbroadcastmw2d xmm1,k1
        ("f20f12ca", OLD >> 128 << 128 | value(DATA[:8] * 2)),  # movddup xmm1,xmm2
    ],
)
def test_from_registers(code: str, zmm1: int) -> None:
    """As much of the register is taken as the name says; the opmask has a bit for each element of the result."""
    cpu = Cpu(rax=0x1122334455667788, zmm1=OLD, zmm2=value(DATA), k1=0x1084)
    execute(code, cpu)
    assert cpu.zmm1 == zmm1


def test_a_masked_broadcast_reads_what_some_element_needs() -> None:
    """Elements of memory are used several times; the ones no selected element uses are not read."""
    cpu = Cpu(rdi=0x1000, zmm1=OLD, k1=0b0100_0100)
    touched = execute("62f27da91a0f", cpu, {0x1000: DATA})  # vbroadcastf32x4 ymm1{k1}{z},[rdi]
    assert touched == [reads(0x1008, 4, value(DATA[8:12]))]
    assert cpu.zmm1 == value(bytes(8), DATA[8:12], bytes(12), DATA[8:12])
    assert execute("62f27da9790f", Cpu(rdi=0x1000, k1=0x10000)) == []  # vpbroadcastw ymm1{k1}{z},[rdi]
    assert len(execute("62f27da9790f", Cpu(rdi=0x1000, k1=0x8000))) == 1


def test_a_masked_duplicating_move_reads_its_source_whole() -> None:
    """VMOVDDUP has no fault suppression."""
    cpu = Cpu(rdi=0x1000, k1=0b0010)
    assert len(execute("62f1ffa9120f", cpu, {0x1000: DATA})) == 1  # vmovddup ymm1{k1}{z},[rdi]
    assert cpu.zmm1 == value(bytes(8), DATA[:8])


@pytest.mark.parametrize("code", ["f30f120f", "f30f160f"])
def test_legacy_duplicating_moves_are_aligned(code: str) -> None:
    """MOVSLDUP and MOVSHDUP need 16-byte alignment; MOVDDUP and the VEX forms do not."""
    refused(GeneralProtection, code, Cpu(rdi=0x1008))
    assert len(execute("f20f120f", Cpu(rdi=0x1001))) == 1
    assert len(execute("c5fa120f", Cpu(rdi=0x1001))) == 1


def test_ones() -> None:
    """A one at the foot of each element."""
    assert ones(2, 3) == 0x1_0001_0001

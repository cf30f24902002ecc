"""Moves whose mask says what moves."""

import pytest

from emulate import Cpu, GeneralProtection
from emulate.families.vector_masked import compress, expand
from tests.emulate.families.executing import execute, reads, refused, writes

DATA = bytes(range(1, 33))
OLD = (1 << 512) - 1
LANES = 0x44444444_33333333_22222222_11111111


def test_sign_masked_load() -> None:
    """VMASKMOVPS reads the elements whose mask element is negative and zeroes the others."""
    cpu = Cpu(rdi=0x1000, zmm1=OLD, xmm2=1 << 127 | 1 << 31)
    touched = execute("c4e2692c0f", cpu, {0x1000: DATA})
    assert touched == [reads(0x1000, 4, 0x04030201), reads(0x100C, 4, 0x100F0E0D)]
    assert cpu.zmm1 == 0x100F0E0D << 96 | 0x04030201


def test_sign_masked_store() -> None:
    """VPMASKMOVQ writes the elements whose mask element is negative."""
    cpu = Cpu(rdi=0x1000, zmm1=LANES, ymm2=1 << 255 | 1 << 63)
    assert execute("c4e2ed8e0f", cpu) == [writes(0x1000, 8, LANES & OLD >> 448), writes(0x1018, 8, 0)]


@pytest.mark.parametrize(
    ("code", "address"),
    [("660ff7ca", 0x1000), ("c5f9f7ca", 0x1000), ("65660ff7ca", 0x51000), ("67660ff7ca", 0x1000)],
)
def test_byte_masked_store(code: str, address: int) -> None:
    """MASKMOVDQU writes single bytes at DS:rDI, or in another segment by an override."""
    cpu = Cpu(rdi=0x1000, gs_base=0x50000, xmm1=LANES, xmm2=0x80 << 120 | 0x80 << 32 | 0x7F)
    if code.startswith("67"):
        cpu.rdi |= 1 << 32
    assert execute(code, cpu) == [writes(address + 4, 1, 0x22), writes(address + 15, 1, 0x44)]


def test_byte_masked_store_of_mmx() -> None:
    """MASKMOVQ has eight bytes."""
    assert execute("0ff7ca", Cpu(rdi=0x1000, mm1=0x1122334455667788, mm2=0x8000)) == [writes(0x1001, 1, 0x77)]


def test_byte_masked_stores_check_all_their_bytes() -> None:
    """MASKMOVDQU faults for a byte that is masked off, unlike VMASKMOV."""
    refused(GeneralProtection, "660ff7ca", Cpu(rdi=(1 << 47) - 8))
    assert execute("c4e2692c0f", Cpu(rdi=(1 << 47) - 8)) == []


@pytest.mark.parametrize(
    ("code", "k1", "zmm1"),
    [
        ("62f27d098bd1", 0b1010, 0xFFFFFFFF_FFFFFFFF_44444444_22222222),  # vpcompressd xmm1{k1},xmm2
        ("62f27d898bd1", 0b1010, 0x44444444_22222222),  # {z}
        ("62f27d088bd1", 0, LANES),  # no opmask
        ("62f27d8963d1", 0x8001, 0x4411),  # vpcompressb xmm1{k1}{z},xmm2
    ],
)
def test_compressing_into_registers(code: str, k1: int, zmm1: int) -> None:
    """Selected elements come side by side; as many places are masked as elements were."""
    cpu = Cpu(zmm1=OLD, zmm2=LANES, k1=k1)
    execute(code, cpu)
    assert cpu.zmm1 == zmm1


def test_compressing_into_memory() -> None:
    """As many elements are written as are selected, from the operand's address on; without an opmask, all at once."""
    cpu = Cpu(rdi=0x1000, zmm1=LANES, k1=0b1010)
    assert execute("62f27d098b0f", cpu) == [writes(0x1000, 4, 0x22222222), writes(0x1004, 4, 0x44444444)]
    assert execute("62f27d088b0f", cpu) == [writes(0x1000, 16, LANES)]


@pytest.mark.parametrize(
    ("code", "zmm1"),
    [
        ("62f2fd29880f", 0x100F0E0D0C0B0A09 << 192 | OLD >> 448 << 128 | 0x0807060504030201 << 64 | OLD >> 448),
        ("62f2fda9880f", 0x100F0E0D0C0B0A09 << 192 | 0x0807060504030201 << 64),  # vexpandpd ymm1{k1}{z},[rdi]
    ],
)
def test_expanding_from_memory(code: str, zmm1: int) -> None:
    """As many elements are read as are selected, and put into the selected places."""
    cpu = Cpu(rdi=0x1000, zmm1=OLD, k1=0b1010)
    touched = execute(code, cpu, {0x1000: DATA})
    assert touched == [reads(0x1000, 8, 0x0807060504030201), reads(0x1008, 8, 0x100F0E0D0C0B0A09)]
    assert cpu.zmm1 == zmm1


def test_expanding_from_registers() -> None:
    """The low elements of the source go to the selected places."""
    cpu = Cpu(zmm2=LANES << 128 | LANES, k1=0b1100)
    execute("62f2fda988ca", cpu)  # vexpandpd ymm1{k1}{z},ymm2
    assert cpu.zmm1 == LANES << 128


def test_compress_and_expand_are_inverse() -> None:
    """What is compressed and expanded by one mask is where it was."""
    assert compress(LANES, 0b0101, 4) == 0x33333333_11111111
    assert expand(compress(LANES, 0b0101, 4), 0b0101, 4) == LANES & 0x00000000_FFFFFFFF_00000000_FFFFFFFF

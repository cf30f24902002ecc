"""Elements and parts of vectors, in and out."""

import pytest

from emulate import Cpu, GeneralProtection
from tests.emulate.families.executing import execute, reads, refused, writes

DATA = bytes(range(1, 65))
OLD = (1 << 512) - 1
HIGH = OLD >> 128 << 128
TWO = int.from_bytes(bytes(range(0x80, 0xC0)), "little")


def part(start: int, length: int) -> int:
    """Bytes of `DATA` as a value."""
    return int.from_bytes(DATA[start : start + length], "little")


@pytest.mark.parametrize(
    ("code", "width", "zmm1"),
    [
        ("660f3a200f11", 1, OLD & ~0xFF00 | 0x0100),  # pinsrb xmm1,[rdi],17: position 1
        ("660f3a220f03", 4, OLD & ~(0xFFFFFFFF << 96) | 0x04030201 << 96),  # pinsrd xmm1,[rdi],3
        ("660f3a210f9d", 4, HIGH | 0x04030201 << 32),  # insertps xmm1,[rdi],0x9d: to 1, clearing 0, 2 and 3
        ("660f3a210f10", 4, OLD & ~(0xFFFFFFFF << 32) | 0x04030201 << 32),  # insertps xmm1,[rdi],0x10
        ("c4e36d180f01", 16, part(0, 16) << 128 | TWO & (1 << 128) - 1),  # vinsertf128 ymm1,ymm2,[rdi],1
    ],
)
def test_inserting_from_memory(code: str, width: int, zmm1: int) -> None:
    """What is inserted is read, no more; the rest comes from the first source."""
    cpu = Cpu(rdi=0x1000, zmm1=OLD, zmm2=TWO)
    assert execute(code, cpu, {0x1000: DATA}) == [reads(0x1000, width, part(0, width))]
    assert cpu.zmm1 == zmm1


@pytest.mark.parametrize(
    ("code", "zmm1"),
    [
        ("660fc4c803", OLD & ~(0xFFFF << 48) | 0x7788 << 48),  # pinsrw xmm1,eax,3
        ("c4e3e922c801", 0x1122334455667788 << 64 | TWO & (1 << 64) - 1),  # vpinsrq xmm1,xmm2,rax,1
        ("660f3a21ca9d", HIGH | (TWO >> 64 & 0xFFFFFFFF) << 32),  # insertps xmm1,xmm2,0x9d: element 2 to 1
    ],
)
def test_inserting_from_registers(code: str, zmm1: int) -> None:
    """As many bits as an element has come from the register."""
    cpu = Cpu(rax=0x1122334455667788, zmm1=OLD, zmm2=TWO)
    execute(code, cpu)
    assert cpu.zmm1 == zmm1


def test_a_masked_insertion_reads_its_part_whole() -> None:
    """The opmask concerns the result: VINSERT has no fault suppression."""
    cpu = Cpu(rdi=0x1000, zmm2=TWO, k1=0b10001)
    assert len(execute("62f36da9380f01", cpu, {0x1000: DATA})) == 1  # vinserti32x4 ymm1{k1}{z},ymm2,[rdi],1
    assert cpu.zmm1 == part(0, 4) << 128 | TWO & 0xFFFFFFFF


def test_inserting_into_mmx() -> None:
    """PINSRW has four places in an MMX register."""
    cpu = Cpu(rdi=0x1000, mm1=0)
    assert execute("0fc40f05", cpu, {0x1000: DATA}) == [reads(0x1000, 2, 0x0201)]  # pinsrw mm1,[rdi],5
    assert cpu.mm1 == 0x0201_0000


@pytest.mark.parametrize(
    ("code", "width", "value"),
    [
        ("660f3a140f05", 1, part(5, 1)),  # pextrb [rdi],xmm1,5
        ("66480f3a160f01", 8, part(8, 8)),  # pextrq [rdi],xmm1,1
        ("660f3a170f03", 4, part(12, 4)),  # extractps [rdi],xmm1,3
        ("c4e37d390f01", 16, part(16, 16)),  # vextracti128 [rdi],ymm1,1
    ],
)
def test_extracting_to_memory(code: str, width: int, value: int) -> None:
    """One write as wide as what is extracted."""
    assert execute(code, Cpu(rdi=0x1000, zmm1=part(0, 64))) == [writes(0x1000, width, value)]


@pytest.mark.parametrize(
    ("code", "rax"),
    [
        ("660fc5c107", part(14, 2)),  # pextrw eax,xmm1,7
        ("660f3a16c802", part(8, 4)),  # pextrd eax,xmm1,2
        ("0fc5c102", 0xCCDD),  # pextrw eax,mm1,2
    ],
)
def test_extracting_to_registers(code: str, rax: int) -> None:
    """The element is zero-extended."""
    cpu = Cpu(rax=OLD >> 448, zmm1=part(0, 64), mm1=0xAABB_CCDD_EEFF_0011)
    execute(code, cpu)
    assert cpu.rax == rax


def test_masked_extraction() -> None:
    """Only selected elements are written, but all of the part must be addressable."""
    cpu = Cpu(rdi=0x1000, zmm1=part(0, 64), k1=0b0110)
    assert execute("62f37d49190f02", cpu) == [writes(0x1004, 4, part(36, 4)), writes(0x1008, 4, part(40, 4))]
    refused(GeneralProtection, "62f37d49190f02", Cpu(rdi=(1 << 47) - 8, k1=1))
    cpu = Cpu(zmm1=OLD, zmm2=part(0, 64), k1=0b0001)
    execute("62f37d4919d102", cpu)  # vextractf32x4 xmm1{k1},zmm2,2
    assert cpu.zmm1 == (OLD >> 384) - 0xFFFFFFFF + part(32, 4)


SIGNS = 0x80 << 120 | 0x80 << 56 | 0x80 << 24 | 0x80


@pytest.mark.parametrize(
    ("code", "rax"),
    [
        ("0f50c1", 0b1011),  # movmskps eax,xmm1
        ("660f50c1", 0b11),  # movmskpd eax,xmm1
        ("c5fdd7c1", 0x8089),  # vpmovmskb eax,ymm1
    ],
)
def test_sign_masks(code: str, rax: int) -> None:
    """The top bit of each element, the lowest element's in bit 0."""
    cpu = Cpu(rax=OLD >> 448, zmm1=SIGNS)
    execute(code, cpu)
    assert cpu.rax == rax


def test_sign_mask_of_mmx() -> None:
    """Eight bytes, eight bits."""
    cpu = Cpu(mm1=0x8000_0000_0000_0080)
    execute("0fd7c1", cpu)
    assert cpu.rax == 0x81


def test_vectors_and_opmasks() -> None:
    """VPMOVB2M and its kin collect top bits, VPMOVM2B and its kin spread bits over elements."""
    cpu = Cpu(zmm1=1 << 511 | SIGNS, k1=OLD >> 448)
    execute("62f27e0829c9", cpu)  # vpmovb2m k1,xmm1
    assert cpu.k1 == 0x8089
    execute("62f2fe4839c9", cpu)  # vpmovq2m k1,zmm1
    assert cpu.k1 == 0x83
    execute("62f27e0838c9", cpu)  # vpmovm2d xmm1,k1
    assert cpu.zmm1 == 0xFFFFFFFF_FFFFFFFF
    cpu.k1 = 1 << 32 | 1 << 31
    execute("62f27e2828c9", cpu)  # vpmovm2b ymm1,k1
    assert cpu.zmm1 == 0xFF << 248

"""LEA MOVBE BSWAP XLAT, the accumulator's extensions, MOVDIRI and MOVDIR64B."""

import pytest

from emulate import Cpu, GeneralProtection
from tests.emulate.families.executing import execute, reads, refused, word, writes


@pytest.mark.parametrize(
    ("code", "rax"),
    [
        ("488d440b10", 0x800000000040),  # lea rax,[rbx+rcx+10h]: not canonical, and no matter
        ("8d440b10", 0x40),  # lea eax,[…]
        ("668d440b10", 0x1111111111110040),
        ("67488d440b10", 0x40),  # cut at the address size
        ("488d0500100000", 0x2007),  # lea rax,[rip+1000h]
        ("64488d440b10", 0x800000000040),  # no segment base
    ],
)
def test_lea_writes_the_effective_address_unchecked(code: str, rax: int) -> None:
    """Nothing is accessed."""
    cpu = Cpu(rip=0x1000, rax=0x1111111111111111, rbx=0x800000000000, rcx=0x30, fs_base=0x5000)
    assert execute(code, cpu) == []
    assert cpu.rax == rax


def test_movbe_swaps_on_the_way() -> None:
    """A load reads once, a store writes once and reads nothing."""
    cpu = Cpu(rdi=0x1000, rcx=0x9999999911223344)
    assert execute("0f38f107", cpu) == [writes(0x1000, 4, 0)]
    assert execute("0f38f10f", cpu) == [writes(0x1000, 4, 0x44332211)]
    assert execute("0f38f00f", cpu, {0x1000: word(0x44332211, 4)}) == [reads(0x1000, 4, 0x44332211)]
    assert cpu.rcx == 0x11223344
    execute("660f38f00f", cpu, {0x1000: word(0x1234, 2)})
    assert cpu.rcx == 0x11223412


@pytest.mark.parametrize(
    ("code", "rax"), [("480fc8", 0x8877665544332211), ("0fc8", 0x88776655), ("660fc8", 0x1122334455660000)]
)
def test_bswap(code: str, rax: int) -> None:
    """16 bits are undefined; Intel's CPUs make them zero."""
    cpu = Cpu(rax=0x1122334455667788)
    execute(code, cpu)
    assert cpu.rax == rax


@pytest.mark.parametrize(
    ("bits", "code", "rbx", "address"),
    [(64, "d7", 0x1FF01, 0x20000), (64, "67d7", 0xFFFFFF01, 0), (16, "d7", 0xFF01, 0), (64, "64d7", 0x1, 0x5100)],
)
def test_xlat_indexes_with_al_unsigned(bits: int, code: str, rbx: int, address: int) -> None:
    """AL FFh adds 255; the sum wraps at the address size, then the segment base is added."""
    cpu = Cpu(bits, rbx=rbx, rax=0x11FF, fs_base=0x5000)
    assert execute(code, cpu, {address: b"\x42"}) == [reads(address, 1, 0x42)]
    assert cpu.rax == 0x1142


@pytest.mark.parametrize(
    ("code", "rax", "rdx"),
    [
        ("6698", 0x800000008000FF80, 0x1111111111111111),  # cbw
        ("98", 0xFFFF8080, 0x1111111111111111),  # cwde
        ("4898", 0xFFFFFFFF80008080, 0x1111111111111111),  # cdqe
        ("6699", 0x8000000080008080, 0x111111111111FFFF),  # cwd
        ("99", 0x8000000080008080, 0xFFFFFFFF),  # cdq
        ("4899", 0x8000000080008080, 0xFFFFFFFFFFFFFFFF),  # cqo
    ],
)
def test_sign_extensions_of_the_accumulator(code: str, rax: int, rdx: int) -> None:
    """CBW CWDE CDQE widen it in place, CWD CDQ CQO into rDX."""
    cpu = Cpu(rax=0x8000000080008080, rdx=0x1111111111111111)
    execute(code, cpu)
    assert (cpu.rax, cpu.rdx) == (rax, rdx)
    cpu = Cpu(rax=0x10, rdx=0x11)
    execute(code, cpu)
    assert (cpu.rax, cpu.rdx) == (0x10, 0x11 if code.endswith("98") else 0)


def test_movdiri_is_one_plain_store() -> None:
    """Four or eight bytes, in one piece, aligned or not."""
    cpu = Cpu(rdi=0x1001, rcx=0x1122334455667788)
    assert execute("0f38f90f", cpu) == [writes(0x1001, 4, 0x55667788)]
    assert execute("480f38f90f", cpu) == [writes(0x1001, 8, 0x1122334455667788)]


def test_movdir64b_reads_64_bytes_and_writes_them_in_one_piece() -> None:
    """The source may lie anywhere; the destination is at ES:register."""
    cpu = Cpu(rdi=0x1003, rcx=0x2040)
    data = bytes(range(64))
    value = int.from_bytes(data, "little")
    assert execute("660f38f80f", cpu, {0x1003: data}) == [reads(0x1003, 64, value), writes(0x2040, 64, value)]
    cpu = Cpu(32, rdi=0x1003, rcx=0x40, es_base=0x7000)
    assert execute("660f38f80f", cpu, {0x1003: data})[1] == writes(0x7040, 64, value)


def test_movdir64b_needs_an_aligned_destination() -> None:
    """#GP comes before the source is read."""
    assert refused(GeneralProtection, "660f38f80f", Cpu(rdi=0x1000, rcx=0x2020)).log == []

"""XADD CMPXCHG CMPXCHG8B CMPXCHG16B."""

import pytest

from emulate import Cpu, GeneralProtection
from emulate.flags import AF, CF, PF, SF, STATUS, ZF
from tests.emulate.everywhere import Everywhere, Locking
from tests.emulate.families.executing import execute, reads, refused, word, writes


@pytest.mark.parametrize(("code", "bus"), [("0fc10f", Everywhere()), ("f00fc10f", Locking())])
def test_xadd_hands_out_the_old_value(code: str, bus: Everywhere) -> None:
    """The sum goes to memory, what was there to the source, with the flags of an addition."""
    cpu = Cpu(rdi=0x1000, rcx=0xFFFFFFFF00000001)
    assert execute(code, cpu, {0x1000: word(0xFFFFFFFF, 4)}, bus) == [
        reads(0x1000, 4, 0xFFFFFFFF),
        writes(0x1000, 4, 0),
    ]
    assert (cpu.rcx, cpu.rflags) == (0xFFFFFFFF, CF | PF | AF | ZF | 2)


@pytest.mark.parametrize(
    ("code", "rax", "rcx"),
    [
        ("0fc1c8", 0x05, 0x03),  # xadd eax,ecx
        ("0fc1c0", 0x06, 0x02),  # xadd eax,eax: the sum stays
        ("0fc0e0", 0x0303, 0x02),  # xadd al,ah: both in one register
    ],
)
def test_xadd_of_registers(code: str, rax: int, rcx: int) -> None:
    """The old value is written first, then the sum (SDM vol. 2D, XADD)."""
    cpu = Cpu(rax=0x0003, rcx=0x0002)
    execute(code, cpu)
    assert (cpu.rax, cpu.rcx) == (rax, rcx)


@pytest.mark.parametrize("lock", ["", "f0"])
def test_cmpxchg_stores_the_source_when_equal(lock: str) -> None:
    """One read, one write; the accumulator keeps even its upper half."""
    bus, cpu = Locking(), Cpu(rdi=0x1000, rax=0x1111111100000005, rcx=0x99)
    assert execute(f"{lock}0fb10f", cpu, {0x1000: word(5, 4)}, bus) == [reads(0x1000, 4, 5), writes(0x1000, 4, 0x99)]
    assert (cpu.rax, cpu.rflags, bus.updates) == (0x1111111100000005, PF | ZF | 2, bool(lock))


@pytest.mark.parametrize("lock", ["", "f0"])
def test_cmpxchg_writes_the_old_value_back_when_different(lock: str) -> None:
    """Memory is written either way; the accumulator is loaded, with the flags of accumulator - memory."""
    bus, cpu = Locking(), Cpu(rdi=0x1000, rax=0x1111111100000004, rcx=0x99)
    assert execute(f"{lock}0fb10f", cpu, {0x1000: word(5, 4)}, bus) == [reads(0x1000, 4, 5), writes(0x1000, 4, 5)]
    assert (cpu.rax, cpu.rflags, bus.updates) == (5, CF | PF | AF | SF | 2, bool(lock))


def test_cmpxchg_of_registers_leaves_what_is_not_written() -> None:
    """The destination keeps its upper half when the comparison fails, as on Intel's CPUs."""
    cpu = Cpu(rax=1, rdx=0x2222222200000002, rcx=3)
    execute("0fb1ca", cpu)  # cmpxchg edx,ecx
    assert (cpu.rax, cpu.rdx, cpu.zf) == (2, 0x2222222200000002, 0)
    execute("0fb1ca", cpu)
    assert (cpu.rax, cpu.rdx, cpu.zf) == (2, 3, 1)


@pytest.mark.parametrize("lock", ["", "f0"])
@pytest.mark.parametrize(("code", "half"), [("0fc70f", 4), ("480fc70f", 8)])
def test_the_pair_is_compared_and_stored_in_one_piece(lock: str, code: str, half: int) -> None:
    """CMPXCHG8B and 16B: equal, rCX:rBX is stored and ZF set; no other flag changes."""
    bus, cpu = Locking(), Cpu(rdi=0x1000, rdx=1, rax=2, rcx=3, rbx=4, rflags=STATUS & ~ZF | 2)
    old, new = 1 << 8 * half | 2, 3 << 8 * half | 4
    touches = execute(lock + code, cpu, {0x1000: word(old, 2 * half)}, bus)
    assert touches == [reads(0x1000, 2 * half, old), writes(0x1000, 2 * half, new)]
    assert (cpu.rdx, cpu.rax, cpu.rflags, bus.updates) == (1, 2, STATUS | 2, bool(lock))


@pytest.mark.parametrize(("code", "half"), [("0fc70f", 4), ("480fc70f", 8)])
def test_the_pair_is_loaded_when_different(code: str, half: int) -> None:
    """Then the old value is written back, and ZF cleared."""
    cpu = Cpu(rdi=0x1000, rdx=0xFFFFFFFF00000001, rax=0xFFFFFFFF00000002, rflags=STATUS | 2)
    old = 5 << 8 * half | 6
    touches = execute(code, cpu, {0x1000: word(old, 2 * half)})
    assert touches == [reads(0x1000, 2 * half, old), writes(0x1000, 2 * half, old)]
    assert (cpu.rdx, cpu.rax, cpu.rflags) == (5, 6, STATUS & ~ZF | 2)


def test_cmpxchg16b_must_be_aligned() -> None:
    """#GP comes before any access (SDM vol. 2A, CMPXCHG8B/CMPXCHG16B); CMPXCHG8B has no such rule."""
    assert refused(GeneralProtection, "480fc70f", Cpu(rdi=0x1008)).log == []
    assert len(execute("0fc70f", Cpu(rdi=0x1001))) == 2

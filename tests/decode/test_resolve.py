"""What an instruction would touch, for given registers."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, WRITE, MemoryTouch, PortTouch, accesses, decode, iter_accesses, resolve
from emulate import Cpu


def touched(code: str, cpu: Cpu) -> list[tuple[str, int, int]]:
    """The accesses with these registers, as (direction, address or port, width)."""
    return [(d.name, place, width) for d, place, width in accesses(decode(bytes.fromhex(code), cpu.bits), cpu)]


def test_a_load_touches_its_effective_address() -> None:
    """An access is a direction, an address and a width; it compares equal to the plain tuple."""
    cpu = Cpu(rdi=0xFE000000)
    assert accesses(decode(bytes.fromhex("8b4710")), cpu) == [(READ, 0xFE000010, 4)]
    assert accesses(decode(bytes.fromhex("8b4710")), cpu) == [MemoryTouch(READ, 0xFE000010, 4)]
    assert accesses(decode(b"\xee"), Cpu(dx=0x3F8)) == [PortTouch(WRITE, 0x3F8, 1)]


@pytest.mark.parametrize(
    ("code", "cpu", "address"),
    [
        ("8b848f00010000", Cpu(rdi=0x1000, rcx=0x20), 0x1180),
        ("8b47f0", Cpu(rdi=8), 0xFFFFFFFFFFFFFFF8),
        ("678b47f0", Cpu(rdi=0xFFFFFFFF00000008), 0xFFFFFFF8),
        ("8b0510000000", Cpu(rip=0x401000), 0x401016),
        ("c60510000000ff", Cpu(rip=0x401000), 0x401017),
        ("678b0510000000", Cpu(rip=0x7FFFFFFFF000), 0xFFFFF017),
        ("648b07", Cpu(rdi=0x10, fs_base=0x7F0000000000), 0x7F0000000010),
        ("65678b07", Cpu(rdi=0xF00000010, gs_base=0x7F0000000000), 0x7F0000000010),
        ("3e8b07", Cpu(rdi=0x10, ds_base=0x5000), 0x10),
        ("8b07", Cpu(32, edi=0x10, ds_base=0x5000), 0x5010),
        ("8b07", Cpu(32, edi=0xFFFFFFF0, ds_base=0x20), 0x10),
        ("8b4500", Cpu(32, ebp=0x10, ss_base=0x5000), 0x5010),
        ("8b00", Cpu(16, bx=0xFFFF, si=3, ds=0x1000), 0x10002),
        ("8b00", Cpu(16, bx=0x8000, si=0x7FFF, ds=0xFFFF), 0x10FFEF),
        ("a1 efcdab8967452301", Cpu(), 0x0123456789ABCDEF),
        ("d7", Cpu(rbx=0x1000, rax=0xFFFFFF80), 0x1080),
        ("d7", Cpu(16, bx=0xFFF0, ax=0xFF20, ds=0x100), 0x1010),
    ],
)
def test_an_effective_address_wraps_before_the_base_is_added(code: str, cpu: Cpu, address: int) -> None:
    """Base, index, scale, displacement, wrapped to the address size; then the segment's base."""
    assert [place for _, place, _ in touched(code, cpu)] == [address]


def test_a_read_modify_write_is_a_read_and_a_write() -> None:
    """It is listed as two accesses, in this order; a compare is one."""
    assert touched("4801 07", Cpu(rdi=0x1000)) == [("READ", 0x1000, 8), ("WRITE", 0x1000, 8)]
    assert touched("483907", Cpu(rdi=0x1000)) == [("READ", 0x1000, 8)]


def test_a_register_instruction_touches_nothing() -> None:
    """Nor does one that takes an address and leaves it at that."""
    assert touched("4801f8", Cpu()) == []
    assert touched("8d4710", Cpu(rdi=0x1000)) == []
    assert touched("0fae3f", Cpu(rdi=0x1000)) == []


def test_push_writes_below_the_stack_pointer_and_pop_reads_at_it() -> None:
    """PUSH writes below the stack pointer, POP reads at it; POP to an rSP-based place computes it after the pop."""
    cpu = Cpu(rsp=0x8000, rax=0x1000)
    assert touched("50", cpu) == [("WRITE", 0x7FF8, 8)]
    assert touched("58", cpu) == [("READ", 0x8000, 8)]
    assert touched("ff30", cpu) == [("READ", 0x1000, 8), ("WRITE", 0x7FF8, 8)]
    assert touched("ff3424", cpu) == [("READ", 0x8000, 8), ("WRITE", 0x7FF8, 8)]
    assert touched("8f00", cpu) == [("READ", 0x8000, 8), ("WRITE", 0x1000, 8)]
    assert touched("8f442410", cpu) == [("READ", 0x8000, 8), ("WRITE", 0x8018, 8)]
    assert touched("668f442410", cpu) == [("READ", 0x8000, 2), ("WRITE", 0x8012, 2)]
    assert touched("50", Cpu(16, sp=0, ss=0x100)) == [("WRITE", 0x1000 + 0xFFFE, 2)]


def test_a_bit_offset_in_a_register_moves_the_address() -> None:
    """BT and its kin reach the element that the signed offset lies in; an immediate offset wraps instead."""
    assert touched("0fa307", Cpu(rdi=0x1000, eax=32)) == [("READ", 0x1004, 4)]
    assert touched("0fab07", Cpu(rdi=0x1000, eax=0xFFFFFFFF)) == [("READ", 0xFFC, 4), ("WRITE", 0xFFC, 4)]
    assert touched("480fa307", Cpu(rdi=0x1000, rax=2**64 - 65)) == [("READ", 0xFF0, 8)]
    assert touched("660fbb07", Cpu(rdi=0x1000, ax=0x8000)) == [("READ", 0, 2), ("WRITE", 0, 2)]
    assert touched("0fba2f3f", Cpu(rdi=0x1000)) == [("READ", 0x1000, 4), ("WRITE", 0x1000, 4)]
    assert touched("0fa307", Cpu(32, edi=0x10, eax=0xFFFFFF00, ds_base=0x1000)) == [("READ", 0xFF0, 4)]


def test_rep_is_listed_for_its_whole_count() -> None:
    """Each element in order, source and destination; downwards with DF; nothing for a count of zero."""
    cpu = Cpu(rsi=0x1000, rdi=0x2000, rcx=2)
    assert touched("f366a5", cpu) == [
        ("READ", 0x1000, 2),
        ("WRITE", 0x2000, 2),
        ("READ", 0x1002, 2),
        ("WRITE", 0x2002, 2),
    ]
    cpu.df = 1
    assert touched("f3ab", cpu) == [("WRITE", 0x2000, 4), ("WRITE", 0x1FFC, 4)]
    assert touched("f3a4", Cpu(rsi=0x1000, rdi=0x2000)) == []
    assert touched("a4", Cpu(rsi=0x1000, rdi=0x2000)) == [("READ", 0x1000, 1), ("WRITE", 0x2000, 1)]


def test_the_count_has_the_address_size() -> None:
    """RCX, ECX or CX, as the addresses are wide; indexes wrap at the same width."""
    assert len(touched("f3a4", Cpu(rcx=3))) == 6
    assert len(touched("67f3a4", Cpu(rcx=0xFFFFFFFF00000003))) == 6
    assert len(touched("67f3a4", Cpu(32, ecx=0xFFFF0003))) == 6
    assert touched("f3aa", Cpu(16, cx=3, di=0xFFFE, es=0x100)) == [
        ("WRITE", 0x1000 + 0xFFFE, 1),
        ("WRITE", 0x1000 + 0xFFFF, 1),
        ("WRITE", 0x1000, 1),
    ]


def test_ins_reads_the_port_first_and_outs_the_memory() -> None:
    """INS reads the port before it writes memory, OUTS reads memory before it writes the port."""
    cpu = Cpu(rsi=0x1000, rdi=0x2000, dx=0x1F0)
    assert accesses(decode(b"\x66\x6d"), cpu) == [PortTouch(READ, 0x1F0, 2), MemoryTouch(WRITE, 0x2000, 2)]
    assert accesses(decode(b"\x66\x6f"), cpu) == [MemoryTouch(READ, 0x1000, 2), PortTouch(WRITE, 0x1F0, 2)]


def test_ports_have_sixteen_bits() -> None:
    """DX is a 16-bit register, an immediate port eight bits of the instruction."""
    assert accesses(decode(b"\xed"), Cpu(rdx=0xFFFF0CF8)) == [(READ, 0xCF8, 4)]
    assert accesses(decode(b"\xe6\x80"), Cpu()) == [(WRITE, 0x80, 1)]


def test_masked_elements_are_accesses_of_their_own() -> None:
    """One access for each element that is selected, lowest first, by opmask bits or by the top bits of a vector."""
    assert touched("62f17c491107", Cpu(rdi=0x1000, k1=0x8005)) == [
        ("WRITE", 0x1000, 4),
        ("WRITE", 0x1008, 4),
        ("WRITE", 0x103C, 4),
    ]
    assert touched("62f17c491107", Cpu(rdi=0x1000)) == []
    assert touched("62f27d498a07", Cpu(rdi=0x1000, k1=0x8001)) == [("WRITE", 0x1000, 4), ("WRITE", 0x1004, 4)]
    assert touched("c4e2712c07", Cpu(rdi=0x1000, xmm1=1 << 63)) == [("READ", 0x1004, 4)]
    assert touched("0ff7c1", Cpu(rdi=0x1000, mm1=0x8000)) == [("WRITE", 0x1001, 1)]


def test_gathers_have_an_address_for_each_element() -> None:
    """Base plus signed, scaled index; as many elements as data and indexes both have."""
    assert touched("62f27d49900497", Cpu(rdi=0x1000, k1=0b101, zmm2=0xFFFFFFFF << 64 | 7 << 32 | 3)) == [
        ("READ", 0x100C, 4),
        ("READ", 0xFFC, 4),
    ]
    cpu = Cpu(rdi=0x1000, xmm4=2 << 64 | 2**64 - 1, xmm2=1 << 127 | 1 << 63)
    assert touched("c4e2e99104a7", cpu) == [("READ", 0x1000 - 4, 8), ("READ", 0x1008, 8)]
    assert touched("c4e2699104a7", cpu) == [("READ", 0x1008, 4)]


def test_no_list_grows_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A huge count is an error that names the alternative, which yields one at a time."""
    monkeypatch.setattr(resolve, "MAX_ELEMENTS", 4)
    stos, cpu = decode(b"\xf3\xaa"), Cpu(rcx=2**64 - 1, rdi=0x1000)
    with pytest.raises(
        OverflowError, match=r"rep stosb .* makes more than 4 accesses with this count; use iter_access"
    ):
        accesses(stos, cpu)
    assert len(accesses(stos, Cpu(rcx=4))) == 4
    assert list(islice(iter_accesses(stos, cpu), 2)) == [(WRITE, 0x1000, 1), (WRITE, 0x1001, 1)]


@given(st.permutations(range(18)), st.integers(0, 2**32), st.integers(0, 2**32))
def test_registers_may_stand_in_any_order(order: list[int], base: int, index: int) -> None:
    """`slots` says where in `regs` each general register is."""
    cpu = Cpu(rdi=base, rcx=index, rip=0x1234)
    shuffled = cpu.copy()
    shuffled.slots = tuple(order)
    for register, slot in enumerate(order):
        shuffled.regs[slot] = cpu.regs[register]
    for code in ("8b848f00010000", "8b0510000000", "f3a4"):
        instruction = decode(bytes.fromhex(code))
        assert list(islice(iter_accesses(instruction, shuffled), 8)) == list(islice(iter_accesses(instruction, cpu), 8))

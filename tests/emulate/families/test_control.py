"""JMP CALL RET, near and far, Jcc, JCXZ, LOOP."""

import pytest

from emulate import Cpu, GeneralProtection, UnsupportedInstruction
from emulate.flags import STATUS, ZF
from tests.emulate.families.executing import execute, reads, refused, word, writes
from tests.emulate.families.test_conditions import CASES

TOP = 0x8000


@pytest.mark.parametrize(
    ("bits", "code", "rip", "target"),
    [
        (64, "eb7f", 0x1000, 0x1081),
        (64, "eb80", 0x1000, 0xF82),
        (64, "e9fbefffff", 0x1000, 0),
        (64, "66e900000000", 0x1000, 0x1006),  # Intel ignores the operand size of near branches in 64-bit code
        (32, "e900000080", 0x1000, 0x80001005),
        (32, "eb80", 0x10, 0xFFFFFF92),
        (32, "66e90010", 0x1F000, 0x0004),  # cut to 16 bits
        (16, "e90010", 0xF000, 0x0003),
        (16, "66e900000100", 0x0, 0x10006),
        (64, "ffe0", 0x1000, 0x12345678),  # jmp rax
        (32, "66ffe0", 0x1F000, 0x5678),
    ],
)
def test_jumps(bits: int, code: str, rip: int, target: int) -> None:
    """A displacement counts from the next instruction; the target is cut to the operand size."""
    cpu = Cpu(bits, rip=rip, rax=0x12345678)
    assert execute(code, cpu) == []
    assert cpu.rip == target


def test_jump_through_memory_reads_once() -> None:
    """JMP m is one read of the operand size."""
    cpu = Cpu(rip=0x1000, rdi=0x2000)
    assert execute("ff27", cpu, {0x2000: word(0x777, 8)}) == [reads(0x2000, 8, 0x777)]
    assert cpu.rip == 0x777


@pytest.mark.parametrize(
    ("bits", "code", "width", "target"),
    [
        (64, "e810000000", 8, 0x1015),
        (64, "ffd0", 8, 0x12345678),
        (32, "e810000000", 4, 0x1015),
        (32, "66e81000", 2, 0x1014),
        (16, "e81000", 2, 0x1013),
        (16, "66e810000000", 4, 0x1016),
    ],
)
def test_call_pushes_the_next_address(bits: int, code: str, width: int, target: int) -> None:
    """It is cut to the operand size, as the target is."""
    cpu = Cpu(bits, rip=0x1000, rsp=TOP, rax=0x12345678)
    assert execute(code, cpu) == [writes(TOP - width, width, 0x1000 + len(bytes.fromhex(code)))]
    assert (cpu.rip, cpu.rsp) == (target, TOP - width)


def test_call_through_memory_reads_before_it_pushes() -> None:
    """CALL [RSP-8] thus finds the old value in the slot it is about to write."""
    cpu = Cpu(rip=0x1000, rsp=TOP)
    touches = execute("ff5424f8", cpu, {TOP - 8: word(0x4000, 8)})
    assert touches == [reads(TOP - 8, 8, 0x4000), writes(TOP - 8, 8, 0x1004)]
    assert cpu.rip == 0x4000


@pytest.mark.parametrize(
    ("bits", "code", "width", "rsp"),
    [
        (64, "c3", 8, TOP + 8),
        (64, "66c3", 8, TOP + 8),
        (64, "c20400", 8, TOP + 12),
        (32, "c20080", 4, TOP + 0x8004),  # the count is unsigned
        (32, "66c3", 2, TOP + 2),
        (16, "c3", 2, TOP + 2),
    ],
)
def test_ret_pops_the_address_and_releases_the_arguments(bits: int, code: str, width: int, rsp: int) -> None:
    """One read at the top of the stack."""
    cpu = Cpu(bits, rip=0x1000, rsp=TOP)
    assert execute(code, cpu, {TOP: word(0x2345, 8)}) == [reads(TOP, width, 0x2345)]
    assert (cpu.rip, cpu.rsp) == (0x2345, rsp)


@pytest.mark.parametrize(
    ("code", "accesses"),
    [
        ("ffe0", []),  # jmp rax
        ("ffd0", []),  # call rax: nothing is pushed
        ("ff27", [(1, 0x2000, 8)]),  # jmp [rdi]
        ("ff17", [(1, 0x2000, 8)]),  # call [rdi]
        ("c3", [(1, TOP, 8)]),
    ],
)
def test_a_target_that_is_not_canonical_faults_at_the_branch(code: str, accesses: list[tuple[int, int, int]]) -> None:
    """#GP, with no register changed and nothing pushed."""
    bad = 0x800000000000
    cpu = Cpu(rip=0x1000, rsp=TOP, rax=bad, rdi=0x2000)
    assert refused(GeneralProtection, code, cpu, {0x2000: word(bad, 8), TOP: word(bad, 8)}).log == accesses


@pytest.mark.parametrize("code", ["e980000000", "e880000000"])
def test_a_displacement_may_lead_out_of_canonical_space(code: str) -> None:
    """Relative branches are checked as the others are."""
    assert refused(GeneralProtection, code, Cpu(rip=0x7FFFFFFFFF90, rsp=TOP)).log == []


def test_a_target_beyond_the_limit_of_cs_faults() -> None:
    """With limits, a 32-bit target in 16-bit code must be below 10000h."""
    cpu = Cpu(16, rip=0x1000, rsp=TOP, rax=0x10000)
    cpu.limits = [0xFFFF] * 6
    assert refused(GeneralProtection, "66ffe0", cpu).log == []
    cpu.eax = 0xFFFF
    execute("66ffe0", cpu)
    assert cpu.rip == 0xFFFF


@pytest.mark.parametrize(("number", "flags", "holds"), CASES)
def test_conditional_branches(number: int, flags: int, holds: bool) -> None:
    """Every condition, both ways, short and long."""
    for code in (f"{0x70 + number:02x}10", f"0f{0x80 + number:02x}10000000"):
        cpu = Cpu(rip=0x1000, rflags=flags | 2)
        execute(code, cpu)
        assert cpu.rip == 0x1000 + len(bytes.fromhex(code)) + (0x10 if holds else 0)


def test_a_branch_not_taken_keeps_the_whole_pointer() -> None:
    """Only a taken branch is cut to 16-bit operands."""
    cpu = Cpu(32, rip=0x12345678, zf=0)
    execute("667410", cpu)
    assert cpu.rip == 0x1234567B
    cpu.zf = 1
    execute("667410", cpu)
    assert cpu.rip == 0x568E


@pytest.mark.parametrize(
    ("bits", "code", "rcx", "taken"),
    [
        (64, "e310", 0, True),
        (64, "e310", 1 << 32, False),
        (64, "67e310", 1 << 32, True),
        (32, "e310", 0x10000, False),
        (32, "67e310", 0x10000, True),
    ],
)
def test_jrcxz_looks_at_the_counter_of_the_address_size(bits: int, code: str, rcx: int, taken: bool) -> None:
    """RCX, ECX or CX."""
    cpu = Cpu(bits, rip=0x1000, rcx=rcx)
    execute(code, cpu)
    assert cpu.rip == 0x1000 + len(bytes.fromhex(code)) + (0x10 if taken else 0)


@pytest.mark.parametrize(
    ("bits", "code", "rcx", "zf", "after", "taken"),
    [
        (64, "e210", 2, 0, 1, True),
        (64, "e210", 1, 0, 0, False),
        (64, "e210", 0, 0, (1 << 64) - 1, True),
        (64, "67e210", 0xFFFFFFFF00000001, 0, 0, False),  # ECX, zero-extended
        (32, "67e210", 0x10000, 0, 0x1FFFF, True),  # CX, merged
        (64, "e110", 2, 1, 1, True),  # loope
        (64, "e110", 2, 0, 1, False),
        (64, "e110", 1, 1, 0, False),
        (64, "e010", 2, 0, 1, True),  # loopne
        (64, "e010", 2, 1, 1, False),
    ],
)
def test_loop_counts_down_and_branches(bits: int, code: str, rcx: int, zf: int, after: int, taken: bool) -> None:
    """The counter has the address size; LOOPE and LOOPNE look at ZF too; no flag changes."""
    flags = STATUS & ~ZF | (ZF if zf else 0) | 2
    cpu = Cpu(bits, rip=0x1000, rcx=rcx, rflags=flags)
    execute(code, cpu)
    assert (cpu.rcx, cpu.rflags) == (after, flags)
    assert cpu.rip == 0x1000 + len(bytes.fromhex(code)) + (0x10 if taken else 0)


@pytest.mark.parametrize(
    ("code", "memory"),
    [
        ("ea34127856", {}),  # jmp 5678:1234
        ("ff2f", {0x40: bytes.fromhex("34127856")}),  # jmp far [bx]
    ],
)
def test_far_jumps_load_cs_in_real_mode(code: str, memory: dict[int, bytes]) -> None:
    """The offset comes first in memory; the base is sixteen times the selector."""
    cpu = Cpu(16, rip=0x100, rbx=0x40)
    touches = execute(code, cpu, memory)
    assert touches == [reads(0x40, 4, 0x56781234)] * len(memory)
    assert (cpu.cs, cpu.cs_base, cpu.rip) == (0x5678, 0x56780, 0x1234)


@pytest.mark.parametrize(("code", "width"), [("9a34127856", 2), ("669a341200007856", 4)])
def test_far_calls_push_cs_first(code: str, width: int) -> None:
    """CS is zero-extended to the operand size."""
    cpu = Cpu(16, rip=0x100, rsp=TOP, cs=0x1111)
    assert execute(code, cpu) == [
        writes(TOP - width, width, 0x1111),
        writes(TOP - 2 * width, width, 0x100 + len(bytes.fromhex(code))),
    ]
    assert (cpu.cs, cpu.rip, cpu.sp) == (0x5678, 0x1234, TOP - 2 * width)


def test_far_call_through_memory_reads_the_pointer_first() -> None:
    """Then it pushes."""
    cpu = Cpu(16, rip=0x100, rsp=TOP, cs=0x1111, rbx=0x40)
    touches = execute("ff1f", cpu, {0x40: bytes.fromhex("34127856")})
    assert touches == [reads(0x40, 4, 0x56781234), writes(TOP - 2, 2, 0x1111), writes(TOP - 4, 2, 0x102)]


def test_far_return_reads_cs_then_the_offset() -> None:
    """RETF reads the selector first, as silicon does; RETF 6 releases six bytes more."""
    cpu = Cpu(16, rip=0x100, rsp=TOP)
    touches = execute("ca0600", cpu, {TOP: bytes.fromhex("34127856")})
    assert touches == [reads(TOP + 2, 2, 0x5678), reads(TOP, 2, 0x1234)]
    assert (cpu.cs, cpu.cs_base, cpu.rip, cpu.sp) == (0x5678, 0x56780, 0x1234, TOP + 10)


def test_far_branches_need_descriptors_in_protected_mode() -> None:
    """The plain Cpu has none, and says so, unchanged."""
    for bits, code in ((32, "ea341200007856"), (64, "ff2f"), (64, "48cb")):
        cpu = Cpu(bits, rip=0x100, rsp=TOP, rdi=0x40)
        before = cpu.copy()
        with pytest.raises(UnsupportedInstruction, match="descriptor table"):
            execute(code, cpu)
        assert cpu == before

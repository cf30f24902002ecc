"""The oracle itself is right: results known from the manual, and nothing a case does can spoil the next one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.needs import need
from tests.oracle.case import DEFAULT_REGS, DEFAULT_VECTOR, FLAGS, CannotRun, Case, Outcome, VectorState, Window
from tests.oracle.silicon import SiliconEngine

CF, PF, AF, ZF, SF, OF = (FLAGS[name] for name in ("CF", "PF", "AF", "ZF", "SF", "OF"))
STATUS = CF | PF | AF | ZF | SF | OF
BASE = Window().base
LOW = Window(0x20000)
REAL = {"cs": 0x10000, "ds": 0x20000, "es": 0x20000, "ss": 0x20000}
SEGV_MAPERR, SI_KERNEL = 1, 0x80


@pytest.fixture(scope="module")
def silicon() -> Iterator[SiliconEngine]:
    """One engine for all tests: that they share it is part of the test."""
    with SiliconEngine() as engine:
        try:
            engine.cpuid(0)
        except CannotRun as error:
            need(False, f"permission to ptrace a child ({error})")
        yield engine


def after(silicon: SiliconEngine, code: str, bits: int = 64, **regs: int) -> Outcome:
    """Run `code` with `regs` and let it not fault."""
    outcome = silicon.run(Case(bytes.fromhex(code), bits=bits, regs=regs))
    assert outcome.fault is None
    return outcome


def test_add_sets_result_flags_and_rip(silicon: SiliconEngine) -> None:
    """ADD gives sum, carry, overflow, and RIP behind the instruction, and leaves the other registers alone."""
    outcome = after(silicon, "4801d8", rax=0x8000000000000000, rbx=0x8000000000000000)
    assert outcome.regs[0] == 0
    assert outcome.rflags & STATUS == CF | PF | ZF | OF
    assert outcome.rip == Case(b"").ip + 3
    assert outcome.regs[8:] == tuple(DEFAULT_REGS.values())[8:]


def test_adc_reads_the_carry(silicon: SiliconEngine) -> None:
    """The flags of the case are the flags the instruction sees."""
    outcome = silicon.run(Case(b"\x10\xd8", regs={"rax": 0x7F, "rbx": 0}, rflags=0x202 | CF))
    assert outcome.regs[0] == 0x80
    assert outcome.rflags & STATUS == AF | SF | OF


def test_movsx_from_memory(silicon: SiliconEngine) -> None:
    """A load sees the window's patches."""
    case = Case(bytes.fromhex("480fbe07"), regs={"rdi": BASE + 5}, window=Window(patches={5: b"\x80"}))
    assert silicon.run(case).regs[0] == 0xFFFFFFFFFFFFFF80


def test_store_changes_only_its_bytes(silicon: SiliconEngine) -> None:
    """The window comes back with the store and no other change."""
    outcome = after(silicon, "668907", rax=0xBEEF, rdi=BASE + 0x0FFF)
    expected = bytearray(Window().contents)
    expected[0x0FFF:0x1001] = b"\xef\xbe"
    assert outcome.memory == expected


def test_rep_movsb_runs_to_its_end(silicon: SiliconEngine) -> None:
    """A REP instruction is one instruction: all its iterations are done."""
    outcome = after(silicon, "f3a4", rsi=BASE, rdi=BASE + 0x1800, rcx=300)
    assert (outcome.regs[1], outcome.regs[6], outcome.regs[7]) == (0, BASE + 300, BASE + 0x1800 + 300)
    assert outcome.memory[0x1800 : 0x1800 + 300] == Window().contents[:300]


def test_rep_that_faults_keeps_finished_iterations(silicon: SiliconEngine) -> None:
    """A fault in the middle of REP leaves count and pointers at the element that faulted."""
    outcome = silicon.run(Case(b"\xf3\xaa", regs={"rdi": Window().end - 3, "rcx": 10, "rax": 0x55}))
    assert outcome.fault is not None
    assert (outcome.fault.number, outcome.fault.address) == (signal.SIGSEGV, Window().end)
    assert outcome.rip == Case(b"").ip
    assert (outcome.regs[1], outcome.regs[7]) == (7, Window().end)
    assert outcome.memory[-3:] == b"\x55\x55\x55"


@pytest.mark.parametrize(
    ("code", "regs", "number", "si_code"),
    [
        ("f7f1", {"rcx": 0}, signal.SIGFPE, 1),
        ("0f0b", {}, signal.SIGILL, 2),
        ("8b07", {"rdi": 0x12345678}, signal.SIGSEGV, SEGV_MAPERR),
        ("8b07", {"rdi": 0x8000000000000000}, signal.SIGSEGV, SI_KERNEL),
        ("8b45f0", {"rbp": 0x8000000000000000}, signal.SIGBUS, SI_KERNEL),
        ("0f2907", {"rdi": BASE + 8}, signal.SIGSEGV, SI_KERNEL),
        ("f4", {}, signal.SIGSEGV, SI_KERNEL),
    ],
    ids=["div by zero", "ud2", "unmapped", "non-canonical", "non-canonical stack", "unaligned movaps", "hlt"],
)
def test_faults_are_told_by_signal(
    silicon: SiliconEngine, code: str, regs: dict[str, int], number: int, si_code: int
) -> None:
    """A fault changes nothing, and says what Linux says of it."""
    case = Case(bytes.fromhex(code), regs=regs)
    outcome = silicon.run(case)
    assert outcome.fault is not None
    assert (outcome.fault.number, outcome.fault.code) == (number, si_code)
    if si_code == SEGV_MAPERR and number == signal.SIGSEGV:
        assert outcome.fault.address == regs["rdi"]
    assert outcome.rip == case.ip
    assert list(outcome.regs) == case.registers()
    assert outcome.memory == case.window.contents


def test_alignment_check_is_sigbus(silicon: SiliconEngine) -> None:
    """With AC set, an unaligned access is an alignment fault."""
    outcome = silicon.run(Case(b"\x8b\x07", regs={"rdi": BASE + 1}, rflags=0x202 | FLAGS["AC"]))
    assert outcome.fault is not None
    assert (outcome.fault.number, outcome.fault.code) == (signal.SIGBUS, 1)


def test_window_borders_fault(silicon: SiliconEngine) -> None:
    """A store that crosses the window's end faults at the absent page and stores nothing."""
    case = Case(b"\x48\x89\x07", regs={"rdi": Window().end - 4})
    outcome = silicon.run(case)
    assert outcome.fault is not None
    assert outcome.fault.address == Window().end
    assert outcome.memory == case.window.contents
    assert silicon.run(Case(b"\x8a\x07", regs={"rdi": BASE - 1})).fault is not None


@pytest.mark.parametrize("base", [0x20000, 0x90000000, 0x7F1234567000])
def test_window_and_code_stand_anywhere(silicon: SiliconEngine, base: int) -> None:
    """Window and code are found where the case puts them, also right where the other one was before."""
    window = Window(base, pages=1)
    assert silicon.run(Case(b"\x8a\x07", regs={"rdi": base}, window=window)).regs[0] & 0xFF == window.contents[0]
    swapped = Case(b"\x8a\x07", ip=base + 0x10, regs={"rdi": 0x10000}, window=Window(0x10000, pages=2))
    assert silicon.run(swapped).regs[0] & 0xFF == window.contents[0]
    for step in (0x1000, 0x2000, 0x3000):
        near = attrs_ip(swapped, base + step)
        assert silicon.run(near).rip == near.ip + 2


def attrs_ip(case: Case, ip: int) -> Case:
    """The same case at another place."""
    return Case(case.code, ip=ip, regs=case.regs, window=case.window)


def test_taken_branch_is_one_step(silicon: SiliconEngine) -> None:
    """A branch ends at its target, which need not exist; `jmp $` is executed once."""
    assert after(silicon, "ff e0", rax=0x123456).rip == 0x123456
    assert after(silicon, "eb fe").rip == Case(b"").ip
    not_taken = silicon.run(Case(b"\x74\x10", rflags=0x202))
    assert not_taken.rip == Case(b"").ip + 2
    called = after(silicon, "ff d0", rax=0x123456)
    assert called.memory[0x17F8:0x1800] == (Case(b"").ip + 2).to_bytes(8, "little")


def test_no_trap_flag_leaks(silicon: SiliconEngine) -> None:
    """PUSHF pushes the flags of the case."""
    assert after(silicon, "9c").memory[0x17F8:0x1800] == (0x202).to_bytes(8, "little")


def test_breakpoint_of_the_case_is_a_fault(silicon: SiliconEngine) -> None:
    """INT3 as the instruction itself is distinguished from the end of a case."""
    outcome = silicon.run(Case(b"\xcc"))
    assert outcome.fault is not None
    assert (outcome.fault.number, outcome.rip) == (signal.SIGTRAP, Case(b"").ip + 1)


def test_segment_bases_in_64_bit_code(silicon: SiliconEngine) -> None:
    """FS and GS have the bases of the case, and changes of them come back."""
    case = Case(bytes.fromhex("65488b07"), regs={"rdi": 0x10}, bases={"gs": BASE})
    assert silicon.run(case).regs[0] == int.from_bytes(case.window.contents[0x10:0x18], "little")
    written = silicon.run(Case(bytes.fromhex("f3480faed0"), regs={"rax": 0x1234}))
    assert written.bases == (0, 0, 0, 0, 0x1234, 0)


def test_32_bit_code(silicon: SiliconEngine) -> None:
    """0x40 is INC EAX in 32-bit code, addresses wrap at 4 GiB, and upper halves do not exist."""
    assert after(silicon, "40", bits=32, rax=0xFFFFFFFF).regs[0] == 0
    outcome = after(silicon, "8a8700100000", bits=32, rdi=BASE - 0x1000)
    assert outcome.regs[0] & 0xFF == Window().contents[0]
    wrapped = after(silicon, "8a04b7", bits=32, rdi=BASE - 8, rsi=0x40000002)
    assert wrapped.regs[0] & 0xFF == Window().contents[0]


def test_32_bit_segment_bases(silicon: SiliconEngine) -> None:
    """In 32-bit code every segment may have a base, the code segment too."""
    bases = {"cs": 0x5000, "ds": 0x300000, "fs": 0x3F0000, "ss": BASE}
    regs = {"rdi": BASE - 0x300000, "rsp": 0x100}
    load = silicon.run(Case(b"\x8a\x07", bits=32, regs=regs, bases=bases, ip=0x10100))
    assert load.fault is None
    assert (load.regs[0] & 0xFF, load.rip) == (Window().contents[0], 0x10102)
    assert load.bases == (0, 0x5000, BASE, 0x300000, 0x3F0000, 0)
    by_fs = silicon.run(Case(b"\x64\x8a\x07", bits=32, regs=regs | {"rdi": 0x10000}, bases=bases))
    assert by_fs.regs[0] & 0xFF == Window().contents[0]
    pushed = silicon.run(Case(b"\x50", bits=32, regs=regs, bases=bases))
    assert pushed.memory[0xFC:0x100] == DEFAULT_REGS["rax"].to_bytes(8, "little")[:4]


def test_16_bit_code(silicon: SiliconEngine) -> None:
    """16-bit code has its own addressing forms, segments with bases, and keeps the upper half of a register."""
    case = Case(b"\x8b\x00", bits=16, regs={"rbx": 0x1230, "rsi": 4}, window=LOW, bases=REAL, ip=0x100)
    outcome = silicon.run(case)
    assert outcome.fault is None
    assert outcome.rip == 0x102
    expected = DEFAULT_REGS["rax"] & 0xFFFF0000 | int.from_bytes(LOW.contents[0x1234:0x1236], "little")
    assert outcome.regs[0] == expected


def test_16_bit_stack_and_limit(silicon: SiliconEngine) -> None:
    """PUSH uses 16 bits of ESP, and an offset over 0xffff faults."""
    case = Case(b"\x50", bits=16, regs={"rsp": 0x9999_0100}, window=LOW, bases=REAL, ip=0x100)
    outcome = silicon.run(case)
    assert outcome.regs[4] == 0x9999_00FE
    assert outcome.memory[0xFE:0x100] == DEFAULT_REGS["rax"].to_bytes(8, "little")[:2]
    window = Window(0x2F000)
    beyond = Case(b"\x8b\x07", bits=16, regs={"rbx": 0xFFFF}, window=window, bases=REAL, ip=0x100)
    fault = silicon.run(beyond).fault
    assert fault is not None
    assert (fault.number, fault.code) == (signal.SIGSEGV, SI_KERNEL)


@pytest.mark.cpu("AVX512BW")
def test_masked_avx512_move(silicon: SiliconEngine) -> None:
    """Vector and mask registers go in and come out whole: a masked VMOVDQU8 loads just the chosen bytes."""
    state = VectorState().replaced(k1=0x8000000000000005, zmm17=0)
    window = Window(patches={64: bytes(range(1, 65))})
    outcome = silicon.run(Case(bytes.fromhex("62e17f496f0f"), regs={"rdi": BASE + 64}, vectors=state, window=window))
    assert outcome.fault is None
    assert outcome.vectors is not None
    assert outcome.vectors.vector[17] == 64 << 504 | 3 << 16 | 1
    assert outcome.vectors.replaced(zmm17=0) == state


def test_vector_state_round_trip(silicon: SiliconEngine) -> None:
    """Every register of the vector state that a NOP meets is the same behind it."""
    state = VectorState(fsw=3 << 11, ftw=0xA5, mxcsr=0x1FA0, fcw=0x27F)
    outcome = silicon.run(Case(b"\x90", vectors=state))
    assert outcome.vectors == state
    zeros = VectorState(vector=(0,) * 32, k=(0,) * 8, x87=(0,) * 8)
    assert silicon.run(Case(b"\x90", vectors=zeros)).vectors == zeros


def test_x87_registers_are_physical(silicon: SiliconEngine) -> None:
    """FLD1 with TOP 0 fills physical register 7 and marks it in use."""
    outcome = silicon.run(Case(b"\xd9\xe8", vectors=VectorState()))
    assert outcome.vectors is not None
    assert outcome.vectors.x87[7] == 0x3FFF8000000000000000
    assert (outcome.vectors.ftw, outcome.vectors.fsw >> 11 & 7) == (0x80, 7)


@pytest.mark.cpu("AVX")
def test_sse_keeps_and_vex_clears(silicon: SiliconEngine) -> None:
    """MOVUPS keeps bits 128 and up of its destination, VMOVUPS clears them, as far as the CPU has them."""
    low = int.from_bytes(Window().contents[:16], "little")
    legacy = silicon.run(Case(b"\x0f\x10\x07", regs={"rdi": BASE}, vectors=VectorState()))
    vex = silicon.run(Case(b"\xc5\xf8\x10\x07", regs={"rdi": BASE}, vectors=VectorState()))
    assert legacy.vectors is not None
    assert vex.vectors is not None
    there = vex.vector_bits.vector[0]
    assert there >= (1 << 256) - 1
    assert legacy.vectors.vector[0] & there == (DEFAULT_VECTOR[0] >> 128 << 128 | low) & there
    assert vex.vectors.vector[0] & there == low


def test_system_calls_do_not_happen(silicon: SiliconEngine) -> None:
    """A system call is refused, not made."""
    for code in (b"\x0f\x05", b"\xcd\x80"):
        with pytest.raises(CannotRun, match="system call"):
            silicon.run(Case(code, regs={"rax": 39}))
    assert after(silicon, "90").rip == Case(b"").ip + 1


def test_code_cannot_be_overwritten(silicon: SiliconEngine) -> None:
    """A store to the code block faults."""
    outcome = silicon.run(Case(b"\x88\x07", regs={"rdi": Case(b"").ip}))
    assert outcome.fault is not None
    assert outcome.fault.number == signal.SIGSEGV


def test_code_without_end_is_given_up(silicon: SiliconEngine) -> None:
    """Code that never comes to its end is given up after a second or two of CPU time."""
    with pytest.raises(CannotRun, match="no end"):
        silicon.run(Case(b"\x90\xeb\xfd"))
    assert after(silicon, "90").fault is None


def test_lost_child_is_replaced(silicon: SiliconEngine) -> None:
    """When the child is killed, one case fails, saying so, and the next one has a new child."""
    after(silicon, "90")
    child = silicon.child
    assert child is not None
    os.kill(child, signal.SIGKILL)
    with pytest.raises(CannotRun, match=str(child)):
        silicon.run(Case(b"\x90"))
    assert after(silicon, "90").fault is None
    assert silicon.child not in (None, child)
    assert not os.path.exists(f"/proc/{child}"), "the dead child was not reaped"


def test_child_has_no_other_memory(silicon: SiliconEngine) -> None:
    """Code block and window are all the child has, so no stray access finds anything."""
    after(silicon, "90")
    with open(f"/proc/{silicon.child}/maps") as maps:
        lines = [line.split()[0] for line in maps if "vsyscall" not in line]
    assert lines == ["00010000-00012000", "00400000-00403000"]


def test_close_leaves_no_process() -> None:
    """A closed engine has no child, not even a zombie."""
    with SiliconEngine() as engine:
        try:
            engine.run(Case(b"\x90"))
        except CannotRun as error:
            need(False, f"permission to ptrace a child ({error})")
        child = engine.child
    assert child is not None
    assert not os.path.exists(f"/proc/{child}")


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (Case(b"\x90", rflags=0x302), "trap flag"),
        (Case(b"\x66\x90", ip=0x11FFF), "block"),
        (Case(b"\x90", ip=0x400100), "absent page"),
    ],
)
def test_impossible_cases_are_refused(silicon: SiliconEngine, case: Case, reason: str) -> None:
    """What a process cannot be put into is refused by name."""
    with pytest.raises(CannotRun, match=reason):
        silicon.run(case)

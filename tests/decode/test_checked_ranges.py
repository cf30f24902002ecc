"""Where instructions may fault, asked of silicon: no page fault is anywhere else.

Each form this CPU can judge, emulated or not, is executed on generated operands and masks, in all modes, most of them
at the border of the only pages there are. A source of faults that knows `checked_ranges` thus understands each fault.
"""

from __future__ import annotations

import random
import signal
from itertools import islice

import pytest
from iced_x86 import Code_

from decode import accesses, checked_ranges, decode
from emulate import Cpu
from mmio.live.vendor import cpu_vendor
from tests.cases.build import random_case
from tests.cases.forms import CODE_NAMES, Unbuildable, all_codes, operation
from tests.oracle.case import CannotRun, Case, Signal
from tests.oracle.host import PRIVILEGED, is_judged, need_silicon, silicon
from tests.oracle.pagetrap import cpu_of

pytestmark = pytest.mark.slow

CASES = 8  # of each form in each mode
SOME = 10_000  # ranges of one instruction: a REP has one for each element
SEGV_MAPERR = 1
# The kernel does these where user programs may not (UMIP), and tells of addresses that are not those of the access.
BY_THE_KERNEL = ("sgdt", "sidt", "sldt", "smsw", "str")
# A hypervisor may write its CPU's own hypercall over one of another vendor's: KVM does, and reports the page fault of
# its write, at the instruction itself (KVM_X86_QUIRK_FIX_HYPERCALL_INSN, Documentation/virt/kvm/api.rst).
HYPERCALLS = ("vmcall", "vmmcall", "vmgexit")
# These access no memory. QEMU 7.2 emulates no #UD for SYSCALL in 32-bit code on an Intel CPU: the guest panics.
ENTERS_THE_KERNEL = ("int", "syscall", "sysenter")
SET_ASIDE = (*PRIVILEGED, *BY_THE_KERNEL, *HYPERCALLS, *ENTERS_THE_KERNEL)


def cases(code: Code_, bits: int) -> list[Case]:
    source = random.Random(f"{CODE_NAMES[code]} {bits}")
    found = []
    for _ in range(CASES):
        try:
            found.append(random_case(source, code, bits))
        except Unbuildable:
            continue
    return found


def page_fault(case: Case) -> Signal | None:
    """Return the page fault that silicon raises, if it does."""
    try:
        fault = silicon().run(case).fault
    except CannotRun:
        return None
    return fault if fault is not None and (fault.number, fault.code) == (signal.SIGSEGV, SEGV_MAPERR) else None


def explained(case: Case, fault: Signal) -> bool:
    """Whether a page fault's address is one that the instruction is said to check; in code is the program's own."""
    instruction = decode(case.code, case.bits, cpu_vendor())
    ranges = islice(checked_ranges(instruction, cpu_of(case)), SOME)
    mask = (1 << (64 if case.bits == 64 else 32)) - 1
    return any(fault.address - start & mask < (width or 1) for start, width in ranges)


@pytest.mark.silicon
@pytest.mark.parametrize("bits", [64, 32, 16])
def test_silicon_faults_nowhere_else(bits: int) -> None:
    """A page fault of silicon is at an address that `checked_ranges` lists, whatever the form and its operands are."""
    need_silicon()
    faults, wrong = 0, []
    for code in all_codes(bits):
        if not is_judged(code) or operation(code) in SET_ASIDE:
            continue
        for case in cases(code, bits):
            fault = page_fault(case)
            if fault is not None:
                faults += 1
                if not explained(case, fault):
                    wrong.append(f"{CODE_NAMES[code]}: {fault}: {case}")
    assert wrong == []
    assert faults > 500


@pytest.mark.parametrize(
    ("code", "address", "width"),
    [
        ("0fae3e", 0x1000, 1),  # clflush [rsi]
        ("f30faef6", 0x1000, 1),  # umonitor rsi
        ("0f01fa", 0x2000, 1),  # monitorx
        ("660ff7ca", 0x3000, 16),  # maskmovdqu xmm1,xmm2
    ],
)
def test_what_accesses_nothing_may_fault(code: str, address: int, width: int) -> None:
    """What only checks a page makes no access, and says where it checks."""
    cpu = Cpu(bits=64, rsi=0x1000, rax=0x2000, rdi=0x3000)
    instruction = decode(bytes.fromhex(code))
    assert accesses(instruction, cpu) == []
    assert list(checked_ranges(instruction, cpu)) == [(address, width)]


def test_an_extended_save_checks_its_whole_area() -> None:
    """XSAVE may fault at the last byte of its area, which depends on the state components that there are."""
    ranges = list(checked_ranges(decode(bytes.fromhex("0fae26")), Cpu(bits=64, rsi=0x1000)))  # xsave [rsi]
    assert {start for start, _ in ranges} == {0x1000}
    assert max(width for _, width in ranges) == 2816 + 8192  # with AMX


def test_an_extended_save_wraps_with_its_addresses() -> None:
    """Where an address has 16 bits, what is behind 64 KiB is at the start of the segment; CLFLUSH is one byte there."""
    cpu = Cpu(bits=16, rsi=0xEB00, ds=0x2000)
    ranges = list(checked_ranges(decode(bytes.fromhex("0fae24"), 16), cpu))  # xsave [si]
    covered = {address for start, width in ranges for address in range(start, start + width)}
    assert covered >= {*range(0x2EB00, 0x30000), *range(0x20000, 0x21600)}
    assert covered.isdisjoint(range(0x21600, 0x2EB00))
    flush = checked_ranges(decode(bytes.fromhex("0fae3c"), 16), Cpu(bits=16, rsi=0xFFFF, ds=0x2000))  # clflush [si]
    assert set(flush) == {(0x2FFFF, 1)}


def test_a_monitor_has_a_segment() -> None:
    """MONITORX and UMONITOR go through DS, or the segment of an override."""
    cpu = Cpu(bits=64, rax=0x2000, fs_base=0x10)
    for code in ("640f01fa", "64f30faef0"):
        assert list(checked_ranges(decode(bytes.fromhex(code)), cpu)) == [(0x2010, 1)]


@pytest.mark.parametrize(("bits", "pointer"), [(64, 0x401000), (32, 0x401000), (16, 0x80)])
def test_enter_checks_the_new_top(bits: int, pointer: int) -> None:
    """ENTER checks the new top of the stack, whose pointer wraps at its own width before the segment's base counts."""
    cpu = Cpu(bits=bits, rsp=pointer, ss=0x2000)
    width = bits // 8
    *pushed, top = checked_ranges(decode(bytes.fromhex("c8000100"), bits), cpu)  # enter 100h,0
    base = 0x20000 if bits == 16 else 0
    assert pushed == [(pointer - width + base, width)]
    assert top == ((pointer - width - 0x100 & (0xFFFF if bits == 16 else 0xFFFFFFFF)) + base, width)


@pytest.mark.parametrize(("code", "last"), [("0f0d0e", None), ("0f1c06", None), ("8d06", None), ("8b06", (0x1000, 4))])
def test_nothing_is_checked_but_what_may_fault(code: str, last: tuple[int, int] | None) -> None:
    """PREFETCH, CLDEMOTE and LEA check nothing; a load checks what it accesses."""
    assert set(checked_ranges(decode(bytes.fromhex(code)), Cpu(bits=64, rsi=0x1000))) == ({last} if last else set())

"""Faults the program would have had anyway reach the program's own handler."""

import ctypes
import os
import signal
from collections.abc import Iterator
from ctypes import CDLL, c_long, c_void_p
from pathlib import Path

import pytest

from emulate import (
    AlignmentCheck,
    DivideError,
    Fault,
    GeneralProtection,
    InvalidOpcode,
    PageFault,
    Ram,
    SimdFault,
    StackFault,
)
from mmio.inprocess import Mapping, ioremap
from mmio.linux import libc
from mmio.linux.libc import PAGE, PROT_READ, PROT_WRITE
from mmio.live.fault_signals import signal_of
from mmio.live.memory import BeyondEnd
from tests.mmio.inprocess.models import Bytes
from tests.native import build_c, compile_c, run_python

IP = 0x401000
SOURCE = """
#define _GNU_SOURCE
#include <fenv.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>
static sigjmp_buf back;
long seen[6];
extern char here __attribute__((visibility("hidden")));
static void handler(int number, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    seen[0] = number;
    seen[1] = info->si_code;
    seen[2] = (long)info->si_addr;
    seen[3] = uc->uc_mcontext.gregs[REG_RIP] - (long)&here;
    seen[4] = uc->uc_mcontext.gregs[REG_RCX];
    if (number == SIGSEGV && seen[5]) {
        mprotect((void *)(seen[2] & -4096), 4096, PROT_READ | PROT_WRITE);
        seen[5]--;
        return;
    }
    siglongjmp(back, 1);
}
static struct sigaction old[3];
static const int numbers[3] = {SIGSEGV, SIGFPE, SIGBUS};
void install(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    for (int i = 0; i < 3; i++) sigaction(numbers[i], &action, &old[i]);
}
void uninstall(void) { for (int i = 0; i < 3; i++) sigaction(numbers[i], &old[i], 0); }
int copy(void *to, void *from, long count) {
    if (sigsetjmp(back, 1)) return 1;
    __asm__ volatile(".globl here; here: rep movsb" : "+D"(to), "+S"(from), "+c"(count) :: "memory");
    return 0;
}
int scalar(float *p) {
    float one = 1;
    if (sigsetjmp(back, 1)) {
        feclearexcept(FE_ALL_EXCEPT);
        fedisableexcept(FE_ALL_EXCEPT);
        return 1;
    }
    feenableexcept(FE_DIVBYZERO);
    __asm__ volatile("divss (%1),%0" : "+x"(one) : "r"(p));
    return 0;
}
int divide(uint32_t *p) {
    uint32_t low = 1, high = 0;
    if (sigsetjmp(back, 1)) return 1;
    __asm__ volatile("divl (%2)" : "+a"(low), "+d"(high) : "r"(p));
    return 0;
}
"""


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[CDLL]:
    """The driver, its signal handlers installed before anything is mapped."""
    library = compile_c(SOURCE, tmp_path, "-lm")
    library.install()
    yield library
    library.uninstall()


@pytest.fixture
def mapping(driver: CDLL) -> Iterator[Mapping]:
    with ioremap(Bytes(4096, bytes(range(1, 65)))) as mapping:
        yield mapping


def seen(driver: CDLL) -> list[int]:
    """What the handler saw: signal, si_code, si_addr, rip less the instruction's address, rcx."""
    return list((c_long * 6).in_dll(driver, "seen"))[:5]


def test_wild_pointer_on_the_other_side(driver: CDLL, mapping: Mapping) -> None:
    """A copy from the device through a wild pointer is a SIGSEGV with that pointer, at the driver's instruction."""
    assert driver.copy(c_void_p(0x1230), mapping, c_long(5)) == 1
    assert seen(driver) == [signal.SIGSEGV, 1, 0x1230, 0, 5]
    assert driver.copy(mapping, c_void_p(0x1230), c_long(5)) == 1
    assert seen(driver) == [signal.SIGSEGV, 1, 0x1230, 0, 5]


def test_finished_elements_stay(driver: CDLL, mapping: Mapping) -> None:
    """A copy that runs into an absent page has done what came before, and the count says so."""
    page = libc.map_pages(2 * PAGE, PROT_READ | PROT_WRITE) + PAGE
    libc.protect(page, PAGE, libc.PROT_NONE)
    assert driver.copy(c_void_p(page - 3), mapping, c_long(10)) == 1
    assert seen(driver) == [signal.SIGSEGV, 2, page, 0, 7]  # SEGV_ACCERR
    assert ctypes.string_at(page - 3, 3) == b"\1\2\3"


def test_handler_that_repairs(driver: CDLL, mapping: Mapping) -> None:
    """A handler that makes the page accessible and returns lets the copy continue to its end."""
    page = libc.map_pages(2 * PAGE, PROT_READ | PROT_WRITE) + PAGE
    libc.protect(page, PAGE, libc.PROT_NONE)
    (c_long * 6).in_dll(driver, "seen")[5] = 1
    assert driver.copy(c_void_p(page - 3), mapping, c_long(10)) == 0
    assert ctypes.string_at(page - 3, 10) == bytes(range(1, 11))


def test_division_by_zero(driver: CDLL, mapping: Mapping) -> None:
    """A division by what the device answers may be one by zero: SIGFPE, as from memory."""
    assert driver.divide(c_void_p(mapping.address + 64)) == 1
    assert seen(driver)[:2] == [signal.SIGFPE, 1]
    assert driver.divide(mapping) == 0


def test_floating_point_exception(driver: CDLL, mapping: Mapping) -> None:
    """A floating-point exception that is not masked is SIGFPE with its kind."""
    assert driver.scalar(c_void_p(mapping.address + 64)) == 1
    assert seen(driver)[:2] == [signal.SIGFPE, 3]


@pytest.mark.parametrize(("what", "number"), [("copy", signal.SIGSEGV), ("divide", signal.SIGFPE)])
def test_death_by_default(tmp_path: Path, what: str, number: int) -> None:
    """Without a handler the program dies of the signal."""
    program = """
import sys
from ctypes import CDLL, c_long, c_void_p
from mmio.inprocess import ioremap
from tests.mmio.inprocess.models import Bytes
driver = CDLL(sys.argv[1])
with ioremap(Bytes(4096)) as mapping:
    if sys.argv[2] == "copy":
        driver.copy(c_void_p(0x1230), mapping, c_long(5))
    else:
        driver.divide(mapping)
"""
    done = run_python(program, str(build_c(SOURCE, tmp_path, "-lm")), what)
    assert (done.returncode, done.stderr) == (-number, "")


@pytest.mark.parametrize(
    ("fault", "number", "code", "address"),
    [
        (PageFault(0x1230), signal.SIGSEGV, 1, 0x1230),  # SEGV_MAPERR
        (BeyondEnd(0x10), signal.SIGBUS, 2, 0x9000),  # BUS_ADRERR, at the address that faulted
        (DivideError("by zero"), signal.SIGFPE, 1, IP),  # FPE_INTDIV
        (SimdFault(0x01, 0x1F00), signal.SIGFPE, 7, IP),  # FPE_FLTINV
        (SimdFault(0x04, 0x1D80), signal.SIGFPE, 3, IP),  # FPE_FLTDIV
        (SimdFault(0x08, 0x1B80), signal.SIGFPE, 4, IP),  # FPE_FLTOVF
        (SimdFault(0x10, 0x1780), signal.SIGFPE, 5, IP),  # FPE_FLTUND
        (SimdFault(0x20, 0x0F80), signal.SIGFPE, 6, IP),  # FPE_FLTRES
        (InvalidOpcode("undefined"), signal.SIGILL, 2, IP),  # ILL_ILLOPN
        (AlignmentCheck("odd", error_code=0, address=0x1231), signal.SIGBUS, 1, 0),  # BUS_ADRALN
        (StackFault("not canonical", error_code=0), signal.SIGBUS, 0x80, 0),  # SI_KERNEL
        (GeneralProtection("misaligned", error_code=0), signal.SIGSEGV, 0x80, 0),
    ],
    ids=lambda value: getattr(value, "mnemonic", None),
)
def test_signals_are_the_kernels(fault: Fault, number: int, code: int, address: int) -> None:
    """Each fault is the signal, the si_code and the si_addr that Linux makes of it (arch/x86/kernel/traps.c)."""
    info = signal_of(fault, IP, 0x9000, os.getpid())
    assert (info.number, info.code, info.address) == (number, code, address)


def test_a_page_that_is_mapped_is_a_protection_fault() -> None:
    """A page fault at an address where something is mapped says SEGV_ACCERR, as the kernel does."""
    address = libc.map_pages(PAGE) + 8
    info = signal_of(PageFault(address), IP, 0x9000, os.getpid())
    assert (info.number, info.code, info.address) == (signal.SIGSEGV, 2, address)


def test_fault_of_a_model_is_an_exception(driver: CDLL) -> None:
    """A model whose own emulated memory faults raises, as with any other exception; the program hears of no signal."""

    class Small:
        length = 4096

        def __init__(self) -> None:
            self.ram = Ram(16)

        def read(self, offset: int, width: int) -> int:
            return self.ram.read(offset, width)

        def write(self, offset: int, width: int, value: int) -> None:
            self.ram.write(offset, width, value)

    with ioremap(Small()) as mapping, pytest.raises(PageFault, match="outside this RAM"):
        driver.divide(c_void_p(mapping.address + 32))

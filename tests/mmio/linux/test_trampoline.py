"""The machine code before Python: a foreign signal continues as the kernel gave it."""

import ctypes
import os
import signal
from pathlib import Path

import pytest

from mmio.inprocess import ioremap
from mmio.linux.trampoline import trampoline
from tests.mmio.inprocess.models import Bytes
from tests.native import build_c, compile_c, run_python

SOURCE = """
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
typedef volatile uint32_t reg;
void wild(void) { *(reg *)0x1230 = 1; }
void wild_protected(void) { *(reg *)mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = 1; }
void jump(void (*to)(void)) { to(); }
void privileged(void) { __asm__ volatile("hlt"); }
void too_long(void) { __asm__ volatile(".fill 15, 1, 0x66; nop"); }
int divide(volatile int a, volatile int b) { return a / b; }
int rd(reg *p) { return p[0]; }
int errno_after(reg *p) { errno = 77; (void)p[0]; p[1] = 5; return errno; }

static struct { int number, code; void *address; uint64_t rip, blocked_usr1, blocked_segv; } seen;
static sigjmp_buf back;
static void handler(int number, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, 0, &now);
    seen.number = number;
    seen.code = info->si_code;
    seen.address = info->si_addr;
    seen.rip = uc->uc_mcontext.gregs[REG_RIP];
    seen.blocked_usr1 = sigismember(&now, SIGUSR1);
    seen.blocked_segv = sigismember(&now, SIGSEGV);
    siglongjmp(back, 1);
}
void install(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGFPE, &action, 0);
}
void *try(void (*function)(void *, int), void *a, int b) {
    memset(&seen, 0, sizeof seen);
    if (!sigsetjmp(back, 1)) function(a, b);
    return &seen;
}
"""

CRASH = """
import faulthandler, sys
from ctypes import CDLL
if sys.argv[3] == "faulthandler":
    faulthandler.enable()
from mmio.inprocess import ioremap, map_ports

class Idle:
    length = 4096
    def read(self, offset, width):
        return 7
    def write(self, offset, width, value):
        pass

def into_the_driver(mapping):
    getattr(driver, sys.argv[2])(mapping, 0)

driver = CDLL(sys.argv[1])
with ioremap(Idle()) as mapping, map_ports(0x70, 1, Idle()):
    assert driver.rd(mapping) == 7
    into_the_driver(mapping)
"""


class Seen(ctypes.Structure):
    _fields_ = (
        *(("number", ctypes.c_int), ("code", ctypes.c_int)),
        *((name, ctypes.c_uint64) for name in ("address", "rip", "blocked_usr1", "blocked_segv")),
    )


def test_cpuid_answers_the_vendor() -> None:
    """CPUID answers, for instance with the maker's name."""
    _, b, c, d = trampoline().cpuid(0)
    maker = b"".join(word.to_bytes(4, "little") for word in (b, d, c)).decode()
    assert f": {maker}\n" in Path("/proc/cpuinfo").read_text()


def test_errno_is_kept_across_a_failing_model(tmp_path: Path) -> None:
    """A device model that fails system calls does not change errno under the driver."""

    class Failing(Bytes):
        def read(self, offset: int, width: int) -> int:
            with pytest.raises(FileNotFoundError):
                os.stat("/nowhere")
            return 0

    driver = compile_c(SOURCE, tmp_path)
    with ioremap(Failing(4096)) as mapping:
        assert driver.errno_after(mapping) == 77


@pytest.mark.parametrize("how", ["wild", "wild_protected", "privileged", "too_long", "jump"])
def test_crash_is_reported_by_faulthandler(tmp_path: Path, how: str) -> None:
    """A crash is a crash: faulthandler's report names the line that entered the driver, and nothing of pagetrap."""
    done = run_python(CRASH, str(build_c(SOURCE, tmp_path)), how, "faulthandler")
    assert done.returncode == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in done.stderr
    assert "in into_the_driver" in done.stderr
    assert "inprocess" not in done.stderr


@pytest.mark.parametrize(
    ("how", "number"),
    [
        ("wild", signal.SIGSEGV),
        ("privileged", signal.SIGSEGV),
        ("too_long", signal.SIGSEGV),  # #GP, as IN and OUT, and the bytes are no instruction
        ("divide", signal.SIGFPE),
    ],
)
def test_crash_without_faulthandler(tmp_path: Path, how: str, number: int) -> None:
    """Without a handler before us the process dies of the signal itself."""
    done = run_python(CRASH, str(build_c(SOURCE, tmp_path)), how, "none")
    assert (done.returncode, done.stderr) == (-number, "")


@pytest.mark.parametrize("disposition", ["SIG_DFL", "SIG_IGN"])
def test_signal_that_was_sent(disposition: str) -> None:
    """SIGSEGV sent by another process kills or is ignored, as it would be without pagetrap."""
    program = f"""
import os, signal
signal.signal(signal.SIGSEGV, signal.{disposition})
from mmio.inprocess import map_ports
from tests.mmio.inprocess.models import Bytes
map_ports(0x70, 1, Bytes(1))
os.kill(os.getpid(), signal.SIGSEGV)
print("alive")
"""
    done = run_python(program)
    assert done.stdout == ("alive\n" if disposition == "SIG_IGN" else "")
    assert done.returncode == (0 if disposition == "SIG_IGN" else -signal.SIGSEGV)
    assert done.stderr == ""


def test_earlier_handler_gets_everything(tmp_path: Path) -> None:
    """A handler that was there before sees number, code, address, registers and mask as without us."""
    program = (
        CRASH.partition("def into")[0]
        + """
import ctypes
from tests.mmio.linux.test_trampoline import Seen
driver = CDLL(sys.argv[1])
driver.install()
getattr(driver, "try").restype = ctypes.POINTER(Seen)
def look():
    for function in ("wild", "wild_protected", "privileged", "divide"):
        seen = getattr(driver, "try")(getattr(driver, function), 1, 0).contents
        address = 0 if function == "wild_protected" else seen.address
        yield seen.number, seen.code, address, seen.rip, seen.blocked_usr1, seen.blocked_segv
before = list(look())
with ioremap(Idle()) as mapping, map_ports(0x70, 1, Idle()):
    during = list(look())
    assert driver.rd(mapping) == 7
    assert list(look()) == before
assert during == before, (during, before)
assert list(look()) == before
print("same")
"""
    )
    done = run_python(program, str(build_c(SOURCE, tmp_path)), "", "none")
    assert (done.stdout, done.stderr) == ("same\n", "")

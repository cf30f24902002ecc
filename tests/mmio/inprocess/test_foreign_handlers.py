"""Signals are held back from direct calls while the process has handlers other than Python's, and only then."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmio import ioremap
from mmio.inprocess.foreign_handlers import _ORIGINAL
from mmio.inprocess.mapping import _trap
from mmio.linux.libc import LIBC, address_of
from mmio.linux.process_memory import read_here
from mmio.patching import text
from tests.mmio.inprocess.models import Bytes
from tests.native import compile_c, run_python

pytestmark = [pytest.mark.cpu("XSAVEC"), pytest.mark.usefixtures("at_once")]

DRIVER = r"""
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#define REGISTER(p) (*(volatile uint32_t *)((uintptr_t)(p) + 0x10000))
static uintptr_t place;
static volatile int runs, ends;
static uint32_t seen;
uint32_t load(uintptr_t p, int times) { uint32_t sum = 0; while (times--) sum += REGISTER(p); return sum; }
static void handler(int number) { seen = REGISTER(place); }
void install(int number, uintptr_t p) { place = p; signal(number, handler); }
void reset(int number) { signal(number, SIG_DFL); }
uint32_t last(void) { return seen; }
static void nothing(int number) {}
static void *install_often(void *count) {
    for (runs = 0; !ends; runs++) signal(SIGRTMAX - 1, runs & 1 ? nothing : SIG_DFL);
    return 0;
}
void begin(pthread_t *thread) { ends = 0; pthread_create(thread, 0, install_often, 0); }
int end(pthread_t *thread) { ends = 1; pthread_join(*thread, 0); signal(SIGRTMAX - 1, SIG_DFL); return runs; }
int in_a_child(uintptr_t p) {
    int status, pid = fork();
    if (!pid) _exit(load(p, 5) == 5 ? 0 : 1);
    return waitpid(pid, &status, 0) == pid ? status : -1;
}
"""
OTHER = r"""
long raw(int number, const void *act) {  /* as a runtime without a C library does */
    long result;
    register long size __asm__("r10") = 8;
    __asm__ volatile("mov $13,%%eax; syscall" : "=a"(result) : "D"(number), "S"(act), "d"(0), "r"(size)
                     : "rcx", "r11", "memory");
    return result;
}
"""


class Asking(Bytes):
    """Notes whether SIGUSR2 is held back, and does what it is told then."""

    def __init__(self) -> None:
        super().__init__(64)
        self.data[:4] = bytes([1, 0, 0, 0])
        self.held: list[bool] = []
        self.next: Callable[[], object] = bool

    def read(self, offset: int, width: int) -> int:
        """Return what stands there."""
        self.held.append(signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, []))
        self.next()
        return super().read(offset, width)


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[ctypes.CDLL]:
    """A library of its own for each test, whose pointers are 64 KiB below what they name."""
    library = compile_c(DRIVER, tmp_path)
    library.load.argtypes = [ctypes.c_size_t, ctypes.c_int]
    library.install.argtypes = [ctypes.c_int, ctypes.c_size_t]
    library.in_a_child.argtypes = [ctypes.c_size_t]
    library.last.restype = ctypes.c_uint32
    yield library
    library.reset(signal.SIGUSR2)


def code() -> bytes:
    """Return the code of the C library's sigaction, with what it jumps to."""
    return read_here(address_of(LIBC.sigaction), 512)


def test_held_back_while_there_is_one(driver: ctypes.CDLL) -> None:
    """A handler in C, installed by a driver, from the next access on, and until it is removed."""
    device = Asking()
    with ioremap(device) as mapping:
        near = mapping.address - 0x10000
        driver.load(near, 10)
        assert device.held[2:] == [False] * 8
        for _ in range(3):
            device.held.clear()
            driver.install(signal.SIGUSR2, near)
            driver.load(near, 20)
            assert device.held == [True] * 20
            driver.reset(signal.SIGUSR2)
            driver.load(near, 40)
            assert device.held[-20:] == [False] * 20
    assert signal.SIGUSR2 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_not_at_all_where_that_is_not_wanted(driver: ctypes.CDLL) -> None:
    """`hold_signals=False` says that handlers in C do no harm."""
    device = Asking()
    with ioremap(device, hold_signals=False) as mapping:
        near = mapping.address - 0x10000
        driver.install(signal.SIGUSR2, near)
        driver.load(near, 10)
        assert device.held[2:] == [False] * 8


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2], ids=["another signal", "the signal"])
def test_a_handler_of_pythons_is_none(driver: ctypes.CDLL, number: int) -> None:
    """It only notes the signal, so no signal is held back for it; what it calls is called in the end."""
    told: list[int] = []
    device, before = Asking(), signal.signal(number, lambda it, _: told.append(it))
    try:
        with ioremap(device) as mapping:
            near = mapping.address - 0x10000
            driver.load(near, 10)
            device.next = lambda: signal.raise_signal(number)
            assert driver.load(near, 10) == 10
            assert device.held[2:] == [False] * 18
            assert told == [number] * 10
            assert len(mapping.trace) == 20
    finally:
        signal.signal(number, before)


def test_one_in_front_of_pythons(driver: ctypes.CDLL) -> None:
    """A signal that Python handles is not held back: polars, for one, puts a handler in front for SIGINT."""
    device, before = Asking(), signal.signal(signal.SIGUSR2, lambda _number, _frame: None)
    try:
        with ioremap(device) as mapping:
            near = mapping.address - 0x10000
            driver.load(near, 10)
            driver.install(signal.SIGUSR2, near)
            device.held.clear()
            driver.load(near, 10)
            assert device.held == [False] * 10
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_handler_that_accesses_the_device(driver: ctypes.CDLL) -> None:
    """It runs behind the access that it came in, whichever way that goes."""
    device = Asking()
    with ioremap(device) as mapping:
        near = mapping.address - 0x10000
        driver.load(near, 10)
        driver.install(signal.SIGUSR2, near)
        depths, depth = [], 0

        def tell() -> None:
            nonlocal depth
            depth += 1
            if len(device.held) % 2:
                signal.raise_signal(signal.SIGUSR2)  # of this thread
            depths.append(depth)
            depth -= 1

        device.held.clear()
        device.next = tell
        for _ in range(20):
            assert driver.load(near, 1) == 1
            assert driver.last() == 1
        assert depths == [1] * 40
        assert device.held == [True] * 40


def test_handlers_are_installed_while_it_changes(driver: ctypes.CDLL) -> None:
    """A thread installs handlers without an end, while the code that it executes is patched and restored."""
    thread, device, handlers = ctypes.c_ulong(), Asking(), _trap().patching._handlers
    with ioremap(device) as mapping:
        near = mapping.address - 0x10000
        driver.load(near, 10)
        assert handlers._stands
        driver.begin(ctypes.byref(thread))
        try:
            for _ in range(100):
                text.change(handlers._address, _ORIGINAL)
                assert not handlers._stands
                handlers._patch()
                assert handlers._stands
                assert driver.load(near, 10) == 10
        finally:
            installed = driver.end(ctypes.byref(thread))
        assert installed > 100
        driver.load(near, 50)
        assert device.held[-10:] == [False] * 10


def test_programs_are_started_meanwhile(driver: ctypes.CDLL) -> None:
    """A child made by vfork resets its handlers in the memory of its parent, and a child by fork has its own."""
    device = Asking()
    with ioremap(device) as mapping:
        near = mapping.address - 0x10000
        for _ in range(5):
            driver.load(near, 10)
            subprocess.run([sys.executable, "-c", ""], check=True)
            os.waitpid(os.posix_spawn("/bin/true", ["true"], {}, setsigdef=[signal.SIGUSR1]), 0)
            assert driver.in_a_child(near) == 0
            assert driver.load(near, 30) == 30
            assert device.held[-10:] == [False] * 10


def test_the_c_library_stays_as_it_is(tmp_path: Path) -> None:
    """A process that has a handler in C before its first access is not changed for it; its signals are held back."""
    library = compile_c(DRIVER, tmp_path)
    done = run_python(_HANDLER_FIRST, library._name)
    assert (done.stdout, done.stderr, done.returncode) == ("True True False False\n", "", 0)


_HANDLER_FIRST = """
import ctypes, signal, sys
from mmio import ioremap
from mmio.inprocess.mapping import _trap
from tests.mmio.inprocess.test_foreign_handlers import Asking, code
driver, before, seen = ctypes.CDLL(sys.argv[1]), code(), []
_trap().patching.faults, _trap().patching.only_files = 1, False
driver.install(signal.SIGUSR2, ctypes.c_size_t(0))
for _ in range(2):
    device = Asking()
    with ioremap(device) as mapping:
        driver.load(ctypes.c_size_t(mapping.address - 0x10000), 10)
        seen += device.held[-1], code() == before
    driver.reset(signal.SIGUSR2)
    _trap().patching.met.clear()
print(*seen)
"""


def test_a_module_with_system_calls_of_its_own(tmp_path: Path) -> None:
    """It could install a handler that is not counted, so signals are held back: as long as the process lives."""
    compile_c(OTHER, tmp_path)
    library = compile_c(DRIVER, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, library._name, *(str(path) for path in tmp_path.rglob("*.so"))],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert (done.stdout, done.stderr, done.returncode) == ("True False\n", "", 0)


_ALONE = """
import ctypes, subprocess, sys, os
from mmio import ioremap
from mmio.inprocess.mapping import _trap
from tests.mmio.inprocess.test_foreign_handlers import Asking, code
def held():
    device, before = Asking(), code()
    with ioremap(device) as mapping:
        ctypes.CDLL(sys.argv[1]).load(ctypes.c_size_t(mapping.address - 0x10000), 10)
        assert (code() == before) is device.held[-1]
    return device.held[-1]
_trap().patching.faults = 1
if os.fork():
    os.wait()
    print(held())
else:
    for name in sys.argv[2:]:
        ctypes.CDLL(name)
    print(held(), end=" ", flush=True)
"""


def test_another_thread_is_in_a_call(driver: ctypes.CDLL) -> None:
    """A handler that is installed meanwhile counts from that thread's next access on."""
    device, inside, go_on = Asking(), threading.Event(), threading.Event()
    with ioremap(device) as mapping:
        near = mapping.address - 0x10000
        thread = threading.Thread(target=lambda: driver.load(near, 20))

        def wait() -> None:
            if len(device.held) == 10:
                inside.set()
                assert go_on.wait(30)

        device.next = wait
        thread.start()
        assert inside.wait(30)
        driver.install(signal.SIGUSR2, near)
        go_on.set()
        thread.join()
        assert device.held[2:] == [False] * 8 + [True] * 10

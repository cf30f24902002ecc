"""Instructions that call the handler instead of faulting: the same values, registers and records."""

import _ctypes
import ctypes
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from decode import decode
from emulate.flags import undefined
from mmio import Mapping, ioremap
from mmio.inprocess.mapping import _trap
from mmio.inprocess.patching import FAULTS, MISSES
from mmio.linux import xsave
from mmio.linux.trampoline import FEATURES, trampoline
from mmio.patching import text
from mmio.patching.sites import NO_ROOM
from mmio.patching.stub import NOWHERE
from tests.mmio.inprocess.execute import Executor, harmless
from tests.mmio.inprocess.forms import PLACE, registers, suitable
from tests.mmio.inprocess.models import Bytes, Raising
from tests.native import ROOT, build_c, compile_c

DRIVER = r"""
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
/* Each access is an instruction of six bytes or more, which a jump fits into wherever memory is free. */
uint32_t get(volatile uint32_t *p, int times) { uint32_t sum = 0; while (times--) sum += p[0x41]; return sum; }
void put(volatile uint32_t *p, int times) { while (times--) p[0x42] = times; }
void set(volatile uint32_t *p) { *(volatile uint32_t *)((char *)p + 0x100) = 0x12345678; }
void locked(volatile uint32_t *p, int times) { while (times--) __sync_fetch_and_add(p, 1); }
static volatile uintptr_t seen_ip, seen_address, seen_rsp;
static void on_segv(int number, siginfo_t *info, void *context) {
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    seen_ip = regs[REG_RIP], seen_address = (uintptr_t)info->si_addr, seen_rsp = regs[REG_RSP];
    regs[REG_RIP] += 6;
}
void handle(void) { sigaction(SIGSEGV, &(struct sigaction){.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO}, 0); }
extern char site[] __attribute__((visibility("hidden")));
uintptr_t get_at(volatile uint32_t *p, uintptr_t *ip, uintptr_t *rsp) {
    uintptr_t value = 7, stack;
    __asm__ volatile("mov %%rsp, %1\n.globl site\nsite: mov 0x104(%2), %k0" : "+a"(value), "=&r"(stack) : "D"(p));
    *ip = seen_ip - (uintptr_t)site, *rsp = seen_rsp - stack;
    return value;
}
uintptr_t faulted_at(void) { return seen_address; }
"""


pytestmark = [pytest.mark.cpu("XSAVE"), pytest.mark.usefixtures("at_once")]


@pytest.fixture
def driver(tmp_path: Path) -> ctypes.CDLL:
    """A library of its own for each test, so that nothing in it is patched yet."""
    return compile_c(DRIVER, tmp_path)


@pytest.mark.silicon
@pytest.mark.parametrize(
    "encoding",
    [
        "legacy",
        pytest.param("vex", marks=pytest.mark.cpu("AVX")),
        pytest.param("evex", marks=pytest.mark.cpu("AVX512F")),
    ],
)
def test_every_form_is_as_on_memory(executor: Executor, encoding: str) -> None:
    """By a stub that hits, and by one that misses: registers, flags and bytes are those of the CPU on memory."""
    contents = harmless(random.Random(1), 4096)
    buffer = ctypes.create_string_buffer(8192)
    memory = (ctypes.c_char * 4096).from_address(ctypes.addressof(buffer) + 4095 & -4096)
    place = ctypes.addressof(memory) + PLACE
    device = Bytes(4096)
    wrong, patched, forms = [], 0, 0
    with ioremap(device) as mapping:
        for form in suitable():
            if form.encoding != encoding:
                continue
            code, given = form.examples[64], registers(form)
            ignored = undefined(decode(code), given.get("rcx", 0) & 0xFF)
            memory.raw, device.data[:] = contents, contents
            expected = executor.run(code, rsi=place, **given)
            bytes_expected = memory.raw
            _trap().patching.met.clear()  # other code stands there now
            mapping.counts.unpatched.clear()
            signals = mapping.stats.signals
            executor.run(code, rsi=mapping.address + PLACE, **given)
            refused = mapping.stats.unpatched
            before, device.data[:], memory.raw = mapping.stats.calls, contents, contents
            hit = executor.again(rsi=mapping.address + PLACE, **given)
            by_call = mapping.stats.calls - before
            faulted = mapping.stats.signals > signals  # with an empty mask the CPU may touch nothing
            assert by_call == (faulted and not refused), form.name
            assert decode(code).length < 5 or NO_ROOM not in refused, form.name
            missed = executor.again(rsi=place, **given)
            if hit.general["rsi"] == mapping.address + PLACE:
                hit.general["rsi"] = expected.general["rsi"]
            for state in (hit, missed, expected):
                state.flags &= ~ignored
            if hit != expected or device.data != bytes_expected:
                wrong.append(f"{form.name} hit")
            if missed != expected or memory.raw != bytes_expected:
                wrong.append(f"{form.name} missed")
            forms += not refused.keys() & {NO_ROOM}
            patched += by_call
    assert wrong == []
    assert patched > 0.75 * forms


def test_accesses_are_counted(driver: ctypes.CDLL) -> None:
    """Each access of one mapping is a signal or a call of its own, also where one instruction reads two mappings."""
    with ioremap(Bytes(4096)) as one, ioremap(Bytes(4096)) as two:
        driver.get(one, 10)
        assert (one.stats.signals, one.stats.calls, one.stats.patched) == (1, 9, 1)
        driver.get(two, MISSES + 4)
        assert (two.stats.signals, two.stats.calls, two.stats.patched) == (MISSES, 4, 1)
        driver.get(one, MISSES + 9)
        assert (one.stats.signals, one.stats.calls, one.stats.patched) == (1 + MISSES, 18, 1)
        driver.put(one, 3)
        assert (one.stats.signals, one.stats.calls, one.stats.patched) == (2 + MISSES, 20, 2)
        assert [len(mapping.trace) for mapping in (one, two)] == [22 + MISSES, MISSES + 4]
        assert one.stats.unpatched == {}


def test_an_accessor_of_two_devices_stays_with_one(driver: ctypes.CDLL) -> None:
    """Aiming its stub at each in turns would make every access a signal."""
    with ioremap(Bytes(4096)) as one, ioremap(Bytes(4096)) as two:
        driver.get(one, 1)
        for _ in range(100):
            driver.get(one, 1)
            driver.get(two, 2)
        assert (one.stats.signals, one.stats.calls) == (1, 100)
        assert (two.stats.signals, two.stats.calls) == (200, 0)
        one.close()
        driver.get(two, 5)
        assert (two.stats.signals, two.stats.calls) == (201, 4)


def test_what_is_not_patched_is_counted_by_its_reason(driver: ctypes.CDLL) -> None:
    """It keeps its signals."""
    with ioremap(Bytes(4096)) as mapping:
        driver.locked(mapping, 5)
        assert (mapping.stats.signals, mapping.stats.calls) == (5, 0)
        assert mapping.stats.unpatched == {"it is locked": 1}


def test_without_xsave_nothing_is_patched(driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that saves with FXSAVE marks its frames all the same; the stub executes XSAVE."""
    monkeypatch.setattr(xsave, "has_xsave", lambda: False)
    monkeypatch.setattr(_trap().patching, "_ready", False)
    with ioremap(Bytes(4096)) as mapping:
        driver.get(mapping, 5)
        assert (mapping.stats.signals, mapping.stats.calls) == (5, 0)
        assert mapping.stats.unpatched == {"this CPU has no XSAVE": 1}


def test_patching_is_a_mapping_s_own_matter(driver: ctypes.CDLL) -> None:
    """An instruction that is patched for one mapping faults at the other, which wants no patches."""
    with ioremap(Bytes(4096)) as one, ioremap(Bytes(4096), patching=False) as two:
        driver.get(two, 5)
        assert (two.stats.signals, two.stats.patched, two.stats.unpatched) == (5, 0, {})
        driver.get(one, 5)
        driver.get(two, 5)
        assert (two.stats.signals, two.stats.calls) == (10, 0)
        driver.get(one, 5)
        assert one.stats.signals + one.stats.calls == 10


def test_what_runs_a_few_times_is_left_alone(tmp_path: Path) -> None:
    """Patching takes as long as many faults, so it begins after as many as `FAULTS`."""
    patching = _trap().patching
    patching.faults, patching.only_files = FAULTS, True
    with ioremap(Bytes(4096)) as mapping:
        driver = compile_c(DRIVER, tmp_path)
        driver.get(mapping, FAULTS - 1)
        assert (mapping.stats.signals, mapping.stats.calls, mapping.stats.patched) == (FAULTS - 1, 0, 0)
        driver.get(mapping, 10)
        assert (mapping.stats.signals, mapping.stats.calls, mapping.stats.patched) == (FAULTS, 9, 1)


def test_code_of_no_file_is_not_patched(executor: Executor) -> None:
    """A compiler at run time may change it in other ways at any time."""
    _trap().patching.only_files = True
    with ioremap(Bytes(4096)) as mapping:
        executor.run(bytes.fromhex("8b4610"), rsi=mapping.address)
        assert mapping.stats.unpatched == {"its code does not come from a file": 1}


def test_the_c_library_is_not_patched(driver: ctypes.CDLL) -> None:
    """The handler itself runs in it."""
    with ioremap(Bytes(4096)) as mapping:
        ctypes.memmove(mapping.address, b"x" * 64, 64)
        assert "it is part of the C library or of Python" in mapping.stats.unpatched
        assert mapping.stats.patched == 0


def test_an_instruction_of_more_than_eight_bytes(driver: ctypes.CDLL) -> None:
    """Its bytes are read where it stands, as they were."""
    device = Bytes(4096)
    with ioremap(device) as mapping:
        for _ in range(3):
            driver.set(mapping)
        assert (mapping.stats.signals, mapping.stats.calls) == (1, 2)
        assert device.data[0x100:0x104] == bytes.fromhex("78563412")
        assert {str(access.instruction) for access in mapping.trace} == {"mov dword ptr [rdi+100h],12345678h"}
        assert len({access.ip for access in mapping.trace}) == 1


def test_an_exception_comes_out_of_the_call(driver: ctypes.CDLL) -> None:
    """Also where the access is a call, each time anew."""
    with ioremap(Raising(ZeroDivisionError)) as mapping:
        for _ in range(4):
            with pytest.raises(ZeroDivisionError):
                driver.get(mapping, 1)
        assert mapping.stats.calls == 3


def test_a_fault_elsewhere_is_the_original_s(tmp_path: Path) -> None:
    """A handler of the driver's finds instruction pointer, stack pointer and address of the instruction itself."""
    script = f"""
import ctypes, mmio
from mmio.inprocess.mapping import _trap
from tests.mmio.inprocess.models import Bytes
driver = ctypes.CDLL({str(build_c(DRIVER, tmp_path))!r})
driver.handle()
driver.faulted_at.restype = ctypes.c_size_t
_trap().patching.faults = 1
ip, rsp = ctypes.c_size_t(), ctypes.c_size_t()
with mmio.ioremap(Bytes(4096)) as other, mmio.ioremap(Bytes(4096)) as mapping:
    for _ in range(3):
        driver.get_at(mapping, ctypes.byref(ip), ctypes.byref(rsp))
    print(mapping.stats.calls)
    for address in (0x10, 1 << 62, mapping.address, mapping.address):
        if address == mapping.address:
            other.close() if mapping.closed else mapping.close()
        print(driver.get_at(ctypes.c_void_p(address), ctypes.byref(ip), ctypes.byref(rsp)), ip.value, rsp.value)
        print(driver.faulted_at() - address)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    natively, protected = ["7", "0", "0", str(0x104)], ["7", "0", "0", str(-(1 << 62))]  # a #GP has no address
    assert done.stdout.split() == ["2", *natively, *protected, *natively, *natively], done.stderr


def test_without_a_handler_it_kills(tmp_path: Path) -> None:
    """A driver that uses the pointer after the mapping has been closed gets SIGSEGV."""
    script = f"""
import ctypes, mmio
from mmio.inprocess.mapping import _trap
from tests.mmio.inprocess.models import Bytes
driver = ctypes.CDLL({str(build_c(DRIVER, tmp_path))!r})
_trap().patching.faults = 1
with mmio.ioremap(Bytes(4096)) as mapping, mmio.ioremap(Bytes(4096)) as other:
    driver.get(mapping, 5)
    mapping.close()
    driver.get(ctypes.c_void_p(mapping.address), 1)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGSEGV, done.stderr


def test_a_child_goes_on(driver: ctypes.CDLL) -> None:
    """It has the stubs, the words and the patches, as copies."""
    with ioremap(Bytes(4096)) as mapping:
        driver.get(mapping, 3)
        child = os.fork()
        if child == 0:
            driver.get(mapping, 4)
            os._exit(mapping.stats.calls)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 6
        assert mapping.stats.calls == 2


BLOCKING = r"""
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
static pthread_t thread;
static volatile int runs, over, ends[2];
static void *wait_for_it(void *unused) {
    char c;
    if (!runs) return (void *)(long)read(ends[0], &c, 1);
    while (!over) {}
    return 0;
}
void begin(int run) {
    sigset_t all, before;
    sigfillset(&all);
    runs = run, over = 0;
    (void)!pipe((int *)ends);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pthread_create(&thread, 0, wait_for_it, 0);
    pthread_sigmask(SIG_SETMASK, &before, 0);
    usleep(20000);
}
void end(void) {
    over = 1;
    (void)!write(ends[1], "", 1);
    pthread_join(thread, 0);
}
"""


@pytest.mark.parametrize("runs", [True, False])
def test_a_thread_that_runs_with_the_signal_blocked_keeps_code_as_it_is(driver: ctypes.CDLL, runs: bool) -> None:
    """It could meet an instruction that is being changed. One that sleeps in the kernel does not."""
    library = compile_c(BLOCKING, Path(driver._name).parent)
    library.begin(runs)
    try:
        with ioremap(Bytes(4096)) as mapping:
            driver.get(mapping, 5)
            if runs:
                (reason,) = mapping.stats.unpatched
                assert "SIGSEGV" in reason
            assert (mapping.stats.signals, mapping.stats.calls) == ((5, 0) if runs else (1, 4))
    finally:
        library.end()


@pytest.mark.cpu("XSAVEC")  # and with it XGETBV with ECX = 1, which tells what is in use: without, all is taken to be
def test_state_that_no_frame_has_room_for_takes_a_signal(driver: ctypes.CDLL) -> None:
    """As that of AMX, which a process asks for late. Here it is SSE that is said to have no room."""
    _trap().patching.only_frames = True
    device = Bytes(4096, bytes(0x104) + b"\5")
    with ioremap(device) as mapping:
        driver.get(mapping, 3)
        words = trampoline().words
        features, words[FEATURES] = words[FEATURES], words[FEATURES] & ~2
        try:
            calls = mapping.stats.calls
            assert driver.get(mapping, 4) == 20
            assert mapping.stats.calls == calls
        finally:
            words[FEATURES] = features
        assert driver.get(mapping, 4) == 20
        assert mapping.stats.calls == calls + 4


def test_code_that_cannot_be_changed_keeps_its_signals(driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    """One note says so in the statistics: SELinux or a seccomp filter forbids it."""
    with ioremap(Bytes(4096, bytes(0x104) + b"\5")) as mapping, monkeypatch.context() as patch:
        patch.setattr(text, "change", _refuse)
        assert driver.get(mapping, 10) == 50
        assert mapping.stats.unpatched == {"Permission denied": 1}
        assert (mapping.stats.signals, mapping.stats.calls) == (10, 0)


def _refuse(*arguments: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_statistics_of_a_closed_mapping_stay(driver: ctypes.CDLL) -> None:
    """They count until then."""
    mapping: Mapping
    with ioremap(Bytes(4096)) as mapping:
        driver.get(mapping, 5)
    assert (mapping.stats.signals, mapping.stats.calls, mapping.stats.patched) == (1, 4, 1)


def test_a_closed_mapping_is_not_answered(driver: ctypes.CDLL) -> None:
    """The stub executes the instruction itself from then on, while another mapping is open."""
    with ioremap(Bytes(4096)), ioremap(Bytes(4096)) as mapping:
        driver.get(mapping, 5)
        (met,) = _trap().patching.met.values()
        assert met.site is not None
        assert list(met.site.words[:2]) == [mapping.address, mapping.address + 4092]
        mapping.close()
        assert list(met.site.words[:2]) == list(NOWHERE)


def test_a_library_comes_and_goes(tmp_path: Path) -> None:
    """Its text is gone when the mapping is closed, and the next time it has no patches."""
    path = build_c(DRIVER, tmp_path)
    with ioremap(Bytes(4096)) as mapping:
        for round_number in range(1, 4):
            driver = ctypes.CDLL(str(path))
            driver.get(mapping, 10)
            driver.put(mapping, 10)
            assert mapping.stats.signals + mapping.stats.calls == 20 * round_number
            assert mapping.stats.calls == 18 * round_number
            _ctypes.dlclose(driver._handle)
        assert len(mapping.trace) == 60


def test_the_first_patch_of_all_meets_busy_threads(tmp_path: Path) -> None:
    """Threads that execute an instruction on memory meet its HLT, when nothing has been patched before."""
    script = f"""
import ctypes, signal, threading, mmio
from mmio.inprocess import signals
from mmio.inprocess.mapping import _trap
from tests.mmio.inprocess.models import Bytes
driver = ctypes.CDLL({str(build_c(DRIVER, tmp_path))!r})
memory = ctypes.create_string_buffer(4096)
_trap().patching.faults = 1
threads = [threading.Thread(target=driver.get, args=(memory, 1 << 27)) for _ in range(4)]
for thread in threads:
    thread.start()
with mmio.ioremap(Bytes(4096)) as mapping:
    driver.get(mapping, 100)
    print(mapping.stats.calls, signals.is_ours(signal.SIGSEGV))
for thread in threads:
    thread.join()
"""
    for _ in range(10):
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "99 True\n"), done.stderr

"""IN and OUT that call the handler or the device instead of faulting: the same values, registers and records."""

import ctypes
from pathlib import Path

import pytest

from decode import decode
from mmio import ioremap, map_ports
from mmio.errors import UnmappedAccess
from mmio.inprocess.mapping import _trap
from mmio.inprocess.patching import MISSES
from mmio.patching.sites import NO_ROOM
from tests.mmio.inprocess.execute import Executor
from tests.mmio.inprocess.models import Bytes, Raising
from tests.native import compile_c, run_python

# Four prefixes that mean nothing make room for a jump, wherever memory is free.
DRIVER = r"""
#include <pthread.h>
#include <stdint.h>
#define WIDE ".byte 0x2e, 0x2e, 0x2e, 0x2e\n"
__attribute__((noinline)) uint32_t in8(int port, int times) {
    uint32_t sum = 0;
    while (times--) { uint8_t v; __asm__ volatile(WIDE "inb %%dx,%0" : "=a"(v) : "d"(port)); sum += v; }
    return sum;
}
void out16(int port, int value, int times) {
    while (times--) __asm__ volatile(WIDE "outw %%ax,%%dx" : : "a"(value), "d"(port));
}
void ins(uint32_t *to, int port, long count) {
    __asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}
static void *body(void *port) { return (void *)(uintptr_t)in8((uintptr_t)port, 3); }
uint32_t in_thread(long port) {
    pthread_t thread;
    void *value;
    pthread_create(&thread, 0, body, (void *)port);
    pthread_join(thread, &value);
    return (uintptr_t)value;
}
"""

FORMS = ("ec", "ed", "66ed", "e470", "e570", "66e570", "ee", "ef", "66ef", "e670", "e770", "66e770", "2e2e2e2eec")
FORMS_PATCHED = """
import sys
from pathlib import Path
from mmio.inprocess.mapping import _trap
from tests.mmio.inprocess.execute import Executor
from tests.mmio.inprocess.test_port_patching import patched_forms
_trap().patching.faults, _trap().patching.only_files = 1, False
print(patched_forms(Executor(Path(sys.argv[1]))))
"""
PORT = 0x70

pytestmark = [pytest.mark.cpu("XSAVE"), pytest.mark.usefixtures("at_once")]


@pytest.fixture
def driver(tmp_path: Path) -> ctypes.CDLL:
    """A library of its own for each test, so that nothing in it is patched yet."""
    return compile_c(DRIVER, tmp_path)


def patched_forms(executor: Executor) -> int:
    """Compare each form by a frame and by a direct call with the same by a signal; return how many could be patched."""
    by_call = 0
    for code in map(bytes.fromhex, FORMS):
        device = Bytes(8, b"\x91\x82\x73\x64")
        with map_ports(PORT, 8, device) as ports:
            first = executor.run(code, seed=len(code), rdx=0xABCD0000 | PORT, rflags=0x8D7)
            refused = ports.stats.unpatched
            for _ in range(2):
                assert executor.again(seed=len(code), rdx=0xABCD0000 | PORT, rflags=0x8D7) == first, code.hex()
            assert device.log == device.log[:1] * 3
            seen = [(access.ip, access.text, access.value, str(access.instruction)) for access in ports.trace]
            assert seen == seen[:1] * 3
            assert refused in ({}, {NO_ROOM: 1})
            assert not refused or decode(code).length < 5
            assert (ports.stats.signals, ports.stats.calls) == ((3, 0) if refused else (1, 2))
            by_call += not refused
    return by_call


def test_every_form_is_as_by_a_signal(executor: Executor) -> None:
    """All registers and flags, the device's accesses and the records are the same, for a port in DX or a constant."""
    assert patched_forms(executor) > 0


def test_most_forms_find_room(tmp_path: Path) -> None:
    """In a process of its own: one that has loaded many libraries has less room near each of them."""
    done = run_python(FORMS_PATCHED, str(tmp_path))
    assert int(done.stdout) > len(FORMS) / 2, done.stderr


def test_accesses_are_counted(driver: ctypes.CDLL) -> None:
    """A stub compares the port with the range of one device; eight accesses to another one in a row aim it there."""
    with map_ports(0x300, 4, Bytes(4, b"\1\1\1\1")) as one, map_ports(0x310, 4, Bytes(4, b"\2\2\2\2")) as two:
        assert driver.in8(0x303, 10) == 10
        assert (one.stats.signals, one.stats.calls, one.stats.patched) == (1, 9, 1)
        assert driver.in8(0x310, MISSES + 4) == 2 * (MISSES + 4)
        assert (two.stats.signals, two.stats.calls, two.stats.patched) == (MISSES, 4, 1)
        assert driver.in8(0x300, MISSES + 9) == MISSES + 9
        assert (one.stats.signals, one.stats.calls) == (1 + MISSES, 18)
        assert [len(ports.trace) for ports in (one, two)] == [19 + MISSES, MISSES + 4]
        assert one.stats.unpatched == {}


def test_an_accessor_of_two_devices_stays_with_one(driver: ctypes.CDLL) -> None:
    """As `inb` of a driver that is not inlined: the other device's accesses are signals."""
    with map_ports(0x300, 4, Bytes(4)) as one, map_ports(0x310, 4, Bytes(4)) as two:
        driver.in8(0x300, 1)
        for _ in range(50):
            driver.in8(0x300, 1)
            driver.in8(0x310, 2)
        assert (one.stats.signals, one.stats.calls) == (1, 50)
        assert (two.stats.signals, two.stats.calls) == (100, 0)
        one.close()
        driver.in8(0x310, 5)
        assert (two.stats.signals, two.stats.calls) == (101, 4)


def test_an_access_across_the_end_of_the_range_is_not_called_for(driver: ctypes.CDLL) -> None:
    """Its second byte is the next device's."""
    one, two = Bytes(4), Bytes(4)
    with map_ports(0x300, 4, one) as low, map_ports(0x304, 4, two) as high:
        driver.out16(0x300, 0x1234, 3)
        driver.out16(0x303, 0x5678, 2)
        assert (low.stats.calls, one.data[3], two.data[0]) == (2, 0x78, 0x56)
        assert [(a.address, a.width) for a in high.trace] == [(0x304, 1)] * 2


def test_ports_and_memory_of_one_mapping(driver: ctypes.CDLL) -> None:
    """Both are counted for it, and its ports end with it."""
    with ioremap(Bytes(4096), patching=True) as mapping, map_ports(0x310, 1, Bytes(1)):
        mapping.ports(0x300, 16)
        driver.in8(0x300, 4)
        assert (mapping.stats.signals, mapping.stats.calls) == (1, 3)
        mapping.close()
        with pytest.raises(UnmappedAccess, match="port 0x300"):
            driver.in8(0x300, 1)
    assert len(mapping.trace) == 4


def test_ports_that_want_no_patches(driver: ctypes.CDLL) -> None:
    """An instruction that is patched for other ports faults at these."""
    with map_ports(0x300, 4, Bytes(4)) as one, map_ports(0x310, 4, Bytes(4), patching=False) as two:
        driver.in8(0x310, 5)
        assert (two.stats.signals, two.stats.patched, two.stats.unpatched) == (5, 0, {})
        driver.in8(0x300, 5)
        driver.in8(0x310, 5)
        assert (two.stats.signals, two.stats.calls) == (10, 0)
        assert one.stats.calls == 4
    with pytest.raises(TypeError, match="patching is True or False"):
        map_ports(0x300, 4, Bytes(4), patching=1)  # type: ignore[arg-type]


def test_string_instructions_keep_their_signals(driver: ctypes.CDLL) -> None:
    """INS and OUTS access memory, too."""
    buffer = (ctypes.c_uint32 * 3)()
    with map_ports(0x300, 4, Bytes(4, b"\5")) as ports:
        driver.ins(buffer, 0x300, ctypes.c_long(3))
        assert list(buffer) == [5, 5, 5]
        assert ports.stats.unpatched == {"it has not exactly one memory operand": 1}


def test_an_exception_comes_out_of_the_call(driver: ctypes.CDLL) -> None:
    """Also where the access is a call; of a port without a device, too."""
    with map_ports(0x300, 4, Raising(ZeroDivisionError)) as ports:
        for _ in range(4):
            with pytest.raises(ZeroDivisionError):
                driver.in8(0x300, 1)
        assert ports.stats.calls == 3
        with pytest.raises(UnmappedAccess, match="port 0x400"):
            driver.in8(0x400, 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_exception_in_a_thread_of_the_driver(driver: ctypes.CDLL) -> None:
    """It is the ports' failure, not a failure of what lies at that address of memory."""
    ports = map_ports(0x300, 4, Raising(error := KeyError("nobody waits")))
    assert driver.in_thread(0x300) == 3 * 0xFF
    assert (ports.stats.calls, len(ports.failures)) == (2, 3)
    with pytest.raises(KeyError) as caught:
        ports.close()
    assert caught.value is error


def test_a_restored_instruction_faults_once_an_access(driver: ctypes.CDLL) -> None:
    """Its fault is none at an instruction that is being changed."""
    with map_ports(0x300, 4, Bytes(4, b"\7")) as ports:
        driver.in8(0x300, 3)
        patching = _trap().patching
        (site,) = (met.site for met in patching.met.values() if met.site)
        patching.sites.take_back(site.address)
        patching.faults = 1 << 60
        before = ports.stats.signals
        assert driver.in8(0x300, 4) == 28
        assert ports.stats.signals - before == 4


def test_other_code_at_the_address(executor: Executor) -> None:
    """A load from memory where an IN was, and the other way round."""
    with ioremap(Bytes(4096, b"\3")) as mapping, map_ports(PORT, 4, Bytes(4, b"\4")) as ports:
        for _ in range(2):
            for code in ("2e2e2e2e2e8a06", "2e2e2e2eec"):
                for _ in range(3):
                    found = executor.run(bytes.fromhex(code), rsi=mapping.address, rdx=PORT).general["rax"] & 0xFF
                    assert found == (4 if code.endswith("ec") else 3)
        assert (len(mapping.trace), len(ports.trace)) == (6, 6)


def test_a_library_comes_back_as_it_was(driver: ctypes.CDLL) -> None:
    """When the last device has gone, its text is as it was."""
    at = ctypes.cast(driver.in8, ctypes.c_void_p).value
    before = ctypes.string_at(at or 0, 64)
    with map_ports(0x300, 4, Bytes(4)) as ports:
        driver.in8(0x300, 2)
        assert ports.stats.calls == 1
        assert ctypes.string_at(at or 0, 64) != before
    assert ctypes.string_at(at or 0, 64) == before

"""`ioremap` and `map_ports`: a device for a while, at addresses and ports of this process."""

import ctypes
import signal
from ctypes import CDLL, POINTER, c_uint32, c_void_p
from pathlib import Path
from typing import Any

import pytest

from mmio.errors import ClosedMapping, MappingError, PolicyError, UnmappedAccess
from mmio.inprocess import ioremap, map_ports
from mmio.traces.trace import Trace
from tests.mmio.inprocess.models import Bytes, Raising
from tests.native import build_c, compile_c, run_python

SOURCE = """
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
typedef volatile uint32_t reg;
uint32_t rd(reg *p) { return p[0]; }
uint32_t rd_at(volatile char *p, long at) { return *(reg *)(p + at); }
void wr_at(volatile char *p, long at, uint32_t value) { *(reg *)(p + at) = value; }
void copy(reg *to, reg *from) { __asm__ volatile("movsl" : "+D"(to), "+S"(from) :: "memory"); }
int port(int number) { uint8_t v; __asm__ volatile("in %%dx,%0" : "=a"(v) : "d"(number)); return v; }
void out(int number, int value) { __asm__ volatile("out %%ax,%%dx" :: "a"(value), "d"(number)); }
void ins(void *to, int number, long count) {
    __asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(number) : "memory");
}
static void *work(void *p) { uint32_t first = *(reg *)p; *(reg *)p = 1; return (void *)(uintptr_t)first; }
uint64_t in_thread(void *p) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, 0, work, p);
    pthread_join(thread, &result);
    return (uint64_t)result;
}
"""


@pytest.fixture
def driver(tmp_path: Path) -> CDLL:
    library = compile_c(SOURCE, tmp_path)
    library.in_thread.restype = ctypes.c_uint64
    library.rd_at.restype = library.rd.restype = c_uint32
    return library


def test_reads_and_writes_reach_the_device(driver: CDLL) -> None:
    """A load and a store of native code reach the model and are recorded with region, offset, width, value and ip."""
    device = Bytes(0x100, b"\x78\x56\x34\x12")
    with ioremap(device, name="nic") as mapping:
        assert driver.rd(mapping) == 0x12345678
        driver.wr_at(mapping, ctypes.c_long(0x10), 0xCAFE)
    assert device.log == [("r", 0, 4), ("w", 0x10, 4, 0xCAFE)]
    read, write = mapping.trace
    assert (read.direction.name, read.address, read.width, read.value) == ("READ", mapping.address, 4, 0x12345678)
    assert (write.direction.name, write.offset, write.width, write.value) == ("WRITE", 0x10, 4, 0xCAFE)
    assert read.region == "nic"
    assert read.instruction is not None
    assert read.instruction.mnemonic == "mov"


def test_pages_stay_inaccessible(driver: CDLL) -> None:
    """Nothing is ever stored in the pages themselves."""
    with ioremap(Bytes(4096)) as mapping, open("/proc/self/maps") as maps:
        driver.wr_at(mapping, ctypes.c_long(0), 1)
        lines = [line.split() for line in maps]
    ranges = [([int(bound, 16) for bound in place.split("-")], permissions) for place, permissions, *_ in lines]
    assert [kind for (start, end), kind in ranges if start <= mapping.address < end] == ["---p"]


@pytest.mark.parametrize("length", [0, -1, 1.5, "16", True, b"x"])
def test_length_must_be_positive(length: Any) -> None:
    """A length that is no positive int is refused at once."""
    with pytest.raises(ValueError, match="length is a positive int"):
        ioremap(Bytes(16), length)


def test_length_of_the_device() -> None:
    """The length may be the device's own; without one it must be given."""

    class Without:
        read = Bytes.read
        write = Bytes.write

    with ioremap(Bytes(0x1234)) as mapping:
        assert mapping.length == 0x1234
    with pytest.raises(ValueError, match="Without has no length of its own"):
        ioremap(Without())


def test_as_an_argument(driver: CDLL) -> None:
    """A mapping is a pointer to C and an int to Python."""
    with ioremap(Bytes(4096, b"\x2a")) as mapping:
        assert hex(mapping) == hex(mapping.address)
        assert driver.rd(mapping) == 42
        driver.rd.argtypes = [c_void_p]
        assert driver.rd(mapping) == 42
        driver.rd.argtypes = [POINTER(c_uint32)]
        assert driver.rd(mapping.pointer(c_uint32)) == 42
        assert driver.rd(mapping.pointer(c_uint32, 4)) == 0


@pytest.mark.parametrize("offset", [0x200, 0x1FE, 0xFFC])
def test_beyond_the_device(driver: CDLL, offset: int) -> None:
    """An access behind the device, but in its last page, is an error that says where; the device sees nothing of it."""
    device = Bytes(0x200)
    with ioremap(device, name="nic") as mapping:
        with pytest.raises(UnmappedAccess) as caught:
            driver.rd_at(mapping, ctypes.c_long(offset))
        touched = mapping.address + max(offset, 0x200)
        assert f"touches {touched:#x}, beyond the device ('nic', 0x0..0x200)" in str(caught.value)
        assert "mov eax,[" in str(caught.value)
        assert ", ip 0x" in str(caught.value)
    assert device.log == []


def test_beyond_the_device_by_policy(driver: CDLL) -> None:
    """The policy for missing registers also holds behind the device."""
    with ioremap(Bytes(0x200), unmapped="ones") as mapping:
        assert driver.rd_at(mapping, ctypes.c_long(0x200)) == 0xFFFFFFFF
        driver.wr_at(mapping, ctypes.c_long(0x300), 5)


def test_policies(driver: CDLL) -> None:
    """Policies are those of an address space's mapping."""
    with (
        ioremap(Bytes(64), widths=(1, 2), too_wide="error") as narrow,
        pytest.raises(PolicyError, match=r"mov eax,\["),
    ):
        driver.rd(narrow)


def test_several_mappings(driver: CDLL) -> None:
    """Many mappings live side by side, each with its device and its trace; an instruction may touch two."""
    devices = [Bytes(8, bytes([number])) for number in range(200)]
    mappings = [ioremap(device) for device in devices]
    try:
        assert [driver.rd(mapping) for mapping in mappings] == list(range(200))
        assert [len(mapping.trace) for mapping in mappings] == [1] * 200
        driver.copy(mappings[3], mappings[7])
        assert devices[3].data[0] == 7
        assert [access.direction.name for access in mappings[7].trace] == ["READ", "READ"]
        assert [access.direction.name for access in mappings[3].trace] == ["READ", "WRITE"]
    finally:
        for mapping in mappings:
            mapping.close()


def test_one_of_several_traces_is_off(driver: CDLL) -> None:
    """A trace that is off learns nothing of its mapping, and what is recorded continues where it was."""
    with ioremap(Bytes(8), name="a") as a, ioremap(Bytes(8), name="b") as b:
        b.trace.enabled = False
        for mapping in (a, b, b, a):
            driver.rd(mapping)
        assert (len(a.trace), len(b.trace), len(b.trace.events)) == (2, 0, 1)
        b.trace.enabled, a.trace.enabled = True, False
        for mapping in (a, b, b, a):
            driver.rd(mapping)
        assert (len(a.trace), len(b.trace), len(b.trace.events)) == (2, 2, 2)


def test_one_trace_for_several(driver: CDLL) -> None:
    """Mappings that share a trace keep the order of their accesses."""
    trace = Trace()
    with ioremap(Bytes(8), name="a", trace=trace) as a, ioremap(Bytes(8), name="b", trace=trace) as b:
        for mapping in (a, b, b, a):
            driver.rd(mapping)
    assert [access.region for access in trace] == ["a", "b", "b", "a"]


def test_close_is_idempotent() -> None:
    """Closing twice is closing once."""
    mapping = ioremap(Bytes(8))
    mapping.close()
    mapping.close()
    assert mapping.closed


def test_use_after_close(tmp_path: Path) -> None:
    """A driver that kept the pointer and uses it after close crashes, even when other mappings are open."""
    program = """
import sys
from ctypes import CDLL, c_void_p
from mmio.inprocess import ioremap
from tests.mmio.inprocess.models import Bytes
driver = CDLL(sys.argv[1])
first, last = ioremap(Bytes(8)), ioremap(Bytes(8))
with ioremap(Bytes(8)) as mapping:
    pointer = c_void_p(mapping.address)
    driver.rd(pointer)
print("so far", flush=True)
driver.rd(pointer)
"""
    done = run_python(program, str(build_c(SOURCE, tmp_path)))
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGSEGV, "so far\n", "")


def test_a_closed_mapping_is_no_pointer(tmp_path: Path) -> None:
    """Passing one to a driver is an error in Python that says so, with and without declared arguments."""
    driver = compile_c(SOURCE, tmp_path)
    with ioremap(Bytes(8), name="nic") as mapping:
        driver.rd(mapping)
    with pytest.raises(ctypes.ArgumentError, match="the mapping of 'nic' is closed"):
        driver.rd(mapping)
    with pytest.raises(ClosedMapping, match="the mapping of 'nic' is closed"):
        mapping.pointer(c_uint32)
    driver.rd.argtypes = [c_void_p]
    with pytest.raises(ctypes.ArgumentError, match="the mapping of 'nic' is closed"):
        driver.rd(mapping)


def test_address_is_not_given_out_again() -> None:
    """Addresses of a closed mapping are not reused by the next."""
    seen = set()
    for _ in range(50):
        with ioremap(Bytes(8)) as mapping:
            seen.add(mapping.address)
    assert len(seen) == 50


def test_ports(driver: CDLL) -> None:
    """IN and OUT of native code reach the device at a port, and are recorded as port accesses."""
    device = Bytes(4, b"\x11\x22\x33\x44")
    with map_ports(0x70, 4, device, name="cmos") as ports:
        assert driver.port(0x71) == 0x22
        driver.out(0x72, 0xBEEF)
        assert device.data == b"\x11\x22\xef\xbe"
    assert [(a.space, a.address, a.width, a.value) for a in ports.trace] == [
        ("port", 0x71, 1, 0x22),
        ("port", 0x72, 2, 0xBEEF),
    ]


def test_ports_into_memory(driver: CDLL) -> None:
    """REP INS reads the port once an element and fills ordinary memory."""
    buffer = (c_uint32 * 5)()
    with map_ports(0x1F0, 4, Bytes(4, b"\x01\x02\x03\x04")) as ports:
        driver.ins(buffer, 0x1F0, ctypes.c_long(5))
    assert list(buffer) == [0x04030201] * 5
    assert len(ports.trace) == 5


def test_ports_of_a_mapping(driver: CDLL) -> None:
    """A mapping can have ports as well; they share its trace and its end."""
    with ioremap(Bytes(16, b"\x05")) as mapping:
        mapping.ports(0x300, 16)
        assert driver.port(0x300) == driver.rd(mapping) == 5
        assert [access.space for access in mapping.trace] == ["port", "memory"]
    with map_ports(0x300, 16, Bytes(16)):
        assert driver.port(0x300) == 0


def test_unmapped_port(driver: CDLL) -> None:
    """A port where nothing is is an error that names it."""
    with map_ports(0x70, 2, Bytes(2)), pytest.raises(UnmappedAccess, match="port 0x80"):
        driver.port(0x80)


def test_ports_do_not_overlap(driver: CDLL) -> None:
    """Two devices at one port are refused, and the first still works."""
    with map_ports(0x70, 2, Bytes(2, b"\x01")):
        with pytest.raises(MappingError):
            map_ports(0x71, 2, Bytes(2))
        assert driver.port(0x70) == 1


def test_exception_at_a_port(driver: CDLL) -> None:
    """What a device at a port raises comes out of the call."""
    with map_ports(0x70, 2, Raising(KeyError("port"))), pytest.raises(KeyError):
        driver.port(0x70)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_exception_in_a_thread_of_the_driver(driver: CDLL) -> None:
    """In a thread the driver made, the access reads ones; the exception is reported, and raised by `close`."""
    error = KeyError("nobody waits")
    mapping = ioremap(Raising(error))
    assert driver.in_thread(mapping) == 0xFFFFFFFF
    assert len(mapping.failures) == 2
    with pytest.raises(KeyError) as caught:
        mapping.close()
    assert caught.value is error
    mapping.close()


def test_thread_of_the_driver(driver: CDLL) -> None:
    """Accesses of a thread that the driver made are like any others, under a thread number of their own."""
    with ioremap(Bytes(8, b"\x07")) as mapping:
        assert driver.in_thread(mapping) == 7
        driver.rd(mapping)
    assert mapping.trace[0].thread == mapping.trace[1].thread != mapping.trace[2].thread

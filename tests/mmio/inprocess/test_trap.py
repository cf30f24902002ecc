"""What happens between a fault and the next instruction: registers, memory, nesting, threads."""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from ctypes import CDLL, CFUNCTYPE, c_long, c_size_t, c_uint32, c_uint64, c_void_p, create_string_buffer
from pathlib import Path

import pytest

from mmio.inprocess import Mapping, ioremap
from mmio.linux import libc
from tests.mmio.inprocess.execute import Executor
from tests.mmio.inprocess.models import Bytes
from tests.native import compile_c

SOURCE = """
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
typedef volatile uint32_t reg;
uint32_t rd(reg *p) { return p[0]; }
void wr(reg *p, uint32_t value) { p[0] = value; }
uint64_t partial(char *p) {
    uint64_t value = -1;
    __asm__ volatile("movb (%1),%b0; movw 2(%1),%w0" : "+r"(value) : "r"(p));
    return value;
}
uint64_t extend(char *p) {
    uint64_t zero, sign, half = -1;
    __asm__ volatile("movzbl (%3),%k0; movsbq (%3),%1; movl (%3),%k2" : "=&r"(zero), "=&r"(sign), "+&r"(half) : "r"(p));
    return zero + sign + half;
}
int modify(reg *p) {
    uint8_t less;
    __asm__ volatile("addl $5,(%1); orl $0x100,4(%1); lock; incl 8(%1); cmpl $6,(%1); setb %0"
        : "=q"(less) : "r"(p) : "memory", "cc");
    return less;
}
uint32_t exchange(reg *p, uint32_t value) { __atomic_exchange(p, &value, &value, __ATOMIC_SEQ_CST); return value; }
uint64_t stack(void *p) {
    uint64_t popped;
    __asm__ volatile("push (%1); pop %0; push $77; pop 8(%1)" : "=&r"(popped) : "r"(p) : "memory");
    return popped;
}
static uint32_t called(void) { return 99; }
void *pointer(void) { return called; }
uint32_t call(void *p) {
    uint32_t result;
    __asm__ volatile("sub $128,%%rsp; call *(%1); add $128,%%rsp" : "=&a"(result) : "r"(p)
        : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
    return result;
}
void out(void *to, void *from, long count) {
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) :: "memory");
}
void backwards(char *to, char *from, long count) {
    __asm__ volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(count) :: "memory");
}
void fill(void *to, uint32_t value, long count) {
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(value) : "memory");
}
uint32_t through_gs(uint32_t *p) {
    uint32_t value;
    syscall(SYS_arch_prctl, ARCH_SET_GS, p);
    __asm__ volatile("movl %%gs:8,%0" : "=r"(value));
    syscall(SYS_arch_prctl, ARCH_SET_GS, 0);
    return value;
}
uint32_t ask(reg *p, uint32_t (*function)(uint32_t)) { return p[0] + function(p[1]) + p[2]; }
void storm(reg *p, long times) { for (long i = 0; i < times; i++) p[0] = p[0] + 1; }
static reg *shared;
static void *work(void *times) { storm(shared, (long)times); return 0; }
void storms(reg *p, int threads, long times) {
    pthread_t thread[16];
    shared = p;
    for (int i = 0; i < threads; i++) pthread_create(&thread[i], 0, work, (void *)times);
    for (int i = 0; i < threads; i++) pthread_join(thread[i], 0);
}
void locked(uint64_t *p, long times) {
    for (long i = 0; i < times; i++) __atomic_fetch_add(p, 1, __ATOMIC_SEQ_CST);
}
int flags_kept(reg *p) {
    uint8_t carry, zero;
    __asm__ volatile("stc; movl (%2),%%eax; setc %0; xorl %%ecx,%%ecx; movl %%eax,(%2); setz %1"
        : "=q"(carry), "=q"(zero) : "r"(p) : "eax", "ecx", "memory", "cc");
    return carry + 2 * zero;
}
double vectors_kept(reg *p, double x, double y) { double z = x * y; p[0] = p[1]; return z + x; }
"""

Execute = Callable[[bytes], int]


@pytest.fixture
def driver(tmp_path: Path) -> CDLL:
    library = compile_c(SOURCE, tmp_path)
    for name in ("partial", "extend", "stack"):
        getattr(library, name).restype = c_uint64
    for name in ("rd", "exchange", "call", "through_gs", "ask"):
        getattr(library, name).restype = c_uint32
    library.pointer.restype = c_void_p
    library.vectors_kept.restype = ctypes.c_double
    return library


@pytest.fixture
def device() -> Bytes:
    return Bytes(4096, bytes.fromhex("f1f2f3f4 05060708 090a0b0c 00000000"))


@pytest.fixture
def mapping(device: Bytes) -> Iterator[Mapping]:
    with ioremap(device) as mapping:
        yield mapping


def test_partial_registers(driver: CDLL, mapping: Mapping) -> None:
    """Byte and word loads leave the rest of the register."""
    assert driver.partial(mapping) == 0xFFFFFFFFFFFFF4F3


def test_extending_loads(driver: CDLL, mapping: Mapping) -> None:
    """Extending loads extend, and a doubleword load clears the upper half."""
    assert driver.extend(mapping) == 0xF1 + 0xFFFFFFFFFFFFFFF1 + 0xF4F3F2F1 - (1 << 64)


def test_read_modify_write(driver: CDLL, mapping: Mapping, device: Bytes) -> None:
    """Arithmetic on the device reads once, writes once, and sets the flags; LOCK does it in one piece."""
    device.data[:12] = bytes.fromhex("00000000 01000000 ffffffff")
    assert driver.modify(mapping) == 1
    assert bytes(device.data[:12]) == bytes.fromhex("05000000 01010000 00000000")
    kinds = [(access.direction.name, access.offset) for access in mapping.trace]
    assert kinds == [("READ", 0), ("WRITE", 0), ("READ", 4), ("WRITE", 4), ("READ_WRITE", 8), ("READ", 0)]


def test_exchange(driver: CDLL, mapping: Mapping, device: Bytes) -> None:
    """XCHG is one access with an old and a new value."""
    assert driver.exchange(mapping, 0x1234) == 0xF4F3F2F1
    (access,) = mapping.trace
    assert (access.direction.name, access.old, access.value) == ("READ_WRITE", 0xF4F3F2F1, 0x1234)


def test_stack_and_device(driver: CDLL, mapping: Mapping, device: Bytes) -> None:
    """PUSH and POP move between the device and the thread's own stack."""
    assert driver.stack(mapping) == 0x08070605F4F3F2F1
    assert device.data[8:16] == (77).to_bytes(8, "little")


def test_call_through_the_device(driver: CDLL, mapping: Mapping, device: Bytes) -> None:
    """A function pointer may be in the device."""
    device.data[:8] = driver.pointer().to_bytes(8, "little")
    assert driver.call(mapping) == 99


@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_string_instructions(driver: CDLL, mapping: Mapping, device: Bytes, count: int) -> None:
    """REP MOVS and REP STOS access the device element by element, and ordinary memory as they would."""
    buffer = create_string_buffer(os.urandom(4096), 4096)
    driver.out(mapping, buffer, c_long(count))
    assert device.data[: 4 * count] == buffer.raw[: 4 * count]
    assert device.log == [
        ("w", 4 * i, 4, int.from_bytes(buffer.raw[4 * i : 4 * i + 4], "little")) for i in range(count)
    ]
    device.log.clear()
    driver.out(buffer, mapping, c_long(count))
    assert device.log == [("r", 4 * i, 4) for i in range(count)]
    driver.fill(mapping, 0x01020304, c_long(count))
    assert device.data[: 4 * count] == b"\x04\x03\x02\x01" * count


def test_backwards(driver: CDLL, mapping: Mapping, device: Bytes) -> None:
    """With the direction flag set a string instruction runs down."""
    buffer = create_string_buffer(16)
    driver.backwards(c_void_p(ctypes.addressof(buffer) + 7), c_void_p(mapping.address + 7), c_long(8))
    assert buffer.raw[:8] == device.data[:8]
    assert device.log == [("r", offset, 1) for offset in range(7, -1, -1)]


def test_segment_base(driver: CDLL, mapping: Mapping) -> None:
    """An address may count from the thread's own GS base."""
    assert driver.through_gs(mapping) == 0x0C0B0A09


def test_flags_are_kept(driver: CDLL, mapping: Mapping) -> None:
    """A MOV between setting flags and using them does not disturb them."""
    assert driver.flags_kept(mapping) == 3


def test_vector_registers_are_kept(driver: CDLL, mapping: Mapping) -> None:
    """Python's own use of the vector registers does not show in the driver's."""
    x, y = ctypes.c_double(1.5), ctypes.c_double(-2.25)
    assert driver.vectors_kept(mapping, x, y) == 1.5 * -2.25 + 1.5


def test_model_that_enters_the_driver(driver: CDLL) -> None:
    """While a model is asked it may enter the driver, which touches another device; every record has its own ip."""
    inner_device = Bytes(16, b"\x05")

    class Relay(Bytes):
        def read(self, offset: int, width: int) -> int:
            return int(driver.rd(inner)) + offset

    with ioremap(inner_device) as inner, ioremap(Relay(16)) as outer:
        out = create_string_buffer(16)
        driver.out(out, outer, c_long(3))
        assert list((c_uint32 * 3).from_buffer(out)) == [5, 9, 13]
        assert len({access.ip for access in outer.trace}) == 1
        assert len({access.ip for access in inner.trace}) == 1
        assert outer.trace[0].ip != inner.trace[0].ip


def test_callback(driver: CDLL, mapping: Mapping) -> None:
    """A driver may call back into Python between its accesses."""
    double = CFUNCTYPE(c_uint32, c_uint32)(lambda value: value * 2)
    assert driver.ask(mapping, double) == (0xF4F3F2F1 + 2 * 0x08070605 + 0x0C0B0A09) % (1 << 32)


def test_python_touches_the_mapping(mapping: Mapping, device: Bytes) -> None:
    """Python code that looks at the memory through ctypes meets the device as well."""
    word = c_uint32.from_address(mapping.address)
    assert word.value == 0xF4F3F2F1
    word.value = 7
    assert device.data[:4] == b"\x07\0\0\0"
    assert ctypes.string_at(mapping.address, 4) == b"\x07\0\0\0"


def test_threads_of_python(driver: CDLL) -> None:
    """Threads that are in drivers at once do not disturb each other."""
    devices = [Bytes(16) for _ in range(4)]
    mappings = [ioremap(device) for device in devices]
    threads = [threading.Thread(target=driver.storm, args=(mapping, c_long(300))) for mapping in mappings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [int.from_bytes(device.data[:4], "little") for device in devices] == [300] * 4
    assert len({access.thread for mapping in mappings for access in mapping.trace}) == 4
    for mapping in mappings:
        mapping.close()


def test_threads_of_the_driver(driver: CDLL, mapping: Mapping) -> None:
    """Threads the driver made itself trap like any others, each under its own number."""
    driver.storms(mapping, 3, c_long(50))
    assert len(mapping.trace) == 3 * 50 * 2
    assert len({access.thread for access in mapping.trace}) == 3


def test_thread_numbers_are_not_inherited(driver: CDLL, mapping: Mapping) -> None:
    """A thread that gets the stack of one that has ended has a number of its own."""
    for _ in range(5):
        thread = threading.Thread(target=driver.rd, args=(mapping,))
        thread.start()
        thread.join()
    assert len({access.thread for access in mapping.trace}) == 5


def test_locked_increments(driver: CDLL, mapping: Mapping, device: Bytes) -> None:
    """Locked increments of several threads are all counted, though the model reads and writes in two calls."""
    device.data[:8] = bytes(8)
    threads = [threading.Thread(target=driver.locked, args=(mapping, c_long(100))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert int.from_bytes(device.data[:8], "little") == 300


def test_access_across_the_start(driver: CDLL, device: Bytes) -> None:
    """An access that begins in ordinary memory and ends in the device is split at the border."""
    mapping, before = with_memory_before(device)
    with mapping:
        ctypes.memset(before + libc.PAGE - 2, 0xAA, 2)
        assert driver.rd(c_void_p(mapping.address - 2)) == 0xF2F1AAAA
        driver.wr(c_void_p(mapping.address - 1), 0x44332211)
        assert ctypes.string_at(before + libc.PAGE - 1, 1) == b"\x11"
        assert device.data[:4] == bytes.fromhex("223344f4")
        buffer = create_string_buffer(64)
        CDLL(None).memcpy(buffer, c_void_p(mapping.address - 32), c_size_t(64))
        assert buffer.raw[32:36] == bytes.fromhex("223344f4")


def test_a_masked_store_across_the_start(tmp_path: Path, device: Bytes) -> None:
    """A masked store that chooses only bytes of ordinary memory before the device makes no access to the device."""
    executor = Executor(tmp_path)
    mapping, before = with_memory_before(device)
    code = bytes.fromhex("660f6f0e660fefd2660ff7d1")  # movdqa xmm1,[rsi]; pxor xmm2,xmm2; maskmovdqu xmm2,xmm1
    mask = create_string_buffer(b"\xff" * 8 + bytes(8) + bytes(16), 48)
    aligned = ctypes.addressof(mask) + 15 & -16
    ctypes.memmove(aligned, b"\xff" * 8 + bytes(8), 16)
    with mapping:
        ctypes.memset(before + libc.PAGE - 16, 0xAA, 16)
        executor.run(code, rsi=aligned, rdi=mapping.address - 8)
        assert ctypes.string_at(before + libc.PAGE - 16, 16) == b"\xaa" * 8 + bytes(8)
        assert list(mapping.trace) == []


def with_memory_before(device: Bytes) -> tuple[Mapping, int]:
    """Map the device where the page before it is free, and put ordinary memory there."""
    fixed_no_replace, private_anonymous = 0x100000, 0x22
    for _ in range(100):
        mapping = ioremap(device)
        wanted = mapping.address - libc.PAGE
        got = libc.LIBC.mmap(wanted, libc.PAGE, 3, private_anonymous | fixed_no_replace, -1, 0)
        if got == wanted:
            return mapping, wanted
        mapping.close()
    raise AssertionError("no free page before a mapping")


def test_fork(driver: CDLL, mapping: Mapping, device: Bytes) -> None:
    """A child process has the device too, a copy of it, and thread numbers of its own."""
    driver.rd(mapping)
    child = os.fork()
    if not child:
        driver.wr(mapping, 5)
        fine = driver.rd(mapping) == 5 and mapping.trace[-1].thread == os.getpid()
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert driver.rd(mapping) == 0xF4F3F2F1

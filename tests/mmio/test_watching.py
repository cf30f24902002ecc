"""`mmio.watch`: who touches ordinary memory of this process."""

import ctypes
import mmap
import os
import threading
from ctypes import CDLL, c_char, c_int, c_long, c_void_p
from pathlib import Path
from typing import Any

import pytest

import mmio
from mmio import MappingError, WatchpointStop
from mmio.inprocess.mapping import trapped_ranges
from tests.mmio.inprocess.models import Bytes
from tests.native import build_c, compile_c, run_python

SOURCE = """
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
struct { char name[16]; int32_t secret; char rest[12]; int64_t total; } record = { "first", 7, "", 0 };
char wide[20000];
const char constant[8192] __attribute__((aligned(4096))) = "constant";
void *record_at(void) { return &record; }
void *wide_at(void) { return wide; }
const void *constant_at(void) { return constant; }
void rename_record(const char *name, int length) {
    for (volatile char *to = record.name; length; length--) *to++ = *name++;
}
void set_secret(int value) { record.secret = value; }
int get_secret(void) { return *(volatile int32_t *)&record.secret; }
long copy(void *to, void *from, long count) { memcpy(to, from, count); return count; }
void add(long times) { while (times--) __atomic_add_fetch(&record.total, 1, __ATOMIC_SEQ_CST); }
static void *work(void *times) { add((long)times); return 0; }
long in_threads(int count, long times) {
    pthread_t threads[8];
    for (int i = 0; i < count; i++) pthread_create(threads + i, 0, work, (void *)times);
    for (int i = 0; i < count; i++) pthread_join(threads[i], 0);
    return record.total;
}
static void *steal(void *p) { record.secret = 99; return 0; }
void in_another_thread(void) { pthread_t thread; pthread_create(&thread, 0, steal, 0); pthread_join(thread, 0); }
long read_into(int descriptor, void *to, long count) { return read(descriptor, to, count); }
void double_it(double *at) { *at *= 2; }
"""

LETTERS = b"abcdefgh"
NUMBERS = bytes(range(16))
SECRET = 16  # its offset in the record


@pytest.fixture
def library(tmp_path: Path) -> CDLL:
    library = compile_c(SOURCE, tmp_path, "-g")
    for name in ("record_at", "wide_at", "constant_at"):
        getattr(library, name).restype = c_void_p
    for name in ("copy", "in_threads", "read_into"):
        getattr(library, name).restype = c_long
    library.copy.argtypes = [c_void_p, c_void_p, c_long]
    library.read_into.argtypes = [c_int, c_void_p, c_long]
    library.in_threads.argtypes = [c_int, c_long]
    library.double_it.argtypes = [c_void_p]
    return library


def _secret(library: CDLL) -> tuple[int, int]:
    return library.record_at() + SECRET, 4


def _bytes(hits: mmio.Watch) -> bytes:
    """Return what the bytes touched have become; memcpy may store some of them twice."""
    found = {hit.offset + at: byte for hit in hits for at, byte in enumerate(hit.new)}
    return bytes(found[at] for at in sorted(found))


def test_who_overwrites_a_byte(library: CDLL) -> None:
    """Function, line, instruction, old and new bytes of each store; stores to the neighbours are none of it."""
    with mmio.watch(_secret(library), name="secret") as hits:
        library.rename_record(b"0123456789abcdefgh", 16)
        library.set_secret(3)
        library.rename_record(b"0123456789abcdefgh", 18)
    assert [(hit.function, hit.offset, hit.old, hit.new) for hit in hits] == [
        ("set_secret", 0, b"\7\0\0\0", b"\3\0\0\0"),
        ("rename_record", 0, b"\3", b"g"),
        ("rename_record", 1, b"\0", b"h"),
    ]
    assert library.get_secret() == 0x6867
    assert "mov" in hits[1].access.text
    assert "secret[1]" in str(hits)


def test_lines_are_known(library: CDLL) -> None:
    """The source line is the one of the store."""
    with mmio.watch(_secret(library)) as hits:
        library.set_secret(3)
    wanted = next(n for n, line in enumerate(SOURCE.splitlines(), 1) if "void set_secret" in line)
    assert hits[0].line.endswith(f":{wanted}")


def test_a_function_by_its_name(library: CDLL) -> None:
    """`ip` may name who is meant."""
    with mmio.watch(_secret(library), "access", ip="rename_record") as hits:
        library.set_secret(3)
        library.rename_record(b"0123456789abcdefgh", 18)
        library.get_secret()
    assert [hit.function for hit in hits] == ["rename_record"] * 2


def test_reads_and_changes(library: CDLL) -> None:
    """`on` is what it is for a device."""
    place = _secret(library)
    with mmio.watch(place, "read") as reads, mmio.watch(place, "change") as changes:
        library.set_secret(7)
        library.set_secret(8)
        assert library.get_secret() == 8
    assert [(hit.function, hit.value) for hit in reads] == [("get_secret", 8)]
    assert [(hit.function, hit.value) for hit in changes] == [("set_secret", 8)]


def test_memory_is_as_it_was(library: CDLL) -> None:
    """After the end the pages are where they were, with what was written meanwhile, and nothing traps any more."""
    before = ctypes.string_at(library.record_at(), 48)
    with mmio.watch(_secret(library)) as hits:
        assert ctypes.string_at(library.record_at(), 48) == before
        library.set_secret(9)
    library.set_secret(10)
    assert (hits.total, library.get_secret()) == (1, 10)
    assert ctypes.string_at(library.record_at(), 16) == before[:16]


def test_watches_share_pages(library: CDLL) -> None:
    """Many may lie in one page, over each other and over several; each sees its own, and the last one frees it."""
    start = library.wide_at()
    everything = mmio.watch((start, 20000), name="all")
    some = [mmio.watch((start + at, 8), name=str(at)) for at in range(0, 16000, 160)]
    data = ctypes.create_string_buffer(b"\1" * 20000)
    library.copy(start, ctypes.addressof(data), 20000)
    assert all(hit.value for watch in some for hit in watch)
    assert {watch.name for watch in some if len(watch)} == {str(at) for at in range(0, 16000, 160)}
    for watch in (everything, *some[1:]):
        watch.close()
    library.copy(start, ctypes.addressof(data), 8)
    assert some[0].total >= 2
    some[0].close()
    assert ctypes.string_at(start, 20000) == b"\1" * 20000
    covered = {at for hit in everything for at in range(hit.offset, hit.offset + len(hit.new))}
    assert covered == set(range(20000))


def test_threads_and_atomics(library: CDLL) -> None:
    """Threads that the library makes are seen, and their locked additions all count."""
    with mmio.watch((library.record_at() + 32, 8)) as hits:
        assert library.in_threads(3, 20) == 60
    assert [hit.access.letter for hit in hits] == ["RW"] * 60
    assert len({hit.access.thread for hit in hits}) == 3
    assert sorted(hit.value for hit in hits) == list(range(1, 61))


def test_stop_comes_out_of_the_call(library: CDLL) -> None:
    """`WatchpointStop` leaves the library at once, the store done."""
    with (
        mmio.watch(_secret(library), stop=True, ip=lambda ip: True),
        pytest.raises(WatchpointStop, match=r"buffer\[0\] 07 -> 67 by rename_record"),
    ):
        library.rename_record(b"0123456789abcdefgh", 18)
    assert library.get_secret() == ord("g")


def test_stop_in_a_thread_nobody_waits_for(library: CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it can come out of no call it is raised when the watchpoint is closed; the store has been made."""
    reported: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)
    with pytest.raises(WatchpointStop), mmio.watch(_secret(library), stop=True):
        library.in_another_thread()
    assert library.get_secret() == 99
    assert [report.exc_type for report in reported] == [WatchpointStop]


def test_a_callback_may_call_the_library(library: CDLL) -> None:
    """It is called in the middle of the library's function, and may call the library."""
    seen = []

    def call(hit: mmio.Hit) -> None:
        seen.append((hit.value, library.get_secret()))

    with mmio.watch(_secret(library), call=call):
        library.set_secret(5)
    assert seen == [(5, 5)]


def test_python_is_seen_too() -> None:
    """Python's own code is native code as well."""
    area = mmap.mmap(-1, 4096)
    with mmio.watch(area, "access") as hits:
        area[5] = 3
        assert area[5] == 3
    assert [(hit.access.letter, hit.place, hit.value) for hit in hits] == [("W", "buffer[5]", 3), ("R", "buffer[5]", 3)]


def test_a_natively_completed_instruction_finds_the_same_memory(library: CDLL) -> None:
    """An instruction the emulator leaves to the CPU finds the same memory."""
    area = mmap.mmap(-1, 4096)
    number = ctypes.c_double.from_buffer(area, 8)
    number.value = 1.5
    with mmio.watch((ctypes.addressof(number), 8)) as hits:
        library.double_it(ctypes.addressof(number))
    assert number.value == 3.0
    assert [hit.function for hit in hits] == ["double_it"]


class Large(ctypes.Structure):
    _fields_ = (("head", c_char * 5000), ("middle", c_char * 8), ("tail", c_char * 9000))


@pytest.mark.parametrize("make", [lambda: bytearray(14008), Large], ids=["bytearray", "structure"])
def test_the_middle_of_a_large_buffer(library: CDLL, make: Any) -> None:
    """On the heap, bytes are watched where the whole pages around them are the buffer's, and only there."""
    buffer = make()
    view = memoryview(buffer).cast("B")
    start = ctypes.addressof((c_char * 1).from_buffer(buffer))
    first = -start % 4096  # where its first whole page begins
    with mmio.watch(view[first : first + 4096]) as hits:
        library.copy(start + first + 10, LETTERS, 8)
    assert (_bytes(hits), bytes(view[first + 10 : first + 18])) == (LETTERS, LETTERS)
    for beside in (view[first - 1 : first + 1], view[first : first + 14008 // 4096 * 4096 + 1], view):
        with pytest.raises(MappingError, match="it is on the heap"):
            mmio.watch(beside)


def test_part_of_a_large_structure(library: CDLL) -> None:
    """A ctypes object knows what it is part of: here the pages around the second are those of an array."""
    structures = (Large * 3)()
    with mmio.watch(structures[1]) as hits:
        library.copy(ctypes.addressof(structures[1]), LETTERS, 8)
    assert _bytes(hits) == LETTERS
    with pytest.raises(MappingError, match="it is on the heap"):
        mmio.watch(structures[0])


def test_a_block_with_a_mapping_of_its_own(library: CDLL) -> None:
    """What malloc maps by itself, here more than it would ever take from its heap, is watched from end to end."""
    buffer = bytearray(256 << 20)  # a free piece of the heap may be as large as what an earlier test has freed
    start = ctypes.addressof(c_char.from_buffer(buffer))
    with mmio.watch(memoryview(buffer)[:16]) as first, mmio.watch(memoryview(buffer)[-8:]) as last:
        library.copy(start + 4, LETTERS, 8)
        library.copy(start + len(buffer) - 8, LETTERS, 8)
    assert (_bytes(first), _bytes(last)) == (LETTERS, LETTERS)
    assert bytes(buffer[:16] + buffer[-8:]) == b"\0\0\0\0abcdefgh\0\0\0\0" + LETTERS
    del first, last
    buffer.append(1)  # and is Python's again


@pytest.mark.parametrize("view", [False, True])
@pytest.mark.parametrize("flags", [mmap.MAP_SHARED, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS])
def test_an_mmap_has_its_pages_to_itself(library: CDLL, view: bool, flags: int) -> None:
    """Whatever kind it is, and also through a view of a part of it."""
    area = mmap.mmap(-1, 8192, flags=flags)
    start = ctypes.addressof(c_char.from_buffer(area))
    with mmio.watch(memoryview(area)[4094:4098] if view else area) as hits:
        library.copy(start + 4092, LETTERS, 8)
    assert _bytes(hits) == (b"cdef" if view else b"abcdefgh")
    assert area[4092:4100] == b"abcdefgh"


def test_a_mapped_file(library: CDLL, tmp_path: Path) -> None:
    """Stores reach the file."""
    path = tmp_path / "file"
    path.write_bytes(bytes(4096))
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 4096) as area:
        start = ctypes.addressof(c_char.from_buffer(area))
        with mmio.watch((start + 100, 4)) as hits:
            library.copy(start + 98, LETTERS, 8)
        assert path.read_bytes()[98:106] == b"abcdefgh"
        assert _bytes(hits) == b"cdef"


def test_the_kernel_gets_efault(library: CDLL) -> None:
    """A system call finds no memory there while it is watched, and the bytes stay as they are: that is documented."""
    area = mmap.mmap(-1, 4096)
    place = (ctypes.addressof(c_char.from_buffer(area)), 4096)
    reading, writing = os.pipe()
    os.write(writing, b"x")
    with mmio.watch(place) as hits:
        assert library.read_into(reading, place[0], 1) == -1
    assert library.read_into(reading, place[0], 1) == 1
    assert (hits.total, area[0]) == (0, ord("x"))


def test_beside_a_device(library: CDLL) -> None:
    """A copy from a device into watched memory is a record there and a hit here."""
    with mmio.ioremap(Bytes(4096, b"abcdefgh")) as mapping, mmio.watch((library.wide_at(), 4)) as hits:
        library.copy(library.wide_at(), mapping.address, 8)
    assert _bytes(hits) == b"abcd"
    assert mapping.trace
    assert all(access.region == "Bytes" for access in mapping.trace)


def test_a_device_is_watched_through_its_mapping(library: CDLL) -> None:
    """`Mapping.watch` counts from the device's first byte, and needs no pages of its own."""
    with mmio.ioremap(Bytes(0x100), name="card") as mapping:
        with mapping.watch(4, 2, "access") as hits, mmio.watch((mapping.address + 8, 1)) as other:
            library.copy(mapping.address, NUMBERS, 16)
        assert _bytes(hits) == b"\4\5"
        assert _bytes(other) == b"\x08"
        assert hits[0].place.startswith("card+0x4[")
        with pytest.raises(ValueError, match="5 bytes from offset 0xfc on are not within the device's 0x100"):
            mapping.watch(0xFC, 5)


def test_constants_may_be_read(library: CDLL) -> None:
    """Memory that is only readable is watched, too; a store there faults as usual."""
    target = (c_char * 8)()
    with mmio.watch((library.constant_at(), 4), "read") as hits:
        library.copy(ctypes.addressof(target), library.constant_at(), 8)
    assert (target.raw, _bytes(hits)) == (b"constant", b"cons")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda library: bytearray(100), "it is on the heap or on a stack"),
        (lambda library: ctypes.create_string_buffer(300000), "it is on the heap or on a stack"),
        (lambda library: (ctypes.cast(library.set_secret, c_void_p).value, 4), "there is code"),
        (lambda library: (_stack(), 4), "that is the stack"),
        (lambda library: (id(int), 4), "which the handler needs itself"),
        (lambda library: (4096, 4), "nothing is mapped at 0x1000"),
    ],
    ids=["bytearray", "ctypes", "code", "stack", "python", "nothing"],
)
def test_what_cannot_be_watched(library: CDLL, make: Any, reason: str) -> None:
    """Where a fault could not be handled is refused, with the reason, and everything is as before."""
    with pytest.raises(MappingError, match=reason):
        mmio.watch(make(library))
    assert not trapped_ranges().space.memory.watches


def _stack() -> int:
    with open("/proc/self/maps") as maps:
        return next(int(line.split("-")[1].split()[0], 16) for line in maps if "[stack]" in line) - 8


def test_what_a_pointer_points_to(library: CDLL) -> None:
    """`pointer.contents` is where it is, whatever holds the pointer."""
    field = ctypes.cast(library.record_at() + SECRET, ctypes.POINTER(c_int)).contents
    with mmio.watch(field) as hits:
        library.set_secret(4)
    assert (field.value, [hit.value for hit in hits]) == (4, [4])


def test_a_bad_option_leaves_nothing(library: CDLL) -> None:
    """The pages do not trap when the watchpoint could not be made."""
    with pytest.raises(ValueError, match="a watchpoint is on one of"):
        mmio.watch(_secret(library), "never")  # type: ignore[arg-type]
    library.set_secret(1)
    assert library.get_secret() == 1


def test_a_callback_may_touch_what_it_is_about(library: CDLL) -> None:
    """Its own accesses are made, and are no hits: else it would call itself for ever."""

    def call(hit: mmio.Hit) -> None:
        library.set_secret(library.get_secret() + 1)

    with mmio.watch(_secret(library), "access", call=call) as hits:
        library.set_secret(5)
    assert (hits.total, library.get_secret()) == (1, 6)


def test_what_is_still_watched_at_the_end(tmp_path: Path) -> None:
    """When the process ends, pages are given back first: a library's own end may need them."""
    path = build_c("volatile int here = 1; __attribute__((destructor)) static void end(void) { here++; }", tmp_path)
    done = run_python(
        """
import ctypes, mmio, sys
hits = mmio.watch(ctypes.c_int.in_dll(ctypes.CDLL(sys.argv[1]), "here"))
""",
        str(path),
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_handlers_are_gone_afterwards(library: CDLL) -> None:
    """With the last watchpoint our signal handler goes; and a crash outside of watched pages is still a crash."""
    done = run_python(
        """
import ctypes, mmap, mmio, signal
from mmio.inprocess import signals
area = mmap.mmap(-1, 4096)
with mmio.watch(area) as hits:
    assert signals.is_ours(signal.SIGSEGV)
    area[0] = 1
assert not signals.is_ours(signal.SIGSEGV)
print(len(hits), flush=True)
with mmio.watch(area):
    ctypes.string_at(8)
"""
    )
    assert (done.returncode, done.stdout) == (-11, "1\n")

"""This process watched from outside: for bytes whose pages Python or malloc needs itself."""

import ctypes
import threading
from ctypes import CDLL, c_char, c_void_p
from pathlib import Path
from typing import Any

import pytest

import mmio
from mmio import MappingError
from tests.native import compile_c, run_python

SOURCE = """
#include <stdlib.h>
#include <string.h>
char *make(void) { char *made = malloc(40); memset(made, 7, 40); return made; }
void fill(volatile char *to, int count) { while (count--) *to++ = 1; }
void churn(void) { for (int i = 0; i < 50; i++) free(malloc(20 + 8 * i)); }
"""


@pytest.fixture
def library(tmp_path: Path) -> CDLL:
    library = compile_c(SOURCE, tmp_path, "-g", "-fno-builtin")
    library.make.restype = c_void_p
    library.fill.argtypes = [c_void_p, ctypes.c_int]
    return library


def test_a_malloced_byte_of_this_process(library: CDLL) -> None:
    """Who runs over the end of a field in a block of malloc's is found; malloc continues in the same page."""
    block = library.make()
    with mmio.watch((block + 24, 2), outside=True, name="next") as hits:
        library.churn()
        library.fill(block, 25)
        library.churn()
    assert [(hit.function, hit.place, hit.old, hit.new) for hit in hits] == [("fill", "next[0]", b"\7", b"\1")]
    assert ctypes.string_at(block + 23, 3) == b"\1\1\7"


@pytest.mark.parametrize(
    "make", [lambda: bytearray(40), lambda: ctypes.create_string_buffer(40)], ids=["bytearray", "ctypes"]
)
def test_python_objects(library: CDLL, make: Any) -> None:
    """Python and the library touch a small object on Python's heap; both are seen, their neighbours continue."""
    buffer = make()
    others = [make() for _ in range(50)]
    start = ctypes.addressof((c_char * 40).from_buffer(buffer))
    with mmio.watch(buffer, outside=True) as hits:
        buffer[3] = 9 if isinstance(buffer, bytearray) else b"\t"
        library.fill(start + 8, 2)
        others += [make() for _ in range(50)]
        assert not hits  # they are told at the end
    assert [(hit.offset, hit.new) for hit in hits] == [(3, b"\t"), (8, b"\1"), (9, b"\1")]
    assert [hit.function for hit in hits[1:]] == ["fill", "fill"]
    assert hits[0].access.thread == threading.get_native_id()
    assert bytes(buffer)[:11] == b"\0\0\0\t\0\0\0\0\1\1\0"
    assert all(not any(bytes(other)) for other in others)


def test_conditions_are_asked_at_the_end(library: CDLL) -> None:
    """They may be any function: it is this process that asks."""
    buffer = ctypes.create_string_buffer(64)
    with mmio.watch(buffer, outside=True, when=lambda hit: hit.offset % 2, ignore=1, keep=2) as hits:
        library.fill(ctypes.addressof(buffer), 8)
    assert ([hit.offset for hit in hits], hits.total) == ([5, 7], 4)


def test_other_threads(library: CDLL) -> None:
    """All threads of the process are watched, those too that begin meanwhile."""
    buffer = ctypes.create_string_buffer(64)
    start = ctypes.addressof(buffer)
    with mmio.watch(buffer, outside=True) as hits:
        threads = [threading.Thread(target=library.fill, args=(start + 8 * at, 4)) for at in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(hit.offset for hit in hits) == [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19]
    assert len({hit.access.thread for hit in hits}) == 3


def test_an_exception_ends_it_in_order(library: CDLL) -> None:
    """What is raised meanwhile comes out, and the memory is accessible again."""
    buffer = ctypes.create_string_buffer(64)

    def fail() -> None:
        library.fill(ctypes.addressof(buffer), 1)
        raise LookupError

    hits = mmio.watch(buffer, outside=True)
    with pytest.raises(LookupError), hits:
        fail()
    library.fill(ctypes.addressof(buffer), 5)
    assert (hits.total, buffer.raw[:6]) == (1, b"\1\1\1\1\1\0")


def test_one_at_a_time(library: CDLL) -> None:
    """A process has one tracer: a second is refused with the reason, and the first continues."""
    buffer, other = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
    with mmio.watch(buffer, outside=True) as hits:
        with pytest.raises(MappingError, match=r"cannot be watched from outside: .*is traced already, by process"):
            mmio.watch(other, outside=True)
        library.fill(ctypes.addressof(buffer), 2)
    assert hits.total == 2


@pytest.mark.parametrize("option", [{"stop": True}, {"call": print}])
def test_what_must_happen_at_once_cannot(option: dict[str, Any]) -> None:
    """The hits come too late for that."""
    with pytest.raises(ValueError, match="it cannot call or stop"):
        mmio.watch(bytearray(4), outside=True, **option)


def test_what_is_not_there() -> None:
    """It is refused before anything is started."""
    with pytest.raises(MappingError, match="nothing is mapped at 0x1000"):
        mmio.watch((0x1000, 4), outside=True)
    with open("/proc/self/maps") as maps:
        stack = next(int(line.split("-")[1].split()[0], 16) for line in maps if "[stack]" in line)
    with pytest.raises(MappingError, match="that is the stack"):
        mmio.watch((stack - 8, 4), outside=True)
    with pytest.raises(MappingError, match="there is code"):
        mmio.watch((ctypes.cast(ctypes.pythonapi.Py_Initialize, c_void_p).value, 4), outside=True)


def test_data_of_python_itself() -> None:
    """The page has the interpreter's own state, its lock among it; threads continue."""
    flag = ctypes.c_int.in_dll(ctypes.pythonapi, "Py_OptimizeFlag")
    before = flag.value
    with mmio.watch(flag, outside=True) as hits:
        threads = [threading.Thread(target=sum, args=(range(10000),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        flag.value = before
    assert [(hit.value, hit.changed) for hit in hits] == [(before, False)]


def test_a_process_that_ends_meanwhile() -> None:
    """The other process goes with it, unnoticed."""
    done = run_python(
        """
import mmio
buffer = bytearray(100)
mmio.watch(buffer, outside=True)
buffer[1] = 1
"""
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

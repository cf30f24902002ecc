"""What programs do to trapped mappings: each says itself, by its exit status, that it noticed nothing."""

import subprocess
from pathlib import Path

import pytest

from decode import WRITE
from emulate import Ram
from mmio.errors import UnmappedAccess
from mmio.ptrace import Tracer
from mmio.records.access import Access
from tests.mmio.ptrace.programs import device_file, need_program, program, run

START = r"""
static sigjmp_buf back;
static void fault(int number) { siglongjmp(back, 1); }
#define FAULTS(access) (sigsetjmp(back, 1) ? 1 : ((access), 0))
int main(int argc, char **argv) {
    signal(SIGSEGV, fault);
    int fd = open(argv[1], O_RDWR);
    volatile uint32_t *p = mmap(0, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) return 1;
"""

PROGRAMS = {
    "MAP_FIXED of other memory in its middle": (
        r"""
        volatile uint32_t *q = mmap((char *)p + 0x1000, 0x1000, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        q[0] = 99;
        p[0] = 1, p[0x800] = 2;
        return q[0] != 99;""",
        [(0, 1), (0x2000, 2)],
    ),
    "MAP_FIXED of the file over itself": (
        r"""
        p[0] = 1;
        if (mmap((void *)p, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0x3000) != p) return 2;
        p[0] = 2;
        return 0;""",
        [(0, 1), (0x3000, 2)],
    ),
    "munmap of the first and the last page": (
        r"""
        munmap((void *)p, 0x1000);
        munmap((char *)p + 0x3000, 0x1000);
        if (!FAULTS(p[0]) || !FAULTS(p[0xc00])) return 2;
        p[0x400] = 1, p[0xbff] = 2;
        return 0;""",
        [(0x1000, 1), (0x2FFC, 2)],
    ),
    "munmap of more than is mapped": (
        r"""
        char *both = mmap(0, 0x8000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        p = mmap(both + 0x4000, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
        munmap(both, 0x8000);
        return !FAULTS(p[0] = 1) || !FAULTS(both[0] = 1);""",
        [],
    ),
    "mremap to a smaller size": (
        r"""
        if (mremap((void *)p, 0x4000, 0x1000, 0) != p) return 2;
        p[0] = 1;
        return !FAULTS(p[0x400] = 2);""",
        [(0, 1)],
    ),
    "mremap to a given place": (
        r"""
        void *place = mmap(0, 0x4000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        volatile uint32_t *q = mremap((void *)p, 0x4000, 0x4000, MREMAP_MAYMOVE | MREMAP_FIXED, place);
        if (q != place || !FAULTS(p[0] = 1)) return 2;
        q[0xc00] = 3;
        return 0;""",
        [(0x3000, 3)],
    ),
    "mremap that leaves the old one": (
        r"""
        volatile uint32_t *q = mremap((void *)p, 0, 0x4000, MREMAP_MAYMOVE);
        if (q == MAP_FAILED) return 2;
        p[0] = 1, q[1] = 2;
        return p[1] != 2 || q[0] != 1;""",
        [(0, 1), (4, 2)],
    ),
    "mremap onto another": (
        r"""
        volatile uint32_t *q = mmap(0, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0x2000);
        if (mremap((void *)p, 0x1000, 0x1000, MREMAP_MAYMOVE | MREMAP_FIXED, q) != q) return 2;
        q[0] = 1, q[0x400] = 2;
        return 0;""",
        [(0, 1), (0x3000, 2)],
    ),
    "mremap that takes only the pages along": (
        r"""
        volatile uint32_t *q = mremap((void *)p, 0x4000, 0x4000, MREMAP_MAYMOVE | 4 /* MREMAP_DONTUNMAP */, 0);
        if (q == MAP_FAILED) return 2;
        p[0] = 1, q[1] = 2;
        return p[1] != 2 || q[0] != 1;""",
        [(0, 1), (4, 2)],
    ),
    "remap_file_pages to a later page": (
        r"""
        if (remap_file_pages((char *)p, 0x1000, 0, 2, 0)) return 2;
        p[0] = 1, p[0x400] = 2, p[0x801] = 3;
        return p[1] != 3 || p[0x800] != 1;""",
        [(0x2000, 1), (0x1000, 2), (0x2004, 3)],
    ),
    "remap_file_pages to the page before": (
        r"""
        if (remap_file_pages((char *)p + 0x1000, 0x2000, 0, 0, 0)) return 2;
        p[0x400] = 1, p[0x801] = 2, p[0xc02] = 3;
        return p[0] != 1 || p[0xc02] != 3;""",
        [(0, 1), (0x1004, 2), (0x3008, 3)],
    ),
    "remap_file_pages to a page before the first": (
        r"""
        volatile uint32_t *q = mmap(0, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0x2000);
        if (remap_file_pages((char *)q, 0x1000, 0, 0, 0)) return 2;
        q[0] = 1, q[0x401] = 2;
        return q[0] != 1 || p[0] != 1 || p[0xc01] != 2;""",
        [(0, 1), (0x3004, 2)],
    ),
    "remap_file_pages that fails": (
        r"""
        if (!remap_file_pages((char *)p, 0x5000, 0, 2, 0)) return 2;
        p[0] = 1;
        return p[0] != 1;""",
        [(0, 1)],
    ),
    "mprotect of a part": (
        r"""
        if (mprotect((char *)p + 0x1000, 0x1000, PROT_READ)) return 2;
        p[0] = 1;
        if (!FAULTS(p[0x400] = 2) || p[0x400]) return 3;
        if (mprotect((char *)p + 0x1000, 0x1000, PROT_NONE)) return 4;
        if (!FAULTS(p[0x400])) return 5;
        if (mprotect((void *)p, 0x4000, PROT_READ | PROT_WRITE)) return 6;
        p[0x400] = 3;
        return 0;""",
        [(0, 1), (0x1000, 3)],
    ),
    "mprotect of it and its neighbour": (
        r"""
        char *both = mmap(0, 0x8000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        p = mmap(both + 0x4000, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
        if (mprotect(both, 0x8000, PROT_READ)) return 2;
        if (!FAULTS(both[0] = 1) || !FAULTS(p[0] = 1) || p[0]) return 3;
        if (mprotect(both, 0x8000, PROT_READ | PROT_WRITE)) return 4;
        both[0] = 1, p[0] = 2;
        return 0;""",
        [(0, 2)],
    ),
    "mprotect that fails": (
        r"""
        munmap((char *)p + 0x1000, 0x1000);
        if (!mprotect((void *)p, 0x3000, PROT_READ)) return 2;
        p[0x800] = 1;
        return 0;""",
        [(0x2000, 1)],
    ),
    "a child of its own mind": (
        r"""
        pid_t child = fork();
        if (!child) {
            munmap((void *)p, 0x1000);
            p[0x400] = 1;
            _exit(!FAULTS(p[0]));
        }
        int status;
        wait(&status);
        p[0] = 2;
        return status;""",
        [(0x1000, 1), (0, 2)],
    ),
    "a child that shares its memory": (
        r"""
        if (!vfork()) { p[0] = 1; _exit(0); }
        wait(0);
        p[1] = 2;
        return 0;""",
        [(0, 1), (4, 2)],
    ),
    "threads that end the process with accesses under way": (
        r"""
        void *spin(void *unused) { for (;;) (void)p[1]; }
        pthread_t thread;
        for (int i = 0; i < 3; i++) pthread_create(&thread, 0, spin, 0);
        for (int i = 0; i < 50; i++) p[0] = i;
        exit(0);""",
        [(0, i) for i in range(50)],
    ),
    "threads that end while others go on": (
        r"""
        void *touch(void *number) { p[1] = 7; return 0; }
        pthread_t threads[20];
        for (int i = 0; i < 20; i++) pthread_create(threads + i, 0, touch, 0);
        for (int i = 0; i < 20; i++) pthread_join(threads[i], 0);
        p[0] = 1;
        return 0;""",
        [(4, 7)] * 20 + [(0, 1)],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_programs_do_to_mappings(tmp_path: Path, name: str) -> None:
    """Whatever becomes of a trapped mapping, it ends as without us, and what is written to the file is recorded."""
    body, expected = PROGRAMS[name]
    path = device_file(tmp_path, bytes(0x4000))
    tracer = Tracer()
    tracer.map_file(str(path))
    assert run(tracer, program(START + body + "}"), path).status == 0
    assert run(Tracer(), program(START + body + "}"), device_file(tmp_path, bytes(0x4000))).status == 0
    written = [a for a in tracer.trace if a.direction == WRITE]
    assert [(_place_in_file(access, path), access.value) for access in written] == expected


def _place_in_file(access: Access, path: Path) -> int:
    """Return where in the file an access went, whose region is named for where in the file it begins."""
    assert access.region is not None
    assert access.offset is not None
    return int(access.region.removeprefix(str(path)) or "0", 0) + access.offset


ANONYMOUS = r"""
static volatile uint32_t *place(void) {
    return mmap((void *)0x10000000, 0x3000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}
int main(int argc, char **argv) {
    volatile uint32_t *p = place();
    p[0x3ff] = 1, p[0x400] = 2, p[0x401] = 3;
"""

RANGES = {
    "unmapped and mapped again": ("munmap((void *)p, 0x3000); p = place(); p[0x400] = 4; return p[0x401];", [2, 4]),
    "mapped over": ("p = place(); p[0x400] = 4; return p[0x401];", [2, 4]),
    "moved away": (
        """p = mremap((void *)p, 0x3000, 0x3000, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x20000000);
        p[0x400] += 5; place()[0x400] = 6; return p[0x400] != 7 || p[0x401] != 3;""",
        [2, 7, 6],
    ),
    "protected": (
        """if (mprotect((void *)p, 0x3000, PROT_READ)) return 1; if (p[0x400] != 2 || p[0x3ff] != 1) return 2;
        if (mprotect((void *)p, 0x3000, PROT_READ | PROT_WRITE)) return 3; p[0x400] = 4; return 0;""",
        [2, 4],
    ),
    "filled by the kernel": (
        """int ends[2]; pipe(ends); write(ends[1], "abcdefghijkl", 12);
        if (read(ends[0], (void *)(p + 0x3ff), 12) != 12) return 1;
        return p[0x3ff] != 0x64636261 || p[0x401] != 0x6c6b6a69;""",
        [2, 0x68676665],
    ),
    "forked": ("if (!fork()) { p[0x400] = 4; _exit(0); } wait(0); return p[0x400] != 2;", [2, 4]),
    "wide": ("*(volatile uint64_t *)(p + 0x3ff) = 0x400000005; return p[0x400] != 4 || p[0x3ff] != 5;", [2, 4]),
}


@pytest.mark.parametrize("name", RANGES)
def test_ranges_of_anonymous_memory(name: str) -> None:
    """A watched address is watched whatever is mapped later there, to the byte; what moves away stays watched."""
    body, values = RANGES[name]
    tracer = Tracer()
    tracer.map(0x10001000, 4, name="watched")
    assert run(tracer, program(ANONYMOUS + body + "}")).status == 0
    assert [a.value for a in tracer.trace if a.direction & WRITE] == values
    assert {a.region for a in tracer.trace} == {"watched"}


def test_the_heap_is_watched_when_it_comes_to_be() -> None:
    """A range where the program's break grows to is trapped from then on."""
    source = r"""int main() {
        extern char end[];
        volatile char *heap = (char *)((uintptr_t)end + 4095 & ~4095UL);
        if (brk((void *)(heap + 0x50000))) return 1;
        heap[0x400ff] = 1, heap[0x40100] = 2, heap[0x40101] = 3;
        return heap[0x40100] != 2;
    }"""
    need_program("setarch", "util-linux")
    path = program(source, "-no-pie", "-static")
    symbols = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    end = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" end"))
    tracer = Tracer()
    tracer.map((end + 4095 & -4096) + 0x40100, 1, name="watched")
    assert run(tracer, "setarch", "-R", path).status == 0  # without randomization the break begins behind the program
    assert [(a.letter, a.value) for a in tracer.trace] == [("W", 2), ("R", 2)]


def test_a_descriptor_is_the_target_wherever_it_leads(tmp_path: Path) -> None:
    """What is mapped by a descriptor of a given number is trapped, and the same file by another is not."""
    source = r"""int main(int argc, char **argv) {
        int fd = open(argv[1], O_RDWR);
        dup2(fd, 42);
        volatile uint32_t *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 42, 0);
        volatile uint32_t *q = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        p[0] = 1, q[1] = 2;
        return p[1] != 2 || q[0] != 1;
    }"""
    tracer = Tracer()
    tracer.map_file(42)
    assert run(tracer, program(source), device_file(tmp_path)).status == 0
    assert [(a.letter, a.offset, a.value) for a in tracer.trace] == [("W", 0, 1), ("R", 4, 2)]


def test_beyond_the_devices_of_a_mapping(tmp_path: Path) -> None:
    """An access in a device's page and not to the device says where the device is, or `unmapped` answers."""
    path = device_file(tmp_path)
    body = "int main(int argc, char **argv) { return map(argv[1], PROT_READ)[0x10] != 0xffffffff; }"
    tracer = Tracer()
    tracer.map_file(str(path), Ram(12), length=12, name="card")
    with pytest.raises(UnmappedAccess, match=r"no device answers at 0x40 of the file .*\('card' has 0x0..0xc\)"):
        run(tracer, program(body), path)
    tracer = Tracer()
    tracer.map_file(str(path), Ram(12), length=12, unmapped="ones")
    assert run(tracer, program(body), path).status == 0
    tracer = Tracer()
    tracer.map_file(str(path), Ram(12), length=12)
    tracer.unmapped = "ones"
    assert run(tracer, program(body), path).status == 0


def test_an_answer_that_does_not_exist_is_refused() -> None:
    """The message lists those there are."""
    with pytest.raises(ValueError, match="unmapped is one of error, ones, zeros, real, not 'ignore'"):
        Tracer().unmapped = "ignore"  # type: ignore[assignment]

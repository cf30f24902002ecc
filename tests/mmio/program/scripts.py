"""Scripts of system calls, made by a program in C: alone, and traced with trapped memory in the place of its own.

A script says which calls, with which pointers. The program prints each result and whatever memory it is to show. What
it prints traced must be what it prints alone.
"""

import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import frozen
from hypothesis import HealthCheck, Phase, settings

from mmio.hosted import Host
from mmio.linux.seccomp import WINDOW
from mmio.linux.syscall_table import NAMES
from mmio.program.targeting import Targeting
from mmio.ptrace import Tracer
from tests import native
from tests.mmio.ptrace.programs import program, run

PLAIN, TRAPPED, SCRATCH, DESCRIPTOR = range(4)
"""Bases of an argument: none, the trapped memory, ordinary memory, the table of descriptors."""

PAGE: Final = 4096
LAYOUT: Final = "wwrwnwo"
"""The pages from the trapped base on: writable, read-only, none; the last one is ordinary. Around is nothing."""
TRAPPED_PAGES: Final = LAYOUT.index("o")
ADDRESS: Final = 0x7E_0000_0000
LOW_ADDRESS: Final = 0x7E00_0000

FILE, PIPE_OUT, PIPE_IN, STREAM, STREAM_PEER, DATAGRAM, DATAGRAM_PEER, ZERO, NULL, NONE, EPOLL, EVENT, TIMER, ROOT = (
    range(14)
)
"""Indices in the table of descriptors. None of them blocks."""

ADDRESS_OF: Final = 1 << 32
"""In place of a system call's number: put the second argument where the first one points."""

Argument = tuple[int, int]
_CALL, _POKE, _SHOW = range(3)
_STEP: Final = struct.Struct("<5Q12Q")
LAW: Final = settings(
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)
"""Settings of the laws: other scripts in every run. A script is not made smaller, which takes minutes; `difference`
says which of its calls it is, and Hypothesis how to have the same one again."""

SOURCE: Final = r"""
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <grp.h>
#include <linux/capability.h>
struct argument { uint64_t base, value; };
struct step { uint64_t kind, number, base, offset, length; struct argument arguments[6]; };
static char layout[] = "LAYOUT";
static unsigned char *scratch;
static unsigned char *base;
static int table[14];
static int bits;
static uint64_t real(struct argument a) {
    if (a.base == 3) return table[a.value];
    return a.value + (a.base == 1 ? (uint64_t)base : a.base == 2 ? (uint64_t)scratch : 0);
}
/* INT 80H takes the lower halves of the registers: the upper ones may hold anything. */
static long called(uint64_t number, uint64_t *a) {
    if (bits == 64) return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    static uint64_t sixth;
    int result;
    sixth = a[5];
    __asm__ volatile("push %%rbp; mov %[f], %%rbp; int $0x80; pop %%rbp" : "=a"(result)
        : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4]),
          [f] "m"(sixth) : "memory", "r8", "r9", "r10", "r11");
    if (result < 0 && result > -4096) errno = -result, result = -1;
    return result;
}
static void *fixed(void *at, uint64_t length) {
    return mmap(at, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}
static void fill(unsigned char *at, uint64_t from) {
    for (int i = 0; i < 64; i += 8) *(volatile uint64_t *)(at + i) = from + i;
}
static int shown(uint64_t at, int write) {
    int64_t page = (int64_t)(at - (uint64_t)base) >> 12;
    return (at >= (uint64_t)scratch && at < (uint64_t)scratch + 65536)
        || (page >= 0 && page < (int)sizeof layout - 1 && layout[page] != 'n' && !(write && layout[page] == 'r'));
}
static uint64_t width(unsigned char *at, uint64_t left) { return (uint64_t)at % 8 == 0 && left >= 8 ? 8 : 1; }
/* No call of a script may harm the machine: as root it is made as nobody, and without capabilities. */
static int give_up_rights(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {0};
    if (!geteuid() && (setgroups(0, 0) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
        return 1;
    return syscall(SYS_capset, &header, none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        || prctl(PR_SET_DUMPABLE, 1);
}
int main(int argc, char **argv) {
    int pages = strlen(layout) - 1;
    for (int fd = 3; fd < 256; fd++) close(fd);
    open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(3, fd);
    close(3);
    bits = atoi(argv[5]);
    base = (void *)strtoull(argv[4], 0, 16);
    scratch = fixed((void *)(bits == 32 ? 0x7d000000 : 0x7d0000000000), 65536);
    if (!*argv[1])
        base = fixed(base, pages * 4096);
    else {
        int fd = open(argv[1], O_RDWR);
        base = mmap(base, pages * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | (base ? MAP_FIXED : 0), fd, 0);
        close(fd);
    }
    if (base == MAP_FAILED) return 90;
    if (fixed(base + 4096 * pages, 4096) == MAP_FAILED) return 91;
    for (int i = 0; i < pages; i++) {
        fill(base + i * 4096, 0x1111111111111111 * (i + 1));
        fill(base + i * 4096 + 4096 - 64, 0x0101010101010101 * (i + 1));
        if (layout[i] != 'w') mprotect(base + i * 4096, 4096, layout[i] == 'r' ? PROT_READ : PROT_NONE);
    }
    table[0] = memfd_create("file", 0);
    unsigned char contents[16384];
    for (int i = 0; i < sizeof contents; i++) contents[i] = i;
    write(table[0], contents, sizeof contents);
    lseek(table[0], 0, SEEK_SET);
    pipe2(table + 1, O_NONBLOCK);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, table + 3);
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, table + 5);
    table[7] = open("/dev/zero", O_RDWR);
    table[8] = open("/dev/null", O_RDWR);
    table[9] = -1;
    table[10] = epoll_create1(0);
    table[11] = eventfd(0, EFD_NONBLOCK);
    table[12] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    table[13] = open("/", O_RDONLY | O_DIRECTORY);
    FILE *script = fopen(argv[2], "rb"), *out = fopen(argv[3], "w");
    if (give_up_rights() || chdir("/")) return 92;
    struct step s;
    uint64_t word;
    while (fread(&s, sizeof s, 1, script) == 1) {
        uint64_t a[6];
        struct argument place = {s.base, s.offset};
        unsigned char *at = (void *)real(place);
        if (s.kind == 0) {
            for (int i = 0; i < 6; i++) a[i] = real(s.arguments[i]);
            if (s.number >> 32) {
                for (int i = 0; i < bits / 8; i++)
                    if (shown(a[0] + i, 1)) *(volatile unsigned char *)(a[0] + i) = a[1] >> 8 * i;
                continue;
            }
            errno = 0;
            long result = called(s.number, a);
            fprintf(out, "%ld %d\n", result, errno);
        } else if (s.kind == 1) {
            unsigned char data[4096];
            fread(data, 1, s.length, script);
            for (uint64_t i = 0, n; i < s.length; i += n) {
                n = width(at + i, s.length - i);
                if (!shown((uint64_t)at + i, 1)) continue;
                if (n == 8) memcpy(&word, data + i, 8), *(volatile uint64_t *)(at + i) = word;
                else *(volatile unsigned char *)(at + i) = data[i];
            }
        } else {
            for (uint64_t i = 0, n; i < s.length; i += n) {
                n = width(at + i, s.length - i);
                if (!shown((uint64_t)at + i, 0)) continue;
                if (n == 8) fprintf(out, "%016lx", __builtin_bswap64(*(volatile uint64_t *)(at + i)));
                else fprintf(out, "%02x", *(volatile unsigned char *)(at + i));
            }
            fprintf(out, "\n");
        }
    }
    fclose(out);
    return 0;
}
""".replace("LAYOUT", LAYOUT)


def call(number: int, *arguments: int | Argument) -> bytes:
    """Return the step of a system call; an argument is a number, or a base and what is added to it."""
    pairs = [(PLAIN, argument) if isinstance(argument, int) else argument for argument in arguments]
    pairs += [(PLAIN, 0)] * (6 - len(pairs))
    words = [value & (1 << 64) - 1 for pair in pairs for value in pair]
    return _STEP.pack(_CALL, number, 0, 0, 0, *words)


def poke(base: int, offset: int, data: bytes) -> bytes:
    """Return the step that puts bytes into memory."""
    return _STEP.pack(_POKE, 0, base, offset & (1 << 64) - 1, len(data), *[0] * 12) + data


def show(base: int, offset: int, length: int) -> bytes:
    """Return the step that shows memory, as far as it may be read."""
    return _STEP.pack(_SHOW, 0, base, offset & (1 << 64) - 1, length, *[0] * 12)


class Memory:
    """A device that is memory."""

    length = TRAPPED_PAGES * PAGE

    def __init__(self) -> None:
        self.data = bytearray(self.length)

    def read(self, offset: int, width: int) -> int:
        return int.from_bytes(self.data[offset : offset + width], "little")

    def write(self, offset: int, width: int, value: int) -> None:
        self.data[offset : offset + width] = value.to_bytes(width, "little")


@frozen
class Way:
    """A way to run a script.

    Attributes:
        kind: what the trapped memory is: a "device", a "file", or the program's "own".
        bits: of the calls, made by SYSCALL or by INT 80H.
        engine: what traces: "ptrace" or "inprocess".
    """

    kind: str
    bits: int = 64
    engine: str = "ptrace"


WAYS: Final = (
    *(Way(kind, bits) for kind in ("device", "file", "own") for bits in (64, 32)),
    *(Way(kind, engine="inprocess") for kind in ("device", "file", "own")),
)


def natively(script: bytes, way: Way) -> list[str]:
    """Run a script with ordinary memory, where `traced` has trapped memory; return the lines of what it showed."""
    with tempfile.TemporaryDirectory() as directory:
        paths = _files(directory, script)
        paths[0] = ""
        address = _address(way) or WINDOW.start
        subprocess.run([program(SOURCE), *paths, hex(address), str(way.bits)], check=True, timeout=300)
        return Path(paths[2]).read_text().splitlines()


def traced(script: bytes, way: Way) -> list[str]:
    """Run a script with trapped memory: a device's, a file's, or the program's own; return the lines."""
    with tempfile.TemporaryDirectory() as directory:
        paths = _files(directory, script)
        paths[0] = {"device": "/nowhere/a/device", "file": paths[0], "own": ""}[way.kind]
        arguments = [program(SOURCE), *paths, hex(_address(way)), str(way.bits)]
        if way.engine == "inprocess":
            code = "import sys; from tests.mmio.program import scripts; scripts.host(*sys.argv[1:])"
            subprocess.run([sys.executable, "-c", code, way.kind, *arguments], check=True, timeout=300, cwd=native.ROOT)
        else:
            with Tracer() as tracer:
                _aim(tracer, way, paths[0])
                assert run(tracer, *arguments).status == 0
                assert len(tracer.trace)
        return Path(paths[2]).read_text().splitlines()


def host(kind: str, *arguments: str) -> None:
    """Run a script in this process."""
    hosting = Host()
    _aim(hosting, Way(kind), arguments[1])
    hosting.spawn(arguments)
    assert hosting.run() == 0
    assert len(hosting.trace)


def _address(way: Way) -> int:
    """Return where the trapped memory is to be; 0 for wherever a mapping of a file goes, which is the window."""
    if way.bits == 32:
        return LOW_ADDRESS
    return ADDRESS if way.kind == "own" else 0


def _aim(at: Targeting, way: Way, path: str) -> None:
    if way.kind == "device":
        at.map_file(path, Memory())
    elif way.kind == "file":
        at.map_file(path)
    else:
        at.map(_address(way), TRAPPED_PAGES * PAGE)


def difference(script: bytes, way: Way) -> str:
    """Return the first step that shows something else traced than natively, in words; "" when none does."""
    native, other = natively(script, way), traced(script, way)
    steps = [step for step in _steps(script) if step[0] == _SHOW or (step[0] == _CALL and step[1] < ADDRESS_OF)]
    call = ""
    for (kind_of_step, number, base, offset, arguments), one, two in zip(steps, native, other, strict=True):
        if kind_of_step == _CALL:
            words = [("", "trapped+", "scratch+", "fd ")[of] + hex(value) for of, value in arguments]
            call = f"call {NAMES[way.bits][number]} ({', '.join(words)}): {one} natively"
        if one != two:
            at = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0) & -16
            place = f", memory {base}+{offset:#x}, from digit {at}" if kind_of_step == _SHOW else ""
            return f"{call}{place}: natively {one[at : at + 64]}, traced {two[at : at + 64]}"
    return ""


def _steps(script: bytes) -> Iterator[tuple[int, int, int, int, list[Argument]]]:
    """Yield kind, number, base, offset and arguments of each step."""
    at = 0
    while at < len(script):
        kind, number, base, offset, length, *words = _STEP.unpack_from(script, at)
        at += _STEP.size + (length if kind == _POKE else 0)
        yield kind, number, base, offset, list(zip(words[::2], words[1::2], strict=True))


def _files(directory: str, script: bytes) -> list[str]:
    paths = [f"{directory}/{name}" for name in ("memory", "script", "out")]
    Path(paths[0]).write_bytes(bytes(TRAPPED_PAGES * PAGE))
    Path(paths[1]).write_bytes(script)
    return paths

"""Programs to trace: small C sources, compiled once a test run; running one to its end, with what it printed."""

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from mmio.ptrace import Tracer
from tests.needs import need

PRELUDE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static volatile uint32_t *map(const char *path, int protection) {
    int fd = open(path, O_RDWR);
    if (fd < 0) exit(90);
    void *p = mmap(0, 4096, protection, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) exit(91);
    close(fd);
    return p;
}
"""

PRELUDE_32 = r"""
static int call(int number, int a, int b, int c, int d, int e, int f) {
    int result;
    static int sixth;
    sixth = f;
    __asm__ volatile("push %%ebp; mov %[f],%%ebp; int $0x80; pop %%ebp"
        : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "m"(sixth) : "memory");
    return result;
}
static void leave(int status) { call(1, status, 0, 0, 0, 0, 0); }
static volatile unsigned *map(char *path) {
    return (void *)call(192, 0, 4096, 3, 1, call(5, (int)path, 2, 0, 0, 0, 0), 0);
}
__asm__(".globl _start; _start: mov 8(%esp),%eax; push %eax; call start");
#define START __attribute__((force_align_arg_pointer)) void start(char *path)
"""


class Outcome(NamedTuple):
    """How a traced program ended: what `Tracer.run` returned, and its standard output."""

    status: int
    output: str


def program(body: str, *flags: str) -> str:
    """Compile a program from C after the prelude; return its path."""
    return compiled(PRELUDE + body, "-O2", "-pthread", *flags)


def program_32(body: str) -> str:
    """Compile a 32-bit program that needs no library: `START { … }` gets its first argument. Return its path."""
    flags = ("-m32", "-O1", "-msse2", "-nostdlib", "-static", "-fno-pic", "-no-pie", "-fno-stack-protector")
    return compiled(PRELUDE_32 + body, *flags)


@cache
def compiled(source: str, *flags: str) -> str:
    """Compile a program from C that is whole; return its path."""
    compiler = os.environ.get("CC", "cc")
    need(shutil.which(compiler), f"a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    path = _directory() / sha256(repr((source, flags)).encode()).hexdigest()[:16]
    subprocess.run([compiler, *flags, "-w", "-x", "c", "-", "-o", str(path)], input=source, text=True, check=True)
    return str(path)


@cache
def _directory() -> Path:
    directory = tempfile.mkdtemp(prefix="pagetrap-tests-")
    atexit.register(shutil.rmtree, directory)
    return Path(directory)


def run(tracer: Tracer, *arguments: str | Path) -> Outcome:
    """Spawn a program under a tracer and trace it to its end."""
    with tempfile.TemporaryFile() as output:
        tracer.spawn([str(argument) for argument in arguments], descriptors={1: output.fileno(), 2: 2})
        status = tracer.run()
        output.seek(0)
        return Outcome(status, output.read().decode())


def device_file(directory: Path, contents: bytes | Sequence[int] = bytes(4096)) -> Path:
    """Make a file that a program maps as its device."""
    path = directory / "device"
    path.write_bytes(bytes(contents))
    return path


def is_gone(pid: int) -> bool:
    """Return whether a process has ended, whether its parent has asked how or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def need_program(name: str, package: str) -> None:
    """Skip, or fail where nothing may be skipped, without a program of a package."""
    need(shutil.which(name), f"{name} (apt-get install {package})")

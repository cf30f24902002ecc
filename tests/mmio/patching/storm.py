"""Threads execute neighbouring instructions while these are patched and restored: `storm.py SECONDS STEPS SEED`.

One thread's operands are in ordinary memory, another's on a device. A timer's handler runs through the instructions as
well, in the middle of either. Prints how often the text was changed, how many rounds were made in memory and on the
device, and how many of them read a wrong value.
"""

import ctypes
import random
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import mmio
from decode import decode
from mmio.inprocess.mapping import _trap
from mmio.patching.sites import NotPatched
from tests.native import compile_c

SOURCE = r"""
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>
extern char first[], second[], third[], fourth[], fifth[], sixth[];
char *const sites[] = {first, second, third, fourth, fifth, sixth};
static volatile uint32_t *places[2];
static uint64_t made[2], wrong[2];
uint32_t touch(volatile uint32_t *p) { return p[2]; }
static __attribute__((noinline)) void round_of(int which) {
    uint32_t a, b, c, d, e, f[4];
    __asm__ volatile(
        ".globl first, second, third, fourth, fifth, sixth\n"
        "first: movl (%5), %0\n"
        "second: movl 4(%5), %1\n"
        "third: movl 8(%5), %2\n"
        "fourth: movl 0x100(%5), %3\n"
        "fifth: movl (%5), %4\n"
        "sixth: movups 0x10(%5), %%xmm0\n"
        "movups %%xmm0, (%6)\n"
        : "=&a"(a), "=&c"(b), "=&d"(c), "=&S"(d), "=&b"(e) : "D"(places[which]), "r"(f) : "xmm0", "memory");
    if (a != 0x11110000 || b != 0x11110004 || c != 0x11110008 || d != 0x11110100 || e != 0x11110000
        || f[0] != 0x11110010 || f[1] != 0x11110014 || f[2] != 0x11110018 || f[3] != 0x1111001c)
        __atomic_fetch_add(&wrong[which], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&made[which], 1, __ATOMIC_RELAXED);
}
static void tick(int number) { round_of(0), round_of(1); }
void rounds(volatile uint32_t *p, int which, volatile int *stop) {
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    places[which] = p;
    pthread_sigmask(SIG_UNBLOCK, &alarm, 0);
    while (!*stop) round_of(which);
    pthread_sigmask(SIG_BLOCK, &alarm, 0);
}
void start_timer(volatile uint32_t *memory, volatile uint32_t *device) {
    places[0] = memory, places[1] = device;
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = tick, .sa_flags = SA_RESTART}, 0);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 2000}, {0, 2000}}, 0);
}
void stop_timer(uint64_t *counts) {
    setitimer(ITIMER_REAL, &(struct itimerval){0}, 0);
    for (int which = 0; which < 2; which++) counts[which] = made[which], counts[2 + which] = wrong[which];
}
"""


class Card:
    """Each register of 32 bits holds its offset, marked."""

    length = 4096

    def read(self, offset: int, width: int) -> int:
        """Return the offset with a mark, of each register."""
        return sum(0x11110000 + offset + byte << 8 * byte for byte in range(0, width, 4))

    def write(self, offset: int, width: int, value: int) -> None:
        """Do nothing."""


def main(seconds: float, steps: int, seed: int) -> None:
    """Run the storm."""
    source = random.Random(seed)
    with TemporaryDirectory() as directory:
        library = compile_c(SOURCE, Path(directory))
    addresses = list((ctypes.c_void_p * 6).in_dll(library, "sites"))
    instructions = {at: decode(ctypes.string_at(at, 15), 64) for at in addresses if at is not None}
    sites = _trap().patching.sites
    sites._steps = steps
    stop = ctypes.c_int(0)
    memory = (ctypes.c_uint32 * 1024)(*(0x11110000 + 4 * index for index in range(1024)))
    counts = (ctypes.c_uint64 * 4)()
    changes = 0
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGALRM,))  # in threads that run Python, as they come from here
    card = Card()
    with mmio.ioremap(card) as mapping:
        _trap().patching.faults = 1
        library.touch(mapping)  # prepares the trampoline
        _trap().patching.faults = 1 << 60  # from here on instructions are patched by this storm only
        places = ctypes.addressof(memory), mapping.address
        library.start_timer(*map(ctypes.c_void_p, places))

        def run(which: int) -> None:
            library.rounds(ctypes.c_void_p(places[which]), which, ctypes.byref(stop))

        threads = [threading.Thread(target=run, args=(which,)) for which in range(2)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            at = source.choice(list(instructions))
            with suppress(NotPatched):
                if sites.standing(at) is None:
                    site = sites.patch(at, instructions[at])
                    if source.random() < 0.5:
                        site.answer(mapping.address, mapping.address + 4096)
                else:
                    sites.take_back(at)
                changes += 1
        stop.value = 1
        for thread in threads:
            thread.join()
        library.stop_timer(counts)
        records = mapping.trace
        assert len(records) == 7 * counts[1] + 1, (len(records), counts[1])  # a vector is two
        assert all(access.value == card.read(access.offset or 0, access.width) for access in records)
    print(changes, *counts)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

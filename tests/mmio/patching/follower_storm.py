"""Threads of a hosted program execute instructions that jumps stand over, while these are made and taken back.

`follower_storm.py SECONDS STEPS SEED`. One thread executes IN and OUT and what follows them; another one, and a timer's
handler in the middle of any, jump to the instructions that follow; two more do both with a load from ordinary
memory, which is much faster. The jumps are changed by a thread of Python's. Prints the calls of the three ways, how
many of all found a wrong value, and how many accesses were made; then how the program ended, the number of changes, and
that of the records.
"""

import random
import sys
import threading
import time
from collections.abc import Iterator

from decode import decode
from mmio.hosted import Host
from mmio.hosted import patching as hosted_patching
from mmio.hosted.patching import Patching
from mmio.linux.io_ports import PORTS
from mmio.linux.process_memory import read_here
from mmio.patching import sites as sites_module
from mmio.patching.jumps import Places
from mmio.patching.sites import Sites
from tests.mmio.ptrace.programs import program

# The first byte of an instruction, and what it has in the next cache line, are never seen to change at once.
SOURCE = r"""
__asm__(".text; .balign 64; .skip 61\n"
    ".globl load, first, second, third, behind_load, behind_first, behind_second, behind_third\n"
    "load: movb (%rdi),%al\n"
    "behind_load: mov $0x10001,%ecx\n"
    "ret; .balign 64; .skip 62\n"
    "first: inb %dx,%al\n"
    "behind_first: mov $0x10001,%ecx\n"
    "mov %eax,%esi; .balign 64; .skip 61, 0x90\n"
    "second: inb %dx,%al\n"
    "behind_second: mov %ecx,%r8d; mov $0x20002,%r9d\n"
    ".balign 64; .skip 58, 0x90\n"
    "third: outb %al,%dx\n"
    "behind_third: xor %r10d,%r10d; add $0x30003,%r10d\n"
    "ret\n");
extern char load[], first[], second[], third[], behind_load[], behind_first[], behind_second[], behind_third[];
static unsigned rounds, jumps, loads, wrong, accesses;
static const char five = 0x5a;
#define COUNT(what, by) __atomic_fetch_add(&what, by, __ATOMIC_RELAXED)
static void from(char *where) {
    uint32_t a = 0, c = where == behind_second || where == behind_third ? 0x10001 : 77, s = 0x5a, r8, r9, r10;
    register uint32_t given8 __asm__("r8") = 0x10001, given9 __asm__("r9") = 0x20002;
    __asm__ volatile("call *%[where]; mov %%r8d,%[r8]; mov %%r9d,%[r9]; mov %%r10d,%[r10]"
        : "+a"(a), "+c"(c), "+S"(s), [r8] "=m"(r8), [r9] "=m"(r9), [r10] "=m"(r10), "+r"(given8), "+r"(given9)
        : [where] "b"(where), "d"(0x300) : "r10", "cc", "memory");
    COUNT(wrong, (where == first && (a != 0x5a || s != 0x5a)) || c != 0x10001 || r8 != 0x10001 || r9 != 0x20002
        || r10 != 0x30003);
    COUNT(accesses, where == first ? 3 : where == behind_first ? 2 : where == behind_second ? 1 : 0);
    if (where == first) COUNT(rounds, 1);
    else COUNT(jumps, 1);
}
static void from_load(char *where) {
    uint32_t a = 0x5a, c = 77;
    __asm__ volatile("call *%[where]" : "+a"(a), "+c"(c) : [where] "b"(where), "D"(&five) : "cc", "memory");
    COUNT(wrong, a != 0x5a || c != 0x10001);
    COUNT(loads, 1);
}
static volatile int over;
static void *jump(void *nothing) {
    while (!over) { from(behind_first); from(behind_second); from(behind_third); }
    return nothing;
}
static void *load_all_the_time(void *nothing) {
    while (!over) {
        for (int i = 0; i < 50; i++) from_load(load);
        for (int i = 0; i < 50; i++) from_load(behind_load);
    }
    return nothing;
}
static void tick(int number) {
    from(first), from(behind_first), from(behind_second), from(behind_third), from_load(load), from_load(behind_load);
}
int main() {
    ioperm(0x300, 8, 1);
    char *all[] = {load, first, second, third};
    for (int i = 0; i < 4; i++) { outl((uintptr_t)all[i], 0x304); outl((uintptr_t)all[i] >> 32, 0x304); }
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = tick, .sa_flags = SA_RESTART}, 0);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 2000}, {0, 2000}}, 0);
    pthread_t threads[3];
    pthread_create(&threads[0], 0, jump, 0);
    for (int i = 1; i < 3; i++) pthread_create(&threads[i], 0, load_all_the_time, 0);
    while (!inb(0x301)) for (int i = 0; i < 20; i++) from(first);
    over = 1;
    for (int i = 0; i < 3; i++) pthread_join(threads[i], 0);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, 0);
    printf("%u %u %u %u %u\n", rounds, jumps, loads, wrong, accesses);
    return 0;
}
"""


class Model:
    """Hears where the instructions are, and then changes them until the time is over."""

    length = 8

    def __init__(self, seconds: float, steps: int, seed: int) -> None:
        self.seconds, self.steps, self.source = seconds, steps, random.Random(seed)
        self.halves: list[int] = []
        self.over = False
        self.changes = 0

    def read(self, offset: int, width: int) -> int:
        """Return whether it is over, or the value that the rounds expect."""
        return int(self.over) if offset == 1 else 0x5A

    def write(self, offset: int, width: int, value: int) -> None:
        """Take half of an address, and begin when four are known."""
        if offset == 4:
            self.halves.append(value)
            patching_of_host().faults = 1 << 60  # from here on instructions are patched by this storm only
            if len(self.halves) == 8:
                threading.Thread(target=self.change).start()

    def change(self) -> None:
        """Make and take back jumps."""
        patching, (sites, addresses) = patching_of_host(), self.prepared()
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            at = self.source.choice([*addresses, *addresses[:1] * 8])
            with patching._lock:
                patching._changes += 1
                if sites.standing(at) is None:
                    site = sites.patch(at, decode(read_here(at, 15), 64))
                    assert len(site.starts) > 1
                    if self.source.random() < 0.5:
                        site.answer(0, PORTS)
                else:
                    sites.take_back(at)
            self.changes += 1
        self.over = True

    def prepared(self) -> tuple[Sites, list[int]]:
        """Return the sites, which are to be changed here only, and the addresses of the instructions."""
        sites = patching_of_host()._sites
        assert sites is not None
        sites._steps = self.steps
        return sites, [low | high << 32 for low, high in zip(self.halves[::2], self.halves[1::2], strict=True)]


def patching_of_host() -> Patching:
    """Return the patched instructions of the program that runs."""
    assert host._loop is not None
    return host._loop.patching


def no_places(site: int, length: int, behind: bytes) -> Iterator[Places]:
    """Yield no place that a jump leads to which stands over nothing else."""
    return iter(())


if __name__ == "__main__":
    vars(sites_module)["places"] = no_places
    vars(hosted_patching)["FAULTS"] = 1  # the first fault prepares the machine code
    vars(sites_module)["ENTRIES"] = 1 << 60
    model = Model(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    host = Host()
    host.map_ports(0x300, 8, model)
    sys.setswitchinterval(1e-4)
    host.spawn([program(SOURCE, "-mno-red-zone")])
    status = host.run()
    records = sum(access.address == 0x300 for access in host.trace)
    print(status, model.changes, records)

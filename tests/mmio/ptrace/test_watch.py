"""Watchpoints in another process."""

import subprocess
from collections.abc import Iterator

import pytest

from mmio import MappingError, Symbols, WatchpointStop
from mmio.ptrace import Tracer
from tests.mmio.ptrace.programs import program, run

ADDRESS = 0x7E_0000_0000
SOURCE = f"""
static volatile char *place;
void first(void) {{ place[4] = 1; }}
void second(void) {{ *(volatile int *)(place + 2) = 0x04030201; }}
int main() {{
    place = mmap((void *){ADDRESS:#x}, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (place != (void *){ADDRESS:#x}) return 3;
    first();
    second();
    place[8] = 1;
    if (!fork()) {{ first(); _exit(0); }}
    wait(0);
    int fd = open("/dev/zero", 0);
    read(fd, (void *)(place + 4), 2);
    return place[5] + place[8] - 1;
}}
"""


@pytest.fixture
def tracer() -> Iterator[Tracer]:
    tracer = Tracer()
    tracer.map(ADDRESS, 16, name="place")
    with tracer:
        yield tracer


def test_a_traced_program_is_watched_to_the_byte(tracer: Tracer) -> None:
    """Every store to the bytes is a hit, whole as it was made: of all processes, and of the kernel in a system call."""
    hits = tracer.watch(ADDRESS + 4, 2)
    assert run(tracer, program(SOURCE)).status == 0
    assert [(hit.access.address - ADDRESS, hit.access.width, hit.old, hit.new) for hit in hits] == [
        (4, 1, b"\0", b"\1"),
        (2, 4, b"\1\0", b"\3\4"),
        (4, 1, b"\3", b"\1"),  # the child's own copy
        (4, 2, b"\3\4", b"\0\0"),
    ]
    assert [hit.access.instruction is not None and hit.access.instruction.mnemonic for hit in hits][-1] == "syscall"
    assert len({hit.access.thread for hit in hits}) == 2


def test_what_is_recorded_is_the_same(tracer: Tracer) -> None:
    """Watching changes neither the trace nor the outcome."""
    assert run(tracer, program(SOURCE)).status == 0
    before = [(access.direction, access.offset, access.width, access.value) for access in tracer.trace]
    watched = Tracer()
    watched.map(ADDRESS, 16, name="place")
    for at in range(16):
        watched.watch(ADDRESS + at, 1, "access")
    assert run(watched, program(SOURCE)).status == 0
    assert [(access.direction, access.offset, access.width, access.value) for access in watched.trace] == before


def test_a_stop_ends_the_tracing(tracer: Tracer) -> None:
    """It comes out of `run`, as a device's exception does, and what was spawned is killed."""
    hits = tracer.watch(ADDRESS + 4, 2, value=0x0403, stop=True)
    tracer.spawn([program(SOURCE)])
    with pytest.raises(WatchpointStop) as caught:
        tracer.run()
    assert caught.value.hit is hits[0]
    assert hits[0].access.value == 0x04030201


def test_a_watchpoint_comes_and_goes_while_a_program_is_traced(tracer: Tracer) -> None:
    """One that is made later holds for processes there are, and one that is closed sees no more."""
    tracer.spawn([program(SOURCE)])
    late = tracer.watch(ADDRESS + 4, 2)
    closed = tracer.watch(ADDRESS + 4, 2)
    closed.close()
    assert tracer.run() == 0
    assert (late.total, closed.total) == (4, 0)


HEAP = r"""
__attribute__((noinline)) void overrun(volatile char *item) { for (int i = 0; i < 34; i++) item[i] = 'x'; }
int main() {
    char *item = malloc(24), *next = malloc(24);
    strcpy(next, "next");
    printf("%p\n", (void *)next);
    fflush(stdout);
    getchar();
    overrun(item);
    for (int i = 0; i < 100; i++) free(malloc(50 + 40 * i));
    printf("%s\n", next);
    return 0;
}
"""


def test_a_malloced_byte() -> None:
    """In another process any page can trap, malloc's own too: neighbours and malloc itself continue as usual."""
    path = program(HEAP, "-g")
    with subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        victim = int(process.stdout.readline(), 16)
        with Tracer() as tracer:
            tracer.map(victim, 4)
            hits = tracer.watch(victim, 4, name="next", symbols=Symbols(process.pid))
            tracer.attach(process.pid)
            process.stdin.write(b"go\n")
            process.stdin.flush()
            assert tracer.run() == 0
        output = process.stdout.read()
    assert [(hit.place, hit.old, hit.new) for hit in hits] == [("next[0]", b"n", b"x"), ("next[1]", b"e", b"x")]
    assert {hit.function for hit in hits} == {"overrun"}
    assert output == b"xxxt\n"


def test_what_is_no_range_is_refused(tracer: Tracer) -> None:
    """It leaves nothing behind."""
    with pytest.raises(ValueError, match="a watchpoint has at least one byte"):
        tracer.watch(ADDRESS, 0)
    with pytest.raises(MappingError, match="cannot be watched"):
        tracer.watch(-1, 1)
    assert run(tracer, program(SOURCE)).status == 0

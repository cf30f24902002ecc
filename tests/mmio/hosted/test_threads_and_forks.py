"""A program whose threads touch the device all the time makes children that touch it, too."""

from pathlib import Path

import pytest

from tests.mmio.hosted.engines import ENGINES, pagetrap
from tests.mmio.ptrace.programs import device_file, program

# 56 instructions that are executed out of line, and one that holds a lock: each at an address of its own.
_SOURCE = r"""
static volatile uint8_t *device;
static volatile int done;
#define ONE(n) __asm__ volatile("paddd %0,%%xmm0; .byte 15,31,128; .long " #n :: "m"(device[16 * (n % 8)]) : "xmm0");
#define EIGHT(n) ONE(n##0) ONE(n##1) ONE(n##2) ONE(n##3) ONE(n##4) ONE(n##5) ONE(n##6) ONE(n##7)
static void touch(void) {
    EIGHT(1) EIGHT(2) EIGHT(3) EIGHT(4) EIGHT(5) EIGHT(6) EIGHT(7)
    __asm__ volatile("lock addl $1,%0" :: "m"(device[128]));
}
static void *go_on(void *nothing) { while (!done) touch(); return 0; }
int main(int argc, char **argv) {
    device = (void *)map(argv[1], PROT_READ | PROT_WRITE);
    pthread_t threads[2];
    for (int n = 0; n < 2; n++) pthread_create(threads + n, 0, go_on, 0);
    int bad = 0;
    for (int n = 0; n < 8; n++) {
        pid_t child = fork();
        if (!child) { touch(); _exit(7); }
        int status;
        waitpid(child, &status, 0);
        bad += !WIFEXITED(status) || WEXITSTATUS(status) != 7;
    }
    done = 1;
    for (int n = 0; n < 2; n++) pthread_join(threads[n], 0);
    return bad;
}
"""

_MODEL = """
class Card:
    length = 4096

    def read(self, offset, width):
        return 1

    def write(self, offset, width, value):
        pass
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_children_of_a_busy_program(engine: str, tmp_path: Path) -> None:
    """A child is made while other threads are anywhere in an access, and continues."""
    card = device_file(tmp_path)
    (tmp_path / "card.py").write_text(_MODEL)
    run = pagetrap(engine, tmp_path, "run", ["--device", f"card.py:Card@{card}"], [program(_SOURCE), str(card)])
    assert run.status == 0, run.complaints

"""A program that sets RFLAGS.TF gets its debug exceptions, also after an instruction that accesses a device."""

from pathlib import Path

import pytest

from tests.mmio.hosted.engines import ENGINES, pagetrap
from tests.mmio.ptrace.programs import device_file, program

# The same code runs single-stepped on memory and on the device; the handler writes down where each trap was.
STEPPING = r"""
#include <ucontext.h>
static long trapped[2][64];
static int run, count[2];
static void on_trap(int number, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    if (info->si_code != 2 || (long)info->si_addr != uc->uc_mcontext.gregs[REG_RIP]) exit(3);
    if (count[run] < 64) trapped[run][count[run]++] = uc->uc_mcontext.gregs[REG_RIP];
}
__attribute__((noinline)) static void step(volatile uint32_t *p) {
    __asm__ volatile(
        "sub $128,%%rsp; pushfq; orl $0x100,(%%rsp); popfq\n"
        "mov (%0),%%eax\n incl 4(%0)\n nop\n mov %%eax,8(%0)\n"
        "sqrtps 16(%0),%%xmm0\n fnstenv 32(%0)\n xchg %%eax,(%0)\n"
        "pushfq; andl $~0x100,(%%rsp); popfq; add $128,%%rsp"
        : : "r"(p) : "rax", "xmm0", "memory", "cc");
}
int main(int argc, char **argv) {
    static uint32_t memory[32] __attribute__((aligned(64)));
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, 0);
    step(memory);
    volatile uint32_t *device = map(argv[1], PROT_READ | PROT_WRITE);
    run = 1;
    step(device);
    for (int i = 0; i < 64; i++) if (trapped[0][i] != trapped[1][i]) return 1;
    return count[0] != count[1] || count[0] < 10 ? 2 : 0;
}
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_every_instruction_traps_where_it_does_on_memory(tmp_path: Path, engine: str) -> None:
    """The traps come after the same instructions, emulated or executed out of line, and each access is made once."""
    path = device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [str(program(STEPPING)), str(path)])
    assert (run.status, run.complaints.count("Traceback")) == (0, 0), run.complaints
    assert [(a.letter, a.offset) for a in run.accesses] == [
        *(("R", 0), ("R", 4), ("W", 4), ("W", 8), ("R", 16), ("W", 32), ("RW", 0))
    ]

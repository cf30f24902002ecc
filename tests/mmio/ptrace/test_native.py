"""Instructions a traced thread completes natively, in a copy in its own memory."""

from collections import Counter
from pathlib import Path

from mmio.ptrace import Tracer
from tests.mmio.ptrace.programs import device_file, program, program_32, run

FORMS = r"""
static volatile int ticks;
static volatile uint64_t strange;
static void *pages;
static void tick(int number, siginfo_t *info, void *context) {
    ticks++;
    extern char etext, __executable_start;
}
static float *p;
static void *loads(void *unused) {
    float out[4] __attribute__((aligned(16)));
    for (int i = 0; i < 300; i++) {
        __asm__ volatile("sqrtps %1,%%xmm3; movaps %%xmm3,%0" : "=m"(out) : "m"(*(float(*)[4])p) : "xmm3");
        if (out[0] != 1 || out[1] != 2 || out[2] != 3 || out[3] != 4) return (void *)1;
    }
    return 0;
}
static void *stores(void *unused) {
    for (int i = 0; i < 300; i++)
        __asm__ volatile("fnstenv (%0); fldenv (%0)" : : "r"(p + 64) : "memory");
    return 0;
}
int main(int argc, char **argv) {
    p = (float *)map(argv[1], PROT_READ | PROT_WRITE);
    struct sigaction action = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGALRM, &action, 0);
    struct itimerval timer = {{0, 500}, {0, 500}};
    setitimer(ITIMER_REAL, &timer, 0);
    for (int i = 0; i < 4; i++) p[i] = (i + 1) * (i + 1);
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(threads + i, 0, i % 2 ? loads : stores, 0);
    long bad = 0;
    for (int i = 0; i < 4; i++) { void *r; pthread_join(threads[i], &r); bad += (long)r; }
    if (!fork()) _exit(!!loads(0));
    int status;
    wait(&status);
    return bad || status || !ticks;
}
"""


def test_results_are_the_cpus_in_all_threads(tmp_path: Path) -> None:
    """Loads and stores the emulator does not do give the CPU's results, in threads, under a timer, after fork."""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(FORMS), tmp_path / "device").status == 0
    loads = [access for access in tracer.trace if access.instruction and access.instruction.mnemonic == "sqrtps"]
    assert len(loads) == 900
    assert {(a.letter, a.width, a.notes) for a in loads} == {("R", 16, "native")}


def test_a_fault_in_the_copy_is_the_originals(tmp_path: Path) -> None:
    """A misaligned operand faults as it would in place, at the original's address."""
    source = r"""
    static sigjmp_buf back;
    static volatile uint64_t ip;
    static void fault(int number, siginfo_t *info, void *context) {
        ip = ((uint64_t *)context)[5 + 16];
        siglongjmp(back, 1);
    }
    extern char site[];
    int main(int argc, char **argv) {
        volatile char *p = (void *)map(argv[1], PROT_READ | PROT_WRITE);
        struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &action, 0);
        if (!sigsetjmp(back, 1)) {
            __asm__ volatile(".globl site; site: sqrtps 4(%0),%%xmm0" : : "r"(p) : "xmm0");
            return 1;
        }
        return ip != (uint64_t)site;
    }"""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(source), tmp_path / "device").status == 0


def test_32_bit_code_too(tmp_path: Path) -> None:
    """In a 32-bit program loads and stores are completed natively as well, any number of times."""
    source = r"""START {
        volatile unsigned *p = map(path);
        float out[4] __attribute__((aligned(16)));
        for (int i = 0; i < 4; i++) ((volatile float *)p)[i] = (i + 1) * (i + 1);
        for (int i = 0; i < 100; i++) {
            __asm__ volatile("sqrtps (%1),%%xmm3; movaps %%xmm3,%0" : "=m"(out) : "r"(p) : "xmm3");
            if (out[0] != 1 || out[1] != 2 || out[2] != 3 || out[3] != 4) leave(1);
            __asm__ volatile("fnstenv 64(%0); fldenv 64(%0)" : : "r"(p) : "memory");
        }
        leave(p[16] & 0xffff);
    }"""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program_32(source), tmp_path / "device").status == 0x37F & 0xFF
    native = Counter((a.letter, a.width, a.text.split()[0]) for a in tracer.trace if a.notes == "native")
    assert native == {("R", 16, "sqrtps"): 100, ("W", 28, "fnstenv"): 100, ("R", 28, "fldenv"): 100}

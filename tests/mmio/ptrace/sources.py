"""C programs that are run under more than one engine, or by several tests; each does to its device what its text says.

A program's first argument is the path of its device, unless it says otherwise. `programs.program` compiles them.
"""

THREADS = r"""
static volatile uint32_t *p;
static long count;
static void *work(void *number) {
    for (uint32_t i = 0; i < count; i++) p[(long)number] = i;
    return 0;
}
int main(int argc, char **argv) {
    count = atol(argv[2]);
    p = map(argv[1], PROT_READ | PROT_WRITE);
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(threads + i, 0, work, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
    return 3;
}
"""
"""Four threads at once; the second argument is how many stores each makes. Status 3."""

SIGNALS = r"""
static volatile int ticks;
static sigjmp_buf back;
static siginfo_t seen;
static void tick(int number) { ticks++; }
static void fault(int number, siginfo_t *info, void *context) { seen = *info; siglongjmp(back, 1); }
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE), *constant = map(argv[1], PROT_READ);
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO}, alarm = {.sa_handler = tick};
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGALRM, &alarm, 0);
    struct itimerval timer = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &timer, 0);
    for (int i = 0; i < 2000 || ticks < 3; i++) { p[1] = i; if (p[1] != i) return 1; }
    if (!sigsetjmp(back, 1)) *(volatile int *)0x1234 = 1;
    if (seen.si_addr != (void *)0x1234 || seen.si_code != SEGV_MAPERR) return 2;
    if (!sigsetjmp(back, 1)) __asm__ volatile("hlt");
    if (seen.si_addr || seen.si_code != SI_KERNEL) return 3;
    if (constant[1] != p[1]) return 4;
    if (!sigsetjmp(back, 1)) constant[2] = 1;
    if (seen.si_addr != (void *)(constant + 2)) return 5;
    if (!sigsetjmp(back, 1)) __asm__ volatile("movsl" : : "S"(p), "D"(0x1234L) : "memory");
    if (seen.si_addr != (void *)0x1234) return 6;
    munmap((void *)p, 4096);
    seen.si_addr = 0;
    if (!sigsetjmp(back, 1)) p[2] = 1;
    if (seen.si_addr != (void *)(p + 2)) return 7;
    sigsetjmp(back, 1);
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_REAL, &timer, 0);
    signal(SIGSEGV, SIG_DFL);
    *(volatile int *)0x1234 = 1;
    return 8;
}
"""
"""Its own handlers hear of its timer and of its own faults; it ends by SIGSEGV, or says which step went wrong."""

MAPPINGS = r"""
static sigjmp_buf back;
static void fault(int number) { siglongjmp(back, 1); }
int main(int argc, char **argv) {
    signal(SIGSEGV, fault);
    int fd = open(argv[1], O_RDWR);
    volatile uint32_t *p = mmap(0, 0x3000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    p[0x800] = 1;
    munmap((char *)p + 0x1000, 0x1000);
    p[0] = 2, p[0x801] = 3;
    volatile uint32_t *q = mremap((char *)p + 0x2000, 0x1000, 0x2000, MREMAP_MAYMOVE);
    if (q == MAP_FAILED) return 1;
    q[2] = 4, q[0x400] = 5;
    if (mprotect((void *)q, 0x1000, PROT_READ)) return 2;
    if (q[2] != 4) return 3;
    if (!sigsetjmp(back, 1)) { q[2] = 9; return 4; }
    if (mprotect((void *)q, 0x1000, PROT_READ | PROT_WRITE)) return 5;
    q[2] = 6;
    volatile uint32_t *r = mmap((void *)0x600000000000, 0x1000, PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0x1000);
    if (r != (void *)0x600000000000) return 6;
    if (write(1, (void *)(r + 1), 4) != 4) return 7;
    return 0;
}
"""
"""mmap, munmap of a part, mremap, mprotect, and a mapping at a fixed address that is given to the kernel."""

NATIVE = r"""
static volatile int ticks;
static void tick(int number) { ticks++; }
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
    signal(SIGALRM, tick);
    struct itimerval timer = {{0, 500}, {0, 500}};
    setitimer(ITIMER_REAL, &timer, 0);
    for (int i = 0; i < 4; i++) p[i] = (i + 1) * (i + 1);
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(threads + i, 0, i % 2 ? loads : stores, 0);
    long bad = 0;
    for (int i = 0; i < 4; i++) { void *r; pthread_join(threads[i], &r); bad += (long)r; }
    int status = 0;
    if (argc > 2) {
        if (!fork()) _exit(!!loads(0));
        wait(&status);
    }
    return bad || status || !ticks;
}
"""
"""Loads and stores that are completed natively, in four threads and under a timer; if there are two arguments, in a
child as well."""

_FAULTING = r"""
static sigjmp_buf back;
static volatile uint64_t ip, at, code;
static void fault(int number, siginfo_t *info, void *context) {
    ip = ((uint64_t *)context)[5 + 16];
    at = (uint64_t)info->si_addr;
    code = info->si_code;
    siglongjmp(back, 1);
}
static void tick(int number) {}
extern char site[];
"""

MISALIGNED = (
    _FAULTING
    + r"""
int main(int argc, char **argv) {
    volatile char *p = (void *)map(argv[1], PROT_READ | PROT_WRITE);
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    if (!sigsetjmp(back, 1)) {
        __asm__ volatile(".globl site; site: sqrtps 4(%0),%%xmm0" : : "r"(p) : "xmm0");
        return 1;
    }
    return ip != (uint64_t)site ? 2 : code != SI_KERNEL ? 3 : 0;
}
"""
)
"""An operand that must be aligned and is not: status 0 when the CPU's #GP comes as without us."""

DIVIDING = (
    _FAULTING
    + r"""
int main(int argc, char **argv) {
    volatile char *p = (void *)map(argv[1], PROT_READ | PROT_WRITE);
    uint32_t unmasked = 0x1d80;
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGFPE, &action, 0);
    signal(SIGALRM, tick);
    struct itimerval often = {{0, 300}, {0, 300}};
    setitimer(ITIMER_REAL, &often, 0);
    for (int i = 0; i < 200; i++) {
        if (!sigsetjmp(back, 1)) {
            __asm__ volatile(
                "ldmxcsr %1; pcmpeqd %%xmm0,%%xmm0; pslld $25,%%xmm0; psrld $2,%%xmm0\n"  /* ones */
                ".globl site; site: divps (%0),%%xmm0" : : "r"(p), "m"(unmasked) : "xmm0");
            return 1;
        }
        if (ip != (uint64_t)site || at != ip || code != FPE_FLTDIV) return 2;
    }
    return 0;
}
"""
)
"""Natively completed divisions by a device's zeros, under a timer: status 0 when each raises SIGFPE at the original."""

BEYOND = (
    _FAULTING
    + r"""
int main(int argc, char **argv) {
    int fd = open(argv[1], O_RDWR);
    volatile char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, 0);
    p[4095] = 1;
    if (!sigsetjmp(back, 1)) {
        p[4096 + 5] = 1;
        return 1;
    }
    return code != BUS_ADRERR ? 2 : at != (uint64_t)p + 4096 + 5 ? 3 : 0;
}
"""
)
"""A page mapped beyond the end of its file: status 0 when the SIGBUS says what it does without us (mmap(2))."""

HANDLED = r"""
#include <ucontext.h>
static volatile int traps, wrong;
static void trap(int number) { traps++; }
static void fault(int number, siginfo_t *info, void *context) {
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    uint64_t flags;
    __asm__ volatile("pushf; pop %0; cld" : "=r"(flags));
    if (flags & 0x400) wrong |= 1;
    if ((regs[REG_EFL] & 0x500) != 0x500) wrong |= 2;
    if (traps) wrong |= 4;
    regs[REG_EFL] &= ~0x500;
    regs[REG_RIP] += 2;
}
int main(int argc, char **argv) {
    map(argv[1], PROT_READ);
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    signal(SIGTRAP, trap);
    uint64_t one, other;
    __asm__ volatile(
        "lea -256(%%rsp),%%rsp; movq $77,-16(%%rsp); movq $78,-128(%%rsp); mov $8,%%eax\n"
        "pushf; orl $0x500,(%%rsp); popf; movb (%%rax),%%al\n"  /* DF and TF, and a fault of two bytes */
        "mov -16(%%rsp),%0; mov -128(%%rsp),%1; lea 256(%%rsp),%%rsp"
        : "=&r"(one), "=&r"(other) : : "rax", "memory", "cc");
    return wrong ? wrong : one != 77 || other != 78 ? 16 : 0;
}
"""
"""A fault with DF and TF set, and bytes below the stack pointer: status 0 when its handler begins as the ABI has it."""

ENDLESS = r"""
int main() { volatile uint32_t *p = map("/nowhere", PROT_READ); for (;;) p[0]; }
"""
"""Reads the device `/nowhere` until it is ended."""

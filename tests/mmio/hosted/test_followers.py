"""Jumps that stand over the instructions behind a patched one: one test a hazard. All is patched at its first fault.

IN of one byte is followed by `mov ecx,1`, so that a jump in its place alone would lead into the program's own image.
"""

from typing import Any

import pytest

from tests.mmio.hosted.test_patching import Result, host
from tests.mmio.ptrace.programs import program

pytestmark = pytest.mark.cpu("XSAVE")

TARGET = "host.map_ports(0x300, 16, Model())"
JUMPED_TO = "other code jumps to the instructions behind it"

NEWLINE = """
__attribute__((destructor)) static void newline(void) { puts(""); }
"""

CODE = """
__asm__(".text\\n.globl get, behind, then, end\\n"
    "get: inb %dx,%al\\n"
    "behind: mov $1,%ecx\\n"
    "then: lea (%rax,%rcx),%eax; ret\\nend:");
extern char get[], behind[], then[], end[];
static char image[1 << 20];  // wherever a small displacement leads
static uint32_t from(char *where, uint32_t a) {
    uint32_t c = 77;
    __asm__ volatile("call *%[where]" : "+a"(a), "+c"(c) : [where] "b"(where), "d"(0x302) : "cc", "memory");
    if (c != 1) exit(99);
    return a;
}
static int stands(void) { return *(volatile unsigned char *)get == 0xe9; }
"""


def ports(body: str, **options: Any) -> Result:
    """Compile and host a program that has IO ports, with a device that answers each read with its offset and one."""
    main = (
        f"{NEWLINE}{CODE}{body}"
        if "int main" in body
        else f"{NEWLINE}{CODE}int main(void) {{ ioperm(0x300, 16, 1); {body} }}"
    )
    return host("none", [program(main, "-mno-red-zone")], target=TARGET, **options)


def test_an_instruction_of_one_byte_calls() -> None:
    """Values, and what follows the instruction, are as by signals."""
    body = 'uint32_t sum = 0; for (int i = 0; i < 50; i++) sum += from(get, 0); printf("%u %d", sum, stands());'
    run, other = ports(body), ports(body, patching=False)
    assert (run.status, run.output, run.signals, run.calls, run.patched, run.unpatched) == (0, "200 1", 1, 49, 1, {})
    assert (other.output, other.calls) == ("200 0", 0)
    assert [row[:4] + row[5:] for row in run.rows] == [row[:4] + row[5:] for row in other.rows]


def test_a_jump_to_the_next_instruction() -> None:
    """It faults there, and continues with the copy; no access is made."""
    body = """
    uint32_t sum = 0;
    for (int i = 0; i < 20; i++) sum += from(get, 0) + from(behind, 100);
    printf("%u %d", sum, stands());
    """
    run = ports(body)
    assert (run.output, run.calls, run.unpatched) == (f"{20 * (4 + 101)} 1", 19, {})
    assert len(run.rows) == 20


def test_jumps_that_are_more_than_calls_end_it() -> None:
    """Each of them is a signal, where there was none before: then the instruction is restored for good."""
    body = """
    uint32_t sum = from(get, 0), last = 0;
    for (int i = 0; i < 1000; i++) { sum += from(behind, 100); last += stands(); }
    for (int i = 0; i < 5; i++) sum += from(get, 0);
    printf("%u %d", sum, last);
    """
    run = ports(body)
    assert (run.output, run.signals, run.calls) == (f"{6 * 4 + 1000 * 101} 7", 6, 0)  # and one after the first access
    assert run.unpatched == {JUMPED_TO: 1}


MIDDLE = """
__asm__(".text\\n.globl some, inside\\n"
    "some: inb %dx,%al; mov $0xc3,%ecx; ret\\n"  // the constant is a RET
    ".set inside, some + 2\\n");
extern char some[], inside[];
int main(void) {
    ioperm(0x300, 16, 1);
    uint32_t a = 0, c = 5, d = 0x300;
    for (int i = 0; i < 3; i++) __asm__ volatile("call some" : "+a"(a), "+c"(c) : "d"(d) : "cc", "memory");
    int stood = *(unsigned char *)some == 0xe9;
    __asm__ volatile("call inside" : "+c"(c) : : "cc", "memory");
    for (int i = 0; i < 3; i++) __asm__ volatile("call some" : "+a"(a), "+c"(c) : "d"(d) : "cc", "memory");
    printf("%u %u %d %d", a, c, stood, *(unsigned char *)some == 0xe9);
    return 0;
}
"""


def test_a_jump_into_the_middle_of_one() -> None:
    """Code may overlap: no instruction is known to start there, so the original is executed, and stays."""
    run = ports(MIDDLE)
    assert (run.status, run.output, run.calls, run.signals) == (0, f"1 {0xC3} 1 0", 2, 4)
    assert run.unpatched == {JUMPED_TO: 1}


DURING = """
#include <ucontext.h>
static volatile int at_behind, handled;
static void on_signal(int number, siginfo_t *info, void *context) {
    handled++;
    at_behind += ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] == (uintptr_t)behind;
}
int main(void) {
    ioperm(0x300, 16, 1);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, 0);
    uint32_t sum = 0;
    for (int i = 0; i < 50; i++) sum += from(get, 0);
    printf("%u %d %d %d", sum, handled, at_behind, stands());
    return 0;
}
"""


def test_a_handler_returns_to_an_instruction_that_is_halted() -> None:
    """It has interrupted the thread there: in the fault that the jump was made in, and after each call of the stub."""
    run = ports(DURING, read="os.kill(os.getpid(), signal.SIGUSR1)")
    assert (run.status, run.output, run.calls) == (0, "200 50 50 1", 49)


STORM = """
#include <ucontext.h>
static sigjmp_buf again;
static volatile unsigned handled, wrong, left, inside, seen;
static void on_alarm(int number, siginfo_t *info, void *context) {
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    uintptr_t ip = regs[REG_RIP];
    if ((char *)ip >= get && (char *)ip < end) {
        inside++;
        if ((char *)ip != get && (char *)ip != behind && (char *)ip != then && (char *)ip != end - 1) wrong++;
        if ((char *)ip == behind && (regs[REG_RAX] & 0xff) != 3) wrong++;
        if ((char *)ip == then && (uint32_t)regs[REG_RCX] != 1) wrong++;
    } else if (ip >> 40 != (uintptr_t)get >> 40) wrong++;
    handled++;
    wrong += from(get, 0) != 4;
    if (handled % 3 == 0) { left++; siglongjmp(again, 1); }
}
int main(void) {
    ioperm(0x300, 16, 1);
    wrong += from(get, 0) != 4;
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO};
    sigaction(SIGALRM, &action, 0);
    struct itimerval often = {{0, 300}, {0, 300}};
    sigsetjmp(again, 1);
    if (!seen++) setitimer(ITIMER_REAL, &often, 0);
    while (handled < 600) {
        wrong += from(get, 0) != 4;
        wrong += from(behind, 3) != 4;
    }
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    sigprocmask(SIG_BLOCK, &alarms, 0);
    printf("%u %d %d %d", wrong, left > 100, inside > 50, stands());
    return 0;
}
"""


def test_signals_at_any_time() -> None:
    """Handlers see the instructions of the program, with their registers, wherever the thread was; some jump out."""
    run = ports(STORM)
    assert (run.status, run.output) == (0, "0 1 1 1")
    assert run.calls > 600


STEPS = """
#include <ucontext.h>
static unsigned long at[64];
static int count;
static void on_trap(int number, siginfo_t *info, void *context) {
    unsigned long ip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    if (count < 64) at[count++] = ip;
    if ((unsigned long)info->si_addr != ip) exit(3);
}
__attribute__((noinline)) static uint32_t step(char *where) {
    uint32_t a = 0, c;
    __asm__ volatile(
        "pushfq; orl $0x100,(%%rsp); popfq; call *%[where]; pushfq; andl $~0x100,(%%rsp); popfq"
        : "+a"(a), "=c"(c) : [where] "b"(where), "d"(0x302) : "cc", "memory");
    return a + c;
}
int main(void) {
    ioperm(0x300, 16, 1);
    sigaction(SIGTRAP, &(struct sigaction){.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO}, 0);
    uint32_t sum = 0;
    for (int i = 0; i < 5; i++) sum += from(get, 0);
    sum += step(get) + step(behind);
    printf("%u", sum);
    for (int i = 0; i < count; i++) printf(" %ld", at[i] - (unsigned long)get);
    return 0;
}
"""


def test_steps_by_the_trap_flag() -> None:
    """One trap an instruction, at its address, as without patching."""
    run, other = ports(STEPS), ports(STEPS, patching=False)
    assert (run.status, run.output) == (0, other.output)
    assert run.output.count(" ") > 12
    assert run.calls == 4


CHANGED = """
int main(void) {
    ioperm(0x300, 16, 1);
    uintptr_t page = (uintptr_t)get & -4096;
    char before[8], now[8];
    memcpy(before, get, 8);
    for (int round = 1; round < 6; round++) {
        uint32_t sum = 0, a, c;
        for (int i = 0; i < 4; i++) {
            __asm__ volatile("call get" : "=a"(a), "=c"(c) : "d"(0x302) : "cc", "memory");
            sum += c;
        }
        printf("%u %d ", sum, round > 2 || stands());
        mprotect((void *)page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
        memcpy(now, get, 8);
        printf("%d ", memcmp(before + 2, now + 2, 1) == 0 || round > 1);
        before[2] = behind[1] = round;  // the constant, of which the jump has the place
        mprotect((void *)page, 8192, PROT_READ | PROT_EXEC);
        if (memcmp(before, get, 8)) printf("torn ");
    }
    return 0;
}
"""


def test_text_that_the_program_changes() -> None:
    """All that the jump stands over is restored before, and executed as it is then."""
    run = ports(CHANGED)
    assert (run.status, run.output.split()) == (0, [*"411", *"411", *"811", "12", *"11", "16", *"11"])


FORKS = """
int main(void) {
    ioperm(0x300, 16, 1);
    uint32_t wrong = from(get, 0) != 4;
    for (int round = 0; round < 3; round++) {
        pid_t child = fork();
        for (int i = 0; i < 20; i++) wrong += from(get, 0) != 4 || from(behind, 3) != 4;
        if (!child) {
            for (int i = 0; i < 100; i++) wrong += from(behind, 3) != 4;
            wrong += from(get, 0) != 4;
            _exit(wrong);
        }
        int status;
        waitpid(child, &status, 0);
        wrong += status != 0;
    }
    printf("%u %d", wrong, stands());
    return 0;
}
"""


def test_children() -> None:
    """A child jumps to copies as its parent does, and takes its own jump back."""
    run = ports(FORKS)
    assert (run.status, run.output, len(run.rows)) == (0, "0 1", 1 + 3 * 20 + 3 * 21)


NEIGHBOURS = """
static char image_of_neighbours[1 << 20];
int main(void) {
    ioperm(0x300, 16, 1);
    uint32_t a, wrong = 0;
    for (int i = 0; i < 9; i++) {
        a = 0x03020100;
        unsigned char equal;
        __asm__ volatile("outl %%eax,%%dx; inl %%dx,%%eax; cmp $0x80000000,%%eax; setb %1"
            : "+a"(a), "=b"(equal) : "d"(0x304) : "cc", "memory");
        wrong += a != 5 || !equal;
        __asm__ volatile("outb %%al,$0x71; mov $10,%%ecx; add %%ecx,%%eax" : "+a"(a) : : "ecx", "cc");
        wrong += a != 15;
    }
    printf("%u", wrong);
    return 0;
}
"""


def test_neighbours() -> None:
    """Where an instruction leads nowhere until the next one is patched, it is tried again; and so with two bytes."""
    run = host("none", [program(NEWLINE + NEIGHBOURS)], target=f"{TARGET}; host.map_ports(0x70, 2, Model())")
    assert (run.status, run.output, run.patched, run.unpatched) == (0, "0", 3, {})
    assert run.signals + run.calls == len(run.rows) == 27
    assert run.signals == 4

"""Patched instructions of a hosted program: one test a hazard. Each program is run patched, at its first fault."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.mmio.hosted.engines import pagetrap, patch_after
from tests.mmio.ptrace.programs import PRELUDE, compiled, device_file, program
from tests.native import run_python

pytestmark = pytest.mark.cpu("XSAVE")

RUN = """
import json, os, signal, sys
from mmio.hosted import Host, patching

def called_directly():
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_name not in ("enter", "on_stub", "on_access"):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "enter"

class Model:
    length = 4096
    reads = direct = 0
    def read(self, offset, width):
        self.reads += 1
        self.direct += called_directly()
        {read}
        return offset + 1
    def write(self, offset, width, value):
        self.direct += called_directly()
        {write}

model = Model()
patching.FAULTS, patching.ONLY_FRAMES = {faults}, {frames}
host = Host(patching={patching})
{target}
host.spawn(sys.argv[2:])
try:
    status = host.run()
except RuntimeError as error:
    status = str(error)
counts = host.stats
rows = [(a.letter, a.offset, a.width, a.value, a.thread, a.text) for a in host.trace]
print(json.dumps([status, counts.signals, counts.calls, counts.patched, counts.unpatched, rows, model.direct]))
"""


class Result(NamedTuple):
    """How a program ended, what it printed, how its accesses came, the records, and how often it called directly."""

    status: Any
    output: str
    signals: int
    calls: int
    patched: int
    unpatched: dict[str, int]
    rows: list[list[Any]]
    direct: int


def host(
    path: Path | str,
    arguments: Sequence[str],
    *,
    read: str = "pass",
    write: str = "pass",
    target: str = "host.map_file(sys.argv[1], model)",
    faults: int = 1,
    frames: bool = False,
    patching: bool = True,
) -> Result:
    """Run a program in a Python of its own, with a device that answers each read with its offset and one."""
    text = RUN.format(read=read, write=write, target=target, faults=faults, frames=frames, patching=patching)
    done = run_python(text, str(path), *arguments)
    assert done.returncode == 0, done.stderr
    *output, last = done.stdout.splitlines()
    return Result((found := json.loads(last))[0], "\n".join(output), *found[1:])


def here(body: str, directory: Path, *flags: str, **options: Any) -> Result:
    """Compile and host a program with a device file."""
    path = device_file(directory)
    return host(path, [program(body, *flags), str(path)], **options)


LOOP = """
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ | PROT_WRITE);
    uint64_t sum = 0;
    for (int i = 0; i < 1000; i++) {
        sum += device[i & 255];
        device[3] = i;
    }
    printf("%lu\\n", sum);
    return 0;
}
"""
SUM = sum(4 * (i & 255) + 1 for i in range(1000))


def test_an_instruction_calls_once_it_has_faulted_often_enough(tmp_path: Path) -> None:
    """The count is that of the faults; all accesses are recorded, with values and the instruction's text."""
    run = here(LOOP, tmp_path, faults=5)
    assert (run.status, run.output) == (0, str(SUM))
    assert (run.signals, run.calls, run.patched, run.unpatched) == (10, 1990, 2, {})
    assert [row[:4] for row in run.rows] == [
        row for i in range(1000) for row in (["R", 4 * (i & 255), 4, 4 * (i & 255) + 1], ["W", 12, 4, i])
    ]
    assert len({row[5] for row in run.rows}) == 2


def test_without_patching_each_access_is_a_signal(tmp_path: Path) -> None:
    """Output and records are the same."""
    run, other = here(LOOP, tmp_path), here(LOOP, tmp_path, patching=False)
    assert (other.signals, other.calls, other.patched, other.unpatched) == (0, 0, 0, {})
    assert (run.output, [row[:4] for row in run.rows]) == (other.output, [row[:4] for row in other.rows])


def test_the_command_leaves_instructions_alone_when_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--no-patching is for programs that read their own text, which sees the jumps otherwise."""
    patch_after(1, monkeypatch)
    options = ["-q", "--device", "models.py:Pattern@device"]
    arguments = [program(OWN_TEXT), str(device_file(tmp_path))]
    runs = [pagetrap("inprocess", tmp_path, "run", [*more, *options], arguments) for more in ([], ["--no-patching"])]
    assert [(run.status, run.output) for run in runs] == [(0, "changed\n"), (0, "same\n")]
    assert len({str([access.value for access in run.accesses]) for run in runs}) == 1


def test_the_other_engine_has_nothing_to_leave_alone(tmp_path: Path) -> None:
    """--no-patching is refused where nothing is patched."""
    run = pagetrap("ptrace", tmp_path, "trace", ["--no-patching", "--map", "*/device"], ["true"])
    assert run.status == 2
    assert run.complaints.startswith("pagetrap trace: --no-patching is about --engine=inprocess, which was not given")


OWN_TEXT = """
__attribute__((noinline)) uint32_t load(volatile uint32_t *p) { return p[5]; }
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ);
    unsigned char before[8];
    memcpy(before, (void *)load, 8);
    for (int i = 0; i < 3; i++) load(device);
    puts(memcmp(before, (void *)load, 8) ? "changed" : "same");
    return 0;
}
"""

STORM = """
#include <link.h>
#include <ucontext.h>
static sigjmp_buf again;
static volatile uint32_t *device;
static volatile unsigned handled, wrong, seen, left;
static struct { uintptr_t start, end; } text[16];
static int texts;
static int note(struct dl_phdr_info *info, size_t size, void *data) {
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X && texts < 16) {
            text[texts].start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            text[texts].end = text[texts].start + info->dlpi_phdr[i].p_memsz;
            texts++;
        }
    return 0;
}
static void on_alarm(int number, siginfo_t *info, void *context) {
    uintptr_t ip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    int known = 0;
    for (int i = 0; i < texts; i++) known |= text[i].start <= ip && ip < text[i].end;
    if (!known) wrong++;
    handled++;
    if (device[9] != 37) wrong++;
    device[10] = handled;
    if (handled % 3 == 0) { left++; siglongjmp(again, 1); }
}
int main(int argc, char **argv) {
    device = map(argv[1], PROT_READ | PROT_WRITE);
    dl_iterate_phdr(note, 0);
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO};
    sigaction(SIGALRM, &action, 0);
    struct itimerval often = {{0, 300}, {0, 300}};
    sigsetjmp(again, 1);
    if (!seen) setitimer(ITIMER_REAL, &often, 0);
    while (handled < 400) {
        uint32_t at = seen++ & 255;
        if (device[at] != 4 * at + 1) wrong++;
        uint64_t keep = 0x123456789abcdef0 ^ seen, flags;
        uint32_t value;
        __asm__ volatile("stc; mov 4(%2),%1; setc %b0" : "=q"(flags), "=r"(value) : "r"(device), "0"(0L) : "cc");
        if (value != 5 || flags != 1 || keep != (0x123456789abcdef0 ^ seen)) wrong++;
    }
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    sigprocmask(SIG_BLOCK, &alarms, 0);
    printf("%u %u %u\\n", wrong, left > 50, handled);
    return 0;
}
"""


def test_signals_at_any_time(tmp_path: Path) -> None:
    """Handlers that access the device, return or jump out see an instruction pointer of the program's, and no harm."""
    run = here(STORM, tmp_path)
    wrong, often, handled = map(int, run.output.split())
    assert (run.status, wrong, often) == (0, 0, 1)
    assert run.calls > 1000
    assert [row[3] for row in run.rows if row[0] == "W"] == [*range(1, handled + 1)]


DURING = """
#include <ucontext.h>
extern char behind[];
static volatile int at_next, handled;
static void on_signal(int number, siginfo_t *info, void *context) {
    handled++;
    at_next += ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] == (uintptr_t)behind
        && (uint32_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] == 9;
}
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, 0);
    for (int i = 0; i < 100; i++)
        __asm__ volatile("mov 8(%0),%%eax\\n.globl behind\\nbehind: nop" : : "r"(device) : "rax", "memory");
    printf("%d %d\\n", handled, at_next);
    return 0;
}
"""


def test_a_signal_that_comes_while_the_device_answers(tmp_path: Path) -> None:
    """It is delivered when the access has been made, and shows the instruction behind it."""
    run = here(DURING, tmp_path, read="os.kill(os.getpid(), signal.SIGUSR1)")
    assert (run.status, run.output, run.signals, run.calls) == (0, "100 100", 1, 99)


THREADS = """
static volatile uint32_t *device;
static void *work(void *number) {
    long own = (long)number, wrong = 0;
    for (int i = 0; i < 500; i++) {
        wrong += device[own + (i & 7)] != 4 * (own + (i & 7)) + 1;
        device[own] = i;
    }
    return (void *)wrong;
}
int main(int argc, char **argv) {
    device = map(argv[1], PROT_READ | PROT_WRITE);
    long wrong = (long)work((void *)0);
    pthread_t threads[6];
    for (long i = 0; i < 6; i++) pthread_create(&threads[i], 0, work, (void *)(16 * (i + 1)));
    for (int i = 0; i < 6; i++) {
        void *found;
        pthread_join(threads[i], &found);
        wrong += (long)found;
    }
    printf("%ld\\n", wrong);
    return 0;
}
"""


def test_threads_share_patched_instructions(tmp_path: Path) -> None:
    """Each thread's accesses are made once, in its order, and under its number."""
    run = here(THREADS, tmp_path)
    assert (run.status, run.output) == (0, "0")
    for own in range(0, 112, 16):
        rows = [row for row in run.rows if row[0] == "W" and row[1] == 4 * own]
        assert [row[3] for row in rows] == [*range(500)]
        assert len({row[4] for row in rows}) == 1
    assert len({row[4] for row in run.rows}) == 7
    assert run.calls > 6000


SHARING = """
static volatile uint32_t *device;
static volatile int done;
static char stack[65536] __attribute__((aligned(16)));
static int work(void *nothing) {
    for (int i = 0; i < 300; i++) device[20] = i;
    done = 1;
    for (;;) __asm__ volatile("syscall" : : "a"(60), "D"(0) : "rcx", "r11", "memory");
}
int main(int argc, char **argv) {
    device = map(argv[1], PROT_READ | PROT_WRITE);
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    clone(work, stack + sizeof stack, flags, 0);
    int i = 0;
    while (!done || i < 300) device[30] = i++;
    printf("%d\\n", i);
    return 0;
}
"""


def test_threads_with_one_fs_base(tmp_path: Path) -> None:
    """A thread is not told by its FS base: two may have the same."""
    run = here(SHARING, tmp_path, read="pass")
    assert run.status == 0
    assert [row[3] for row in run.rows if row[1] == 80] == [*range(300)]
    assert [row[3] for row in run.rows if row[1] == 120] == [*range(int(run.output))]


FORKS = """
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ | PROT_WRITE);
    int wrong = 0;
    for (int i = 0; i < 20; i++) { wrong += device[1] != 5; device[2] = i; }
    for (int round = 0; round < 3; round++) {
        pid_t child = fork();
        for (int i = 0; i < 20; i++) { wrong += device[1] != 5; device[2] = 100 + i + 100 * !child; }
        if (!child) _exit(wrong);
        int status;
        waitpid(child, &status, 0);
        wrong += status != 0;
    }
    printf("%d\\n", wrong);
    return 0;
}
"""


def test_children_go_on_with_the_stubs_of_their_parent(tmp_path: Path) -> None:
    """A child's access by a stub is made in the first process, as one by a signal is, and has the child's number."""
    run = here(FORKS, tmp_path)
    assert (run.status, run.output, len(run.rows)) == (0, "0", 40 * 7)
    by_thread: dict[int, list[int]] = {}
    for row in run.rows:
        if row[0] == "W":
            by_thread.setdefault(row[4], []).append(row[3])
    assert len(by_thread) == 4
    assert sorted(map(len, by_thread.values())) == [20, 20, 20, 80]
    assert sorted(by_thread.values(), key=len)[:3] == [[*range(200, 220)]] * 3


VFORK = """
#include <spawn.h>
extern char **environ;
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ | PROT_WRITE);
    if (argc > 2) { for (int i = 0; i < 30; i++) device[4] = i; return 7; }
    int wrong = 0;
    for (int i = 0; i < 30; i++) wrong += device[1] != 5;
    char *arguments[] = {argv[0], argv[1], "again", 0};
    for (int round = 0; round < 2; round++) {
        pid_t child;
        int status;
        wrong += posix_spawn(&child, argv[0], 0, 0, arguments, environ) != 0;
        waitpid(child, &status, 0);
        wrong += status != 0x700;
        for (int i = 0; i < 30; i++) wrong += device[1] != 5;
    }
    printf("%d\\n", wrong);
    fflush(stdout);
    execv(argv[0], arguments);
}
"""


def test_vfork_and_execve(tmp_path: Path) -> None:
    """What is executed begins with its text as it is; what vfork's child changes does no harm to the parent's stubs."""
    run = here(VFORK, tmp_path)
    assert (run.status, run.output) == (7, "0")
    assert [row[0] for row in run.rows].count("W") == 90
    assert [row[0] for row in run.rows].count("R") == 90
    assert run.patched == 3
    assert run.signals + run.calls >= 120


REPLACED = """
static const char A[] = {0x8b, 0x47, 4, 0xc3}, B[] = {0x8b, 0x47, 8, 0xc3}, C[] = {0x90, 0x8b, 0x07, 0xc3};
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ);
    const char *codes[] = {A, B, C};
    int files[3];
    for (int i = 0; i < 3; i++) {
        char name[200];
        snprintf(name, sizeof name, "%s.%d", argv[1], i);
        files[i] = open(name, O_RDWR | O_CREAT, 0700);
        write(files[i], codes[i], 4);
        ftruncate(files[i], 4096);
    }
    char *place = mmap(0, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, files[0], 0);
    uint32_t (*load)(volatile uint32_t *) = (void *)place;
    static const int order[] = {0, 1, 0, 2, 1, 1, 2, 0, 0, 2};
    for (int i = 0; i < 10; i++) {
        if (i % 2) munmap(place, 4096);
        mmap(place, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, files[order[i]], 0);
        for (int j = 0; j < 3; j++) printf("%u ", load(device));
    }
    puts("");
    return 0;
}
"""


def test_other_code_at_the_address(tmp_path: Path) -> None:
    """Text that has been unloaded and replaced is what stands there now, also where it is the same again."""
    run = here(REPLACED, tmp_path)
    values = {0: 5, 1: 9, 2: 1}
    expected = [values[which] for which in (0, 1, 0, 2, 1, 1, 2, 0, 0, 2) for _ in range(3)]
    assert (run.status, run.output.split()) == (0, [*map(str, expected)])
    assert [row[3] for row in run.rows] == expected
    assert run.calls > 10


CHANGED = """
__asm__(".text; .balign 4096; .globl load; load: mov (%rdi),%eax; next: add $1,%eax; ret; .balign 4096");
uint32_t load(volatile uint32_t *);
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ);
    static const int ways[] = {PROT_READ | PROT_WRITE | PROT_EXEC, PROT_READ | PROT_WRITE};
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 3; i++) printf("%u ", load(device + 1));
        mprotect((void *)load, 4096, ways[round & 1]);
        ((char *)load)[4] = round;   // the operand of ADD, part of the jump
        mprotect((void *)load, 4096, PROT_READ | PROT_EXEC);
    }
    puts("");
    return 0;
}
"""


def test_text_that_the_program_changes(tmp_path: Path) -> None:
    """An instruction behind a patched one, whose bytes are part of the jump, is changed by the program."""
    run = here(CHANGED, tmp_path)
    assert (run.status, run.output.split()) == (0, [*map(str, [6] * 3 + [5 + n for n in range(5) for _ in range(3)])])
    assert [row[3] for row in run.rows] == [5] * 18


BLOCKED = """
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ);
    sigset_t every;
    sigfillset(&every);
    sigprocmask(SIG_SETMASK, &every, 0);
    uint32_t sum = 0;
    for (int i = 0; i < 50; i++) sum += device[1];
    sigset_t now;
    sigprocmask(SIG_SETMASK, 0, &now);
    printf("%u %d %d\\n", sum, sigismember(&now, SIGSEGV), sigismember(&now, SIGALRM));
    return 0;
}
"""


def test_a_program_that_blocks_every_signal(tmp_path: Path) -> None:
    """SIGSEGV is blocked in its virtual mask only, which is unchanged after each access."""
    run = here(BLOCKED, tmp_path)
    assert (run.status, run.output, run.signals, run.calls) == (0, "250 1 1", 1, 49)


MEMORY = """
__attribute__((noinline)) uint32_t load(volatile uint32_t *p) { return p[1]; }
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ);
    uint32_t own[4] = {1, 77, 3}, sum = 0;
    for (int i = 0; i < 10; i++) sum += load(device) + load(own);
    munmap((void *)device, 4096);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    uint32_t *memory = mmap((void *)device, 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
    memory[1] = 1000;
    for (int i = 0; i < 10; i++) sum += load(memory);
    printf("%u\\n", sum);
    fflush(stdout);
    munmap(memory, 4096);
    signal(SIGSEGV, SIG_DFL);
    return load(memory);
}
"""


def test_what_is_not_trapped_is_accessed_by_the_cpu(tmp_path: Path) -> None:
    """Ordinary memory, also where a device was when the stub was aimed, and nothing there is a fault."""
    run = here(MEMORY, tmp_path)
    assert (run.status, run.output, len(run.rows)) == (-11, str(10 * (5 + 77) + 10 * 1000), 10)
    assert (run.signals, run.calls) == (1, 9 + 1)


ELSEWHERE = """
__attribute__((noinline)) uint32_t load(volatile uint32_t *p) { return p[1]; }
int main(int argc, char **argv) {
    volatile uint32_t *one = map(argv[1], PROT_READ), *other = map(argv[1], PROT_READ);
    uint32_t sum = 0;
    for (int i = 0; i < 10; i++) sum += load(one);
    for (int i = 0; i < 50; i++) sum += load(other);
    for (int i = 0; i < 20; i++) sum += load(i & 1 ? one : other);
    printf("%u\\n", sum);
    return 0;
}
"""


def test_a_stub_is_aimed_where_its_instruction_goes(tmp_path: Path) -> None:
    """Eight accesses to another mapping; one that serves two in turns stays with one of them."""
    run = here(ELSEWHERE, tmp_path)
    assert (run.status, run.output, len(run.rows)) == (0, str(80 * 5), 80)
    assert (run.signals, run.calls) == (1 + 8 + 10, 80 - 19)


NO_STACK = """
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ);
    char *page = mmap(0, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page + 4096, 8192, PROT_READ | PROT_WRITE);
    uint64_t wrong = 0;
    for (int i = 0; i < 5; i++)
        for (int how = 0; how < 260; how++) {
            uint64_t pointer = how < 256 ? (uint64_t)page + 4096 + 3 * how : how == 256 ? 0 : how == 257 ? ~0UL
                : how == 258 ? 0x8000000000000000 : (uint64_t)page + 64;
            uint32_t value;
            __asm__ volatile("mov %%rsp,%%r15; mov %1,%%rsp; mov 4(%2),%0; mov %%r15,%%rsp"
                : "=&r"(value) : "r"(pointer), "r"(device) : "r15");
            wrong += value != 5;
        }
    printf("%lu\\n", wrong);
    return 0;
}
"""


def test_a_program_without_a_stack(tmp_path: Path) -> None:
    """Where a stub's own accesses would fault, whichever is the first to, the instruction is executed as it is."""
    run = here(NO_STACK, tmp_path, "-mno-red-zone")
    assert (run.status, run.output, len(run.rows)) == (0, "0", 1300)
    assert run.calls > 500


STATE = """
#include <immintrin.h>
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ | PROT_WRITE);
    int wrong = 0;
    for (int i = 0; i < 40; i++) {
        double kept = 1.5 + i, back;
        unsigned control = CONTROL, found;
        unsigned short fcw = 0x27f, fcw_found;
        uint64_t in[4] = {i, ~0UL, 0x5555, 1UL << 63}, out[4], r[7];
        __asm__ volatile(
            "fldcw %[fcw]; fldl %[kept]; ldmxcsr %[control]; movdqu %[in],%%xmm7; movdqu 16+%[in],%%xmm15\\n"
            "mov $8,%%r8; mov $9,%%r9; mov $10,%%r10; mov $11,%%r11; mov $12,%%r12; mov $13,%%r13; mov $14,%%r14\\n"
            "std; movzwl 4(%[d]),%%eax; mov %%r11d,12(%[d]); cld; lea -5(%%rax),%%eax; add %%eax,%[wrong]\\n"
            "stmxcsr %[found]; fstpl %[back]; fnstcw %[fcwf]; movdqu %%xmm7,%[out]; movdqu %%xmm15,16+%[out]\\n"
            "mov %%r8,%[r]; mov %%r9,8+%[r]; mov %%r10,16+%[r]; mov %%r11,24+%[r]; mov %%r12,32+%[r]\\n"
            "mov %%r13,40+%[r]; mov %%r14,48+%[r]; fninit"
            : [found] "=m"(found), [back] "=m"(back), [fcwf] "=m"(fcw_found), [out] "=m"(out), [r] "=m"(r),
              [wrong] "+m"(wrong)
            : [fcw] "m"(fcw), [kept] "m"(kept), [control] "m"(control), [in] "m"(in), [d] "D"(device)
            : "rax", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "xmm7", "xmm15", "memory", "cc");
        __asm__ volatile("ldmxcsr %0" : : "m"((unsigned){0x1f80}));
        for (int n = 0; n < 7; n++) wrong += r[n] != 8 + n;
        wrong += back != kept || (found & ~0x3f) != (control & ~0x3f) || fcw_found != fcw || memcmp(in, out, 32);
    }
    printf("%d\\n", wrong);
    return 0;
}
"""


def state(control: int) -> str:
    """Return a program that compares its registers before and after accesses.

    Args:
        control: its MXCSR; a device is called directly only with the one that a program begins with.
    """
    return f"#define CONTROL {control:#x}\n{STATE}"


def test_every_register_is_as_it_was(tmp_path: Path) -> None:
    """General, vector and x87 registers, their control words and the direction flag."""
    run = here(state(0x7F80 + 0x3F), tmp_path, read="sum(x * 0.5 for x in range(3))")
    assert (run.status, run.output, run.calls) == (0, "0", 78)


RAISING = """
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ);
    for (int i = 0; i < 100; i++) device[1];
    puts("not reached");
}
"""


def test_what_a_device_raises_ends_the_run(tmp_path: Path) -> None:
    """It comes out of `run`, and the trace is complete up to there."""
    run = here(RAISING, tmp_path, read="if self.reads == 50: raise RuntimeError('worn out')")
    assert (run.status, run.output, len(run.rows), run.calls) == ("worn out", "", 49, 49)


PORTS = """
int main(int argc, char **argv) {
    if (ioperm(0x378, 4, 1)) return 1;
    uint32_t sum = 0;
    for (int i = 0; i < 30; i++) {
        outb(i, 0x378);
        sum += inb(0x379) + inw(0x37a) + inl(0x378);
        uint8_t low;
        __asm__ volatile("in $0x71,%%al" : "=a"(low));
        sum += low;
    }
    printf("%u\\n", sum);
    fflush(stdout);
    ioperm(0x378, 4, 0);
    outb(1, 0x300);
}
"""


def test_port_instructions(tmp_path: Path) -> None:
    """IN and OUT call, too, and a port that the program has no right to is SIGSEGV as usual."""
    target = "host.map_ports(0x378, 4, model); host.map_ports(0x70, 2, model)"
    body = PORTS.replace("    ioperm(0x378, 4, 0);\n", "")
    run = here(body, tmp_path, target=target)
    assert run.output == str(30 * (2 + 3 + 1 + 2))
    assert len(run.rows) == 150
    other = here(body, tmp_path, target=target, patching=False)
    assert (run.status, run.output, [row[:4] for row in run.rows]) == (
        *(other.status, other.output),
        [row[:4] for row in other.rows],
    )
    assert run.calls > 0


def test_an_executable_at_a_low_address(tmp_path: Path) -> None:
    """Is not patched: what lies near it is the program's to choose."""
    run = here(LOOP, tmp_path, "-no-pie")
    assert (run.status, run.output, run.calls) == (0, str(SUM), 0)
    assert [*run.unpatched.items()] == [
        ("its code lies at an address that the program has chosen, as stubs near it would", 2)
    ]


LOADED = """
#include <dlfcn.h>
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ);
    uint32_t sum = 0;
    for (int round = 0; round < 5; round++)
        for (int i = 2; i < argc; i++) {
            void *library = dlopen(argv[i], RTLD_NOW);
            if (!library) return puts(dlerror());
            uint32_t (*load)(volatile uint32_t *) = dlsym(library, "load");
            for (int j = 0; j < 4; j++) sum += load(device);
            dlclose(library);
        }
    printf("%u\\n", sum);
    return 0;
}
"""


def test_libraries_that_come_and_go(tmp_path: Path) -> None:
    """dlclose of a library with patched text, and another in its place."""
    path = device_file(tmp_path)
    libraries = [
        compiled(f"{PRELUDE} uint32_t load(volatile uint32_t *p) {{ return p[{at}]; }}", "-O2", "-shared", "-fPIC")
        for at in (1, 2)
    ]
    run = host(path, [program(LOADED, "-ldl"), str(path), *libraries])
    assert (run.status, run.output, len(run.rows)) == (0, str(5 * 4 * (5 + 9)), 40)
    assert run.calls >= 20


TORN = """
__asm__(".text; .balign 4096; .globl sum, last, end\\n"
    "sum: xor %eax,%eax; add (%rdi),%eax; add 4(%rdi),%eax; add 8(%rdi),%eax; add (%rdi),%eax; ret\\n"
    "last: mov %esi,16(%rdi); ret; .balign 4096; end:");
uint32_t sum(volatile uint32_t *);
void last(volatile uint32_t *, uint32_t);
static volatile uint32_t *device;
static uint32_t memory[8] = {100, 200, 300};
static void *work(void *number) {
    long wrong = 0;
    for (uint32_t i = 0; i < 400; i++) {
        wrong += sum(device) != 16;
        for (int j = 0; j < 20; j++) wrong += sum(memory) != 700;
        last(device + 8 * (long)number, i);
        if (i % 8 == 7) mprotect((void *)sum, 4096, PROT_READ | PROT_EXEC);
    }
    return (void *)wrong;
}
int main(int argc, char **argv) {
    device = map(argv[1], PROT_READ | PROT_WRITE);
    pthread_t threads[3];
    long wrong = 0;
    for (long i = 0; i < 3; i++) pthread_create(&threads[i], 0, work, (void *)i);
    for (int i = 0; i < 3; i++) {
        void *found;
        pthread_join(threads[i], &found);
        wrong += (long)found;
    }
    printf("%ld\\n", wrong);
    return 0;
}
"""


def test_neighbours_are_patched_and_taken_back_while_threads_execute_them(tmp_path: Path) -> None:
    """Each of 150 changes of protection undoes what stands; no value is wrong, and no record is lost."""
    target = "sys.setswitchinterval(1e-5); host.map_file(sys.argv[1], model)"
    run = here(TORN, tmp_path, target=target)
    assert (run.status, run.output) == (0, "0")
    assert [row[0] for row in run.rows].count("R") == 3 * 400 * 4
    for number in range(3):
        assert [row[3] for row in run.rows if row[0] == "W" and row[1] == 16 + 32 * number] == [*range(400)]
    assert run.calls > 100


STEPS = """
#include <ucontext.h>
static unsigned long at[2][64];
static int count[2], run;
static void on_trap(int number, siginfo_t *info, void *context) {
    if (count[run] < 64) at[run][count[run]++] = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    if ((unsigned long)info->si_addr != ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP]) exit(3);
}
__attribute__((noinline)) static uint32_t load(volatile uint32_t *p, int flags) {
    uint32_t value;
    __asm__ volatile(
        "sub $128,%%rsp; pushfq; or %2,(%%rsp); popfq\\n"
        "nop; mov 4(%1),%0; nop; mov 8(%1),%%ecx; nop\\n"
        "pushfq; andl $~0x100,(%%rsp); popfq; add $128,%%rsp"
        : "=&r"(value) : "r"(p), "r"((long)flags) : "rcx", "memory", "cc");
    return value;
}
int main(int argc, char **argv) {
    static uint32_t memory[4] = {0, 5};
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, 0);
    uint32_t sum = load(memory, 0x100);
    volatile uint32_t *device = map(argv[1], PROT_READ);
    for (int i = 0; i < 5; i++) sum += load(device, 0);
    run = 1;
    sum += load(argc > 2 ? memory : device, 0x100);
    printf("%u %d %d\\n", sum, count[0] == count[1] && count[0] > 5, memcmp(at[0], at[1], sizeof at[0]));
    return 0;
}
"""


@pytest.mark.parametrize("where", ["device", "memory"])
def test_steps_by_the_trap_flag(tmp_path: Path, where: str) -> None:
    """Through patched instructions they lead as before: one trap an instruction, with its address."""
    path = device_file(tmp_path)
    run = host(path, [program(STEPS), str(path), *(["memory"] if where == "memory" else [])])
    assert (run.status, run.output, run.patched) == (0, "35 1 0", 2)
    assert run.calls == 8

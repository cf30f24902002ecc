"""Unmodified programs under a tracer: what is recorded, and that they do not notice."""

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from decode import READ, WRITE
from emulate import UnsupportedInstruction
from mmio.ptrace import Tracer
from tests.mmio.ptrace.models import Broken, Recording, pattern
from tests.mmio.ptrace.programs import device_file, is_gone, need_program, program, run
from tests.native import ROOT

WIDTHS = {"b": 1, "w": 2, "l": 4, "q": 8}

THREADS = r"""
static volatile uint32_t *p;
static void *work(void *number) {
    for (uint32_t i = 0; i < 2000; i++) p[(long)number] = i;
    return 0;
}
int main(int argc, char **argv) {
    p = map(argv[1], PROT_READ | PROT_WRITE);
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(threads + i, 0, work, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
    return 3;
}
"""

CHILDREN = r"""
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
    if (argc > 2) { p[3] = 4; return 0; }
    if (!fork()) { p[0] = 1; _exit(0); }
    wait(0);
    if (!vfork()) { p[1] = 2; _exit(0); }
    wait(0);
    if (!fork()) execl(argv[0], argv[0], argv[1], "again", (char *)0);
    wait(0);
    p[2] = 3;
    return 0;
}
"""

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


@pytest.mark.parametrize("letter", WIDTHS)
def test_memtool_reads_are_seen_at_their_width(tmp_path: Path, letter: str) -> None:
    """memtool maps a plain file and reads it with one access of the asked width an element; all are recorded."""
    need_program("memtool", "memtool")
    path, width = device_file(tmp_path, bytes(range(256)) * 32), WIDTHS[letter]
    tracer = Tracer()
    tracer.map_file(str(path))
    outcome = run(tracer, "memtool", "md", "-s", path, f"-{letter}", "0x1010+16")
    assert outcome.status == 0
    assert "00001010:" in outcome.output
    seen = [(access.direction, access.width, access.address & 0xFFF, access.value) for access in tracer.trace]
    assert seen == [(READ, width, at, pattern(at, width)) for at in range(0x10, 0x20, width)]
    assert {access.region for access in tracer.trace} == {f"{path}+0x1000"}
    assert all(access.text and access.ip for access in tracer.trace)


@pytest.mark.parametrize("letter", WIDTHS)
def test_memtool_writes_reach_the_file(tmp_path: Path, letter: str) -> None:
    """A store is recorded with its value, and performed on the file behind the mapping."""
    need_program("memtool", "memtool")
    path, width = device_file(tmp_path), WIDTHS[letter]
    tracer = Tracer()
    tracer.map_file(str(path))
    assert run(tracer, "memtool", "mw", "-d", path, f"-{letter}", "0x20", "0x5a").status == 0
    assert [(a.direction, a.width, a.offset, a.value) for a in tracer.trace] == [(WRITE, width, 0x20, 0x5A)]
    assert path.read_bytes()[0x20 : 0x20 + width] == (0x5A).to_bytes(width, "little")


@pytest.mark.parametrize(("letter", "width"), [("b", 1), ("w", 2), ("l", 4)])
def test_ioport_programs_are_answered(letter: str, width: int) -> None:
    """iopl is granted, and IN and OUT go to a port device, in all widths."""
    need_program("inb", "ioport")
    card = Recording()
    tracer = Tracer()
    tracer.map_ports(0x80, 8, card)
    outcome = run(tracer, f"in{letter}", "0x82")
    assert (outcome.status, int(outcome.output)) == (0, pattern(2, width))
    tracer.spawn([f"out{letter}", "0x84", "0x12345678"[: 2 + 2 * width]])
    assert tracer.run() == 0
    assert card.written == [(4, width, int("0x12345678"[: 2 + 2 * width], 16))]
    assert [(a.space, a.width, a.address) for a in tracer.trace] == [("port", width, 0x82), ("port", width, 0x84)]


def test_threads_lose_nothing(tmp_path: Path) -> None:
    """Four threads at once: every access is recorded, under its thread's number, in the thread's own order."""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(THREADS), tmp_path / "device").status == 3
    values = defaultdict(list)
    for access in tracer.trace:
        values[access.thread, access.offset].append(access.value)
    assert {offset for _, offset in values} == {0, 4, 8, 12}
    assert len({thread for thread, _ in values}) == 4
    assert all(written == list(range(2000)) for written in values.values())


def test_children_are_followed(tmp_path: Path) -> None:
    """Accesses after fork, vfork and exec are recorded, and reach the same file."""
    path = device_file(tmp_path)
    tracer = Tracer()
    tracer.map_file(str(path))
    assert run(tracer, program(CHILDREN), path).status == 0
    assert [(a.offset, a.value) for a in tracer.trace] == [(0, 1), (4, 2), (12, 4), (8, 3)]
    assert len({a.thread for a in tracer.trace}) == 4
    assert path.read_bytes()[:16] == b"\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0"


def test_signals_stay_the_programs(tmp_path: Path) -> None:
    """Timers tick, own SIGSEGV handlers hear of the program's own faults with the right siginfo, and only of those."""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(SIGNALS), tmp_path / "device").status == -signal.SIGSEGV
    assert len(tracer.trace) >= 4000


def test_a_device_answers_in_place_of_a_file(tmp_path: Path) -> None:
    """A device is asked with offsets from where the target begins in the file, whatever the mapping's start."""
    card = Recording()
    tracer = Tracer()
    tracer.map_file("/nowhere/*", card, offset=0x800, length=0x100, name="card")
    source = r"""int main() {
        volatile uint32_t *p = map("/nowhere/registers", PROT_READ | PROT_WRITE);
        p[0x810 / 4] = p[0x804 / 4];
        return 0;
    }"""
    assert run(tracer, program(source)).status == 0
    assert card.written == [(0x10, 4, pattern(4, 4))]
    assert [(a.region, a.offset) for a in tracer.trace] == [("card", 4), ("card", 16)]


def test_mappings_are_followed(tmp_path: Path) -> None:
    """mremap moves what is trapped, munmap of a part leaves the rest, mprotect changes what the program may do."""
    source = r"""
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
        return 0;
    }"""
    path = device_file(tmp_path, bytes(0x4000))
    tracer = Tracer()
    tracer.map_file(str(path))
    assert run(tracer, program(source), path).status == 0
    written = [(a.address & 0xFFF, a.value) for a in tracer.trace if a.direction == WRITE]
    assert written == [(0, 1), (0, 2), (4, 3), (8, 4), (0, 5), (8, 6)]
    data = path.read_bytes()
    assert (data[0], data[0x2000], data[0x2004], data[0x2008], data[0x3000]) == (2, 1, 3, 6, 5)


def test_private_mappings_stay_private(tmp_path: Path) -> None:
    """What is stored in a private mapping is seen by the program and its later children, and not by the file."""
    source = r"""int main(int argc, char **argv) {
        volatile uint32_t *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, open(argv[1], O_RDONLY), 0);
        p[1] = 7;
        if (!fork()) { p[1]++; _exit(p[1]); }
        int status;
        wait(&status);
        return 10 * p[1] + WEXITSTATUS(status);
    }"""
    path = device_file(tmp_path)
    tracer = Tracer()
    tracer.map_file(str(path))
    assert run(tracer, program(source), path).status == 78
    assert path.read_bytes() == bytes(4096)


def test_a_range_is_watched_to_the_byte(tmp_path: Path) -> None:
    """A range target records accesses to its bytes only, though whole pages are trapped; reads of others go on."""
    source = r"""
    static volatile struct { uint32_t before, watched, after; } s __attribute__((aligned(4096)));
    int main() { s.before = 1; s.watched = 2; s.after = 3; return s.before + s.watched + s.after; }"""
    path = program(source, "-no-pie", "-static")
    symbols = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    address = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" s"))
    tracer = Tracer()
    tracer.map(address + 4, 4, name="watched")
    assert run(tracer, path).status == 6
    assert [(str(a.direction.name), a.value, a.region) for a in tracer.trace] == [
        ("WRITE", 2, "watched"),
        ("READ", 2, "watched"),
    ]


def test_32_bit_programs(tmp_path: Path) -> None:
    """A 32-bit program is decoded and emulated as one, its system calls included."""
    source = r"""
    static int call(int number, int a, int b, int c, int d, int e, int f) {
        int result;
        static int sixth;
        sixth = f;
        __asm__ volatile("push %%ebp; mov %[f],%%ebp; int $0x80; pop %%ebp"
            : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "m"(sixth) : "memory");
        return result;
    }
    __attribute__((force_align_arg_pointer)) void start(char *path) {
        int fd = call(5, (int)path, 2, 0, 0, 0, 0);
        volatile unsigned *p = (void *)call(192, 0, 4096, 3, 1, fd, 0);
        p[1] = 0x1234;
        p[2] = p[1] + 1;
        if (call(4, 1, (int)(p + 1), 2, 0, 0, 0) != 2) call(1, 9, 0, 0, 0, 0, 0);
        call(1, p[2] == 0x1235 ? 3 : 4, 0, 0, 0, 0, 0);
    }
    __asm__(".globl _start; _start: mov 8(%esp),%eax; push %eax; call start");"""
    binary = tmp_path / "program"
    flags = ["-m32", "-O1", "-nostdlib", "-static", "-fno-pic", "-no-pie", "-fno-stack-protector"]
    subprocess.run(["cc", *flags, "-x", "c", "-", "-o", binary], input=source, text=True, check=True)
    path = device_file(tmp_path)
    tracer = Tracer()
    tracer.map_file(str(path))
    outcome = run(tracer, binary, path)
    assert outcome.status == 3
    assert outcome.output == "\x34\x12"
    assert [(a.offset, a.value, a.notes) for a in tracer.trace] == [
        (4, 0x1234, ""),
        (4, 0x1234, ""),
        (8, 0x1235, ""),
        (4, 0x1234, "system call"),
        (8, 0x1235, ""),
    ]
    assert all(a.instruction is not None and a.instruction.bits == 32 for a in tracer.trace)


def test_a_model_that_raises_stops_the_program(tmp_path: Path) -> None:
    """The exception comes out of run as itself, with the trace up to there; the program is gone."""
    tracer = Tracer()
    tracer.map_file("/nowhere", Broken(), length=0x1000)
    source = r"""int main() { volatile uint32_t *p = map("/nowhere", PROT_READ); for (;;) p[0]; }"""
    pid = tracer.spawn([program(source)])
    with pytest.raises(RuntimeError, match="out of order"):
        tracer.run()
    assert len(tracer.trace) == 2
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_model_that_raises_in_a_thread(tmp_path: Path) -> None:
    """Programs with several threads and processes are gone, too, when a device model has raised."""
    source = r"""
    static volatile uint32_t *p;
    static void *work(void *unused) { for (;;) p[0]; }
    int main(int argc, char **argv) {
        pthread_t threads[4];
        volatile uint32_t *other = map(argv[1], PROT_READ | PROT_WRITE);
        if (!fork()) for (;;) other[0]++;
        while (!other[0]) usleep(1000);
        p = map("/nowhere", PROT_READ);
        for (int i = 0; i < 4; i++) pthread_create(threads + i, 0, work, 0);
        pause();
    }"""
    tracer = Tracer()
    tracer.map_file("/nowhere", Broken())
    tracer.map_file(str(device_file(tmp_path)))
    with pytest.raises(RuntimeError, match="out of order"):
        run(tracer, program(source), tmp_path / "device")
    assert all(is_gone(access.thread) for access in tracer.trace)


def test_an_instruction_nobody_can_do_is_shown(tmp_path: Path) -> None:
    """What neither the emulator nor a copy can do stops the program, with its text, bytes, mode and registers."""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    source = r"""int main(int argc, char **argv) {
        void *p = (void *)map(argv[1], PROT_READ | PROT_WRITE);
        __asm__ volatile("xsave (%0)" : : "r"(p), "a"(7), "d"(0) : "memory");
        return 0;
    }"""
    with pytest.raises(UnsupportedInstruction, match=r"xsave.*rax=0x7.*bytes 0f ae .*64-bit") as caught:
        run(tracer, program(source), tmp_path / "device")
    assert caught.value.instruction.mnemonic == "xsave"


def test_killed_in_between(tmp_path: Path) -> None:
    """A program that is killed while it is traced ends with that signal, and what it did is recorded."""
    source = r"""int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        if (!fork()) { usleep(50000); kill(getppid(), SIGKILL); _exit(0); }
        for (;;) p[0]++;
    }"""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(source), tmp_path / "device").status == -signal.SIGKILL
    assert len(tracer.trace) > 10


def test_stopped_and_continued(tmp_path: Path) -> None:
    """SIGSTOP stops a traced program and SIGCONT lets it go on, as for its parent."""
    source = r"""int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        pid_t child = fork();
        if (!child) { for (;;) p[0]++; }
        usleep(20000);
        int status;
        kill(child, SIGSTOP);
        if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) return 1;
        uint32_t before = p[0];
        usleep(20000);
        if (p[0] != before) return 2;
        kill(child, SIGCONT);
        if (waitpid(child, &status, WCONTINUED) != child || !WIFCONTINUED(status)) return 3;
        for (int i = 0; i < 1000 && p[0] == before; i++) usleep(1000);
        kill(child, SIGTERM);
        wait(&status);
        return WTERMSIG(status);
    }"""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(source), tmp_path / "device").status == signal.SIGTERM


def test_what_was_never_met_is_reported(tmp_path: Path) -> None:
    """A target that nothing the program did has matched is named at its end."""
    tracer = Tracer()
    tracer.map_file("/no/such/*")
    tracer.map_ports(0x70, 2, Recording())
    with pytest.warns(UserWarning, match=r"nothing the program did has matched") as warned:
        assert run(tracer, "true").status == 0
    assert [str(w.message).partition("matched ")[2] for w in warned] == ["file '/no/such/*'", "ports 0x70..0x72"]


def test_a_port_nobody_answers_is_the_programs_fault() -> None:
    """IN without iopl at a port that is no target is the program's own SIGSEGV."""
    source = r"""int main() { __asm__ volatile("in $0x61,%al"); return 0; }"""
    tracer = Tracer()
    tracer.map_ports(0x70, 2, Recording())
    assert run(tracer, program(source)).status == -signal.SIGSEGV


def test_other_children_are_left_to_others(tmp_path: Path) -> None:
    """Exit statuses of this process's other children are still there for whoever waits for them."""
    other = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(THREADS), tmp_path / "device").status == 3
    assert other.wait() == 7


def test_the_tracers_death_kills_what_it_spawned(tmp_path: Path) -> None:
    """A spawned program does not outlive its tracer, however that ends."""
    code = f"""
import os, sys
from mmio.ptrace import Tracer
tracer = Tracer()
tracer.map_file({str(device_file(tmp_path))!r})
print(tracer.spawn(["sleep", "100"]), flush=True)
os.kill(os.getpid(), 9)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    died = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    pid = int(died.stdout)
    for _ in range(100):
        if is_gone(pid):
            return
        time.sleep(0.05)
    pytest.fail(f"{pid} still runs")

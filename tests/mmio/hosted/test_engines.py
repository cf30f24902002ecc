"""One program, two engines: the same output, the same exit status, the same records."""

import signal
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from decode import READ, WRITE
from tests.mmio.hosted.engines import ENGINES, pagetrap
from tests.mmio.program.test_bounce_buffers import CALLS, START
from tests.mmio.ptrace.models import pattern
from tests.mmio.ptrace.programs import device_file, need_program, program
from tests.mmio.ptrace.sources import (
    BEYOND,
    DIVIDING,
    ENDLESS,
    HANDLED,
    MAPPINGS,
    MISALIGNED,
    NATIVE,
    SIGNALS,
    THREADS,
)
from tests.mmio.silent import in_c, silent_forms

WIDTHS = {"b": 1, "w": 2, "l": 4, "q": 8}

both = pytest.mark.parametrize("engine", ENGINES)


@both
@pytest.mark.parametrize("letter", WIDTHS)
def test_memtool_on_a_mapped_file(tmp_path: Path, engine: str, letter: str) -> None:
    """Each element is one access of the asked width; the program reads what is in the file."""
    need_program("memtool", "memtool")
    device_file(tmp_path, bytes(range(256)) * 32)
    memtool = ["memtool", "md", "-s", "device", f"-{letter}", "0x1010+16"]
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], memtool)
    width = WIDTHS[letter]
    assert (run.status, run.output[:9]) == (0, "00001010:")
    assert [(a.direction, a.width, a.offset, a.value) for a in run.accesses] == [
        (READ, width, at, pattern(at, width)) for at in range(0x10, 0x20, width)
    ]
    assert {a.region for a in run.accesses} == {f"{tmp_path}/device+0x1000"}
    assert all(a.text and a.ip for a in run.accesses)


@both
def test_memtool_writes_a_mapped_file(tmp_path: Path, engine: str) -> None:
    """A store reaches the file behind the mapping."""
    need_program("memtool", "memtool")
    path = device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], ["memtool", "mw", "-d", "device", "-l", "8", "7"])
    assert [(a.direction, a.width, a.offset, a.value) for a in run.accesses] == [(WRITE, 4, 8, 7)]
    assert path.read_bytes()[:16] == bytes([0] * 8 + [7] + [0] * 7)


@both
def test_an_instruction_that_only_checks_a_page_makes_no_record(tmp_path: Path, engine: str) -> None:
    """What faults on a trapped page and accesses nothing there (a flush, an empty mask) is completed, unrecorded."""
    device_file(tmp_path)
    body = f"""
    int main(int argc, char **argv) {{
        volatile char *p = (void *)map(argv[1], PROT_READ | PROT_WRITE);
        int done = 0;
        {in_c(64)}
        printf("%d", done);
        return 0;
    }}"""
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(body), "device"])
    assert (run.status, run.output, run.accesses) == (0, str(len(silent_forms(64))), []), run.complaints


@both
def test_a_fault_beside_the_accesses_is_completed(tmp_path: Path, engine: str) -> None:
    """What faults at a trapped page and accesses only memory beside it is completed there, and makes no record."""
    device_file(tmp_path)
    body = """
    int main(int argc, char **argv) {
        char *p = (void *)map(argv[1], PROT_READ | PROT_WRITE);
        for (int side = -1; side < 2; side += 2)
            if (mmap(p + side * 4096, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
                return 1;
        char *before = p - 16, *after = p + 4096, mask[16] __attribute__((aligned(16))) = {[0] = -1, [3] = -128};
        memset(before, 1, 16);
        asm volatile("movdqa (%0), %%xmm2; pxor %%xmm1, %%xmm1; maskmovdqu %%xmm2, %%xmm1"
            :: "r"(mask), "D"(p - 4) : "xmm1", "xmm2", "memory");
        printf("%d%d%d%d ", before[12], before[13], before[14], before[15]);
        long top, frame;
        asm volatile("mov %%rsp, %%r12; mov %%rbp, %%r13; mov %2, %%rsp; mov $7, %%ebp; enter $64, $0;"
            "mov %%rsp, %0; mov %%rbp, %1; mov %%r12, %%rsp; mov %%r13, %%rbp"
            : "=&r"(top), "=&r"(frame) : "r"(after + 16) : "r12", "r13", "memory");
        printf("%ld %ld %ld", (long)p + 4096 - top, frame - (long)after, *(long *)(after + 8));
        return 0;
    }"""
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(body), "device"])
    assert (run.status, run.output, run.accesses) == (0, "0110 56 8 7", []), run.complaints


@both
@pytest.mark.cpu("CLZERO")
def test_clzero_is_one_write_of_a_line(tmp_path: Path, engine: str) -> None:
    """CLZERO writes 64 zero bytes at the start of its line."""
    path = device_file(tmp_path, b"\xff" * 4096)
    body = """
    int main(int argc, char **argv) {
        char *p = (void *)map(argv[1], PROT_READ | PROT_WRITE);
        asm volatile("clzero" :: "a"(p + 0x147) : "memory");
        return 0;
    }"""
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(body), "device"])
    assert [(a.letter, a.offset, a.width, a.value) for a in run.accesses] == [("W", 0x140, 64, 0)], run.complaints
    assert path.read_bytes() == b"\xff" * 0x140 + bytes(64) + b"\xff" * (4096 - 0x180)


@both
@pytest.mark.parametrize(("letter", "width"), [("b", 1), ("w", 2), ("l", 4)])
def test_the_six_forms_of_ioport(tmp_path: Path, engine: str, letter: str, width: int) -> None:
    """IN and OUT of all widths reach the model, and its answer the program."""
    need_program("inb", "ioport")
    options = ["--device", "models.py:Pattern@ports:0x80+8"]
    run = pagetrap(engine, tmp_path, "run", options, [f"in{letter}", "0x82"])
    assert (run.status, int(run.output)) == (0, pattern(2, width))
    assert [(a.letter, a.space, a.width, a.address) for a in run.accesses] == [("R", "port", width, 0x82)]
    run = pagetrap(engine, tmp_path, "run", options, [f"out{letter}", "0x84", "0x5a"])
    assert [(a.letter, a.width, a.address, a.value) for a in run.accesses] == [("W", width, 0x84, 0x5A)]


@both
def test_hwclock_reads_the_clock_chip(tmp_path: Path, engine: str) -> None:
    """hwclock polls the update flag and reads the time by immediate ports."""
    need_program("hwclock", "util-linux-extra")
    options = ["--device", "models.py:Clock@ports:0x70+2"]
    run = pagetrap(engine, tmp_path, "run", options, ["hwclock", "--directisa", "-r", "-v", "--utc"])
    assert run.status == 0
    assert "Time read from Hardware Clock: 2026/11/25 12:34:56" in run.output
    assert {(a.letter, a.address, a.text) for a in run.accesses} >= {
        ("W", 0x70, "out 70h,al"),
        ("R", 0x71, "in al,71h"),
    }


@both
def test_lspci_lists_the_modelled_bridge(tmp_path: Path, engine: str) -> None:
    """lspci finds the one device there is through configuration mechanism 1."""
    need_program("lspci", "pciutils")
    options = ["--device", "models.py:Bridge@ports:0xcf8+8"]
    run = pagetrap(engine, tmp_path, "run", options, ["lspci", "-n", "-A", "intel-conf1"])
    assert (run.status, run.output) == (0, "00:00.0 0600: 8086:1237 (rev 02)\n")
    assert {(a.letter, a.address, a.width) for a in run.accesses} >= {("W", 0xCF8, 4), ("R", 0xCFC, 4)}


@both
def test_flashrom_recognises_the_chip(tmp_path: Path, engine: str) -> None:
    """flashrom clocks out the identification of an SPI flash, bit by bit."""
    need_program("flashrom", "flashrom")
    options = ["--device", "models.py:Flash@ports:0x378+3"]
    chip = "MX25L512(E)/MX25V512(C)"
    run = pagetrap(engine, tmp_path, "run", options, ["flashrom", "-p", "rayer_spi", "-c", chip])
    assert run.status == 0
    assert f'Found Macronix flash chip "{chip}" (64 kB, SPI) on rayer_spi.' in run.output
    assert len(run.accesses) > 100


@both
def test_signals_stay_the_programs(tmp_path: Path, engine: str) -> None:
    """Timers tick, own SIGSEGV handlers hear of the program's own faults with the right siginfo, and only of those."""
    device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(SIGNALS), "device"])
    assert run.status == -signal.SIGSEGV
    assert len(run.accesses) >= 4000
    assert "Segmentation" not in run.complaints
    assert "+0x4" in run.complaints  # the summary


@both
def test_mappings_are_followed(tmp_path: Path, engine: str) -> None:
    """mremap moves what is trapped, munmap of a part leaves the rest, mprotect changes what the program may do."""
    path = device_file(tmp_path, bytes(0x4000))
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(MAPPINGS), "device"])
    assert run.status == 0
    written = [(a.address & 0xFFF, a.value) for a in run.accesses if a.direction == WRITE]
    assert written == [(0, 1), (0, 2), (4, 3), (8, 4), (0, 5), (8, 6)]
    assert [(a.address, a.notes) for a in run.accesses[-1:]] == [(0x6000_0000_0004, "system call")]
    data = path.read_bytes()
    assert (data[0], data[0x2000], data[0x2004], data[0x2008], data[0x3000]) == (2, 1, 3, 6, 5)


@both
def test_a_mapping_becomes_writable_later(tmp_path: Path, engine: str) -> None:
    """What was mapped for reading, of a file that is open for writing, can be written to after mprotect."""
    body = """
    int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ);
        if (p[0] || mprotect((void *)p, 4096, PROT_READ | PROT_WRITE)) return 1;
        p[1] = 7;
        __atomic_fetch_add(p + 2, 8, __ATOMIC_SEQ_CST);
        return 0;
    }"""
    path = device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(body), "device"])
    assert (run.status, [(a.letter, a.value) for a in run.accesses]) == (0, [("R", 0), ("W", 7), ("RW", 8)])
    assert list(memoryview(path.read_bytes()).cast("I"))[:3] == [0, 7, 8]


@both
def test_nothing_is_said_that_was_not_asked_for(tmp_path: Path, engine: str) -> None:
    """With -q a run that goes well leaves standard error to the program."""
    device_file(tmp_path)
    body = "int main(int argc, char **argv) { return map(argv[1], PROT_READ)[0]; }"
    run = pagetrap(engine, tmp_path, "trace", ["-q", "--map", "*/device"], [program(body), "device"])
    assert (run.status, len(run.accesses), run.complaints) == (0, 1, "")


@both
def test_a_trace_beyond_the_limit_of_a_file_is_no_signal_of_the_programs(tmp_path: Path, engine: str) -> None:
    """The program runs on to its end when the trace meets RLIMIT_FSIZE: SIGXFSZ is not for the program."""
    body = """
    int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        for (int i = 0; i < 100; i++) p[i] = i;
        return printf("%d", p[99]) != 2;
    }"""
    path = device_file(tmp_path)
    options = ["-q", "--map", "*/device"]
    run = pagetrap(engine, tmp_path, "trace", options, [program(body), "device"], limits="-f 16")  # of 512 bytes
    assert (run.status, run.output) == (125, "99")
    assert "the program runs on" in run.complaints
    assert 0 < len(run.accesses) < 100
    assert list(memoryview(path.read_bytes()).cast("I"))[:100] == list(range(100))


@both
@pytest.mark.parametrize("name", CALLS)
def test_the_kernel_reaches_a_trapped_buffer(tmp_path: Path, engine: str, name: str) -> None:
    """A system call that is given a trapped buffer moves the data through the device, and is recorded."""
    body, expected = CALLS[name]
    options = ["--device", "models.py:Pattern@/nowhere"]
    run = pagetrap(engine, tmp_path, "run", options, [program(START + body + "}"), "/nowhere"])
    assert run.status == 0
    assert {(a.text, a.notes) for a in run.accesses} == {("syscall", "system call")}
    if expected is not None:
        assert [(a.letter, a.offset, a.width) for a in run.accesses] == expected


@both
def test_a_range_is_watched_to_the_byte(tmp_path: Path, engine: str) -> None:
    """A range of the program's own memory is recorded to the byte, in an executable that cannot be moved, too."""
    source = r"""
    static volatile struct { uint32_t before, watched, after; } *s = (void *)0x610000000000;
    int main() {
        mmap((void *)s, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        s->before = 1; s->watched = 2; s->after = 3; return s->before + s->watched + s->after;
    }"""
    path = program(source, "-no-pie", "-static")
    run = pagetrap(engine, tmp_path, "trace", ["--range", "0x610000000004+4"], [path])
    assert run.status == 6
    assert [(a.letter, a.value) for a in run.accesses] == [("W", 2), ("R", 2)]


@both
def test_what_the_emulator_does_not_do_is_done_by_the_cpu(tmp_path: Path, engine: str) -> None:
    """Loads and stores completed natively give the CPU's results, in threads and under a timer, and none is missed."""
    device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(NATIVE), "device"])
    assert run.status == 0
    native = Counter(a.text.split()[0] for a in run.accesses if a.notes == "native")
    assert native == {"sqrtps": 600, "fnstenv": 600, "fldenv": 600}


@both
def test_a_fault_in_the_copy_is_the_originals(tmp_path: Path, engine: str) -> None:
    """A floating-point exception of a natively completed instruction is told at the original's address."""
    device_file(tmp_path)
    assert pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(DIVIDING), "device"]).status == 0


@both
def test_beyond_the_end_of_a_file_is_a_bus_error(tmp_path: Path, engine: str) -> None:
    """An access to a page that lies wholly beyond its file is SIGBUS, with the code and the address that it has."""
    path = device_file(tmp_path)
    assert subprocess.run([program(BEYOND), str(path)], check=False).returncode == 0
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(BEYOND), "device"])
    assert run.status == 0
    assert [(a.offset, a.value) for a in run.accesses] == [(4095, 1)]


@both
def test_a_handler_begins_as_the_abi_has_it(tmp_path: Path, engine: str) -> None:
    """DF and TF are clear in a handler, set in what it interrupted, and the red zone stays as it was."""
    path = device_file(tmp_path)
    assert subprocess.run([program(HANDLED), str(path)], check=False).returncode == 0
    assert pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(HANDLED), "device"]).status == 0


@both
def test_a_misaligned_operand_never_comes_to_a_copy(tmp_path: Path, engine: str) -> None:
    """The CPU raises #GP for it before it looks for the page, so nothing is read."""
    device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(MISALIGNED), "device"])
    assert (run.status, run.accesses) == (0, [])


@both
def test_a_wrapper_script_becomes_its_program(tmp_path: Path, engine: str) -> None:
    """A script that executes the real program is followed into it, with its arguments."""
    need_program("memtool", "memtool")
    device_file(tmp_path, bytes(range(256)) * 32)
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh -e\nexec memtool md -s device "$@"\n')
    wrapper.chmod(0o755)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [str(wrapper), "-w", "0x10+4"])
    assert (run.status, run.output[:9]) == (0, "00000010:")
    assert [(a.width, a.offset) for a in run.accesses] == [(2, 0x10), (2, 0x12)]


@both
def test_children_that_touch_no_device_run(tmp_path: Path, engine: str) -> None:
    """Forked, spawned and executed children do what they do, and their parent hears how they ended."""
    run = pagetrap(
        engine, tmp_path, "trace", ["--map", "*/device"], ["sh", "-c", "(exit 3); echo $? $(printf %s two | cat)"]
    )
    assert (run.status, run.output) == (0, "3 two\n")


@both
@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 7", 7), ("kill -TERM $$", -15), ("kill -ABRT $$", -6), ("kill -INT $$", -2)],
)
def test_the_exit_status_is_the_programs(tmp_path: Path, engine: str, script: str, status: int) -> None:
    """Also when a signal ends the program: then it ends pagetrap."""
    assert pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], ["sh", "-c", script]).status == status


@both
def test_a_model_that_raises_is_shown_whole(tmp_path: Path, engine: str) -> None:
    """The model's author gets the traceback; what was recorded is kept; the program goes no further."""
    run = pagetrap(engine, tmp_path, "run", ["--device", "models.py:Broken@/nowhere"], [program(ENDLESS)])
    assert run.status == 125
    assert "models.py" in run.complaints
    assert "RuntimeError: out of order" in run.complaints
    assert len(run.accesses) == 2


@both
@pytest.mark.parametrize(
    ("code", "number"),
    [(".fill 15, 1, 0x66; nop", signal.SIGSEGV), (".byte 6", signal.SIGILL), (".byte 0xf0; nop", signal.SIGILL)],
    ids=["sixteen bytes", "undefined opcode", "LOCK NOP"],
)
def test_bytes_that_are_no_instruction_kill_by_the_cpus_signal(
    tmp_path: Path, engine: str, code: str, number: signal.Signals
) -> None:
    """A program that executes them ends as without pagetrap, also while ports, which fault alike, are answered."""
    source = f"""int main() {{ __asm__ volatile("{code}"); return 0; }}"""
    run = pagetrap(engine, tmp_path, "run", ["--device", "models.py:Pattern@ports:0x70+2"], [program(source)])
    assert run.status == -number
    assert run.accesses == []


@both
def test_a_port_nobody_answers_is_the_programs_fault(tmp_path: Path, engine: str) -> None:
    """IN without iopl at a port that is no target is the program's own SIGSEGV."""
    source = r"""int main() { __asm__ volatile("in $0x61,%al"); return 0; }"""
    run = pagetrap(engine, tmp_path, "run", ["--device", "models.py:Pattern@ports:0x70+2"], [program(source)])
    assert run.status == -signal.SIGSEGV
    assert run.accesses == []


@both
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("no-such-program", 127, "no-such-program: no such program"),
        ("./data", 126, "Exec format error"),
        ("true", 0, "the program used nothing that matches file 'x'"),
    ],
)
def test_mistakes_are_met_with_one_line(tmp_path: Path, engine: str, arguments: str, status: int, message: str) -> None:
    """What went wrong, and what was expected; never a traceback."""
    (tmp_path / "data").write_bytes(bytes(16))
    (tmp_path / "data").chmod(0o755)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "x"], arguments.split())
    assert (run.status, "Traceback" in run.complaints) == (status, False)
    assert message in run.complaints


@both
def test_threads_lose_nothing(tmp_path: Path, engine: str) -> None:
    """Four threads at once: every access is recorded, under its thread's number, in the thread's own order."""
    device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(THREADS), "device", "2000"])
    assert run.status == 3
    values = defaultdict(list)
    for access in run.accesses:
        values[access.thread, access.offset].append(access.value)
    assert {offset for _, offset in values} == {0, 4, 8, 12}
    assert len({thread for thread, _ in values}) == 4
    assert all(written == list(range(2000)) for written in values.values())


ENDS = {
    "exit in a thread": ("exit(p[1] + 6);", "pause();", 6),
    "the first thread goes": ("usleep(20000); exit(8);", "pthread_exit(0);", 8),
    "all go": ("usleep(20000); return 0;", "pthread_exit(0);", 0),
    "killed in a thread": ("*(volatile int *)8 = 1;", "for (;;) { p[2]++; usleep(1000); }", -11),
    "returned": ("for (;;) { p[3]++; usleep(1000); }", "while (!p[3]) usleep(100); return 9;", 9),
    "waiting": ("pause();", "usleep(1000); return 4;", 4),
    "a child of a thread": ("int s; if (!fork()) exit(7); wait(&s); exit(WEXITSTATUS(s));", "pause();", 7),
    "spawned": ('exit(WEXITSTATUS(system("exit 5")));', "pause();", 5),
    "exec in a child": (
        'int s; if (!fork()) execlp("sh", "sh", "-c", "exit 3", (char *)0); wait(&s); exit(WEXITSTATUS(s));',
        "pause();",
        3,
    ),
}


@both
@pytest.mark.parametrize("how", ENDS)
def test_programs_with_threads_end(tmp_path: Path, engine: str, how: str) -> None:
    """Whichever thread ends a program, and whatever the others do meanwhile, it ends as it would alone."""
    work, rest, status = ENDS[how]
    source = (
        "static volatile uint32_t *p; static void *work(void *unused) {" + work + "}"
        "int main(int argc, char **argv) {"
        "    p = map(argv[1], PROT_READ | PROT_WRITE);"
        "    pthread_t threads[3];"
        "    for (int i = 0; i < 3; i++) pthread_create(threads + i, 0, i ? (void *(*)(void *))pause : work, 0);"
        + rest
        + "}"
    )
    if how == "all go":
        source = source.replace("i ? (void *(*)(void *))pause : work", "work")
    device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(source), "device"])
    assert run.status == status


@both
def test_a_program_starts_itself(tmp_path: Path, engine: str) -> None:
    """/proc/self/exe is the program, also to execute: by posix_spawn, with arguments in trapped memory or not."""
    body = r"""
    #include <spawn.h>
    extern char **environ;
    int main(int argc, char **argv) {
        if (argc > 2) return 17;
        char *words[] = {"self", argv[1], "again", 0};
        pid_t child;
        int status;
        if (posix_spawn(&child, "/proc/self/exe", 0, 0, words, environ)) return 1;
        waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    }"""
    device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(body), "device"])
    assert run.status == 17


@both
def test_masks_and_actions_in_trapped_memory(tmp_path: Path, engine: str) -> None:
    """What an engine does itself of the program's calls reaches trapped memory as well."""
    device_file(tmp_path)
    body = r"""
    sigset_t *mask = (void *)p, *old = (void *)(p + 64);
    sigemptyset(mask);
    sigaddset(mask, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, mask, 0) || sigprocmask(SIG_BLOCK, 0, old) || !sigismember(old, SIGUSR1)) return 1;
    stack_t *stack = (void *)(p + 256);
    if (sigaltstack(0, stack) || stack->ss_flags != SS_DISABLE) return 2;
    strcpy((char *)p + 512, "/proc/self/exe");
    if (readlink((char *)p + 512, (char *)p + 1024, 200) < 1 || p[1024] != '/') return 3;
    return 0; }"""
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(START + body), "device"])
    assert run.status == 0

"""Taking hold of programs, and detaching from them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmio.linux.proc_maps import threads, tracer_of
from mmio.ptrace import Tracer
from mmio.records.access import Access
from mmio.records.events import Record
from tests.mmio.ptrace.models import Broken
from tests.mmio.ptrace.programs import device_file, program, run
from tests.native import run_python

WORKERS = r"""
static volatile uint32_t *p;
static volatile int done;
static volatile uint32_t local[2048] __attribute__((aligned(4096)));
static void *work(void *number) {
    long k = (long)number;
    for (uint32_t n = 1; !done; n++) {
        p[k] = n;
        local[k] = n;
        struct timespec pause = {0, 20000};
        nanosleep(&pause, 0);
        if (p[k] != n || local[k] != n) return (void *)1;
    }
    return 0;
}
int main(int argc, char **argv) {
    p = map(argv[1], PROT_READ | PROT_WRITE);
    pthread_t threads[3];
    for (long i = 0; i < 3; i++) pthread_create(threads + i, 0, work, (void *)i);
    while (p[0] < 3 || p[1] < 3 || p[2] < 3) usleep(1000);
    printf("%p\n", local);
    fflush(stdout);
    char byte;
    long bad = read(0, &byte, 1) != 1;
    done = 1;
    for (int i = 0; i < 3; i++) { void *r; pthread_join(threads[i], &r); bad += (long)r; }
    return bad ? 4 : 3;
}
"""


BUSY_WITH_SIGNALS = r"""
static volatile uint32_t *p;
static volatile int faults, queued, value;
static sigjmp_buf back;
static void fault(int number, siginfo_t *info, void *context) {
    faults += info->si_addr == (void *)0x1234;
    siglongjmp(back, 1);
}
static void queue(int number, siginfo_t *info, void *context) {
    queued += info->si_code == SI_QUEUE && info->si_pid == getpid();
    value = info->si_value.sival_int;
}
int main(int argc, char **argv) {
    p = map(argv[1], PROT_READ | PROT_WRITE);
    sigaction(SIGSEGV, &(struct sigaction){.sa_sigaction = fault, .sa_flags = SA_SIGINFO}, 0);
    sigaction(SIGRTMIN, &(struct sigaction){.sa_sigaction = queue, .sa_flags = SA_SIGINFO}, 0);
    printf("ready\n");
    fflush(stdout);
    char byte = 0;
    for (int i = 1; byte != 'x'; i++) {
        if (!sigsetjmp(back, 1)) { *(volatile int *)0x1234 = 1; return 12; }
        if (faults != i) return 13;
        sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i});
        if (queued != i || value != i) return 14;
        if (i % 16) continue;
        p[0] = i;
        if (p[0] != i) return 10;
        struct timeval none = {0, 0};
        fd_set input;
        FD_ZERO(&input);
        FD_SET(0, &input);
        if (select(1, &input, 0, 0, &none)) read(0, &byte, 1);
    }
    return 3;
}
"""


@contextmanager
def running(*arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program beside us that ends well when it gets a byte."""
    with subprocess.Popen(list(map(str, arguments)), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


class Impatient:
    """A sink that presses Ctrl-C once it has seen so many accesses."""

    def __init__(self, accesses: int) -> None:
        self.left = accesses

    def write(self, record: Record) -> None:
        self.left -= isinstance(record, Access)
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def trace_some(tracer: Tracer, accesses: int) -> None:
    """Run a tracer until Ctrl-C is pressed, after so many accesses."""
    tracer.trace.attach(Impatient(accesses))
    with pytest.raises(KeyboardInterrupt):
        tracer.run()


def protections(pid: int, path: Path) -> set[str]:
    """Return the permissions of a process's mappings of a file."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.split()[1] for line in lines if line.removesuffix(" (deleted)").endswith(str(path))}


def test_attach_where_a_signal_is_about_to_be_delivered(tmp_path: Path) -> None:
    """It is delivered once, as it was: a fault with its address, another one with its sender and value."""
    path = device_file(tmp_path)
    with running(program(BUSY_WITH_SIGNALS), path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(40):
            tracer = Tracer()
            tracer.map_file(str(path))
            tracer.attach(process.pid)
            trace_some(tracer, 4)
        process.communicate(b"x")
        assert process.returncode == 3


def test_attach_and_detach_a_hundred_times(tmp_path: Path) -> None:
    """A running process is traced in all its threads, a hundred times over, and gets the right result in the end."""
    path = device_file(tmp_path)
    with running(program(WORKERS), path) as process:
        assert process.stdout is not None
        address = int(process.stdout.readline(), 16)
        seen = set()
        for _ in range(100):
            tracer = Tracer()
            tracer.map_file(str(path))
            tracer.map(address, 12, name="local")
            tracer.attach(process.pid)
            assert protections(process.pid, path) == {"---s"}
            trace_some(tracer, 20)
            assert process.poll() is None, process.returncode
            assert protections(process.pid, path) == {"rw-s"}
            seen |= {(access.region, access.offset) for access in tracer.trace}
        assert seen == {(name, at) for name in (str(path), "local") for at in (0, 4, 8)}
        assert process.communicate(b"x")[0] == b""
        assert process.returncode == 3


def test_a_program_that_makes_threads_and_children_all_the_time(tmp_path: Path) -> None:
    """Attaching finds every thread and no child half made, whatever the program is just doing."""
    source = r"""
    static volatile uint32_t *p;
    static volatile int done;
    static void *once(void *number) { p[(long)number]++; return 0; }
    static void *make(void *number) {
        while (!done) {
            pthread_t brief;
            if (pthread_create(&brief, 0, once, number) || pthread_join(brief, 0)) return (void *)1;
        }
        return 0;
    }
    int main(int argc, char **argv) {
        p = map(argv[1], PROT_READ | PROT_WRITE);
        pthread_t makers[2];
        for (long i = 0; i < 2; i++) pthread_create(makers + i, 0, make, (void *)i);
        printf("ready\n");
        fflush(stdout);
        struct pollfd input = {.fd = 0, .events = POLLIN};
        long bad = 0;
        while (poll(&input, 1, 0) == 0) {
            pid_t child = fork();
            if (!child) _exit(p[2] == 0 ? 7 : 8);
            int status;
            waitpid(child, &status, 0);
            bad += status != 7 << 8;
        }
        done = 1;
        for (int i = 0; i < 2; i++) { void *r; pthread_join(makers[i], &r); bad += (long)r; }
        return bad ? 4 : 3;
    }"""
    path = device_file(tmp_path)
    with running(program(source), path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(100):
            tracer = Tracer()
            tracer.map_file(str(path))
            tracer.attach(process.pid)
            trace_some(tracer, 3)
            assert process.poll() is None, process.returncode
        process.communicate(b"x")
        assert process.returncode == 3


def test_a_process_whose_first_thread_is_gone(tmp_path: Path) -> None:
    """A process is released in its other threads when its first one has ended meanwhile, and continues without it."""
    source = r"""
    static volatile uint32_t *p;
    static pthread_t first;
    static volatile int gone;
    static void *work(void *unused) {
        pthread_join(first, 0);
        gone = 1;
        for (;;) p[1]++;
    }
    static void *leave(void *unused) {
        char byte;
        while (!gone) usleep(100);
        exit(read(0, &byte, 1) == 1 ? 3 : 4);
    }
    int main(int argc, char **argv) {
        p = map(argv[1], PROT_READ | PROT_WRITE);
        first = pthread_self();
        pthread_t threads[2];
        pthread_create(threads, 0, work, 0);
        pthread_create(threads + 1, 0, leave, 0);
        char byte;
        write(1, &byte, 1);
        read(0, &byte, 1);
        pthread_exit(0);
    }"""
    path = device_file(tmp_path)
    with running(program(source), path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.read(1)
        tracer = Tracer()
        tracer.map_file(str(path))
        tracer.attach(process.pid)
        process.stdin.write(b"x")
        process.stdin.flush()
        trace_some(tracer, 100)
        first, *others = threads(process.pid)
        assert first == process.pid
        assert [(protections(pid, path), tracer_of(pid)) for pid in others] == [({"rw-s"}, 0)] * 2
        process.communicate(b"x")
        assert process.returncode == 3


def test_nothing_of_ours_is_left_in_a_process(tmp_path: Path) -> None:
    """After detaching a process has the mappings it had, and its threads have no tracer."""

    def mapped() -> list[str]:
        lines = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        return [re.sub(r"\s+", " ", line) for line in lines if "[stack]" not in line and "[heap]" not in line]

    path = device_file(tmp_path)
    with running(program(WORKERS), path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        before = mapped()
        tracer = Tracer()
        tracer.map_file(str(path))
        tracer.attach(process.pid)
        trace_some(tracer, 100)
        assert mapped() == before
        assert "TracerPid:\t0" in Path(f"/proc/{process.pid}/status").read_text()


def test_a_tracer_that_never_runs_lets_go(tmp_path: Path) -> None:
    """When the tracing process ends after attaching, for whatever reason of its own, the program continues unharmed."""
    path = device_file(tmp_path)
    with running(program(WORKERS), path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        code = f"""
from mmio import Tracer
tracer = Tracer()
tracer.map_file({str(path)!r})
tracer.attach({process.pid})
raise KeyboardInterrupt
"""
        assert "KeyboardInterrupt" in run_python(code).stderr
        assert protections(process.pid, path) == {"rw-s"}
        process.communicate(b"x")
        assert process.returncode == 3


def test_a_model_that_raises_lets_go_of_an_attached_process(tmp_path: Path) -> None:
    """The exception comes out of run, and the process continues with the memory it had."""
    path = device_file(tmp_path)
    with running(program(WORKERS), path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        tracer = Tracer()
        tracer.map_file(str(path), Broken(), length=0x1000)
        tracer.attach(process.pid)
        with pytest.raises(RuntimeError, match="out of order"):
            tracer.run()
        assert protections(process.pid, path) == {"rw-s"}
        assert "TracerPid:\t0" in Path(f"/proc/{process.pid}/status").read_text()


def test_what_cannot_be_started(tmp_path: Path) -> None:
    """A program that is not there, may not be executed or is none is an error that names it."""
    tracer = Tracer()
    with pytest.raises(FileNotFoundError, match=r"no such program.*'no-such-program'"):
        tracer.spawn(["no-such-program"])
    (tmp_path / "text").write_text("nothing")
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(OSError, match=r"Exec format error.*text"):
        tracer.spawn([str(tmp_path / "text")])
    with pytest.raises(ValueError, match="got none"):
        tracer.spawn([])


def test_a_file_that_may_not_be_executed(tmp_path: Path) -> None:
    """What is there and may not be executed is another error than what is not there."""
    (tmp_path / "text").write_text("nothing")
    with pytest.raises(PermissionError, match=r"it may not be executed: chmod \+x.*text"):
        Tracer().spawn([str(tmp_path / "text")])


@pytest.mark.parametrize("attached", [False, True])
def test_a_pattern_may_match_libraries(tmp_path: Path, attached: bool) -> None:
    """A pattern that matches every file traps their data; their code still runs, and the program ends well."""
    path = device_file(tmp_path)
    tracer = Tracer()
    tracer.map_file("*")
    if not attached:
        assert run(tracer, program("int main(int argc, char **argv) { return map(argv[1], 1)[1]; }"), path).status == 0
        assert tracer.trace.filter(region=str(path))
        return
    with running(program(WORKERS), path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        tracer.attach(process.pid)
        trace_some(tracer, 20)
        process.communicate(b"x")
        assert process.returncode == 3


SANDBOXED = r"""
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
static void refused(int number, siginfo_t *info, void *context) { ((ucontext_t *)context)->uc_mcontext.gregs[0] = 1; }
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
    struct sock_filter rules[] = {
        {BPF_LD | BPF_W | BPF_ABS}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_mmap}, {BPF_RET, 0, 0, SECCOMP_RET_TRAP},
        {BPF_RET, 0, 0, SECCOMP_RET_ALLOW}};
    struct sock_fprog all = {sizeof rules / sizeof *rules, rules};
    struct sigaction action = {.sa_sigaction = refused, .sa_flags = SA_SIGINFO};
    char byte;
    if (sigaction(SIGSYS, &action, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return 1;
    if (prctl(PR_SET_SECCOMP, 2, &all)) return 1;
    p[0] = 3;
    if (write(1, "\n", 1) != 1 || read(0, &byte, 1) != 1) return 2;
    mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p[0];
}
"""


def test_a_program_that_forbids_itself_what_tracing_takes(tmp_path: Path) -> None:
    """A filter that raises SIGSYS: the call is named, and the program keeps its own handler of SIGSYS."""
    with running(program(SANDBOXED), device_file(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        tracer = Tracer()
        tracer.map_file(str(tmp_path / "device"))
        with pytest.raises(OSError, match=r"system call mmap in thread \d+: a seccomp filter forbids it"):
            tracer.attach(process.pid)
        assert process.communicate(b"x")[0] == b""
        assert process.returncode == 3


def test_what_cannot_be_attached_to() -> None:
    """A process that does not exist or is traced already is an error that says so."""
    with pytest.raises(ProcessLookupError, match="there is no process 4194305"):
        Tracer().attach(4194305)
    with running(sys.executable, "-c", "input()") as process:
        first = Tracer()
        first.attach(process.pid)
        with pytest.raises(PermissionError, match=f"traced already, by process {os.getpid()}"):
            Tracer().attach(process.pid)
        first.close()


@pytest.mark.parametrize("first_thread", ["runs", "has ended"])
def test_who_may_not_trace_is_told_what_it_takes(first_thread: str) -> None:
    """Without the right to trace a process the error says so, and how to get it; it names the process, not a thread."""
    source = r"""
    #include <pthread.h>
    static void *wait_for_ever(void *arg) { puts("ready"); fflush(stdout); for (;;) pause(); }
    int main(int argc, char **argv) {
        pthread_t thread;
        pthread_create(&thread, NULL, wait_for_ever, NULL);
        if (*argv[1] == 'h') pthread_exit(NULL);
        wait_for_ever(NULL);
    }"""
    code = """
import os, sys
from mmio import Tracer
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    Tracer().attach(int(sys.argv[1]))
except PermissionError as error:
    print(error.strerror)
"""
    if os.getuid() == 0:
        with subprocess.Popen([program(source), first_thread], stdout=subprocess.PIPE) as target:
            assert target.stdout is not None
            target.stdout.readline()
            try:
                pid, output = target.pid, run_python(code, str(target.pid)).stdout
            finally:
                target.kill()
    else:
        pid, output = 1, run_python(code, "1").stdout
    assert output.startswith(f"not permitted to trace process {pid}: it takes the same user, ")
    assert "ptrace_scope at 0" in output
    assert output.endswith("or CAP_SYS_PTRACE (run as root)\n")


def test_where_a_program_runs(tmp_path: Path) -> None:
    """Environment, directory and descriptors are the program's as asked; signals are as a program expects them."""
    source = r"""int main(int argc, char **argv) {
        char directory[4096];
        printf("%s %s %s %d\n", argv[1], getenv("WORD"), getcwd(directory, 4096),
            signal(SIGPIPE, SIG_IGN) != SIG_DFL);
        return 0;
    }"""
    tracer = Tracer()
    with (tmp_path / "output").open("w+") as output:
        environment = {"WORD": "word"}
        descriptors = {1: output.fileno()}
        tracer.spawn([program(source), "x y"], environment=environment, directory="/usr", descriptors=descriptors)
        assert tracer.run() == 0
        output.seek(0)
        assert output.read() == "x y word /usr 0\n"


def test_scripts_run_too(tmp_path: Path) -> None:
    """A script is run by its interpreter, and what that starts is traced."""
    path = device_file(tmp_path)
    body = "int main(int argc, char **argv) { return map(argv[1], PROT_READ)[1]; }"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\n{program(body)} {path}\nexit 5\n")
    script.chmod(0o755)
    tracer = Tracer()
    tracer.map_file(str(path))
    assert run(tracer, script).status == 5
    assert len(tracer.trace) == 1

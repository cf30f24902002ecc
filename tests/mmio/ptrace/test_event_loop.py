"""Threads, children and signals of traced programs."""

import os
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from mmio.ptrace import Tracer
from tests.mmio.ptrace.models import Recording
from tests.mmio.ptrace.programs import device_file, program, run
from tests.mmio.ptrace.sources import SIGNALS, THREADS

EACH = int(os.environ.get("PAGETRAP_STOPS", "100000"))
"""Accesses of each of four threads: 400,000 stops, a quarter of a minute on two busy cores. Set fewer where that is
too long."""

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

ENDING = r"""
static volatile uint32_t *p;
static const char *path;
static int delay;
static void *leave(void *unused) { usleep(delay); exit(p[1] + 6); }
static void *rest(void *unused) { %s; return 0; }
int main(int argc, char **argv) {
    path = argv[1];
    delay = atoi(argv[2]);
    p = map(path, PROT_READ | PROT_WRITE);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) pthread_create(threads + i, 0, i ? rest : leave, 0);
    %s;
}
"""
ENDS = {
    "pausing": ("pause()", "pause()"),
    "accessing": ("for (;;) p[2]++", "for (;;) p[3]++"),
    "mapping": ("for (;;) munmap((void *)map(path, PROT_READ), 4096)",) * 2,
    "reading": ("char byte; int ends[2]; pipe(ends); read(*ends, &byte, 1)",) * 2,
    "making threads": ("pthread_t t; for (;;) pthread_create(&t, 0, (void *(*)(void *))pause, 0)",) * 2,
    "the first gone": ("pause()", "pthread_exit(0)"),
    "the first gone, others accessing": ("for (;;) p[2]++", "pthread_exit(0)"),
}
"""What the other threads, and the first one, do when a thread ends the program."""


@pytest.mark.timeout(600)
def test_threads_lose_nothing(tmp_path: Path) -> None:
    """Four threads at once: every access is recorded, under its thread's number, in the thread's own order."""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(THREADS), tmp_path / "device", str(EACH)).status == 3
    values = defaultdict(list)
    for access in tracer.trace:
        values[access.thread, access.offset].append(access.value)
    assert {offset for _, offset in values} == {0, 4, 8, 12}
    assert len({thread for thread, _ in values}) == 4
    assert all(written == list(range(EACH)) for written in values.values())


@pytest.mark.parametrize("how", ENDS)
def test_a_thread_ends_the_program(tmp_path: Path, how: str) -> None:
    """A program ends when any of its threads calls exit, whatever the others are killed in the middle of."""
    path = device_file(tmp_path)
    for delay in range(0, 6000, 200):  # microseconds, so that it is not always in the middle of the same
        tracer = Tracer()
        tracer.map_file(str(path))
        tracer.trace.enabled = False
        tracer.spawn([program(ENDING % ENDS[how]), str(path), str(delay)])
        assert tracer.run() == 6


def test_children_are_followed(tmp_path: Path) -> None:
    """Accesses after fork, vfork and exec are recorded, and reach the same file."""
    path = device_file(tmp_path)
    tracer = Tracer()
    tracer.map_file(str(path))
    assert run(tracer, program(CHILDREN), path).status == 0
    assert [(a.offset, a.value) for a in tracer.trace] == [(0, 1), (4, 2), (12, 4), (8, 3)]
    assert len({a.thread for a in tracer.trace}) == 4
    assert path.read_bytes()[:16] == b"\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0"


def test_a_childs_mappings_are_its_own(tmp_path: Path) -> None:
    """What a child unmaps stays mapped, and trapped, in its parent."""
    source = r"""int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        if (!fork()) { munmap((void *)p, 4096); _exit(0); }
        wait(0);
        p[1] = 5;
        return 0;
    }"""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(source), tmp_path / "device").status == 0
    assert [(a.offset, a.value) for a in tracer.trace] == [(4, 5)]


def test_signals_stay_the_programs(tmp_path: Path) -> None:
    """Timers tick, own SIGSEGV handlers hear of the program's own faults with the right siginfo, and only of those."""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(SIGNALS), tmp_path / "device").status == -signal.SIGSEGV
    assert len(tracer.trace) >= 4000


def test_killed_in_between(tmp_path: Path) -> None:
    """A program killed while it is traced ends with that signal; its trace is complete to its last access."""
    source = r"""int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        if (!fork()) {
            while (p[0] < 100) usleep(1000);
            kill(getppid(), SIGKILL);
            _exit(0);
        }
        for (uint32_t i = 1;; i++) p[0] = i;
    }"""
    path = device_file(tmp_path)
    tracer = Tracer()
    tracer.map_file(str(path))
    assert run(tracer, program(source), path).status == -signal.SIGKILL
    written = [access.value for access in tracer.trace if access.letter == "W"]
    assert len(written) >= 100
    assert written == list(range(1, int.from_bytes(path.read_bytes()[:4], "little") + 1))


def test_stopped_and_continued(tmp_path: Path) -> None:
    """SIGSTOP stops a traced program and SIGCONT lets it continue, as for its parent."""
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


def test_exec_in_a_thread(tmp_path: Path) -> None:
    """A thread that executes another program becomes it, and the others are gone without harm."""
    source = r"""
    static volatile uint32_t *p;
    static void *spin(void *unused) { for (;;) p[0]++; }
    static void *execute(void *arguments) {
        char **argv = arguments;
        execl(argv[0], "again", argv[1], "x", (char *)0);
    }
    int main(int argc, char **argv) {
        p = map(argv[1], PROT_READ | PROT_WRITE);
        if (argc > 2) { p[1] = 7; return 5; }
        pthread_t thread;
        for (int i = 0; i < 3; i++) pthread_create(&thread, 0, spin, 0);
        while (!p[0]) usleep(1000);
        pthread_create(&thread, 0, execute, argv);
        pause();
    }"""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(source), tmp_path / "device").status == 5
    assert [(a.value, a.thread) for a in tracer.trace if a.offset == 4] == [(7, tracer.trace[-1].thread)]


# Both leave, or have their own memory, when the next system call of the first thread has a string in it.
LEAVING = {
    "a thread ends": """
        pthread_t thread;
        pthread_create(&thread, 0, work, 0);
        pthread_join(thread, 0);
    """,
    "a child executes": """
        int ends[2];
        pipe(ends);
        if (!vfork()) {
            p[0] = 1;
            dup2(ends[0], 0);
            close(ends[1]);
            execlp("cat", "cat", (char *)0);
        }
    """,
}


@pytest.mark.parametrize("how", LEAVING)
def test_the_thread_that_accessed_last_is_gone(tmp_path: Path, how: str) -> None:
    """System calls of the others are dealt with all the same, with what is in their own memory."""
    source = f"""
    static volatile uint32_t *p;
    static void *work(void *unused) {{ p[0] = 1; return 0; }}
    int main(int argc, char **argv) {{
        p = map(argv[1], PROT_READ | PROT_WRITE);
        {LEAVING[how]}
        char path[] = "/nowhere"; // on the stack, which is another program's at this address
        int fd = open(path, O_RDWR);
        return fd < 0 ? 2 : p[1] != 0x07060504;
    }}"""
    path = device_file(tmp_path)
    with Tracer() as tracer:
        tracer.map_file(str(path), Recording())
        tracer.map_file("/nowhere", Recording())
        assert run(tracer, program(source), path).status == 0


def test_a_port_nobody_answers_is_the_programs_fault() -> None:
    """IN without iopl at a port that is no target is the program's own SIGSEGV."""
    source = r"""int main() { __asm__ volatile("in $0x61,%al"); return 0; }"""
    tracer = Tracer()
    tracer.map_ports(0x70, 2, Recording())
    assert run(tracer, program(source)).status == -signal.SIGSEGV


def test_other_children_are_left_to_others(tmp_path: Path) -> None:
    """Exit statuses of this process's other children are still there to be waited for."""
    other = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(THREADS), tmp_path / "device", "1000").status == 3
    assert other.wait() == 7

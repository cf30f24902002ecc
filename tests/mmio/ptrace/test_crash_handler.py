"""Attached programs whose tracer is killed."""

import signal
from pathlib import Path

import pytest

from mmio.ptrace import Tracer
from tests.mmio.ptrace.programs import device_file, program
from tests.mmio.ptrace.test_spawn_attach import WORKERS, Impatient, protections, running, trace_some
from tests.native import run_python

KILLED = """
import os, sys
from mmio import Tracer

class Deadly:
    accesses = 0

    def write(self, record):
        self.accesses += 1
        if self.accesses == 30:
            os.kill(os.getpid(), 9)

tracer = Tracer()
tracer.map_file(sys.argv[1])
tracer.attach(int(sys.argv[2]))
tracer.trace.attach(Deadly())
tracer.run()
"""

KILLED_IDLE = """
import os, sys
from mmio import Tracer

tracer = Tracer()
tracer.map_file(sys.argv[1])
tracer.attach(int(sys.argv[2]))
os.kill(os.getpid(), 9)
"""

HANDLERS = r"""
static volatile int faults;
static sigjmp_buf back;
static void fault(int number, siginfo_t *info, void *context) { faults++; siglongjmp(back, 1); }
static int is_ours(void) {
    struct sigaction found;
    sigaction(SIGSEGV, 0, &found);
    int flags = found.sa_flags & ~0x04000000;  /* SA_RESTORER is the C library's */
    return found.sa_sigaction == fault && flags == SA_SIGINFO && sigismember(&found.sa_mask, SIGUSR1);
}
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE), *constant = map(argv[1], PROT_READ);
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO}, found;
    sigaddset(&action.sa_mask, SIGUSR1);
    if (argv[2][0] == 'h') sigaction(SIGSEGV, &action, 0);
    printf("ready\n");
    fflush(stdout);
    char byte = 0;
    for (int i = 0; byte != 'x'; i++) {
        struct timeval pause = {0, 1000};
        fd_set input;
        FD_ZERO(&input);
        FD_SET(0, &input);
        p[0] = i;
        if (p[0] != i) return 10;
        if (select(1, &input, 0, 0, &pause)) read(0, &byte, 1);
        if (argv[2][0] != 'h') continue;
        if (argc == 3 && !is_ours()) return 11;
        if (!sigsetjmp(back, 1)) { *(volatile int *)0x1234 = 1; return 12; }
        if (!sigsetjmp(back, 1)) { constant[1] = 1; return 13; }
        if (faults != 2 * i + 2) return 14;
        signal(SIGSEGV, SIG_IGN);
        if (sigaction(SIGSEGV, &action, &found) || found.sa_handler != SIG_IGN) return 15;
    }
    if (argv[2][0] == 'd') *(volatile int *)0x1234 = 1;
    if (argv[2][0] == 'k') raise(SIGSEGV);
    return 3;
}
"""


def caught(pid: int) -> str:
    """Return the signals a process has handlers for, as /proc says."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("SigCgt"))


def test_a_killed_tracer_leaves_a_program_that_goes_on(tmp_path: Path) -> None:
    """SIGKILL to the tracer: all threads continue at their next access, with the right result in the end."""
    path = device_file(tmp_path)
    with running(program(WORKERS), path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert run_python(KILLED, str(path), str(process.pid)).returncode == -signal.SIGKILL
        process.communicate(b"x")
        assert process.returncode == 3


@pytest.mark.parametrize(("kind", "status"), [("h", 3), ("d", -signal.SIGSEGV), ("k", -signal.SIGSEGV)])
@pytest.mark.parametrize("killed", [True, False])
def test_faults_stay_the_programs(tmp_path: Path, kind: str, status: int, killed: bool) -> None:
    """Own faults reach the program's own handler, or end it, traced or left by a killed tracer."""
    path = device_file(tmp_path)
    with running(program(HANDLERS), path, kind, *["x"] * killed) as process:
        assert process.stdout is not None
        process.stdout.readline()
        before = caught(process.pid)
        if killed:
            assert run_python(KILLED, str(path), str(process.pid)).returncode == -signal.SIGKILL
        else:
            tracer = Tracer()
            tracer.map_file(str(path))
            tracer.attach(process.pid)
            trace_some(tracer, 30)
            assert caught(process.pid) == before
            assert protections(process.pid, path) == {"rw-s", "r--s"}
        process.communicate(b"x")
        assert process.returncode == status


def test_a_program_that_ends_by_a_fault_while_it_is_traced(tmp_path: Path) -> None:
    """Without a handler of its own a fault ends an attached program, as usual."""
    path = device_file(tmp_path)
    with running(program(HANDLERS), path, "d") as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        tracer = Tracer()
        tracer.map_file(str(path))
        tracer.attach(process.pid)
        process.stdin.write(b"x")
        process.stdin.flush()
        tracer.trace.attach(Impatient(1 << 30))
        assert tracer.run() == -signal.SIGSEGV


def test_attaching_after_a_killed_tracer(tmp_path: Path) -> None:
    """What a killed tracer has left inaccessible is traced by the next one, which leaves the program as it once was."""
    source = r"""
    static volatile uint32_t *p;
    static void fault(int number) { _exit(p[0] == 2 ? 3 : 4); }
    int main(int argc, char **argv) {
        p = map(argv[1], PROT_READ | PROT_WRITE);
        signal(SIGSEGV, fault);
        printf("ready\n");
        fflush(stdout);
        char byte;
        while (read(0, &byte, 1) == 1) {
            if (byte == 'x') *(volatile int *)0x1234 = 1;
            p[0]++;
        }
    }"""
    path = device_file(tmp_path)
    with running(program(source), path) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        for _ in range(2):
            assert run_python(KILLED_IDLE, str(path), str(process.pid)).returncode == -signal.SIGKILL
        assert protections(process.pid, path) == {"---s"}
        tracer = Tracer()
        tracer.map_file(str(path))
        tracer.attach(process.pid)
        process.stdin.write(b"aa")
        process.stdin.flush()
        trace_some(tracer, 4)
        assert [access.value for access in tracer.trace] == [0, 1, 1, 2]
        assert protections(process.pid, path) == {"rw-s"}
        process.communicate(b"x")
        assert process.returncode == 3


IS_TRAPPED = r"""
static int is_trapped(const char *path) {  /* being traced is not enough: that begins a moment before */
    char line[4096];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps)) found |= strstr(line, path) && strstr(line, "---s");
    fclose(maps);
    return found;
}
"""


def test_children_of_an_attached_program_go_on_as_well(tmp_path: Path) -> None:
    """What a traced child of an attached program does after the tracer's death is its own, too."""
    source = r"""
    int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        printf("ready\n");
        fflush(stdout);
        while (!is_trapped(argv[1])) usleep(1000);
        p[2] = 1;
        pid_t child = fork();
        char byte;
        for (int i = 0; i < 200; i++) p[!child]++;
        if (!child) _exit(p[1] == 200 ? 4 : 5);
        int status;
        wait(&status);
        return read(0, &byte, 1) == 1 && p[0] == 200 ? WEXITSTATUS(status) : 6;
    }"""
    path = device_file(tmp_path)
    with running(program(IS_TRAPPED + source), path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert run_python(KILLED, str(path), str(process.pid)).returncode == -signal.SIGKILL
        process.communicate(b"x")
        assert process.returncode == 4


def test_what_an_attached_program_executes_goes_on_as_well(tmp_path: Path) -> None:
    """A program that a traced one becomes survives the tracer, too."""
    source = r"""
    int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        if (argc == 2) {
            printf("ready\n");
            fflush(stdout);
            while (!is_trapped(argv[1])) usleep(1000);
            execl(argv[0], argv[0], argv[1], "again", (char *)0);
        }
        char byte;
        for (int i = 0; i < 200; i++) p[0]++;
        return read(0, &byte, 1) == 1 && p[0] == 200 ? 4 : 5;
    }"""
    path = device_file(tmp_path)
    with running(program(IS_TRAPPED + source), path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert run_python(KILLED, str(path), str(process.pid)).returncode == -signal.SIGKILL
        process.communicate(b"x")
        assert process.returncode == 4

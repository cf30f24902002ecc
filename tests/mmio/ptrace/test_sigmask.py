"""Threads that block SIGSEGV and work with a trapped mapping."""

from pathlib import Path

import pytest

from mmio.ptrace import Tracer
from tests.mmio.ptrace.programs import device_file, program, run
from tests.mmio.ptrace.test_spawn_attach import running, trace_some

SOURCE = r"""
static sigjmp_buf back;
static volatile uint32_t *p;
static void fault(int number) { siglongjmp(back, 1); }
static int blocks(void) {
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, 0, &now);
    return sigismember(&now, SIGSEGV) << 1 | sigismember(&now, SIGUSR1);
}
static void *work(void *unused) {
    sigset_t all, some, before;
    sigfillset(&all);
    sigemptyset(&some);
    sigaddset(&some, SIGSEGV);
    if (blocks() != 0) return (void *)1;
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (sigismember(&before, SIGSEGV) || blocks() != 3) return (void *)2;
    p[0] = 1;
    if (blocks() != 3) return (void *)3;
    pthread_sigmask(SIG_UNBLOCK, &some, &before);
    if (!sigismember(&before, SIGSEGV) || blocks() != 1) return (void *)4;
    pthread_sigmask(SIG_SETMASK, &some, 0);
    if (blocks() != 2) return (void *)5;
    p[0] = 2;
    if (pthread_sigmask(77, &all, 0) != EINVAL || blocks() != 2) return (void *)6;
    pid_t child = fork();
    if (!child) _exit(blocks() != 2);
    int status;
    waitpid(child, &status, 0);
    if (status) return (void *)7;
    sigemptyset(&all);
    pthread_sigmask(SIG_SETMASK, &all, 0);
    return (void *)(long)blocks();
}
int main(int argc, char **argv) {
    signal(SIGSEGV, fault);
    p = map(argv[1], PROT_READ | PROT_WRITE);
    pthread_t thread;
    void *result;
    pthread_create(&thread, 0, work, 0);
    pthread_join(thread, &result);
    if (result) return (long)result;
    if (!sigsetjmp(back, 1)) *(volatile int *)0x1234 = 1;
    return 20;
}
"""

LOOP = r"""
static void fault(int number) { _exit(7); }
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
    sigset_t all, now;
    sigfillset(&all);
    signal(SIGSEGV, fault);
    sigprocmask(SIG_BLOCK, &all, 0);
    printf("ready\n");
    fflush(stdout);
    char byte;
    fcntl(0, F_SETFL, O_NONBLOCK);
    while (read(0, &byte, 1) != 1) {
        p[0]++;
        sigprocmask(SIG_BLOCK, 0, &now);
        if (!sigismember(&now, SIGSEGV)) return 1;
    }
    sigprocmask(SIG_UNBLOCK, &all, 0);
    *(volatile int *)0x1234 = 1;
}
"""


def test_a_handler_survives_threads_that_block_it(tmp_path: Path) -> None:
    """Accesses of a thread that blocks SIGSEGV leave its mask as it sees it, and the program's handler in place."""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(SOURCE), tmp_path / "device").status == 20
    assert [access.value for access in tracer.trace] == [1, 2]


@pytest.mark.parametrize("times", [1, 5])
def test_attached_to_a_thread_that_blocks_it(tmp_path: Path, times: int) -> None:
    """A thread that blocks SIGSEGV when it is attached to does so again when it is let go; the handler stays."""
    path = device_file(tmp_path)
    with running(program(LOOP), path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        before = blocked(process.pid)
        for _ in range(times):
            tracer = Tracer()
            tracer.map_file(str(path))
            tracer.attach(process.pid)
            trace_some(tracer, 20)
            assert blocked(process.pid) == before
        process.communicate(b"x")
        assert process.returncode == 7


def blocked(pid: int) -> str:
    """Return the signals a process blocks, as /proc says."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("SigBlk"))

"""Detaching from programs at any moment, whatever their threads wait for."""

import os
import random
from pathlib import Path

import pytest

from mmio.linux.proc_maps import threads, tracer_of
from mmio.ptrace import Tracer
from mmio.ptrace.interrupts import Interrupts
from tests.mmio.ptrace.programs import device_file, program
from tests.mmio.ptrace.test_spawn_attach import running

RESTLESS = r"""
static volatile uint32_t *p;
static char **arguments;
static void *spin(void *number) {
    for (;;) { p[(long)number]++; sched_yield(); }
}
static void become(const char *left) {
    char *next[] = {arguments[0], arguments[1], arguments[2], (char *)left, 0};
    execv(next[0], next);
    _exit(90);
}
static volatile uint32_t *guarded;
static void allow(int number) { mprotect((void *)guarded, 4096, PROT_READ | PROT_WRITE); }
static void *execute(void *left) { become(left); return 0; }
static int ended(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) != child) ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 91;
}
int main(int argc, char **argv) {
    arguments = argv;
    int left = atoi(argv[3]);
    char next[20];
    sprintf(next, "%d", left - 1);
    p = map(argv[1], PROT_READ | PROT_WRITE);
    if (left == 9) { char byte; puts("here"); fflush(stdout); if (read(0, &byte, 1) != 1) return 92; }
    if (left < 0) return 5;
    if (!left) return 3;
    pthread_t thread;
    for (long n = 1; n < 3; n++) pthread_create(&thread, 0, spin, (void *)n);
    for (int n = 0; n < 5; n++) p[0]++;
    switch (argv[2][0]) {
    case 'l': become(next); break;                                       /* the first thread executes a program */
    case 't': pthread_create(&thread, 0, execute, next); pause(); break; /* another one does */
    case 'v':                                                            /* a child that its maker waits for */
        for (; left; left--) {
            pid_t child = vfork();
            if (!child) { for (int n = 0; n < 20; n++) { p[3]++; usleep(100); } become("-1"); }
            if (ended(child) != 5) return 93;
        }
        return 3;
    case 'f':                                                            /* one that it does not wait for */
        for (; left; left--) {
            pid_t child = fork();
            if (!child) { for (int n = 0; n < 20; n++) p[3]++; _exit(5); }
            if (ended(child) != 5) return 94;
        }
        return 3;
    case 's':                                                            /* faults of its own */
        guarded = map(argv[1], PROT_READ | PROT_WRITE);
        signal(SIGSEGV, allow);
        for (left *= 20; left; left--) {
            mprotect((void *)guarded, 4096, PROT_NONE);
            guarded[5] = left;
        }
        return 3;
    case 'e':                                                            /* threads that end */
        for (; left; left--) {
            pthread_create(&thread, 0, (void *(*)(void *))pthread_exit, 0);
            pthread_join(thread, 0);
        }
        exit(3);
    }
    return 95;
}
"""


def served(tracer: Tracer, stops: int) -> None:
    """Deal with some stops, and with nothing more."""
    with Interrupts() as interrupts:
        for _ in range(stops):
            if not tracer._threads:
                break
            pid, status = tracer._waiting.wait()
            while pid:
                pid, status = tracer._event_loop.stopped(pid, status, interrupts)


@pytest.mark.parametrize("kind", ["leader executes", "thread executes", "vfork", "fork", "signals", "ends"])
@pytest.mark.parametrize("seed", range(12))
def test_detach_at_any_stop(kind: str, seed: int, tmp_path: Path) -> None:
    """A program continues and ends as it would have, at whichever stop it is let go."""
    stops = random.Random(seed).choice([40, 150, 600])
    stops = random.Random(f"{kind} {seed}").randrange(stops)
    card = device_file(tmp_path)
    with running(program(RESTLESS), card, kind, "9") as process, Tracer() as tracer:
        tracer.map_file(str(card))
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        tracer.attach(process.pid)
        process.stdin.write(b"\n")
        process.stdin.flush()
        served(tracer, stops)
        tracer.detach()
        assert not tracer._threads
        assert all(tracer_of(thread) == 0 for thread in threads(process.pid))
        told = tracer._event_loop.ends.get(process.pid)  # of a program that ended before
        assert (process.wait() if told is None else os.waitstatus_to_exitcode(told)) == 3

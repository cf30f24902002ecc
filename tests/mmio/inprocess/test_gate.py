"""The gate of the signal trampoline: which threads reach Python while the interpreter finalizes, and after."""

from pathlib import Path

import pytest

from tests.native import build_c, run_python

# Where a thread is, /proc/TID/syscall tells: 35 is nanosleep, at the gate; 34 is pause, where it stays for good.
DRIVER = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static volatile uint32_t *device;
static volatile int tid, accesses;
static int begins_late, by_owner;
static void *use(void *unused) {
    tid = syscall(SYS_gettid);
    while (1) { (void)device[0]; accesses++; }
}
static int call_of_thread(void) {
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    FILE *file = fopen(path, "r");
    if (!file) return -1;  /* the thread has ended */
    int known = fgets(text, sizeof text, file) && text[0] != 'r';
    fclose(file);
    return known ? atoi(text) : 0;
}
static void begin(void) {
    pthread_t thread;
    pthread_create(&thread, 0, use, 0);
    while (!tid) sched_yield();
}
void wait_until_at_gate(void) {
    int call;
    begin();
    while ((call = call_of_thread()) != 35 && call != 34 && call >= 0) sched_yield();
}
static void programs_own(int number, siginfo_t *info, void *context) {
    _exit(info->si_addr == (void *)device ? 44 : 45);  /* 45: a fault of Python's */
}
void prepare(volatile uint32_t *p, int late, int owner) { device = p; begins_late = late; by_owner = owner; }
void handle(void) {
    struct sigaction action = {.sa_sigaction = programs_own, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
}
__attribute__((destructor)) static void end(void) {  /* nothing is left of Python */
    if (!device) return;
    if (by_owner) { (void)device[0]; _exit(43); }
    if (begins_late) begin();
    int before = accesses, call;
    while ((call = call_of_thread()) != 34 && call >= 0 && accesses == before) sched_yield();
    _exit(call == 34 ? 42 : 41);
}
"""

SCRIPT = """
import atexit, ctypes, sys
driver = ctypes.CDLL(sys.argv[1])
case = sys.argv[2]
if case == "at the gate":
    atexit.register(driver.wait_until_at_gate)  # called last, when the gate is closed
driver.handle()
import mmio

class Model:
    length = 4096
    def read(self, offset, width):
        return 7
    def write(self, offset, width, value): ...

mapping = mmio.ioremap(Model())
driver.prepare(mapping, case == "late", case == "owner")
"""


@pytest.mark.parametrize(
    ("case", "status"),
    [("at the gate", 42), ("late", 42), ("owner", 44)],
)
def test_threads_stay_out_of_python_that_is_gone(tmp_path: Path, case: str, status: int) -> None:
    """A thread at the gate, or one that comes later, is parked; the last thread's fault goes to the handler before."""
    done = run_python(SCRIPT, str(build_c(DRIVER, tmp_path)), case)
    assert done.returncode == status, done.stderr

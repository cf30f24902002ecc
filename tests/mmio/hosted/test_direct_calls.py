"""Devices that a hosted program's patched instructions call directly: as by a frame, and as by a signal."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.mmio.hosted.engines import pagetrap, patch_after
from tests.mmio.hosted.played import LAST, PLAYED, PLAYER, SAID, STEPS, packed
from tests.mmio.hosted.test_patching import DURING, THREADS, here, state
from tests.mmio.ptrace.programs import device_file, program
from tests.native import run_python

pytestmark = pytest.mark.cpu("XSAVEC")  # XGETBV with ECX = 1, which tells what is in use

LOOP = """
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ | PROT_WRITE);
    uint32_t sum = ioperm(0x80, 8, 1);
    for (int i = 0; i < 100; i++) {
        sum += device[i];
        device[3] = i;
        sum += inb(0x80) + inw(0x81) + inl(0x82);
        outb(i, 0x80), outw(i, 0x81), outl(i, 0x82);
    }
    printf("%u\\n", sum);
    return 0;
}
"""
PORTS = "host.map_file(sys.argv[1], model); host.map_ports(0x80, 8, model)"


def test_a_device_is_called_directly(tmp_path: Path) -> None:
    """From the third access of an instruction on: a fault, a frame, and then no function of pagetrap's in between."""
    run = here(LOOP, tmp_path, target=PORTS)
    frames = here(LOOP, tmp_path, target=PORTS, frames=True)
    assert (run.status, run.output) == (0, str(sum(4 * i + 1 + 1 + 2 + 3 for i in range(100))))
    assert (run.direct, frames.direct) == (run.calls - 8, 0)
    assert run.calls > 198  # IN and OUT in a single byte cannot all be patched
    assert (frames.calls, frames.signals) == (run.calls, run.signals)
    assert [row[:4] for row in run.rows] == [row[:4] for row in frames.rows]


def test_an_answer_that_is_no_plain_int(tmp_path: Path) -> None:
    """A bool counts as a number, of memory and of ports; the device is asked once, and a frame completes the access."""
    read = "if self.reads > 20: return self.reads % 3 == 1"
    runs = [here(LOOP, tmp_path, target=PORTS, read=read, frames=frames) for frames in (False, True)]
    assert runs[0].status == 0
    assert runs[0].output == runs[1].output
    assert [row[:4] for row in runs[0].rows] == [row[:4] for row in runs[1].rows]
    assert (len(runs[0].rows), runs[0].direct > 300, runs[1].direct) == (800, True, 0)


def test_a_trace_with_sinks_is_recorded_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command writes each access when it happens, and the device is called directly all the same."""
    patch_after(1, monkeypatch)
    model = """
import traceback
from models import Pattern

class Counted(Pattern):
    direct = 0

    def read(self, offset, width):
        self.direct += not {"on_stub", "on_access"} & {frame.f_code.co_name for frame, _ in traceback.walk_stack(None)}
        return self.direct if offset == 4 else super().read(offset, width)
"""
    (tmp_path / "counted.py").write_text(model)
    body = """
    int main(int argc, char **argv) {
        volatile uint32_t *device = map(argv[1], PROT_READ), sum = 0, *p = device;
        for (int i = 0; i < 50; i++) { sum += *p; if (i == 48) p = device + 1; }
        printf("%u\\n", sum);
        return 0;
    }"""
    options = ["-q", "--device", f"{tmp_path}/counted.py:Counted@device"]
    run = pagetrap("inprocess", tmp_path, "run", options, [program(body), str(device_file(tmp_path))])
    assert (run.status, run.output) == (0, f"{(49 * 0x03020100 + 48) & 0xFFFFFFFF}\n"), run.complaints
    assert [access.offset for access in run.accesses] == [*[0] * 49, 4]


def test_what_a_sink_raises_comes_out(tmp_path: Path) -> None:
    """The device has been called once, and the access is in the trace."""
    target = (
        "seen = []\nclass Sink:\n    def write(self, record):\n        seen.append(record)\n"
        "        if len(seen) == 30: raise RuntimeError(f'full after {model.reads}')\n"
        "host.trace.attach(Sink()); host.map_file(sys.argv[1], model)"
    )
    body = "int main(int c, char **v) { volatile uint32_t *p = map(v[1], PROT_READ); for (;;) p[1]; }"
    run = here(body, tmp_path, target=target)
    assert (run.status, len(run.rows)) == (f"full after {len(run.rows)}", run.direct + 2)


def test_the_model_runs_with_signals_blocked_and_python_s_thread_pointer(tmp_path: Path) -> None:
    """Each thread's: the FS base is that of the Python thread, so thread-local state is that of the thread."""
    read = (
        "import threading; own = self.__dict__.setdefault('local', threading.local()); "
        "own.count = getattr(own, 'count', 0) + 1; "
        "assert signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, []); "
        "self.most = max(getattr(self, 'most', 0), own.count)"
    )
    run = here(THREADS, tmp_path, read=read)
    assert (run.status, run.output) == (0, "0")
    assert run.direct > 3000
    assert len({row[4] for row in run.rows}) == 7


STACKS = """
static volatile uint32_t *device;
static void *work(void *number) {
    for (int i = 0; i < 20; i++) device[8] = i;
    return 0;
}
int main(int argc, char **argv) {
    device = map(argv[1], PROT_READ | PROT_WRITE);
    for (long i = 0; i < 8; i++) {
        pthread_t thread;
        pthread_create(&thread, 0, work, 0);
        pthread_join(thread, 0);
    }
    return 0;
}
"""


def test_thread_numbers_are_not_inherited(tmp_path: Path) -> None:
    """A thread that gets the stack of one that has ended has records of its own."""
    run = here(STACKS, tmp_path)
    numbers = [row[4] for row in run.rows]
    assert (run.status, len(numbers), len({*numbers})) == (0, 160, 8)
    assert all(len({*numbers[20 * i : 20 * i + 20]}) == 1 for i in range(8))
    assert run.direct > 100


@pytest.mark.parametrize("store", [False, True], ids=["load", "store"])
def test_a_signal_that_comes_while_the_device_is_called(tmp_path: Path, store: bool) -> None:
    """It is delivered when the access has been made: a load has its value, and the next instruction is shown."""
    body, access = DURING, "os.kill(os.getpid(), signal.SIGUSR1)"
    if store:
        body = body.replace("mov 8(%0),%%eax", "movl $9,%%eax; mov %%eax,8(%0)").replace("PROT_READ)", "3)")
    run = here(body, tmp_path, **{"write" if store else "read": access})
    assert (run.status, run.output, run.signals, run.calls, run.direct) == (0, "100 100", 1, 99, 98)


FLAGS = """
#include <ucontext.h>
static volatile int handled, wrong;
static void on_signal(int number, siginfo_t *info, void *context) {
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    handled++;
    wrong += (uint32_t)r[REG_RAX] != 0x89abcdef + 9 + 1 || r[REG_RDI] != 0x1234 || r[REG_R15] != 15 || r[REG_EFL] & 1;
    r[REG_RAX] += 1000;
}
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, 0);
    for (int i = 0; i < 60; i++) {
        uint32_t sum;
        __asm__ volatile("mov $0x89abcdef,%%eax; mov $0x1234,%%rdi; mov $15,%%r15; stc; adc 8(%%rsi),%%eax"
            : "=a"(sum) : "S"(device) : "rdi", "r15", "cc");
        wrong += sum != 0x89abcdef + 10 + 1000;
    }
    printf("%d %d\\n", handled, wrong);
    return 0;
}
"""


def test_a_handler_sees_the_result_of_a_load_and_may_change_it(tmp_path: Path) -> None:
    """Also of one that computes: the value is taken once, with the flags of the program."""
    run = here(FLAGS, tmp_path, read="os.kill(os.getpid(), signal.SIGUSR1)")
    assert (run.status, run.output, run.direct) == (0, "60 0", 58)


def test_every_register_is_as_it_was(tmp_path: Path) -> None:
    """General, vector and x87 registers, their control words and the direction flag."""
    run = here(state(0x1F80), tmp_path, read="sum(x * 0.5 for x in range(3))")
    assert (run.status, run.output, run.calls, run.direct) == (0, "0", 78, 76)


NO_STACK = """
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ | PROT_WRITE);
    char *page = mmap(0, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page + 4096, 8192, PROT_READ | PROT_WRITE);
    for (int i = 0; i < 5; i++)
        for (int how = 0; how < 260; how++) {
            uint64_t pointer = how < 256 ? (uint64_t)page + 4096 + 2 * how : how == 256 ? 0 : how == 257 ? ~0UL
                : how == 258 ? 0x8000000000000000 : (uint64_t)page + 64;
            __asm__ volatile("mov %%rsp,%%r15; mov %1,%%rsp; mov %0,4(%2); mov %%r15,%%rsp"
                : : "r"(260 * i + how), "r"(pointer), "r"(device) : "r15", "memory");
        }
    return 0;
}
"""


def test_a_store_of_a_program_without_a_stack(tmp_path: Path) -> None:
    """Where a stub's own accesses would fault, whichever is the first to, the instruction is executed as it is."""
    run = here(NO_STACK, tmp_path, "-mno-red-zone")
    assert (run.status, [row[3] for row in run.rows]) == (0, [*range(1300)])
    assert run.direct > 400
    assert run.signals > 100


VECTORS_WITHOUT_STACK = NO_STACK.replace(
    """"mov %%rsp,%%r15; mov %1,%%rsp; mov %0,4(%2); mov %%r15,%%rsp"
                : : "r"(260 * i + how), "r"(pointer), "r"(device) : "r15", "memory");""",
    """"movd %0,%%xmm5; mov %%rsp,%%r15; mov %1,%%rsp; movaps %%xmm5,0x40(%2); movups 0x38(%2),%%xmm6; mov %%r15,%%rsp"
                : : "r"(260 * i + how), "r"(pointer), "r"(device) : "r15", "xmm5", "xmm6", "memory");""",
).replace("2 * how", "3 * how")


def test_vectors_of_a_program_without_a_stack(tmp_path: Path) -> None:
    """Their place is lower than what is kept of the registers, and may be where no stack is."""
    run = here(VECTORS_WITHOUT_STACK, tmp_path, "-mno-red-zone")
    assert [row[:3] for row in run.rows] == [["W", 0x40, 8], ["W", 0x48, 8], ["R", 0x38, 8], ["R", 0x40, 8]] * 1300
    assert (run.status, [row[3] for row in run.rows[::4]]) == (0, [*range(1300)])
    assert run.direct > 1500
    assert run.signals > 100


UNALIGNED = """
static sigjmp_buf back;
static int faults;
static void on_fault(int number) { faults++; siglongjmp(back, 1); }
int main(int argc, char **argv) {
    char *device = map(argv[1], PROT_READ | PROT_WRITE);
    signal(SIGSEGV, on_fault);
    for (volatile int i = 0; i < 60; i++) {
        char *place = device + 16 * (i & 3) + (i < 40 ? 0 : 8 * (i & 1));
        if (sigsetjmp(back, 1)) continue;
        __asm__ volatile("movaps (%0),%%xmm3" : : "r"(place) : "xmm3", "memory");
        __asm__ volatile("movntps %%xmm3,(%0)" : : "r"(place) : "memory");
    }
    printf("%d\\n", faults);
    return 0;
}
"""


def test_a_vector_that_is_not_aligned_faults(tmp_path: Path) -> None:
    """As the CPU does, for an instruction that has called the device directly: no access is made."""
    run = here(UNALIGNED, tmp_path)
    assert (run.status, run.output, len(run.rows)) == (0, "10", 50 * 4)
    assert run.direct > 150


FORKED = """
int main(int argc, char **argv) {
    volatile uint32_t *device = map(argv[1], PROT_READ);
    uint32_t sum = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20; i++) sum += device[1];
        if (round) continue;
        pid_t child = fork();
        for (int i = 0; i < 20; i++) sum += device[1];
        if (!child) _exit(0);
        waitpid(child, 0, 0);
    }
    printf("%u\\n", sum);
    return 0;
}
"""


def test_after_a_fork_accesses_take_turns(tmp_path: Path) -> None:
    """A program that has had a child makes no direct calls: they would not wait for the accesses of children."""
    run = here(FORKED, tmp_path)
    assert (run.status, run.output, len(run.rows), run.direct) == (0, str(80 * 5), 100, 18)


ENDING = """
int main(int argc, char **argv) { volatile uint32_t *d = map(argv[1], PROT_READ); for (;;) d[1]; }
"""


@pytest.mark.parametrize("where", ["before the device has answered", "in the device"])
def test_an_exception_sent_to_the_thread(tmp_path: Path, where: str) -> None:
    """Ends the run, as one that the model raises: how a model is interrupted that never returns."""
    send = "import ctypes, threading; ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong("
    send += "threading.get_ident()), ctypes.py_object(RuntimeError))"
    after = "; [None for _ in range(9)]" if where == "in the device" else ""
    run = here(ENDING, tmp_path, read=f"if self.reads == 20: {send}{after}")
    assert run.status == ""
    assert 19 <= len(run.rows) <= 20
    assert run.direct == 18


CLOCKS = """
static volatile uint32_t *device;
static void *work(void *nothing) { for (int i = 0; i < 30; i++) device[1]; return 0; }
int main(int argc, char **argv) {
    device = map(argv[1], PROT_READ);
    pthread_t thread;
    pthread_create(&thread, 0, work, 0);
    for (int i = 0; i < 3; i++) { struct timespec t = {1, 0}; nanosleep(&t, 0); }
    pthread_join(thread, 0);
    return 0;
}
"""


def test_virtual_time_waits_for_a_thread_in_a_device(tmp_path: Path) -> None:
    """A thread that calls a device directly is awake, also while the model sleeps: time does not pass it by."""
    target = "clock = host.use_virtual_time(); host.map_file(sys.argv[1], model); model.clock = clock; model.late = 0"
    read = "before = self.clock.now; __import__('time').sleep(0.02); self.late += self.clock.now - before; "
    read += "assert self.late == 0, self.late"
    run = here(CLOCKS, tmp_path, target=target, read=read)
    assert (run.status, len(run.rows)) == (0, 30)
    assert run.direct == 28


SEQUENCES = st.lists(st.tuples(STEPS, st.integers(0, len(LAST) - 1)), min_size=1, max_size=4)


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sequences=SEQUENCES)
def test_all_ways_do_the_same_in_a_hosted_program(tmp_path: Path, sequences: list[Any]) -> None:
    """Whatever changes between accesses and during them: what the program does and sees, records, hits and devices."""
    files = [tmp_path / f"steps{number}" for number in range(len(sequences))]
    for file, (steps, last) in zip(files, sequences, strict=True):
        file.write_bytes(packed(steps, last))
    command = [program(PLAYER), str(device_file(tmp_path)), json.dumps(SAID + LAST), *map(str, files)]
    done = run_python(PLAYED, *command)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        by_signals, by_frames, directly = json.loads(line)
        assert (by_signals[0], by_frames[0], directly[0] > 0) == (0, 0, True)
        assert by_frames[1:] == by_signals[1:]
        assert directly[1:] == by_signals[1:]

"""Ctrl-C, once and twice, and being told to end."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from mmio.ptrace.interrupts import Interrupts
from tests.mmio.ptrace.programs import device_file, program
from tests.native import ROOT

LOOP = r"""
static volatile int asked;
static void ask(int number) { asked = number; }
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
    if (argc > 2) signal(SIGINT, SIG_IGN); else signal(SIGINT, ask);
    p[0]++;
    write(1, "ready\n", 6);
    while (!asked) p[0]++;
    p[1] = asked;
    return 0;
}
"""
TRACE = """
import sys
from mmio.ptrace import Tracer
tracer = Tracer()
tracer.map_file(sys.argv[2])
tracer.spawn(sys.argv[1:])
try:
    tracer.run()
except KeyboardInterrupt:
    last = tracer.trace[-1]
    print("interrupted", last.offset, last.value, flush=True)
"""


def _tracing(*arguments: str | Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", TRACE, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _press_twice(process: "subprocess.Popen[str]") -> str:
    """Press Ctrl-C, see that it continues, press until it ends, for two may be heard as one; return the output."""
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    while True:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=1)[0]


def test_the_first_one_is_the_programs(tmp_path: Path) -> None:
    """After one Ctrl-C the program ends as it likes, traced to its end; then KeyboardInterrupt comes out of run."""
    with _tracing(program(LOOP), device_file(tmp_path)) as process:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert output == f"interrupted 4 {int(signal.SIGINT)}\n"


def test_the_second_one_ends_it_at_once(tmp_path: Path) -> None:
    """A program that ignores Ctrl-C is killed by the second."""
    with _tracing(program(LOOP), device_file(tmp_path), "deaf") as process:
        output = _press_twice(process)
    assert output.startswith("interrupted 0 ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and SIGHUP end the program, and then have their usual effect on the tracer."""
    with _tracing(program(LOOP), device_file(tmp_path)) as process:
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode == -number


@pytest.mark.parametrize("rest", ["pause()", "for (;;) p[1] = 0"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_thread_is_gone(tmp_path: Path, number: signal.Signals, rest: str) -> None:
    """Both end a program whose first thread has ended before the others."""
    source = r"""
    static volatile uint32_t *p;
    static void *work(void *first) {
        pthread_join(*(pthread_t *)first, 0);
        p[1] = 0;
        write(1, "ready\n", 6);
        %s;
    }
    int main(int argc, char **argv) {
        p = map(argv[1], PROT_READ | PROT_WRITE);
        static pthread_t first, thread;
        first = pthread_self();
        pthread_create(&thread, 0, work, &first);
        pthread_exit(0);
    }"""
    with _tracing(program(source % rest), device_file(tmp_path)) as process:
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert output == ("interrupted 4 0\n" if number == signal.SIGINT else "")
    assert process.returncode == (0 if number == signal.SIGINT else -number)


def test_the_first_press_counts_at_once() -> None:
    """Also where all is over before the thread has told of it: the caller's script does not continue."""
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.number == signal.SIGINT
    with pytest.raises(KeyboardInterrupt):
        interrupts.fulfil()


WAITING = """
import ctypes, signal, sys, threading, time
from mmio.ptrace.interrupts import Interrupts

def press(times):
    for _ in range(times):
        time.sleep(0.2)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)  # its handler is due, and no call of the other ends

signal.alarm(20)
pause = ctypes.CDLL(None).pause
times = int(sys.argv[1])
with Interrupts() as interrupts:
    threading.Thread(target=press, args=(times,)).start()
    try:
        while not interrupts.number:
            pause()
        print("asked", int(interrupts.number), flush=True)
        interrupts.told = True
        while times == 2:
            pause()
    except KeyboardInterrupt:
        print("pressed twice", flush=True)
"""


@pytest.mark.parametrize(("times", "printed"), [(1, "asked 2\n"), (2, "asked 2\npressed twice\n")])
def test_a_signal_that_ends_no_call(times: int, printed: str) -> None:
    """As one does that comes when the loop is about to wait for a program that does nothing."""
    done = subprocess.run(
        [sys.executable, "-c", WAITING, str(times)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")


HANGING = """
import sys
from mmio.ptrace import Tracer

class Hanging:
    length = 0x1000

    def __init__(self):
        self.reads = 0

    def read(self, offset, width):
        self.reads += 1
        while self.reads > 3:
            if self.reads == 4:
                self.reads = 5
                print("ready", flush=True)
        return self.reads

    def write(self, offset, width, value):
        pass

tracer = Tracer()
tracer.map_file("/nowhere", Hanging())
tracer.spawn(sys.argv[1:2])
try:
    tracer.run()
except KeyboardInterrupt:
    print("interrupted", [access.value for access in tracer.trace], flush=True)
"""


def test_a_model_that_hangs(tmp_path: Path) -> None:
    """The first Ctrl-C waits for a device that does not answer, the second ends it; what was recorded is there."""
    source = r"""int main() { volatile uint32_t *p = map("/nowhere", PROT_READ); for (;;) (void)p[0]; }"""
    command = [sys.executable, "-c", HANGING, program(source)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        output = _press_twice(process)
    assert output == "interrupted [1, 2, 3]\n"
    assert process.returncode == 0

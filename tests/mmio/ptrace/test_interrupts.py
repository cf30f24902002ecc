"""Ctrl-C, once and twice, and being told to end."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.mmio.ptrace.programs import device_file, program
from tests.native import ROOT

LOOP = r"""
static volatile int asked;
static void ask(int number) { asked = number; }
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
    if (argc > 2) signal(SIGINT, SIG_IGN); else signal(SIGINT, ask);
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
    time.sleep(0.05)
    return process


def test_the_first_one_is_the_programs(tmp_path: Path) -> None:
    """After one Ctrl-C the program ends as it likes, traced to its end; then KeyboardInterrupt comes out of run."""
    with _tracing(program(LOOP), device_file(tmp_path)) as process:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert output == f"interrupted 4 {int(signal.SIGINT)}\n"


def test_the_second_one_ends_it_at_once(tmp_path: Path) -> None:
    """A program that ignores Ctrl-C is killed by the second."""
    with _tracing(program(LOOP), device_file(tmp_path), "deaf") as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert output.startswith("interrupted 0 ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and SIGHUP end the program, and then have their usual effect on the tracer."""
    with _tracing(program(LOOP), device_file(tmp_path)) as process:
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == -number

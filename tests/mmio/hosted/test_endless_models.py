"""SIGINT and SIGTERM end a run although a device model never returns."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmio import open_trace
from mmio.records.access import Access
from tests.mmio.hosted.engines import ENGINES
from tests.mmio.ptrace.programs import device_file, program
from tests.native import ROOT

_PROGRAM = r"""
static volatile uint32_t *device;
static void *touch(void *nothing) { for (int n = 0; n < 6; n++) device[n]; return 0; }
int main(int argc, char **argv) {
    device = map(argv[1], PROT_READ | PROT_WRITE);
    if (argv[2][0] == 'i') signal(SIGINT, SIG_IGN);
    if (argv[2][0] != 't') { touch(0); return 3; }
    pthread_t thread;
    pthread_create(&thread, 0, touch, 0);
    pthread_join(thread, 0);
    return 3;
}
"""
_MODEL = """
import os, time

class Endless:
    length = 4096

    def read(self, offset, width):
        if offset == 20:
            os.write(1, b"here")
            {wait}
        return 0

    def write(self, offset, width, value):
        pass
"""
WAITS = {
    "a loop": "while True: pass",
    "a loop that catches all": "exec('while True:\\n try:\\n  while True: pass\\n except Exception: pass')",
    "a call": "time.sleep(1000)",
}


def started(engine: str, directory: Path, wait: str, where: str) -> "subprocess.Popen[bytes]":
    """Run the program until its sixth access."""
    (directory / "endless.py").write_text(_MODEL.format(wait=wait))
    card = device_file(directory)
    command = [
        sys.executable,
        "-m",
        "mmio",
        "run",
        f"--engine={engine}",
        "-o",
        str(directory / "run.jsonl"),
        "--device",
    ]
    command += [f"{directory}/endless.py:Endless@{card}", "--", program(_PROGRAM), str(card), where]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.read(4) == b"here"
    return process


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["main", "thread"])
@pytest.mark.parametrize("wait", WAITS)
def test_a_signal_ends_the_run(engine: str, wait: str, where: str, number: signal.Signals, tmp_path: Path) -> None:
    """The process ends by the signal, and what was recorded is in the file."""
    with started(engine, tmp_path, WAITS[wait], where) as process:
        process.send_signal(number)
        _, complaints = process.communicate()
        assert process.returncode == -number, complaints
    assert [record.offset for record in open_trace(tmp_path / "run.jsonl") if isinstance(record, Access)] == [
        *range(0, 20, 4)
    ]


def test_what_the_program_ignores_ends_nothing(tmp_path: Path) -> None:
    """A signal that the program ignores is no reason to end it."""
    with started("inprocess", tmp_path, "time.sleep(3)", "ignores") as process:
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 3

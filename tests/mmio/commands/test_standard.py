"""Standard streams that are closed, full, or read by no program any more."""

import io
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from mmio.commands.main import parser
from mmio.commands.parser import subcommands
from mmio.commands.standard import lossy
from tests.mmio.commands.process import COMMAND, ENVIRONMENT
from tests.needs import need

LOOP: Final = r"""
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
int main(void) {
    int fd = open("regs.bin", O_RDWR);
    volatile uint32_t *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (int i = 0; i < 100; i++)
        p[1] = i;
    return 5;
}
"""

# A command line of each command that prints, and what its trouble is.
PRINTING: Final = {
    "show": ("show run.jsonl", 1),
    "diff": ("diff run.jsonl run.jsonl", 2),
    "decode": ("decode 90", 1),
    "coverage": ("coverage", 1),
    "describe": ("describe card.py:Card --format c", 1),
    "doctor": ("doctor", 1),
    "completion": ("completion bash", 1),
    "": ("--version", 1),
}
TRACE: Final = "trace -o traced.jsonl --map '*/regs.bin'"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a program that makes 100 stores, its file, a trace and a model."""
    path = tmp_path_factory.mktemp("standard")
    compiler = os.environ.get("CC", "cc")
    need(shutil.which(compiler), f"a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    subprocess.run([compiler, "-O1", "-x", "c", "-", "-o", path / "loop"], input=LOOP, text=True, check=True)
    (path / "regs.bin").write_bytes(bytes(4096))
    (path / "card.py").write_text("from mmio import Device, register\nclass Card(Device):\n    ctrl = register(0)\n")
    assert run(path, "trace -q -o run.jsonl --map '*/regs.bin' ./loop") == (5, "", "")
    return path


def run(place: Path, arguments: str, redirected: str = "", **variables: str) -> tuple[int, str, str]:
    """Run the command in a shell; return its status and output."""
    script = f"{shlex.join(COMMAND)} {arguments} {redirected}"
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONUNBUFFERED"} | variables
    done = subprocess.run(
        ["bash", "-c", script], cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    return done.returncode, done.stdout, done.stderr


def recorded(place: Path) -> int:
    """Return how many stores the trace has."""
    return (place / "traced.jsonl").read_text().count('"direction":"W"')


def test_each_command_is_here() -> None:
    """Whatever prints is tested: a new command must be added above."""
    assert {*PRINTING, "trace", "attach", "run", "boot", "serve", "convert"} == {"", *subcommands(parser())}


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("redirected", "reason"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")]
)
@pytest.mark.parametrize("command", PRINTING)
def test_results_that_cannot_be_printed(
    command: str, redirected: str, reason: str, unbuffered: str, here: Path
) -> None:
    """Standard output is named in one line, and the status is that of trouble; so however Python buffers."""
    arguments, trouble = PRINTING[command]
    status, _, said = run(here, arguments, redirected, PYTHONUNBUFFERED=unbuffered)
    assert (status, said) == (trouble, f"pagetrap: standard output: {reason}\n")


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize(
    ("arguments", "trouble"),
    [*(PRINTING[name] for name in PRINTING if name != "doctor"), ("show no.jsonl", 1), ("shw", 2)],
)  # what doctor finds may differ from run to run
def test_messages_that_cannot_be_printed(arguments: str, trouble: int, redirected: str, here: Path) -> None:
    """They are lost: results and status are as usual, and no message gets among the results."""
    expected, printed, _ = run(here, arguments)
    assert run(here, arguments, redirected) == (expected, printed, "")
    assert expected in (0, trouble)


@pytest.mark.parametrize("redirected", ["<&-", ">&-", "2>&-", "2>/dev/full", "<&- >&- 2>&-"])
@pytest.mark.parametrize("more", ["", "--live", "--live --fold"])
@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
def test_the_program_and_its_trace_are_not_lost(engine: str, more: str, redirected: str, here: Path) -> None:
    """Who reads the messages may be gone: the program runs to its end, and all it does is in the file."""
    status, _, said = run(here, f"{TRACE} --engine={engine} {more} ./loop", redirected)
    assert (status, recorded(here)) == (5, 100)
    assert "Traceback" not in said


def test_a_reader_of_live_lines_may_leave_early(here: Path) -> None:
    """With -o, `2>&1 | head -1` ends neither the program nor the trace."""
    _, printed, _ = run(here, f"{TRACE} --live ./loop", "2>&1 | head -1")
    assert len(printed.splitlines()) == 1
    assert recorded(here) == 100


def test_closed_input_is_named(here: Path) -> None:
    """What reads standard input says that it cannot."""
    assert run(here, "decode -", "<&-") == (1, "", "pagetrap: standard input: Bad file descriptor\n")


def test_the_program_finds_closed_what_was_closed(here: Path) -> None:
    """The descriptors that pagetrap opens for itself are its own."""
    status, printed, _ = run(here, "trace -q --map x -- sh -c '[ -e /proc/self/fd/0 ] || echo closed'", "<&- 2>&1")
    assert (status, printed.splitlines()[0]) == (0, "closed")


def test_a_stream_without_a_reader_may_be_closed() -> None:
    """Flushing it then is nothing: Python does it at its end, and reports what that raises (from 3.14 on)."""
    stream = io.StringIO()
    messages = lossy(stream)
    stream.close()
    messages.flush()

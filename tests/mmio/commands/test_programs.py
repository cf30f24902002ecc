"""`pagetrap trace`, `attach` and `run`, as a user starts them, on the programs Debian ships."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmio import open_trace
from mmio.commands.programs import load_device
from tests.needs import need

MODEL = """
class Port:
    def read(self, offset, width):
        return 0x5A

    def write(self, offset, width, value):
        pass


class Broken(Port):
    def read(self, offset, width):
        raise RuntimeError("the model broke")


class Needy(Port):
    def __init__(self, size):
        pass
"""


def pagetrap(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a directory."""
    command = [sys.executable, "-m", "mmio", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=directory, check=False, timeout=60)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with a device model and a file of registers."""
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "regs.bin").write_bytes(bytes(range(256)) * 32)
    (tmp_path / "data").write_bytes(bytes(16))
    (tmp_path / "data").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(("option", "width"), [("-b", 1), ("-w", 2), ("-l", 4), ("-q", 8)])
def test_trace_shows_the_width_of_every_access(here: Path, option: str, width: int) -> None:
    """memtool reads with the width it was asked for; the trace, the summary and the exit status say so."""
    need(shutil.which("memtool"), "memtool (apt-get install memtool)")
    memtool = ["memtool", "md", "-s", "regs.bin", option, "0x10+0x10"]
    done = pagetrap(here, "trace", "--map", "*/regs.bin", "-o", "run.jsonl", "--live", "--", *memtool)
    assert done.returncode == 0
    assert done.stdout.startswith("00000010:")
    accesses = open_trace(here / "run.jsonl").load()
    assert [access.offset for access in accesses] == list(range(0x10, 0x20, width))
    assert {(access.width, access.value) for access in accesses if access.offset == 0x10} == {
        (width, int.from_bytes(bytes(range(0x10, 0x10 + width)), "little"))
    }
    assert done.stderr.count("regs.bin+0x") == 2 * (0x10 // width)  # live, and in the summary


def test_run_answers_a_port(here: Path) -> None:
    """A program that reads a port gets what the model says."""
    need(shutil.which("inb"), "inb (apt-get install ioport)")
    done = pagetrap(here, "run", "-q", "--device", "model.py:Port@ports:0x378+3", "--", "inb", "0x379")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{0x5A}\n", "")


def test_a_model_that_raises_is_shown_whole(here: Path) -> None:
    """The author of the model gets the traceback, and what was recorded is kept."""
    need(shutil.which("inb"), "inb (apt-get install ioport)")
    done = pagetrap(here, "run", "-o", "run.jsonl", "--device", "model.py:Broken@ports:0x378+3", "--", "inb", "0x379")
    assert done.returncode not in (0, 125)
    assert done.stderr.rstrip().endswith("RuntimeError: the model broke")
    assert list(open_trace(here / "run.jsonl").load()) == []


def test_the_exit_status_is_the_program_s(here: Path) -> None:
    """Also when a signal ends it, as in a shell."""
    assert pagetrap(here, "trace", "--map", "*/regs.bin", "--", "sh", "-c", "exit 7").returncode == 7
    assert pagetrap(here, "trace", "--map", "*/regs.bin", "--", "sh", "-c", "kill -9 $$").returncode == 128 + 9


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("trace -- true", 125, "nothing to watch: name mappings with --map GLOB or addresses with --range START+SIZE"),
        ("trace --map x -- no-such-program", 127, "no-such-program: no such program"),
        ("trace --map x -- ./data", 126, "Exec format error"),
        ("trace --map x -o run.xyz -- true", 125, "run.xyz: its suffix is of no trace format"),
        ("trace --map x -- true", 0, "nothing the program did has matched file 'x'"),
        ("attach -p 4194304 --map x", 125, "there is no process 4194304"),
        ("run --device model.py:Port@ports:1 -- true", 2, "expected START+SIZE such as 0x1000+0x100, got '1'"),
        ("run --device model.py -- true", 2, "expected FILE.py:CLASS@WHERE such as card.py:Card@/dev/uio0"),
        ("run --device no.py:Port@/dev/uio0 -- true", 125, "no.py: no such file"),
        ("run --device model.py:Prt@/dev/uio0 -- true", 125, "model.py has no class 'Prt'; did you mean Port?"),
        ("run --device model.py:Needy@/dev/uio0 -- true", 125, "Needy cannot be made without arguments"),
    ],
)
def test_mistakes_are_met_with_one_line(here: Path, arguments: str, status: int, message: str) -> None:
    """What went wrong, and what was expected; never a traceback."""
    done = pagetrap(here, *arguments.split())
    assert (done.returncode, "Traceback" in done.stderr) == (status, False)
    assert message in done.stderr


def test_what_is_no_device_is_refused(here: Path) -> None:
    """A class that lacks read and write is named, with what it needs."""
    (here / "other.py").write_text("class Thing: pass\n")
    with pytest.raises(ValueError, match=r"Thing is no device: it needs read\(offset, width\)"):
        load_device(str(here / "other.py"), "Thing")


def test_a_file_that_does_not_import_is_refused(here: Path) -> None:
    """The error of the file is quoted."""
    (here / "bad.py").write_text("import no_such_module_at_all\n")
    with pytest.raises(ValueError, match="cannot be imported: ModuleNotFoundError: No module named"):
        load_device(str(here / "bad.py"), "Thing")

"""memtool and the six programs of ioport, on a file and on registers that do not exist."""

from pathlib import Path

import pytest

from mmio import open_trace
from tests.examples.command import need_program, pagetrap, run_on

REGISTERS = "registers.py:Registers@"
WIDTHS = {"-b": 1, "-w": 2, "-l": 4, "-q": 8}


def pattern(offset: int, width: int) -> int:
    """Return what `Registers` and the file start with: at each offset, its low byte."""
    return int.from_bytes(bytes(at & 0xFF for at in range(offset, offset + width)), "little")


@pytest.fixture(autouse=True)
def regs(tmp_path: Path) -> Path:
    """A file with the contents of the model."""
    path = tmp_path / "regs.bin"
    path.write_bytes(bytes(range(256)) * 16)
    return path


@pytest.mark.parametrize("option", WIDTHS)
def test_memtool_reads_a_device_as_it_reads_a_file(tmp_path: Path, option: str) -> None:
    """A file that is traced and a device that does not exist give the same output and the same accesses."""
    need_program("memtool", "memtool")
    arguments = ["memtool", "md", "-s"]
    done = pagetrap(
        tmp_path, "trace", "-o", "file.jsonl", "--map", "*/regs.bin", "--", *arguments, "regs.bin", option, "0x10+0x10"
    )
    assert done.returncode == 0, done.stderr
    shown = run_on(REGISTERS + "/dev/uio7", tmp_path, *arguments, "/dev/uio7", option, "0x10+0x10")
    assert shown.stdout == done.stdout
    accesses = [
        [(access.letter, access.offset, access.width, access.value) for access in open_trace(tmp_path / name).load()]
        for name in ("file.jsonl", "run.jsonl")
    ]
    width = WIDTHS[option]
    assert accesses[0] == [("R", at, width, pattern(at, width)) for at in range(0x10, 0x20, width)]
    assert accesses[1] == accesses[0]


@pytest.mark.parametrize("option", WIDTHS)
def test_memtool_writes_a_file(tmp_path: Path, regs: Path, option: str) -> None:
    """What it stores, in one access of the width it was asked for, is in the file afterwards, and nothing else is."""
    need_program("memtool", "memtool")
    width, before = WIDTHS[option], regs.read_bytes()
    value = int.from_bytes(b"\xa5" * width, "little")
    arguments = ["memtool", "mw", "-d", "regs.bin", option, "0x40", hex(value)]
    done = pagetrap(tmp_path, "trace", "-o", "run.jsonl", "--map", "*/regs.bin", "--", *arguments)
    assert done.returncode == 0, done.stderr
    (access,) = (access for access in open_trace(tmp_path / "run.jsonl").load() if access.writes)
    assert (access.offset, access.width, access.value) == (0x40, width, value)
    assert regs.read_bytes() == before[:0x40] + b"\xa5" * width + before[0x40 + width :]


@pytest.mark.parametrize("option", WIDTHS)
def test_memtool_writes_a_device(tmp_path: Path, option: str) -> None:
    """What one process stores the next one reads back; the path is not created."""
    need_program("memtool", "memtool")
    value = "a5" * WIDTHS[option]
    script = (
        f"memtool mw -d registers {option} 0x40 0x{value} && memtool md -s registers {option} 0x40+{WIDTHS[option]}"
    )
    done = run_on(f"{REGISTERS}{tmp_path}/registers", tmp_path, "sh", "-c", script)
    assert done.stdout.split()[:2] == ["00000040:", value]
    assert not (tmp_path / "registers").exists()
    stored = [access for access in open_trace(tmp_path / "run.jsonl").load() if access.writes]
    assert [(access.offset, access.width) for access in stored] == [(0x40, WIDTHS[option])]


@pytest.mark.parametrize(("letter", "width"), [("b", 1), ("w", 2), ("l", 4)])
def test_the_six_forms_of_port_access(tmp_path: Path, letter: str, width: int) -> None:
    """outb, outw and outl store, inb, inw and inl load: one access each, of their width, at their port."""
    need_program("inb", "ioport")
    value = 0x12345678 & (1 << 8 * width) - 1
    script = f"in{letter} 0x304 && out{letter} 0x304 {value:#x} && in{letter} 0x304"
    done = run_on(REGISTERS + "ports:0x300+8", tmp_path, "sh", "-c", script)
    assert [int(line) for line in done.stdout.split()] == [pattern(4, width), value]
    trace = open_trace(tmp_path / "run.jsonl").load()
    assert [(a.space, a.letter, a.address, a.width) for a in trace] == [
        ("port", direction, 0x304, width) for direction in "RWR"
    ]
    register = {1: "al", 2: "ax", 4: "eax"}[width]
    assert [str(a.instruction) for a in trace] == [f"in {register},dx", f"out dx,{register}", f"in {register},dx"]

"""The driver of an access that a function of the kernel makes: the kernel's tables, and the frames that they find."""

from __future__ import annotations

import shutil
import struct
import subprocess
from array import array
from pathlib import Path

import pytest

from mmio.guests.callers import Callers
from mmio.guests.orc import Frame, Orc, UnwindError
from mmio.guests.symbols import GuestSymbols
from tests.needs import need

TEXT = 0xFFFFFFFF81000000
MODULE = 0xFFFFFFFFC0000000
KALLSYMS = b"""\
ffffffff81000000 T start
ffffffff81000100 T ioread8
ffffffff81000140 T iowrite32
ffffffff81000180 t other
ffffffff81000200 t regmap_mmio_read32le
ffffffff81000240 T regmap_read
ffffffff81000280 T memcpy_fromio
ffffffff810002c0 T built_in_probe
ffffffff81000400 T end
"""
SP, BP, PREVIOUS = 5, 4, 1
START = TEXT + 0x10000


def entry(sp: int = 8, base: int = SP, bp: int = 0, saved: int = 0, kind: int = 0) -> bytes:
    return struct.pack("<hhH", sp, bp, base | saved << 4 | kind << 8)


def tables(*rows: tuple[int, bytes]) -> Orc:
    """Make tables of (distance from the text, entry)."""
    distances = [TEXT + place - START - 4 * number for number, (place, _) in enumerate(rows)]
    return Orc(START, array("i", distances), b"".join(one for _, one in rows))


LEAF = (0x100, entry())
PUSHES = (0x204, entry(sp=24, bp=-16, saved=PREVIOUS))  # after push rbp; push rbx
FRAME = (0x244, entry(sp=16, base=BP, bp=-16, saved=PREVIOUS))  # after push rbp; mov rbp,rsp
ORC = tables(LEAF, (0x200, entry()), PUSHES, (0x240, entry()), FRAME, (0x280, entry(kind=1)), (0x2C0, entry(base=0)))


@pytest.fixture
def symbols(tmp_path: Path) -> GuestSymbols:
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    (tmp_path / "m.c").write_text("int probe(int x) { return x + 1; }")
    subprocess.run(["cc", "-c", "m.c", "-o", "m.ko"], cwd=tmp_path, check=True)
    symbols = GuestSymbols()
    symbols.add_kernel(KALLSYMS)
    symbols.add_module("card", (tmp_path / "m.ko").read_bytes(), {".text": MODULE})
    return symbols


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def test_a_function_that_pushes_nothing(symbols: GuestSymbols) -> None:
    """The return address is on top of the stack; the name says what was called."""
    ip = Callers(symbols, ORC).driver(TEXT + 0x110, 0x1000, 0, words(MODULE + 5, 1))
    assert ip == MODULE + 5
    assert symbols(ip) == "probe+0x5 (card) ioread8"
    location = symbols.locate(ip)
    assert location is not None
    assert location.functions == ("probe", "ioread8")


def test_several_functions(symbols: GuestSymbols) -> None:
    """The frames of all functions between are unwound, by the stack pointer or by rbp, to the driver's."""
    stack = words(0xB, 0x1030, TEXT + 0x250, 7, 8, 9, 0x2000, MODULE + 4)
    #             rbx  rbp     to regmap_read         at 0x1030: rbp, and to the driver
    ip = Callers(symbols, ORC).driver(TEXT + 0x210, 0x1000, 0, stack)
    assert symbols(ip) == "probe+0x4 (card) regmap_read"


def test_a_driver_that_is_built_in(symbols: GuestSymbols) -> None:
    """It is the function of the kernel that is none of those that only access devices."""
    ip = Callers(symbols, ORC).driver(TEXT + 0x110, 0x1000, 0, words(TEXT + 0x2C8))
    assert symbols(ip) == "built_in_probe+0x8 (vmlinux) ioread8"


@pytest.mark.parametrize(
    ("ip", "stack"),
    [
        (TEXT + 0x110, b""),  # the stack is not known
        (TEXT + 0x110, words(0x1234)),  # a return address in nothing that is known
        (TEXT + 0x284, words(MODULE + 5)),  # the tables say that an interrupt made this frame
        (TEXT + 0x50, words(MODULE + 5)),  # code before the first table entry
    ],
)
def test_what_is_not_known_is_not_guessed(symbols: GuestSymbols, ip: int, stack: bytes) -> None:
    """The access stays where its instruction is."""
    callers = Callers(symbols, ORC)
    assert callers.driver(ip, 0x1000, 0, stack) == ip
    assert symbols.called == {}


def test_without_tables(symbols: GuestSymbols) -> None:
    """No code is watched, and no driver is found."""
    callers = Callers(symbols, None)
    assert list(callers.ranges()) == []
    assert callers.driver(TEXT + 0x110, 0x1000, 0, words(MODULE + 5)) == TEXT + 0x110


def test_the_code_that_is_watched(symbols: GuestSymbols) -> None:
    """It is that of the functions that access devices for drivers; neighbours are one piece."""
    assert list(Callers(symbols, ORC).ranges()) == [
        (TEXT + 0x100, TEXT + 0x180),
        (TEXT + 0x200, TEXT + 0x240),
        (TEXT + 0x280, TEXT + 0x2C0),
    ]


def test_an_instruction_that_calls_last(symbols: GuestSymbols) -> None:
    """A return address behind the end of a function belongs to the function that called."""
    frame = ORC.caller(Frame(TEXT + 0x110, 0x1000, 0), words(TEXT + 0x280), 0x1000)
    assert symbols(frame.place).startswith("regmap_read+0x3f")
    with pytest.raises(UnwindError):  # by the table of the last function, not that of the one behind it
        ORC.caller(frame, words(1), 0x1000)


def test_tables_of_a_file(tmp_path: Path) -> None:
    """They are sections of the kernel's file; a file without them, or whose two do not agree, has none."""
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    source = (
        '.section .orc_unwind_ip,"a"\n.long 0x100, 0x200 - 4\n.section .orc_unwind,"a"\n'
        ".short 8, 0, 5\n.short 16, 0, 5\n"
    )
    for name, text in (("whole", source), ("cut", source.replace(", 0x200 - 4", "")), ("none", ".text\n")):
        (tmp_path / f"{name}.s").write_text(text)
        subprocess.run(["cc", "-c", f"{name}.s", "-o", name], cwd=tmp_path, check=True)
    orc = Orc.of(tmp_path / "whole")
    assert orc is not None
    assert orc.caller(Frame(0x204, 0x1000, 0), words(1, 2), 0x1000) == Frame(2, 0x1010, 0, 1)
    assert Orc.of(tmp_path / "cut") is None
    assert Orc.of(tmp_path / "none") is None
    assert Orc.of(tmp_path / "absent") is None
